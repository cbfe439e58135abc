/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>

#include "ramjet.h"
#include "ringio/buffers.h"
#include "ringio/ring.h"

/* Nobody is ended for it, and the place is not given again. */
static void a_refusal_to_let_go_loses_a_place_and_no_more(void **state)
{
	struct rj_buffers buffers = { 0 };
	struct io_uring ring;
	const char *granted;
	void *memory = aligned_alloc(RAMJET_PAGE_BYTES, RAMJET_PAGE_BYTES);
	int first;

	(void)state;
	assert_non_null(memory);
	if (rj_ring_open(&ring, &granted)) {
		print_message("# skipped: no io_uring here: %s\n", granted);
		free(memory);
		skip();
	}
	first = rj_buffers_add(&buffers, &ring, memory, RAMJET_PAGE_BYTES);
	assert_int_equal(first, 0);
	/* behind its back: from now on every update is refused */
	assert_int_equal(io_uring_unregister_buffers(&ring), 0);
	assert_int_equal(rj_buffers_remove(&buffers, &ring, first), 0);
	assert_int_equal(buffers.in_use, 1);
	assert_int_equal(buffers.bytes[first], RAMJET_PAGE_BYTES);
	assert_true(rj_buffers_add(&buffers, &ring, memory, RAMJET_PAGE_BYTES) <
		    0);
	rj_buffers_done(&buffers);
	rj_ring_close(&ring);
	free(memory);
}

static void what_the_kernel_does_not_know_is_found_out(void **state)
{
	struct io_uring ring;
	const char *granted;

	(void)state;
	if (rj_ring_open(&ring, &granted)) {
		print_message("# skipped: no io_uring here: %s\n", granted);
		skip();
	}
	assert_int_equal(rj_ring_try(&ring, IORING_OP_SENDMSG), 0);
	assert_int_equal(rj_ring_try(&ring, 255), -EOPNOTSUPP);
	assert_int_equal(rj_ring_try(&ring, IORING_OP_NOP), 0);
	rj_ring_close(&ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_refusal_to_let_go_loses_a_place_and_no_more),
		cmocka_unit_test(what_the_kernel_does_not_know_is_found_out),
	};

	return cmocka_run_group_tests_name("buffers", tests, NULL, NULL);
}
