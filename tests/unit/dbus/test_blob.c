/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/blob.h"

static const struct rj_blob_limits limits = {
	.items_max = 3,
	.item_bytes_max = 10,
	.total_bytes_max = 15,
};

static const uint8_t two[] = {
	0, 0, 0, 2,                          /* count */
	0, 0, 0, 1, 'a', 0,   0, 0, 2, 7, 0, /* a: 07 00 */
	0, 0, 0, 2, 'b', 'c', 0, 0, 0, 0,    /* bc: nothing */
};

static int read_bytes(const void *bytes, size_t count, struct ramjet_error *err)
{
	struct rj_blob_item *items = NULL;
	/* An exact copy, so that a sanitizer sees a read beyond it. */
	void *copy = malloc(count ? count : 1);
	size_t found = 0;
	int rc;

	assert_non_null(copy);
	if (count)
		memcpy(copy, bytes, count);
	rc = rj_blob_read(copy, count, &limits, &items, &found, err);
	if (rc < 0)
		assert_null(items);
	free(items);
	free(copy);
	return rc;
}

static void layout_is_the_published_one(void **state)
{
	static const uint8_t data[] = { 7, 0 };
	struct rj_blob_item items[] = {
		{ .id = "bc" },
		{ .id = "a", .data = data, .bytes = 2 },
	};
	void *blob;
	size_t bytes;

	(void)state;
	assert_int_equal(rj_blob_write(items, 2, &limits, &blob, &bytes, NULL),
			 0);
	assert_int_equal(bytes, sizeof(two));
	assert_memory_equal(blob, two, sizeof(two));
	free(blob);
	assert_int_equal(rj_blob_write(NULL, 0, &limits, &blob, &bytes, NULL),
			 0);
	assert_int_equal(bytes, 4);
	assert_memory_equal(blob, "\0\0\0\0", 4);
	free(blob);
}

static void what_is_written_is_read(void **state)
{
	struct rj_blob_item *items;
	size_t count;

	(void)state;
	assert_int_equal(
		rj_blob_read(two, sizeof(two), &limits, &items, &count, NULL),
		0);
	assert_int_equal(count, 2);
	assert_string_equal(items[0].id, "a");
	assert_int_equal(items[0].bytes, 2);
	assert_ptr_equal(items[0].data, two + 13);
	assert_string_equal(items[1].id, "bc");
	assert_int_equal(items[1].bytes, 0);
	free(items);
}

static void any_order_is_read_and_comes_sorted(void **state)
{
	static const uint8_t unsorted[] = {
		0, 0, 0, 2, 0, 0, 0,   1, 'z', 0, 0,
		0, 0, 0, 0, 0, 1, 'a', 0, 0,   0, 0
	};
	struct rj_blob_item *items;
	size_t count;

	(void)state;
	assert_int_equal(rj_blob_read(unsorted, sizeof(unsorted), &limits,
				      &items, &count, NULL),
			 0);
	assert_string_equal(items[0].id, "a");
	assert_string_equal(items[1].id, "z");
	free(items);
}

static void cut_at_any_byte_is_refused(void **state)
{
	struct ramjet_error err;

	(void)state;
	for (size_t cut = 0; cut < sizeof(two); cut++) {
		err = (struct ramjet_error){ 0 };
		assert_int_equal(read_bytes(two, cut, &err), -EBADMSG);
		assert_non_null(strstr(err.message, "helpers' state: "));
	}
	assert_int_equal(read_bytes(two, sizeof(two), NULL), 0);
}

static void trailing_bytes_are_refused(void **state)
{
	uint8_t longer[sizeof(two) + 1] = { 0 };
	struct ramjet_error err = { 0 };

	(void)state;
	memcpy(longer, two, sizeof(two));
	assert_int_equal(read_bytes(longer, sizeof(longer), &err), -EBADMSG);
	assert_non_null(strstr(err.message, "bytes after the last"));
}

struct bad {
	const char *bytes;
	size_t count;
	int code;
	const char *says;
};
#define BAD(text, code, says)                      \
	{                                          \
		text, sizeof(text) - 1, code, says \
	}

