/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing to run: it compiles only while today's structs begin like v1's. */
#include <assert.h>

#include "ramjet-dirty.h"
#include "ramjet-helper.h"
#include "ramjet-kvm.h"
#include "tests/abi/v1.h"

#define SAME(s, field)                                                     \
	static_assert(offsetof(struct ramjet_##s, field) ==                \
				      offsetof(struct v1_##s, field) &&    \
			      sizeof(((struct ramjet_##s *)0)->field) ==   \
				      sizeof(((struct v1_##s *)0)->field), \
		      "ramjet_" #s "." #field " moved")
#define NOT_SMALLER(s)                                                    \
	static_assert(sizeof(struct ramjet_##s) >= sizeof(struct v1_##s), \
		      "ramjet_" #s " lost a field")

static_assert(sizeof(struct ramjet_error) == 512 &&
		      sizeof(struct v1_error) == 512,
	      "callers own this one, so it can't grow");

NOT_SMALLER(guest_ops);
SAME(guest_ops, size);
SAME(guest_ops, stop);
SAME(guest_ops, start);
SAME(guest_ops, throttle);
SAME(guest_ops, save_state);
SAME(guest_ops, load_state);

NOT_SMALLER(block);
SAME(block, size);
SAME(block, name);
SAME(block, host);
SAME(block, bytes);
SAME(block, page_bytes);
SAME(block, fd);
SAME(block, fd_offset);
SAME(block, kind);
SAME(block, flags);

NOT_SMALLER(params);
SAME(params, size);
SAME(params, channels);
SAME(params, backend);
SAME(params, bandwidth_bytes_per_s);
SAME(params, downtime_limit_us);
SAME(params, connect_timeout_ms);
SAME(params, reply_timeout_ms);
SAME(params, verify);
SAME(params, hold);
SAME(params, strict);
SAME(params, state_bytes_max);
SAME(params, log);
SAME(params, log_user);
SAME(params, switchover_bandwidth_bytes_per_s);
SAME(params, uncapped_switchover);
SAME(params, throttle);
SAME(params, throttle_initial_percent);
SAME(params, throttle_step_percent);
SAME(params, throttle_max_percent);
SAME(params, on_no_convergence);
SAME(params, stall_timeout_ms);
SAME(params, total_timeout_ms);
SAME(params, zero_copy);
SAME(params, numa);
SAME(params, verify_all);
SAME(params, switchover_timeout_us);
SAME(params, cancel_fd);
SAME(params, state_hint_us);
SAME(params, cpus);
SAME(params, cpu_count);

NOT_SMALLER(round_info);
SAME(round_info, size);
SAME(round_info, pages);
SAME(round_info, bytes);
SAME(round_info, dirtied_pages);
SAME(round_info, us);

NOT_SMALLER(channel_info);
SAME(channel_info, size);
SAME(channel_info, bytes);
SAME(channel_info, rtt_us);
SAME(channel_info, state);

NOT_SMALLER(term_info);
SAME(term_info, size);
SAME(term_info, name);
SAME(term_info, predicted_us);
SAME(term_info, actual_us);

NOT_SMALLER(fast_path_info);
SAME(fast_path_info, size);
SAME(fast_path_info, name);
SAME(fast_path_info, chosen);
SAME(fast_path_info, reason);

NOT_SMALLER(info);
SAME(info, size);
SAME(info, state);
SAME(info, outgoing);
SAME(info, error);
SAME(info, uri);
SAME(info, total_us);
SAME(info, setup_us);
SAME(info, downtime_us);
SAME(info, downtime_limit_us);
SAME(info, downtime_p50_us);
SAME(info, downtime_p90_us);
SAME(info, ram_total_bytes);
SAME(info, ram_transferred_bytes);
SAME(info, ram_wire_bytes);
SAME(info, ram_remaining_bytes);
SAME(info, ram_normal_pages);
SAME(info, ram_zero_pages);
SAME(info, ram_unpopulated_pages);
SAME(info, ram_compressed_pages);
SAME(info, ram_delta_pages);
SAME(info, ram_resent_pages);
SAME(info, throughput_bytes_per_s);
SAME(info, current_bytes_per_s);
SAME(info, dirty_pages_per_s);
SAME(info, throttle_percent);
SAME(info, control_cpu_us);
SAME(info, workers_cpu_us);
SAME(info, verified);
SAME(info, verify_blocks);
SAME(info, rounds);
SAME(info, round_count);
SAME(info, channels);
SAME(info, channel_count);
SAME(info, terms);
SAME(info, term_count);
SAME(info, fast_paths);
SAME(info, fast_path_count);
SAME(info, blockers);
SAME(info, blocker_count);
SAME(info, rounds_total);
SAME(info, capacity_bytes_per_s);
SAME(info, capacity_spread_bytes_per_s);
SAME(info, convergence_us);
SAME(info, called_off);
SAME(info, guest_stall_us);
SAME(info, throttled_us);
SAME(info, helpers);
SAME(info, helper_count);
SAME(info, known);
SAME(info, limit_needed_us);
SAME(info, path_rtt_us);
SAME(info, guest_downtime_us);

NOT_SMALLER(block_figures);
SAME(block_figures, size);
SAME(block_figures, name);
SAME(block_figures, bytes);
SAME(block_figures, normal_pages);
SAME(block_figures, zero_pages);
SAME(block_figures, untouched_pages);

NOT_SMALLER(feature);
SAME(feature, size);
SAME(feature, name);
SAME(feature, available);
SAME(feature, result);
SAME(feature, enables);

NOT_SMALLER(dirty_bitmap);
SAME(dirty_bitmap, size);
SAME(dirty_bitmap, block);
SAME(dirty_bitmap, bits);
SAME(dirty_bitmap, bytes);

NOT_SMALLER(dirty_region);
SAME(dirty_region, size);
SAME(dirty_region, name);
SAME(dirty_region, host);
SAME(dirty_region, page_count);
SAME(dirty_region, page_bytes);
SAME(dirty_region, fd);
SAME(dirty_region, fd_offset);

NOT_SMALLER(dirty_ops);
SAME(dirty_ops, size);
SAME(dirty_ops, name);
SAME(dirty_ops, start);
SAME(dirty_ops, collect);
SAME(dirty_ops, rearm);
SAME(dirty_ops, stop);
SAME(dirty_ops, free);
SAME(dirty_ops, write_cost_ns);

NOT_SMALLER(kvm_slot);
SAME(kvm_slot, size);
SAME(kvm_slot, slot);
SAME(kvm_slot, flags);
SAME(kvm_slot, guest_phys_addr);
SAME(kvm_slot, bytes);
SAME(kvm_slot, block);
SAME(kvm_slot, block_offset);

NOT_SMALLER(dirty_kvm_log);
SAME(dirty_kvm_log, size);
SAME(dirty_kvm_log, vm_fd);
SAME(dirty_kvm_log, automatic_protection);
SAME(dirty_kvm_log, slots);
SAME(dirty_kvm_log, slot_count);

NOT_SMALLER(dirty_kvm_ring);
SAME(dirty_kvm_ring, size);
SAME(dirty_kvm_ring, vm_fd);
SAME(dirty_kvm_ring, slots);
SAME(dirty_kvm_ring, slot_count);
SAME(dirty_kvm_ring, vcpu_fds);
SAME(dirty_kvm_ring, vcpu_count);
SAME(dirty_kvm_ring, ring_bytes);
SAME(dirty_kvm_ring, kvm_fd);

NOT_SMALLER(helper_options);
SAME(helper_options, size);
SAME(helper_options, bus_address);
SAME(helper_options, id_list);
SAME(helper_options, state_bytes_max);
SAME(helper_options, total_bytes_max);
SAME(helper_options, helpers_max);
SAME(helper_options, start_timeout_ms);
SAME(helper_options, gather_timeout_ms);
SAME(helper_options, helper_timeout_ms);
SAME(helper_options, rehearse);
SAME(helper_options, helper_uid);

NOT_SMALLER(helper_info);
SAME(helper_info, size);
SAME(helper_info, id);
SAME(helper_info, bus_name);
SAME(helper_info, has_uid);
SAME(helper_info, uid);
SAME(helper_info, takes_part);
SAME(helper_info, loaded);
SAME(helper_info, bytes);
SAME(helper_info, save_us);
SAME(helper_info, load_us);
SAME(helper_info, problem);

int main(void)
{
	return 0;
}
