/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program of soversion 1 as it began, against today's library: it knows only
 * what tests/abi/v1.h says. And one of the future: its structs have a tail
 * today's library has never heard of.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/abi/v1.h"

#define BYTES (2u << 20)

int ramjet_guest_new(const void *ops, void *user, void **ret,
		     struct v1_error *err);
int ramjet_guest_free(void *guest);
int ramjet_guest_add_block(void *guest, const void *block,
			   struct v1_error *err);
int ramjet_dirty_new(const void *ops, void *user, void **ret,
		     struct v1_error *err);
int ramjet_dirty_shared_new(const void *bitmap, void **ret,
			    struct v1_error *err);
int ramjet_dirty_free(void *source);
int ramjet_incoming(void *guest, const char *uri, const void *params,
		    void **ret, struct v1_error *err);
int ramjet_migration_free(void *migration);
void ramjet_guest_ops_init(void *options, size_t size);
void ramjet_block_init(void *options, size_t size);
void ramjet_dirty_ops_init(void *options, size_t size);
void ramjet_dirty_bitmap_init(void *options, size_t size);
void ramjet_kvm_slot_init(void *options, size_t size);
void ramjet_dirty_kvm_log_init(void *options, size_t size);
void ramjet_dirty_kvm_ring_init(void *options, size_t size);
void ramjet_params_init(void *options, size_t size);
void ramjet_helper_options_init(void *options, size_t size);

