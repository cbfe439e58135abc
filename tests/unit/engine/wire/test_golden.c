/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of tests/golden, written from the document, against the
 * decoders and encoders. GOLDEN_FOLDER comes from meson. */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/wire_stream.h"

#define FILE_BYTES_MAX (64u << 10)
#define PATH_BYTES     4096u

static const char good[] = GOLDEN_FOLDER "/frame/v2";
static const char bad[] = GOLDEN_FOLDER "/frame-errors/v2";
/* What the version before said, to be refused. */
static const char old[] = GOLDEN_FOLDER "/frame/v1";

static uint8_t content[FILE_BYTES_MAX];

static size_t read_file(const char *folder, const char *name)
{
	char path[PATH_BYTES];
	size_t bytes;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rbe");
	if (!file)
		fail_msg("%s: %s", path, strerror(errno));
	bytes = fread(content, 1, sizeof(content), file);
	(void)fclose(file);
	assert_in_range(bytes, 1, sizeof(content) - 1);
	return bytes;
}

static int is_vector(const struct dirent *entry)
{
	return strstr(entry->d_name, ".bin") != NULL;
}

/* Calls `check` with the name of each vector; returns how many. */
static unsigned for_each_vector(const char *folder,
				void (*check)(const char *name, void *arg),
				void *arg)
{
	struct dirent **names;
	int count = scandir(folder, &names, is_vector, alphasort);

	assert_true(count > 0);
	for (int i = 0; i < count; i++) {
		check(names[i]->d_name, arg);
		free(names[i]);
	}
	free(names);
	return (unsigned)count;
}

static void check_good(const char *name, void *arg)
{
	uint32_t *seen = arg;
	const size_t bytes = read_file(good, name);
	struct wire_stream stream;
	struct rj_frame frame;
	struct ramjet_error err = { 0 };
	int rc;

	stream_init(&stream, content, bytes);
	do
		rc = stream_next(&stream, &frame, &err);
	while (rc > 0);
	if (rc < 0)
		fail_msg("%s: %s", name, err.message);
	assert_int_equal(stream.at, bytes);
	if (memcmp(content, stream.again, bytes) != 0)
		fail_msg("%s: decoded and encoded it is different", name);
	for (unsigned type = 0; type < 256; type++)
		seen[type] += stream.seen[type];
	stream_done(&stream);
}

static void every_message_decodes_and_encodes_to_the_same_bytes(void **state)
{
	uint32_t seen[256] = { 0 };

	(void)state;
	for_each_vector(good, check_good, seen);
	for (unsigned type = 0; type < 256; type++)
		if (strcmp(rj_frame_type_name((uint8_t)type), "unknown") != 0 &&
		    !seen[type])
			fail_msg("no vector of type %s",
				 rj_frame_type_name((uint8_t)type));
}

static void check_bad(const char *name, void *arg)
{
	char text_name[PATH_BYTES], want[512];
	size_t bytes = strlen(name) - strlen(".bin");
	struct wire_stream stream;
	struct rj_frame frame;
	struct ramjet_error err = { 0 };
	int rc;

	(void)arg;
	(void)snprintf(text_name, sizeof(text_name), "%.*s.txt", (int)bytes,
		       name);
	content[read_file(bad, text_name)] = '\0';
	(void)snprintf(want, sizeof(want), "%.*s",
		       (int)strcspn((char *)content, "\n"), (char *)content);
	bytes = read_file(bad, name);
	stream_init(&stream, content, bytes);
	do
		rc = stream_next(&stream, &frame, &err);
	while (rc > 0);
	if (rc == 0)
		fail_msg("%s: accepted", name);
	if (strcmp(err.message, want) != 0)
		fail_msg("%s: says '%s', wanted '%s'", name, err.message, want);
	assert_int_equal(err.code, rc);
	stream_done(&stream);
}

static void every_bad_frame_is_refused_with_its_own_message(void **state)
{
	(void)state;
	for_each_vector(bad, check_bad, NULL);
}

static void check_cut(const char *name, void *arg)
{
	const size_t bytes = read_file(good, name);
	struct wire_stream stream;
	struct rj_frame frame;
	bool at_boundary;
	int rc;

	(void)arg;
	for (size_t cut = 1; cut < bytes; cut += 1 + bytes / 500) {
		stream_init(&stream, content, cut);
		do
			rc = stream_next(&stream, &frame, NULL);
		while (rc > 0);
		at_boundary = stream.at == cut;
		assert_int_equal(rc, at_boundary ? 0 : -EPIPE);
		stream_done(&stream);
	}
}

static void a_stream_cut_anywhere_is_not_mistaken_for_a_whole_one(void **state)
{
	(void)state;
	for_each_vector(good, check_cut, NULL);
}

static void a_flipped_bit_outside_page_content_is_always_noticed(void **state)
{
	static const char *const names[] = { "hello_data.bin",  "failed.bin",
					     "pages_zero.bin",  "digests.bin",
					     "state_more.bin",  "commit.bin",
					     "blocks_three.bin" };
	struct wire_stream stream;
	struct rj_frame frame;
	size_t bytes;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(names); i++) {
		bytes = read_file(good, names[i]);
		for (size_t bit = 0; bit < bytes * 8; bit++) {
			content[bit / 8] ^= (uint8_t)(1u << bit % 8);
			stream_init(&stream, content, bytes);
			if (stream_next(&stream, &frame, NULL) >= 0)
				fail_msg("%s: bit %zu flipped unnoticed",
					 names[i], bit);
			stream_done(&stream);
			content[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

/* HELLO comes first on every connection. */
static void check_old(const char *name, void *arg)
{
	unsigned *refused = arg;
	struct wire_stream stream;
	struct rj_frame frame = { 0 };
	struct ramjet_error err = { 0 };
	int rc;

	stream_init(&stream, content, read_file(old, name));
	rc = stream_next(&stream, &frame, &err);
	stream_done(&stream);
	if (frame.type != RJ_FRAME_HELLO || strstr(name, "newer"))
		return;
	assert_int_equal(rc, -EPROTONOSUPPORT);
	assert_string_equal(err.message,
			    "HELLO: peer speaks protocol version 1, this side "
			    "speaks 2");
	++*refused;
}

static void version_1_is_refused_with_both_versions_named(void **state)
{
	unsigned refused = 0;

	(void)state;
	for_each_vector(old, check_old, &refused);
	assert_int_equal(refused, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			every_message_decodes_and_encodes_to_the_same_bytes),
		cmocka_unit_test(
			every_bad_frame_is_refused_with_its_own_message),
		cmocka_unit_test(
			a_stream_cut_anywhere_is_not_mistaken_for_a_whole_one),
		cmocka_unit_test(
			a_flipped_bit_outside_page_content_is_always_noticed),
		cmocka_unit_test(version_1_is_refused_with_both_versions_named),
	};

	return cmocka_run_group_tests_name("wire_golden", tests, NULL, NULL);
}
