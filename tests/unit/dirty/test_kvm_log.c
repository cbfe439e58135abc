/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests/unit/dirty/tiny_guest.h"

static void make(struct guest *g, bool automatic)
{
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.slots = guest_slots,
		.slot_count = GUEST_SLOTS,
		.automatic_protection = automatic,
	};

	guest_make(g, 0);
	log.vm_fd = g->vm.vm_fd;
	guest_check(g, ramjet_dirty_kvm_log_new(&log, &g->source, &g->err));
	if (!automatic && !g->source->ops.rearm) {
		/* Only where KVM does not offer it. */
		assert_int_equal(ioctl(g->vm.vm_fd, KVM_CHECK_EXTENSION,
				       KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2),
				 0);
		skip();
	}
}

static void slots_map_onto_their_block(void **state)
{
	struct guest g;

	(void)state;
	make(&g, false);
	guest_check(&g, guest_start(&g));
	/* Nothing is populated yet, so nothing is dirty. */
	assert_int_equal(guest_collect(&g), 0);
	for (unsigned round = 0; round < 3; round++) {
		guest_write_edges(&g);
		assert_int_equal(guest_collect(&g), GUEST_EDGES);
		guest_check_edges(&g);
		assert_int_equal(guest_take(&g, NULL), GUEST_EDGES);
		assert_int_equal(guest_collect(&g), 0);
	}
	guest_free(&g);
}

static void automatic_protection_needs_no_rearm(void **state)
{
	struct guest g;

	(void)state;
	make(&g, true);
	guest_check(&g, guest_start(&g));
	assert_false(rj_dirty_set_needs_rearm(&g.set));
	assert_string_equal(g.source->ops.name,
			    "kvm log without manual protection");
	for (unsigned round = 0; round < 3; round++) {
		guest_write_edges(&g);
		assert_int_equal(guest_collect(&g), GUEST_EDGES);
		guest_check_edges(&g);
		rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);
		assert_int_equal(guest_collect(&g), 0);
	}
	guest_free(&g);
}

/* KVM then begins with all pages dirty: what is populated may be reported,
 * what is not must not. */
static void untouched_memory_is_never_reported(void **state)
{
	struct guest g;

	(void)state;
	make(&g, false);
	memset(g.region.host, 1, 1200 * RAMJET_PAGE_BYTES);
	guest_check(&g, guest_start(&g));
	(void)guest_collect(&g);
	for (uint64_t page = 1200; page < GUEST_PAGES; page++)
		assert_false(rj_bitmap_test(&g.map, page));
	/* All that is populated is sent in the first round. */
	rj_bitmap_set_run(&g.map, 0, 1200);
	assert_int_equal(guest_take(&g, NULL), 1200);
	assert_int_equal(guest_collect(&g), 0);
	guest_write_edges(&g);
	guest_write(&g, 0, 1500);
	assert_int_equal(guest_collect(&g), GUEST_EDGES + 1);
	assert_true(rj_bitmap_test(&g.map, 1500));
	guest_free(&g);
}

static void only_what_is_rearmed_is_forgotten(void **state)
{
	const uint64_t some[] = { UINT64_C(1) << 24, 0 };
	struct guest g;

	(void)state;
	make(&g, false);
	guest_check(&g, guest_start(&g));
	guest_write_edges(&g);
	assert_int_equal(guest_collect(&g), GUEST_EDGES);
	/* Page 600 of the block is page 0 of its slot: bit 24 of 576. */
	guest_check(&g, rj_dirty_set_rearm(&g.set, 0, 576, some, 2, &g.err));
	rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);
	assert_int_equal(guest_collect(&g), GUEST_EDGES - 1);
	assert_false(rj_bitmap_test(&g.map, 600));
	/* Rearming where no slot is does nothing. */
	guest_check(&g, rj_dirty_set_rearm(&g.set, 0, 832, some, 2, &g.err));
	guest_free(&g);
}

static void loses_nothing_while_vcpus_write(void **state)
{
	uint32_t *copy = calloc(GUEST_PAGES, sizeof(*copy));
	struct guest_writers writers;
	struct guest g;

	make(&g, *(const bool *)*state);
	guest_check(&g, guest_start(&g));
	guest_writers_start(&writers, &g);
	for (unsigned round = 0; round < 100 || !guest_writers_busy(&writers);
	     round++) {
		(void)guest_collect(&g);
		(void)guest_take(&g, copy);
	}
	guest_writers_stop(&writers);
	(void)guest_collect(&g);
	(void)guest_take(&g, copy);
	for (uint64_t page = 0; page < GUEST_PAGES; page++)
		assert_int_equal(copy[page], guest_page_value(&g, page));
	free(copy);
	guest_free(&g);
}

static void stops_and_starts_again(void **state)
{
	struct guest g;

	(void)state;
	make(&g, false);
	for (unsigned i = 0; i < 3; i++) {
		guest_check(&g, guest_start(&g));
		guest_write(&g, 0, 77);
		(void)guest_collect(&g);
		assert_true(rj_bitmap_test(&g.map, 77));
		rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);
		rj_dirty_set_stop(&g.set);
		guest_write(&g, 1, 88);
	}
	guest_free(&g);
}