static int stop_or_start(void *user, struct v1_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static int dirty_start(void *user, const struct v1_dirty_region *regions,
		       unsigned count, struct v1_error *err)
{
	(void)user;
	(void)regions;
	(void)count;
	(void)err;
	return 0;
}

static int dirty_collect(void *user, void *sink, struct v1_error *err)
{
	(void)user;
	(void)sink;
	(void)err;
	return 0;
}

static void dirty_stop(void *user)
{
	(void)user;
}

/* One struct and the call that takes it. Returns the call's result, having
 * freed what it made. */
typedef int taker(void *guest, const void *options, struct v1_error *err);

static int take_ops(void *guest, const void *options, struct v1_error *err)
{
	void *made = NULL;
	int rc = ramjet_guest_new(options, NULL, &made, err);

	(void)guest;
	if (rc >= 0)
		ramjet_guest_free(made);
	return rc;
}

static int take_block(void *guest, const void *options, struct v1_error *err)
{
	return ramjet_guest_add_block(guest, options, err);
}

static int take_dirty_ops(void *guest, const void *options,
			  struct v1_error *err)
{
	void *made = NULL;
	int rc = ramjet_dirty_new(options, NULL, &made, err);

	(void)guest;
	if (rc >= 0)
		ramjet_dirty_free(made);
	return rc;
}

static int take_bitmap(void *guest, const void *options, struct v1_error *err)
{
	void *made = NULL;
	int rc = ramjet_dirty_shared_new(options, &made, err);

	(void)guest;
	if (rc >= 0)
		ramjet_dirty_free(made);
	return rc;
}

static int take_params(void *guest, const void *options, struct v1_error *err)
{
	void *made = NULL;
	int rc = ramjet_incoming(guest, "tcp:127.0.0.1:0", options, &made, err);

	if (rc >= 0)
		ramjet_migration_free(made);
	return rc;
}

struct fixture {
	void *memory;
	void *guest;
};

static int set_up(void **state)
{
	static struct fixture f;
	struct v1_guest_ops ops = { .size = sizeof(ops),
				    .stop = stop_or_start,
				    .start = stop_or_start };
	struct v1_block block = { .size = sizeof(block),
				  .name = "first",
				  .bytes = BYTES / 2,
				  .fd = -1 };

	f.memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (f.memory == MAP_FAILED ||
	    ramjet_guest_new(&ops, NULL, &f.guest, NULL) < 0)
		return -1;
	block.host = f.memory;
	if (ramjet_guest_add_block(f.guest, &block, NULL) < 0)
		return -1;
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	ramjet_guest_free(f->guest);
	return munmap(f->memory, BYTES);
}

/* Tries the struct as it was, with tails of the future, and cut short. */
static void try_sizes(struct fixture *f, taker *take, const void *options,
		      size_t size)
{
	union {
		size_t size;
		unsigned char bytes[512];
	} larger = { 0 };
	struct v1_error err = { 0 };

	assert_true(size + 64 <= sizeof(larger));
	if (take(f->guest, options, &err) < 0)
		fail_msg("as in soversion 1: %s", err.message);

	memcpy(larger.bytes, options, size);
	larger.size = sizeof(larger);
	larger.bytes[sizeof(larger) - 1] = 1;
	assert_int_equal(take(f->guest, &larger, &err), -E2BIG);
	assert_int_equal(err.code, -E2BIG);
	assert_true(err.message[0] != '\0');

	larger.size = 0;
	assert_int_equal(take(f->guest, &larger, NULL), -EINVAL);
	larger.size = sizeof(size_t);
	assert_int_equal(take(f->guest, &larger, NULL), -EINVAL);
}

/* A zero tail means: nothing the library does not know is wanted. */
static void try_zero_tail(struct fixture *f, taker *take, const void *options,
			  size_t size)
{
	union {
		size_t size;
		unsigned char bytes[512];
	} larger = { 0 };
	struct v1_error err = { 0 };

	memcpy(larger.bytes, options, size);
	larger.size = sizeof(larger);
	if (take(f->guest, &larger, &err) < 0)
		fail_msg("with a zero tail: %s", err.message);
}

static void guest_ops_of_other_releases(void **state)
{
	struct v1_guest_ops ops = { .size = sizeof(ops),
				    .stop = stop_or_start,
				    .start = stop_or_start };

	try_sizes(*state, take_ops, &ops, sizeof(ops));
	try_zero_tail(*state, take_ops, &ops, sizeof(ops));
}

static void block_of_other_releases(void **state)
{
	struct fixture *f = *state;
	struct v1_block block = { .size = sizeof(block),
				  .name = "old",
				  .bytes = BYTES / 4,
				  .fd = -1 };

	block.host = (char *)f->memory + BYTES / 2;
	try_sizes(f, take_block, &block, sizeof(block));
	block.name = "new";
	block.host = (char *)f->memory + BYTES / 4 * 3;
	try_zero_tail(f, take_block, &block, sizeof(block));
}

static void dirty_ops_of_other_releases(void **state)
{
	struct v1_dirty_ops ops = { .size = sizeof(ops),
				    .name = "test",
				    .start = dirty_start,
				    .collect = dirty_collect,
				    .stop = dirty_stop };

	try_sizes(*state, take_dirty_ops, &ops, sizeof(ops));
	try_zero_tail(*state, take_dirty_ops, &ops, sizeof(ops));
}

static void dirty_bitmap_of_other_releases(void **state)
{
	static uint64_t bits[BYTES / 2 / 4096 / 64];
	struct v1_dirty_bitmap bitmap = { .size = sizeof(bitmap),
					  .block = "first",
					  .bits = bits,
					  .bytes = sizeof(bits) };

	try_sizes(*state, take_bitmap, &bitmap, sizeof(bitmap));
	try_zero_tail(*state, take_bitmap, &bitmap, sizeof(bitmap));
}

static void params_of_other_releases(void **state)
{
	struct v1_params params = { .size = sizeof(params),
				    .downtime_limit_us = 300000,
				    .connect_timeout_ms = 10000,
				    .reply_timeout_ms = 30000,
				    .state_bytes_max = 1 << 20,
				    .cancel_fd = -1 };

	try_sizes(*state, take_params, &params, sizeof(params));
	try_zero_tail(*state, take_params, &params, sizeof(params));
}

/* Whatever size the caller's struct has, so much is set up and no more. */
static void defaults_for_structs_of_other_releases(void **state)
{
	static const struct {
		void (*init)(void *options, size_t size);
		size_t v1_size;
	} rows[] = {
		{ ramjet_guest_ops_init, sizeof(struct v1_guest_ops) },
		{ ramjet_block_init, sizeof(struct v1_block) },
		{ ramjet_dirty_ops_init, sizeof(struct v1_dirty_ops) },
		{ ramjet_dirty_bitmap_init, sizeof(struct v1_dirty_bitmap) },
		{ ramjet_kvm_slot_init, sizeof(struct v1_kvm_slot) },
		{ ramjet_dirty_kvm_log_init, sizeof(struct v1_dirty_kvm_log) },
		{ ramjet_dirty_kvm_ring_init,
		  sizeof(struct v1_dirty_kvm_ring) },
		{ ramjet_params_init, sizeof(struct v1_params) },
		{ ramjet_helper_options_init,
		  sizeof(struct v1_helper_options) },
	};
	union {
		size_t size;
		unsigned char bytes[1024];
	} options;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const size_t v1 = rows[i].v1_size;

		memset(&options, 0xa5, sizeof(options));
		rows[i].init(&options, v1);
		assert_int_equal(options.size, v1);
		for (size_t at = v1; at < sizeof(options); at++)
			assert_int_equal(options.bytes[at], 0xa5);

		memset(&options, 0xa5, sizeof(options));
		rows[i].init(&options, sizeof(options) - 8);
		assert_int_equal(options.size, sizeof(options) - 8);
		for (size_t at = 768; at < sizeof(options) - 8; at++)
			assert_int_equal(options.bytes[at], 0);
		assert_int_equal(options.bytes[sizeof(options) - 8], 0xa5);

		memset(&options, 0xa5, sizeof(options));
		rows[i].init(&options, sizeof(size_t) - 1);
		assert_int_equal(options.bytes[0], 0xa5);
	}
}

static void defaults_are_taken(void **state)
{
	struct v1_guest_ops ops;
	struct v1_params params;
	struct v1_block block;

	(void)state;
	ramjet_guest_ops_init(&ops, sizeof(ops));
	assert_null(ops.stop);
	ramjet_block_init(&block, sizeof(block));
	assert_int_equal(block.fd, -1);
	assert_null(block.name);
	ramjet_params_init(&params, sizeof(params));
	assert_int_equal(params.downtime_limit_us, 300000);
	assert_int_equal(params.connect_timeout_ms, 10000);
	assert_int_equal(params.reply_timeout_ms, 30000);
	assert_int_equal(params.state_bytes_max, 256u << 20);
	assert_false(params.verify);
	try_sizes(*state, take_params, &params, sizeof(params));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guest_ops_of_other_releases),
		cmocka_unit_test(block_of_other_releases),
		cmocka_unit_test(dirty_ops_of_other_releases),
		cmocka_unit_test(dirty_bitmap_of_other_releases),
		cmocka_unit_test(params_of_other_releases),
		cmocka_unit_test(defaults_for_structs_of_other_releases),
		cmocka_unit_test(defaults_are_taken),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
