/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_ABI_V1_H
#define RJ_TESTS_ABI_V1_H
/*
 * The public structs as they were when soversion 1 began: a program built then
 * must work with every later library of it. Never edit a struct here once
 * released; a field added to a public header goes to its struct's end.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct v1_error;
struct v1_dirty_region;
struct v1_helper_info;

struct v1_error {
	int code;
	char message[508];
};

struct v1_guest_ops {
	size_t size;
	int (*stop)(void *user, struct v1_error *err);
	int (*start)(void *user, struct v1_error *err);
	int (*throttle)(void *user, unsigned percent, struct v1_error *err);
	int (*save_state)(void *user, void **ret_data, size_t *ret_bytes,
			  struct v1_error *err);
	int (*load_state)(void *user, const void *data, size_t bytes,
			  struct v1_error *err);
};

struct v1_block {
	size_t size;
	const char *name;
	void *host;
	uint64_t bytes;
	uint32_t page_bytes;
	int fd;
	uint64_t fd_offset;
	uint32_t kind;
	uint32_t flags;
};

struct v1_params {
	size_t size;
	uint32_t channels;
	uint32_t backend;
	uint64_t bandwidth_bytes_per_s;
	uint64_t downtime_limit_us;
	uint32_t connect_timeout_ms;
	uint32_t reply_timeout_ms;
	bool verify;
	bool hold;
	bool strict;
	uint64_t state_bytes_max;
	void (*log)(void *, int, const char *);
	void *log_user;
	uint64_t switchover_bandwidth_bytes_per_s;
	bool uncapped_switchover;
	bool throttle;
	uint32_t throttle_initial_percent;
	uint32_t throttle_step_percent;
	uint32_t throttle_max_percent;
	uint32_t on_no_convergence;
	uint32_t stall_timeout_ms;
	uint32_t total_timeout_ms;
	uint32_t zero_copy;
	uint32_t numa;
	bool verify_all;
	uint64_t switchover_timeout_us;
	int cancel_fd;
	uint64_t state_hint_us;
	const uint32_t *cpus;
	size_t cpu_count;
};

struct v1_round_info {
	size_t size;
	uint64_t pages;
	uint64_t bytes;
	uint64_t dirtied_pages;
	uint64_t us;
};

struct v1_channel_info {
	size_t size;
	uint64_t bytes;
	uint32_t rtt_us;
	const char *state;
};

struct v1_term_info {
	size_t size;
	const char *name;
	uint64_t predicted_us;
	uint64_t actual_us;
};

struct v1_fast_path_info {
	size_t size;
	const char *name;
	const char *chosen;
	const char *reason;
};

struct v1_info {
	size_t size;
	int state;
	bool outgoing;
	const struct v1_error *error;
	char uri[256];
	uint64_t total_us;
	uint64_t setup_us;
	uint64_t downtime_us;
	uint64_t downtime_limit_us;
	uint64_t downtime_p50_us;
	uint64_t downtime_p90_us;
	uint64_t ram_total_bytes;
	uint64_t ram_transferred_bytes;
	uint64_t ram_wire_bytes;
	uint64_t ram_remaining_bytes;
	uint64_t ram_normal_pages;
	uint64_t ram_zero_pages;
	uint64_t ram_unpopulated_pages;
	uint64_t ram_compressed_pages;
	uint64_t ram_delta_pages;
	uint64_t ram_resent_pages;
	uint64_t throughput_bytes_per_s;
	uint64_t current_bytes_per_s;
	uint64_t dirty_pages_per_s;
	uint32_t throttle_percent;
	uint64_t control_cpu_us;
	uint64_t workers_cpu_us;
	bool verified;
	uint32_t verify_blocks;
	const struct v1_round_info *rounds;
	size_t round_count;
	const struct v1_channel_info *channels;
	size_t channel_count;
	const struct v1_term_info *terms;
	size_t term_count;
	const struct v1_fast_path_info *fast_paths;
	size_t fast_path_count;
	const char *const *blockers;
	size_t blocker_count;
	uint64_t rounds_total;
	uint64_t capacity_bytes_per_s;
	uint64_t capacity_spread_bytes_per_s;
	uint64_t convergence_us;
	uint32_t called_off;
	uint64_t guest_stall_us;
	uint64_t throttled_us;
	const struct v1_helper_info *helpers;
	size_t helper_count;
	uint64_t known;
	uint64_t limit_needed_us;
	uint64_t path_rtt_us;
	uint64_t guest_downtime_us;
};

struct v1_block_figures {
	size_t size;
	char name[64];
	uint64_t bytes;
	uint64_t normal_pages;
	uint64_t zero_pages;
	uint64_t untouched_pages;
};

struct v1_feature {
	size_t size;
	const char *name;
	bool available;
	const char *result;
	const char *enables;
};

struct v1_dirty_bitmap {
	size_t size;
	const char *block;
	void *bits;
	uint64_t bytes;
};

struct v1_dirty_region {
	size_t size;
	const char *name;
	uint8_t *host;
	uint64_t page_count;
	uint32_t page_bytes;
	int fd;
	uint64_t fd_offset;
};

struct v1_dirty_ops {
	size_t size;
	const char *name;
	int (*start)(void *user, const struct v1_dirty_region *regions,
		     unsigned count, struct v1_error *err);
	int (*collect)(void *user, void *sink, struct v1_error *err);
	int (*rearm)(void *user, unsigned region, uint64_t first_page,
		     const uint64_t *words, size_t count, struct v1_error *err);
	void (*stop)(void *user);
	void (*free)(void *user);
	uint64_t (*write_cost_ns)(void *user);
};

struct v1_kvm_slot {
	size_t size;
	uint32_t slot;
	uint32_t flags;
	uint64_t guest_phys_addr;
	uint64_t bytes;
	const char *block;
	uint64_t block_offset;
};

struct v1_dirty_kvm_log {
	size_t size;
	int vm_fd;
	bool automatic_protection;
	const struct v1_kvm_slot *slots;
	size_t slot_count;
};

struct v1_dirty_kvm_ring {
	size_t size;
	int vm_fd;
	const struct v1_kvm_slot *slots;
	size_t slot_count;
	const int *vcpu_fds;
	size_t vcpu_count;
	uint32_t ring_bytes;
	int kvm_fd;
};

struct v1_helper_options {
	size_t size;
	const char *bus_address;
	const char *id_list;
	uint64_t state_bytes_max;
	uint64_t total_bytes_max;
	uint32_t helpers_max;
	uint32_t start_timeout_ms;
	uint32_t gather_timeout_ms;
	uint32_t helper_timeout_ms;
	bool rehearse;
	int64_t helper_uid;
};

struct v1_helper_info {
	size_t size;
	char id[256];
	char bus_name[256];
	bool has_uid;
	uint32_t uid;
	bool takes_part;
	bool loaded;
	uint64_t bytes;
	uint64_t save_us;
	uint64_t load_us;
	char problem[512];
};

#endif
