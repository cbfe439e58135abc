/* SPDX-License-Identifier: BSD-3-Clause */
/* What the golden vectors do not say about bodies: limits from the inside,
 * values decoded, and what decoders do with texts. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/wire/bytes.h"
#include "engine/wire/wire.h"
#include "util/cleanup.h"

static struct ramjet_error err;

static int fresh_error(void **state)
{
	(void)state;
	memset(&err, 0, sizeof(err));
	return 0;
}

static void a_hello_says_what_was_put_in(void **state)
{
	struct rj_hello hello = { .version_min = 1,
				  .version_max = 9,
				  .role = RJ_ROLE_DATA,
				  .channel_index = 200,
				  .channel_count = 201,
				  .session = "0123456789abcde" };
	uint8_t body[RJ_HELLO_BYTES];
	struct rj_hello back;

	(void)state;
	rj_hello_encode(&hello, body);
	assert_int_equal(rj_hello_decode(body, sizeof(body), &back, &err), 0);
	assert_int_equal(back.version_min, 1);
	assert_int_equal(back.version_max, 9);
	assert_int_equal(back.role, RJ_ROLE_DATA);
	assert_int_equal(back.channel_index, 200);
	assert_int_equal(back.channel_count, 201);
	assert_memory_equal(back.session, hello.session, RJ_SESSION_BYTES);
}

static void a_hello_of_any_other_size_is_refused(void **state)
{
	uint8_t body[RJ_HELLO_BYTES + 1] = { 0 };
	struct rj_hello back;

	(void)state;
	for (size_t bytes = 0; bytes <= sizeof(body); bytes++)
		if (bytes != RJ_HELLO_BYTES)
			assert_int_equal(
				rj_hello_decode(body, bytes, &back, NULL),
				-EPROTO);
}

static void versions_are_refused_with_their_own_errno(void **state)
{
	struct rj_hello hello = { .version_min = 3,
				  .version_max = 3,
				  .channel_count = 1 };
	uint8_t body[RJ_HELLO_BYTES];
	struct rj_hello back;

	(void)state;
	rj_hello_encode(&hello, body);
	assert_int_equal(rj_hello_decode(body, sizeof(body), &back, &err),
			 -EPROTONOSUPPORT);
}

static void most_blocks_with_the_longest_names_fit_a_message(void **state)
{
	rj_autofree struct rj_wire_block *blocks = NULL, *back = NULL;
	rj_autofree uint8_t *body = NULL;
	uint32_t count = 0;
	size_t bytes;

	(void)state;
	blocks = calloc(RJ_BLOCKS_MAX, sizeof(*blocks));
	assert_non_null(blocks);
	for (unsigned i = 0; i < RJ_BLOCKS_MAX; i++) {
		(void)snprintf(blocks[i].name, sizeof(blocks[i].name), "%063u",
			       i);
		blocks[i].bytes = (uint64_t)(i + 1) << 12;
		blocks[i].page_bytes = 4096u << i % 19;
		blocks[i].kind = i % 2;
	}
	bytes = rj_blocks_encode(blocks, RJ_BLOCKS_MAX, NULL);
	assert_in_range(bytes, 1, RJ_CONTROL_BODY_MAX);
	body = malloc(bytes);
	assert_non_null(body);
	assert_int_equal(rj_blocks_encode(blocks, RJ_BLOCKS_MAX, body), bytes);
	assert_int_equal(rj_blocks_decode(body, bytes, &back, &count, &err), 0);
	assert_int_equal(count, RJ_BLOCKS_MAX);
	assert_memory_equal(back, blocks, RJ_BLOCKS_MAX * sizeof(*blocks));
}

static void a_block_table_cut_anywhere_is_refused(void **state)
{
	const struct rj_wire_block blocks[] = {
		{ .name = "a", .bytes = 4096, .page_bytes = 4096 },
		{ .name = "bc", .bytes = 8192, .page_bytes = 4096 },
	};
	struct rj_wire_block *back = NULL;
	uint8_t body[64];
	uint32_t count = 0;
	size_t bytes = rj_blocks_encode(blocks, 2, body);

	(void)state;
	assert_int_equal(bytes, 8 + 24 + 1 + 24 + 2);
	for (size_t cut = 0; cut < bytes; cut++) {
		/* On the heap, so that ASan sees a byte too far. */
		uint8_t *copy = malloc(cut ? cut : 1);

		assert_non_null(copy);
		memcpy(copy, body, cut);
		assert_int_equal(
			rj_blocks_decode(copy, cut, &back, &count, NULL),
			-EPROTO);
		assert_null(back);
		free(copy);
	}
}

static int decode_name(const char *name)
{
	struct rj_wire_block block = { .bytes = 4096, .page_bytes = 4096 };
	rj_autofree struct rj_wire_block *back = NULL;
	uint8_t body[128];
	uint32_t count;

	(void)snprintf(block.name, sizeof(block.name), "%s", name);
	return rj_blocks_decode(body, rj_blocks_encode(&block, 1, body), &back,
				&count, NULL);
}