static void a_vm_with_rings_is_refused(void **state)
{
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.slots = guest_slots,
		.slot_count = GUEST_SLOTS,
	};
	struct guest g;

	(void)state;
	guest_make(&g, 65536);
	log.vm_fd = g.vm.vm_fd;
	guest_check(&g, ramjet_dirty_kvm_log_new(&log, &g.source, &g.err));
	assert_int_equal(guest_start(&g), -EOPNOTSUPP);
	assert_non_null(strstr(g.err.message,
			       "KVM_GET_DIRTY_LOG: the VM has no log, since "
			       "its dirty rings are enabled"));
	guest_free(&g);
}

static void slots_outside_of_blocks_are_refused(void **state)
{
	struct ramjet_kvm_slot slot = {
		RAMJET_KVM_SLOT_INIT,
		.slot = 9,
		.bytes = 3 * RAMJET_PAGE_BYTES,
		.block = "ram0",
		.block_offset = (GUEST_PAGES - 2) * RAMJET_PAGE_BYTES,
	};
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.slots = &slot,
		.slot_count = 1,
	};
	struct guest g;

	(void)state;
	guest_make(&g, 0);
	log.vm_fd = g.vm.vm_fd;
	guest_check(&g, ramjet_dirty_kvm_log_new(&log, &g.source, &g.err));
	assert_int_equal(guest_start(&g), -ERANGE);
	assert_non_null(strstr(g.err.message, "KVM slot 9: pages 2046 to 2049 "
					      "of block ram0, which has 2048"));
	ramjet_dirty_free(g.source);
	slot.block = "rom";
	guest_check(&g, ramjet_dirty_kvm_log_new(&log, &g.source, NULL));
	assert_int_equal(guest_start(&g), -ENOENT);
	guest_free(&g);
}

static void crooked_slots_are_refused(void **state)
{
	struct ramjet_kvm_slot slot = { RAMJET_KVM_SLOT_INIT, .slot = 9,
					.bytes = 4097 };
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.vm_fd = -1,
		.slots = &slot,
		.slot_count = 1,
	};
	struct ramjet_dirty_source *source = NULL;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err),
			 -EINVAL);
	assert_string_equal(err.message, "KVM slot 9: block is NULL");
	slot.block = "ram0";
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, NULL),
			 -EINVAL);
	slot.bytes = 4096;
	memset(&err, 0, sizeof(err));
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err), -EBADF);
	assert_string_equal(err.message, "kvm log: vm_fd: Bad file descriptor");
	log.slot_count = 0;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, NULL),
			 -EINVAL);
	assert_null(source);
}

/* Of a program that was built with a later ramjet-kvm.h. */
static void slots_are_walked_by_their_size(void **state)
{
	struct later {
		struct ramjet_kvm_slot slot;
		uint64_t more;
	} slots[2] = {
		{ .slot = { sizeof(slots[0]), .slot = 8, .bytes = 4096,
			    .block = "ram0" } },
		{ .slot = { sizeof(slots[0]), .slot = 9, .bytes = 4096,
			    .block = "ram0" } },
	};
	const struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.vm_fd = -1,
		.slots = &slots[0].slot,
		.slot_count = 2,
	};
	struct ramjet_dirty_source *source = NULL;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err), -EBADF);
	memset(&err, 0, sizeof(err));
	slots[1].slot.bytes = 4097;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "KVM slot 9: 0x1001 bytes"));
	slots[1].slot.bytes = 4096;
	slots[1].more = 1;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err), -E2BIG);
	memset(&err, 0, sizeof(err));
	slots[1].more = 0;
	slots[1].slot.size = sizeof(slots[0].slot);
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "number 1 is of"));
	slots[0].slot.size = 0;
	assert_int_equal(ramjet_dirty_kvm_log_new(&log, &source, &err),
			 -EINVAL);
	assert_null(source);
}

int main(void)
{
	static bool automatic[2] = { false, true };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_map_onto_their_block),
		cmocka_unit_test(automatic_protection_needs_no_rearm),
		cmocka_unit_test(untouched_memory_is_never_reported),
		cmocka_unit_test(only_what_is_rearmed_is_forgotten),
		cmocka_unit_test_prestate(loses_nothing_while_vcpus_write,
					  &automatic[0]),
		cmocka_unit_test_prestate(loses_nothing_while_vcpus_write,
					  &automatic[1]),
		cmocka_unit_test(stops_and_starts_again),
		cmocka_unit_test(a_vm_with_rings_is_refused),
		cmocka_unit_test(slots_outside_of_blocks_are_refused),
		cmocka_unit_test(crooked_slots_are_refused),
		cmocka_unit_test(slots_are_walked_by_their_size),
	};

	return cmocka_run_group_tests_name("kvm_log", tests, NULL, NULL);
}
