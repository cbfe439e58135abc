/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the source offers, and what it makes of the answer. Which kinds of runs
 * this side knows is the test's: nothing is sent by them, since no page of the
 * guest suits them.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/page/known_kinds.h"
#include "engine/page/zstd_version.h"
#include "tests/unit/engine/fake_target.h"

#define BIT(kind) (1u << RJ_RUN_##kind)
#define ZSTD      (BIT(ZSTD) | BIT(JOINED))
#define DELTAS    (BIT(DELTA) | BIT(SAME))
#define ALL       (BIT(WORD) | ZSTD | DELTAS)

static uint32_t known;

uint32_t __wrap_rj_kinds_known(void);
uint32_t __wrap_rj_kinds_known(void)
{
	return known;
}

static void begin(struct fake_target *s, uint32_t compression)
{
	fake_target_begin(s);
	s->move.source_params.compression = compression;
}

/* The source's first words; 0: it offers nothing. */
static uint32_t read_offer(struct fake_target *s)
{
	uint8_t body[RJ_KINDS_BYTES];
	struct rj_frame frame;
	uint32_t kinds = 0;

	fake_target_reach(s, STEP_CONNECTED);
	assert_true(wire_peer_send_hello(s->peer.control, &s->peer.hello));
	assert_true(
		wire_peer_read(s->peer.control, &frame, body, sizeof(body)));
	if (frame.type == RJ_FRAME_OFFER) {
		assert_int_equal(frame.flags, RJ_FLAG_OPTIONAL);
		assert_int_equal(rj_kinds_decode(RJ_FRAME_OFFER, body,
						 frame.payload_bytes, &kinds,
						 NULL),
				 0);
		assert_true(kinds);
		assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	}
	if (frame.type == RJ_FRAME_KEEPS)
		assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_BLOCKS);
	return kinds;
}

static bool say_takes(struct fake_target *s, uint32_t kinds)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_TAKES,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = RJ_KINDS_BYTES,
	};
	uint8_t body[RJ_KINDS_BYTES] = { (uint8_t)kinds,
					 (uint8_t)(kinds >> 8) };

	return wire_peer_send(s->peer.control, &frame, NULL, body);
}

/* The path "compression", as the source reports it while it moves. */
static void expect_path(struct fake_target *s, const char *chosen,
			const char *reason)
{
	struct ramjet_info *info = NULL;
	bool found = false;

	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	fake_target_take_channels(&s->peer);
	wire_peer_take_pages(&s->peer);
	small_vm_await_state(&s->move.source, RAMJET_STATE_HELD);
	assert_int_equal(ramjet_info(s->move.outgoing, &info), 0);
	for (size_t i = 0; i < info->fast_path_count; i++) {
		const struct ramjet_fast_path_info *path =
			RAMJET_AT(info->fast_paths, i);

		if (strcmp(path->name, "compression") != 0)
			continue;
		found = true;
		assert_string_equal(path->chosen, chosen);
		assert_string_equal(path->reason, reason);
	}
	assert_true(found);
	ramjet_info_free(info);
}

static void what_is_known_and_wanted_is_offered(void **state)
{
	static const struct {
		uint32_t known, compression, deltas, offered;
	} cases[] = {
		{ 0, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO, 0 },
		{ BIT(WORD), RAMJET_COMPRESSION_NONE, RAMJET_DELTAS_OFF,
		  BIT(WORD) },
		{ ALL, RAMJET_COMPRESSION_NONE, RAMJET_DELTAS_AUTO,
		  BIT(WORD) | DELTAS },
		{ ALL, RAMJET_COMPRESSION_ZSTD, RAMJET_DELTAS_OFF,
		  BIT(WORD) | ZSTD },
		{ ALL | 1u << 15, RAMJET_COMPRESSION_ZSTD, RAMJET_DELTAS_AUTO,
		  ALL },
	};
	struct fake_target *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		known = cases[i].known;
		begin(s, cases[i].compression);
		s->move.source_params.deltas = cases[i].deltas;
		assert_int_equal(read_offer(s), cases[i].offered);
		fake_target_done(s);
	}
}

static void what_is_taken_is_used(void **state)
{
	struct fake_target *s = *state;

	/* What is agreed on is used: each lane makes a compressor. */
	if (!rj_zstd_version()) {
		print_message("# built without zstd\n");
		skip();
	}
	known = ALL;
	begin(s, RAMJET_COMPRESSION_ZSTD);
	s->move.source_params.compression_level = -3;
	(void)read_offer(s);
	assert_true(say_takes(s, ZSTD));
	expect_path(s, "zstd -3", "as asked for");
	fake_target_done(s);
	/* 0 is zstd's default. */
	begin(s, RAMJET_COMPRESSION_ZSTD);
	s->move.source_params.compression_level = 0;
	(void)read_offer(s);
	assert_true(say_takes(s, ALL));
	expect_path(s, "zstd 3", "as asked for");
}