static void names_are_utf8_without_control_characters(void **state)
{
	static const char *const fine[] = { "a",
					    "pc.ram",
					    "r\xc3\xa9",
					    "\xe2\x82\xac",
					    "\xf0\x9f\x9a\x80",
					    "\xc2\xa0" };
	static const char *const refused[] = {
		"\t",
		"a\x7f",
		"\x1b[m",
		"\x80",
		"\xc2\x9b!",
		"\xc1\x81",
		"\xe2\x82",
		"\xe2\x82q",
		"\xf0\x9f\x9a",
		"\xff",
		"a\xc3",
		"\xf5\x80\x80\x80",
		/* Overlong, surrogates, above U+10FFFF. */
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\xaf",
		"\xed\xa0\x80",
		"\xed\xbf\xbf",
		"\xf4\x90\x80\x80",
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(fine); i++)
		assert_int_equal(decode_name(fine[i]), 0);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(refused); i++)
		assert_int_equal(decode_name(refused[i]), -EPROTO);
}

static void a_failure_arrives_with_its_code_and_its_words(void **state)
{
	const struct ramjet_error sent = { .code = -ENOSPC,
					   .message = "block ram0: no room" };
	uint8_t body[RJ_FAILED_BYTES_MAX];
	struct ramjet_error back;
	size_t bytes = rj_failed_encode(&sent, body);

	(void)state;
	assert_int_equal(bytes, 8 + strlen(sent.message));
	assert_int_equal(rj_get32(body), ENOSPC);
	assert_int_equal(rj_failed_decode(body, bytes, &back, &err), 0);
	assert_int_equal(back.code, -ENOSPC);
	assert_string_equal(back.message, sent.message);
}

static void a_failure_without_a_proper_errno_arrives_as_eio(void **state)
{
	static const int codes[] = { 0, 5, -4096, INT32_MIN, INT32_MAX };
	struct ramjet_error sent = { .message = "why" }, back;
	uint8_t body[RJ_FAILED_BYTES_MAX];

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(codes); i++) {
		sent.code = codes[i];
		assert_int_equal(rj_failed_decode(body,
						  rj_failed_encode(&sent, body),
						  &back, &err),
				 0);
		assert_int_equal(back.code, -EIO);
	}
}

static void the_longest_message_is_cut_to_fit(void **state)
{
	struct ramjet_error sent = { .code = -EIO }, back;
	uint8_t body[RJ_FAILED_BYTES_MAX];

	(void)state;
	memset(sent.message, 'x', sizeof(sent.message) - 1);
	assert_int_equal(rj_failed_encode(&sent, body), RJ_FAILED_BYTES_MAX);
	assert_int_equal(
		rj_failed_decode(body, RJ_FAILED_BYTES_MAX, &back, &err), 0);
	assert_int_equal(strlen(back.message), RJ_FAILED_BYTES_MAX - 8);
}

static void a_peers_words_cannot_drive_the_terminal(void **state)
{
	static const char text[] = "a\x1b[2J\n\0b\xc2\x9b"
				   "c\xe2\x82\xac\x9b\xc3";
	uint8_t body[8 + sizeof(text) - 1] = { EIO };
	struct ramjet_error back;

	(void)state;
	memcpy(body + 8, text, sizeof(text) - 1);
	assert_int_equal(rj_failed_decode(body, sizeof(body), &back, &err), 0);
	assert_string_equal(back.message, "a?[2J??b??c\xe2\x82\xac??");
}

static void a_malformed_failure_is_refused(void **state)
{
	uint8_t body[RJ_FAILED_BYTES_MAX + 1] = { EIO };
	struct ramjet_error back = { .code = 77 };

	(void)state;
	for (size_t bytes = 0; bytes < 8; bytes++)
		assert_int_equal(rj_failed_decode(body, bytes, &back, NULL),
				 -EPROTO);
	assert_int_equal(rj_failed_decode(body, sizeof(body), &back, NULL),
			 -EPROTO);
	assert_int_equal(back.code, 77);
}

static void kinds_are_a_bit_each_and_the_rest_is_reserved(void **state)
{
	uint8_t body[RJ_KINDS_BYTES + 1] = { 0 };
	uint32_t back = 1;

	(void)state;
	rj_kinds_encode(RJ_KINDS_MASK, body);
	assert_int_equal(rj_kinds_decode(RJ_FRAME_TAKES, body, RJ_KINDS_BYTES,
					 &back, NULL),
			 0);
	assert_int_equal(back, RJ_KINDS_MASK);
	for (size_t bytes = 0; bytes <= RJ_KINDS_BYTES + 1; bytes++)
		assert_int_equal(rj_kinds_decode(RJ_FRAME_OFFER, body, bytes,
						 &back, NULL),
				 bytes == RJ_KINDS_BYTES ? 0 : -EPROTO);
	for (unsigned bit = 0; bit < RJ_KINDS_BYTES * 8; bit++) {
		memset(body, 0, sizeof(body));
		body[bit / 8] = (uint8_t)(1u << bit % 8);
		assert_int_equal(rj_kinds_decode(RJ_FRAME_OFFER, body,
						 RJ_KINDS_BYTES, &back, NULL),
				 bit >= 2 && bit < 16 ? 0 : -EPROTO);
	}
}