static void malformed_blobs_are_refused_by_name(void **state)
{
	static const struct bad bad[] = {
		BAD("\0\0\0\1"
		    "\0\0\0\0"
		    "\0\0\0\0x",
		    -EBADMSG, "not of 1 to 255 bytes"),
		BAD("\0\0\0\1"
		    "\0\0\1\0aaaaa",
		    -EBADMSG, "not of 1 to 255 bytes"),
		BAD("\0\0\0\1"
		    "\xff\xff\xff\xff"
		    "aaaaa",
		    -EBADMSG, "not of 1 to 255 bytes"),
		BAD("\0\0\0\1"
		    "\0\0\0\xff"
		    "aaaaa",
		    -EBADMSG, "cut off within an Id"),
		BAD("\0\0\0\1"
		    "\0\0\0\1a"
		    "\xff\xff\xff\xff",
		    -EBADMSG, "a length beyond the end"),
		BAD("\0\0\0\1"
		    "\0\0\0\1a"
		    "\0\0\0\2x",
		    -EBADMSG, "a length beyond the end"),
		BAD("\0\0\0\1"
		    "\0\0\0\3a\0b"
		    "\0\0\0\0",
		    -EBADMSG, "not UTF-8"),
		BAD("\0\0\0\1"
		    "\0\0\0\1\xff"
		    "\0\0\0\0",
		    -EBADMSG, "not UTF-8"),
		BAD("\0\0\0\2"
		    "\0\0\0\1a\0\0\0\0"
		    "\0\0\0\1a\0\0\0\0",
		    -EBADMSG, "'a' is there twice"),
		BAD("\0\0\0\2"
		    "\0\0\0\1a\0\0\0\0",
		    -EBADMSG, "more helpers than bytes"),
		BAD("\0\0\0\4", -EMSGSIZE, "4 helpers, the limit is 3"),
		BAD("\xff\xff\xff\xff", -EMSGSIZE, "the limit is 3"),
		BAD("\0\0\0\1"
		    "\0\0\0\1a\0\0\0\x0b"
		    "01234567890",
		    -EMSGSIZE, "'a': 11 bytes of state, the limit is 10"),
		BAD("\0\0\0\2"
		    "\0\0\0\1a\0\0\0\x0a"
		    "0123456789"
		    "\0\0\0\1b\0\0\0\x06"
		    "012345",
		    -EMSGSIZE, "more than 15 bytes in all"),
		BAD("", -EBADMSG, "cut off within a number"),
	};
	struct ramjet_error err;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		err = (struct ramjet_error){ 0 };
		assert_int_equal(read_bytes(bad[i].bytes, bad[i].count, &err),
				 bad[i].code);
		if (!strstr(err.message, bad[i].says))
			fail_msg("\"%s\" is not in \"%s\"", bad[i].says,
				 err.message);
	}
}

static void writer_refuses_what_the_reader_would(void **state)
{
	struct rj_blob_item items[4] = { { .id = "a" }, { .id = "b" } };
	void *blob = NULL;
	size_t bytes = 0;

	(void)state;
	items[1].id[0] = 'a';
	assert_int_equal(rj_blob_write(items, 2, &limits, &blob, &bytes, NULL),
			 -EEXIST);
	items[1].id[0] = '\0';
	assert_int_equal(rj_blob_write(items, 2, &limits, &blob, &bytes, NULL),
			 -EINVAL);
	items[0] = (struct rj_blob_item){ .id = "a", .data = two, .bytes = 11 };
	assert_int_equal(rj_blob_write(items, 1, &limits, &blob, &bytes, NULL),
			 -EMSGSIZE);
	assert_int_equal(rj_blob_write(items, 4, &limits, &blob, &bytes, NULL),
			 -EMSGSIZE);
	assert_null(blob);
}

/* ---- golden files ---------------------------------------------------- */

static const char *golden;

static size_t read_file(const char *folder, const char *name, uint8_t *into,
			size_t room)
{
	char path[1024];
	FILE *file;
	size_t bytes;

	(void)snprintf(path, sizeof(path), "%s/%s/%s", golden, folder, name);
	file = fopen(path, "rbe");
	assert_non_null(file);
	bytes = fread(into, 1, room, file);
	(void)fclose(file);
	return bytes;
}

/* Returns how many .bin files of the folder give `wanted`. */
static unsigned count_outcomes(const char *folder, int wanted)
{
	const struct rj_blob_limits wide = {
		.items_max = 64,
		.item_bytes_max = 1u << 20,
		.total_bytes_max = 64u << 20,
	};
	char path[1024];
	uint8_t bytes[4096];
	struct dirent *entry;
	unsigned count = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "%s/%s", golden, folder);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		struct rj_blob_item *items = NULL;
		size_t had, found;
		int rc;

		if (!strstr(entry->d_name, ".bin"))
			continue;
		had = read_file(folder, entry->d_name, bytes, sizeof(bytes));
		rc = rj_blob_read(bytes, had, &wide, &items, &found, NULL);
		free(items);
		if ((rc < 0) != (wanted < 0))
			fail_msg("%s/%s: %d", folder, entry->d_name, rc);
		count++;
	}
	(void)closedir(dir);
	return count;
}

static void golden_blobs_are_taken_and_hostile_ones_refused(void **state)
{
	(void)state;
	assert_int_equal(count_outcomes("helpers-blob", 0), 6);
	assert_int_equal(count_outcomes("helpers-blob-errors", -1), 10);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout_is_the_published_one),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(any_order_is_read_and_comes_sorted),
		cmocka_unit_test(cut_at_any_byte_is_refused),
		cmocka_unit_test(trailing_bytes_are_refused),
		cmocka_unit_test(malformed_blobs_are_refused_by_name),
		cmocka_unit_test(writer_refuses_what_the_reader_would),
		cmocka_unit_test(
			golden_blobs_are_taken_and_hostile_ones_refused),
	};

	golden = argc > 1 ? argv[1] : "tests/golden";
	return cmocka_run_group_tests_name("helpers_blob", tests, NULL, NULL);
}