static void a_target_that_takes_no_zstd_gets_none(void **state)
{
	struct fake_target *s = *state;

	known = ALL;
	begin(s, RAMJET_COMPRESSION_ZSTD);
	(void)read_offer(s);
	assert_true(say_takes(s, BIT(WORD)));
	expect_path(s, "none", "the target does not take it");
	fake_target_done(s);
	/* One half of it is none, and so is silence: an older target's. */
	begin(s, RAMJET_COMPRESSION_ZSTD);
	(void)read_offer(s);
	assert_true(say_takes(s, BIT(ZSTD)));
	expect_path(s, "none", "the target does not take it");
	fake_target_done(s);
	begin(s, RAMJET_COMPRESSION_ZSTD);
	(void)read_offer(s);
	expect_path(s, "none", "the target does not take it");
}

static void strict_wants_what_was_asked_for(void **state)
{
	struct fake_target *s = *state;

	known = ALL;
	begin(s, RAMJET_COMPRESSION_ZSTD);
	s->move.source_params.strict = true;
	(void)read_offer(s);
	assert_true(wire_peer_send_accept(s->peer.control, WIRE_PEER_CHANNELS));
	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -EOPNOTSUPP,
			  "compression: zstd was asked for, and the target "
			  "does not take it");
}

static void what_this_build_lacks_is_refused_at_once(void **state)
{
	struct fake_target *s = *state;
	struct ramjet_migration *m = NULL;
	struct ramjet_error err = { 0 };

	known = BIT(WORD);
	begin(s, RAMJET_COMPRESSION_ZSTD);
	assert_int_equal(ramjet_migrate(s->move.source.guest, "unix:/nowhere",
					&s->move.source_params, &m, &err),
			 -EOPNOTSUPP);
	assert_null(m);
	move_expect_error(&err, -EOPNOTSUPP,
			  "compression: zstd is not part of this build");
}

static void over_a_unix_socket_auto_is_none(void **state)
{
	struct fake_target *s = *state;

	known = ALL;
	begin(s, RAMJET_COMPRESSION_NONE);
	(void)read_offer(s);
	expect_path(s, "none", "as asked for");
	fake_target_done(s);
	known = BIT(WORD);
	begin(s, RAMJET_COMPRESSION_AUTO);
	(void)read_offer(s);
	expect_path(s, "none", "zstd is not part of this build");
}

static void expect_refused(struct fake_target *s, const char *part)
{
	struct ramjet_error theirs;

	fake_target_expect_source_runs(s);
	move_expect_error(&s->move.source_err, -EPROTO, part);
	move_expect_error(&s->move.source_err, -EPROTO, "offset");
	wire_peer_hear_end(s->peer.control, &theirs);
	assert_string_equal(theirs.message, s->move.source_err.message);
	fake_target_done(s);
}

static void an_answer_to_another_question_is_refused(void **state)
{
	struct fake_target *s = *state;

	known = ALL;
	begin(s, RAMJET_COMPRESSION_ZSTD);
	s->move.source_params.deltas = RAMJET_DELTAS_OFF;
	(void)read_offer(s);
	assert_true(say_takes(s, ALL));
	expect_refused(s, "TAKES: kinds of runs 0x0000007c, wanted some of "
			  "those that were offered, 0x0000001c");
	begin(s, RAMJET_COMPRESSION_ZSTD);
	(void)read_offer(s);
	assert_true(say_takes(s, 0));
	(void)say_takes(s, 0);
	expect_refused(s, "TAKES frame from the target comes a second time");
	known = 0;
	begin(s, RAMJET_COMPRESSION_AUTO);
	(void)read_offer(s);
	assert_true(say_takes(s, 0));
	expect_refused(s, "TAKES: nothing was offered");
	known = ALL;
	begin(s, RAMJET_COMPRESSION_AUTO);
	(void)read_offer(s);
	assert_true(say_takes(s, BIT(WORD) | 1));
	expect_refused(s, "TAKES: kinds of runs 0x00000005, wanted some of "
			  "0x0000fffc");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PEER_TEST(what_is_known_and_wanted_is_offered),
		PEER_TEST(what_is_taken_is_used),
		PEER_TEST(a_target_that_takes_no_zstd_gets_none),
		PEER_TEST(strict_wants_what_was_asked_for),
		PEER_TEST(what_this_build_lacks_is_refused_at_once),
		PEER_TEST(over_a_unix_socket_auto_is_none),
		PEER_TEST(an_answer_to_another_question_is_refused),
	};

	return cmocka_run_group_tests_name("offer: source", tests, NULL, NULL);
}
