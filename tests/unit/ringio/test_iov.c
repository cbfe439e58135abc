/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "ringio/iov.h"
#include "util/compiler.h"

static uint8_t text[] = "0123456789";

static size_t shown(const struct rj_iov *iov, unsigned count, uint8_t *ret)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < count; i++) {
		memcpy(ret + bytes, iov->entries[i].iov_base,
		       iov->entries[i].iov_len);
		bytes += iov->entries[i].iov_len;
	}
	return bytes;
}

static void an_array_of_nothing_has_no_bytes(void **state)
{
	struct iovec empty[3] = { { text, 0 }, { NULL, 0 }, { text, 0 } };
	struct rj_iov iov = rj_iov_of(empty, 3);

	(void)state;
	assert_int_equal(iov.bytes, 0);
	assert_int_equal(iov.count, 0);
	assert_int_equal(rj_iov_of(NULL, 0).bytes, 0);
}

/* Every way to move ten bytes: what is shown, what of it gets done. */
static void every_walk_sees_every_byte_once(void **state)
{
	(void)state;
	for (size_t limit = 1; limit <= 11; limit++) {
		for (size_t done = 1; done <= limit; done++) {
			struct iovec entries[] = {
				{ text, 0 },     { text, 1 },
				{ text + 1, 4 }, { text + 5, 0 },
				{ text + 5, 5 }, { text, 0 },
			};
			struct iovec copy[RJ_ARRAY_SIZE(entries)];
			struct rj_iov iov =
				rj_iov_of(entries, RJ_ARRAY_SIZE(entries));
			uint8_t got[16], all[16];
			size_t total = 0;

			memcpy(copy, entries, sizeof(copy));
			assert_int_equal(iov.bytes, 10);
			while (iov.bytes) {
				unsigned n = rj_iov_open(&iov, limit);
				size_t bytes = shown(&iov, n, got);
				size_t want =
					iov.bytes < limit ? iov.bytes : limit;
				size_t take = bytes < done ? bytes : done;

				assert_int_equal(bytes, want);
				memcpy(all + total, got, take);
				total += take;
				rj_iov_close(&iov, take);
			}
			assert_int_equal(total, 10);
			assert_memory_equal(all, text, 10);
			assert_memory_equal(copy, entries, sizeof(copy));
		}
	}
}

static void nothing_done_moves_nothing(void **state)
{
	struct iovec entry = { text, 10 };
	struct rj_iov iov = rj_iov_of(&entry, 1);

	(void)state;
	assert_int_equal(rj_iov_open(&iov, 3), 1);
	assert_int_equal(entry.iov_len, 3);
	rj_iov_close(&iov, 0);
	assert_int_equal(entry.iov_len, 10);
	assert_int_equal(iov.bytes, 10);
	assert_int_equal(iov.skip, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_array_of_nothing_has_no_bytes),
		cmocka_unit_test(every_walk_sees_every_byte_once),
		cmocka_unit_test(nothing_done_moves_nothing),
	};

	return cmocka_run_group_tests_name("iov", tests, NULL, NULL);
}