static void digests_carry_every_bit(void **state)
{
	const struct rj_digest digest = { 0x0102030405060708,
					  0xf1f2f3f4f5f6f7f8 };
	uint8_t body[RJ_DIGEST_BYTES];
	struct rj_digest back;

	(void)state;
	rj_digest_encode(&digest, body);
	assert_int_equal(body[0], 0x08);
	assert_int_equal(body[8], 0xf8);
	rj_digest_decode(body, &back);
	assert_true(back.low == digest.low && back.high == digest.high);
}

static void ready_and_running_carry_every_bit(void **state)
{
	const struct rj_ready ready = {
		.verified_blocks = 0xfedcba98,
		.apply_us = UINT64_C(0x1122334455667788),
		.digests_us = UINT64_C(0x2122334455667788),
		.load_us = UINT64_C(0x3122334455667788),
		.helpers_us = UINT64_C(0x4122334455667788),
	};
	uint8_t body[RJ_READY_BYTES + 1] = { 0 };
	const struct rj_running running = {
		.start_us = UINT64_C(0xf1f2f3f4f5f6f7f8),
		.token = UINT64_C(0xe1e2e3e4e5e6e7e8),
	};
	struct rj_ready back;
	struct rj_running ran;

	(void)state;
	rj_ready_encode(&ready, body);
	assert_int_equal(rj_ready_decode(body, RJ_READY_BYTES, &back, &err), 0);
	assert_int_equal(back.verified_blocks, ready.verified_blocks);
	assert_true(back.apply_us == ready.apply_us);
	assert_true(back.digests_us == ready.digests_us);
	assert_true(back.load_us == ready.load_us);
	assert_true(back.helpers_us == ready.helpers_us);
	assert_int_equal(rj_ready_decode(body, RJ_READY_BYTES - 1, &back, NULL),
			 -EPROTO);
	assert_int_equal(rj_ready_decode(body, RJ_READY_BYTES + 1, &back, NULL),
			 -EPROTO);
	rj_running_encode(&running, body);
	assert_int_equal(rj_running_decode(body, RJ_RUNNING_BYTES, &ran, &err),
			 0);
	assert_true(ran.start_us == running.start_us);
	assert_true(ran.token == running.token);
	assert_int_equal(
		rj_running_decode(body, RJ_RUNNING_BYTES + 1, &ran, NULL),
		-EPROTO);
}

static void accept_names_1_channel_up_to_the_wish(void **state)
{
	uint8_t body[RJ_ACCEPT_BYTES];
	uint16_t count = 0;

	(void)state;
	for (uint16_t taken = 0; taken <= 6; taken++) {
		rj_accept_encode(taken, body);
		assert_int_equal(
			rj_accept_decode(body, sizeof(body), 5, &count, NULL),
			taken >= 1 && taken <= 5 ? 0 : -EPROTO);
	}
	assert_int_equal(count, 5);
	rj_accept_encode(3, body);
	body[15] = 1;
	assert_int_equal(rj_accept_decode(body, sizeof(body), 5, &count, NULL),
			 -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hello_says_what_was_put_in),
		cmocka_unit_test(a_hello_of_any_other_size_is_refused),
		cmocka_unit_test(versions_are_refused_with_their_own_errno),
		cmocka_unit_test(
			most_blocks_with_the_longest_names_fit_a_message),
		cmocka_unit_test(a_block_table_cut_anywhere_is_refused),
		cmocka_unit_test(names_are_utf8_without_control_characters),
		cmocka_unit_test(a_failure_arrives_with_its_code_and_its_words),
		cmocka_unit_test(
			a_failure_without_a_proper_errno_arrives_as_eio),
		cmocka_unit_test(the_longest_message_is_cut_to_fit),
		cmocka_unit_test(a_peers_words_cannot_drive_the_terminal),
		cmocka_unit_test(a_malformed_failure_is_refused),
		cmocka_unit_test(kinds_are_a_bit_each_and_the_rest_is_reserved),
		cmocka_unit_test(digests_carry_every_bit),
		cmocka_unit_test(ready_and_running_carry_every_bit),
		cmocka_unit_test(accept_names_1_channel_up_to_the_wish),
	};

	return cmocka_run_group_tests_name("wire_body", tests, fresh_error,
					   NULL);
}
