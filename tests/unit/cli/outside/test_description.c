/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/outside/description.h"

#define DEVICES "machine pc-q35-7.2\ncpus 2 qemu64\n"

static void what_is_written_is_read(void **state)
{
	struct rj_qemu_part list[2] = {
		{ .name = "/rom@etc/acpi/tables",
		  .wire = "/rom@etc/acpi/tables",
		  .bytes = 131072,
		  .bytes_max = 2097152,
		  .digests = { { 1, UINT64_MAX }, { 0x0123456789abcdef, 0 } },
		  .digest_count = 2 },
		{ .name = "pc.ram",
		  .wire = "pc.ram",
		  .bytes = UINT64_C(1) << 42,
		  .bytes_max = UINT64_C(1) << 42,
		  .known = true },
	};
	const struct rj_qemu_parts parts = { list, 2 };
	struct rj_qemu_description read;
	char *text = NULL;
	size_t bytes = 0;

	(void)state;
	assert_int_equal(rj_qemu_description_write(DEVICES, &parts,
						   RJ_QEMU_BY_MIGRATE, &text,
						   &bytes, NULL),
			 0);
	assert_int_equal(rj_qemu_description_read(text, bytes, &read, NULL), 0);
	assert_string_equal(read.devices, DEVICES);
	assert_int_equal(read.way, RJ_QEMU_BY_MIGRATE);
	assert_int_equal(read.parts.count, 2);
	assert_memory_equal(read.parts.list, list, sizeof(list));
	rj_qemu_description_done(&read);
	/* Cut anywhere, it is refused. */
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(rj_qemu_description_read(text, i, &read, NULL),
				 -EPROTO);
	free(text);
}

static void expect_refused(const char *text, const char *part)
{
	struct rj_qemu_description read;
	struct ramjet_error err = { 0 };

	assert_int_equal(
		rj_qemu_description_read(text, strlen(text), &read, &err),
		-EPROTO);
	if (!strstr(err.message, part))
		fail_msg("%s: '%s', wanted '%s'", text, err.message, part);
}

#define HEAD "{\"kind\":\"ramjet.qemu\",\"version\":1,\"devices\":\"x\","
#define BLOCK(name, wire, bytes, most, digests)                    \
	HEAD "\"blocks\":[{\"name\":\"" name "\",\"wire\":\"" wire \
	     "\",\"bytes\":" bytes ",\"bytes-max\":" most          \
	     ",\"known\":true,\"digests\":" digests "}]}"

static void what_is_malformed_is_refused(void **state)
{
	(void)state;
	expect_refused("\xff", "no JSON");
	expect_refused("[]", "wanted ramjet.qemu");
	expect_refused("{\"kind\":\"other\",\"version\":1}", "'other'");
	expect_refused("{\"kind\":\"ramjet.qemu\",\"version\":2}", "version 2");
	expect_refused("{\"kind\":\"ramjet.qemu\",\"version\":1}",
		       "no devices");
	/* Nothing steers the terminal of whom it is told. */
	expect_refused("{\"kind\":\"a\\u007f\",\"version\":1}", "kind '?'");
	expect_refused("{\"kind\":\"ramjet.qemu\",\"version\":1,"
		       "\"devices\":\"a\\n\\u001b[2J\",\"blocks\":[]}",
		       "can't be printed");
	expect_refused(HEAD "\"blocks\":[]}", "0 blocks");
	expect_refused(HEAD "\"blocks\":{}}", "no blocks");
	expect_refused(HEAD "\"blocks\":[7]}", "block 0 is malformed");
	expect_refused(BLOCK("", "a", "1", "1", "[]"), "malformed");
	expect_refused(BLOCK("a", "", "1", "1", "[]"), "malformed");
	expect_refused(BLOCK("a", "a\\u0007", "1", "1", "[]"), "malformed");
	expect_refused(BLOCK("a", "a", "0", "1", "[]"), "malformed");
	expect_refused(BLOCK("a", "a", "-1", "1", "[]"), "malformed");
	expect_refused(BLOCK("a", "a", "2", "1", "[]"), "malformed");
	expect_refused(BLOCK("a", "a", "1", "1", "{}"), "malformed");
	expect_refused(BLOCK("a", "a", "1", "1", "[\"12\"]"), "malformed");
	expect_refused(BLOCK("a", "a", "1", "1",
			     "[\"0123456789abcdef0123456789abcdeg\"]"),
		       "malformed");
	expect_refused(BLOCK("a",
			     "0123456789abcdef0123456789abcdef"
			     "0123456789abcdef0123456789abcdef",
			     "1", "1", "[]"),
		       "malformed");
}

static void too_many_are_refused(void **state)
{
	const size_t count = RJ_QEMU_PARTS_MAX + 1;
	struct rj_qemu_part *list = calloc(count, sizeof(*list));
	struct rj_qemu_parts parts = { list, count };
	struct rj_qemu_description read;
	struct ramjet_error err = { 0 };
	char *text = NULL;
	size_t bytes;

	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < count; i++) {
		memcpy(list[i].name, "a", 2);
		memcpy(list[i].wire, "a", 2);
		list[i].bytes = list[i].bytes_max = 4096;
		if (i % 16 == 0)
			list[i].digest_count = RJ_QEMU_DIGESTS_MAX;
	}
	assert_int_equal(rj_qemu_description_write("", &parts, RJ_QEMU_BY_SAVE,
						   &text, &bytes, NULL),
			 0);
	assert_int_equal(rj_qemu_description_read(text, bytes, &read, &err),
			 -EPROTO);
	assert_non_null(strstr(err.message, "513 blocks"));
	free(text);
	for (size_t i = 0; i < count; i++)
		list[i].digest_count = RJ_QEMU_DIGESTS_MAX;
	parts.count = count;
	text = malloc(600u << 10);
	assert_non_null(text);
	memset(text, 'x', (600u << 10) - 1);
	text[(600u << 10) - 1] = '\0';
	assert_int_equal(
		rj_qemu_description_write(text, &parts, RJ_QEMU_BY_SAVE,
					  &(char *){ 0 }, &bytes, NULL),
		-E2BIG);
	free(text);
	free(list);
}

static void a_guest_that_is_no_qemu_is_refused(void **state)
{
	struct rj_qemu_description read;
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_qemu_description_read(NULL, 0, &read, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, "no QEMU"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(too_many_are_refused),
		cmocka_unit_test(a_guest_that_is_no_qemu_is_refused),
	};

	return cmocka_run_group_tests_name("description", tests, NULL, NULL);
}
