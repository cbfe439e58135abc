/* SPDX-License-Identifier: BSD-3-Clause */
/* What the target answers to an offer. Which kinds of runs it knows is the
 * test's. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/page/known_kinds.h"
#include "tests/unit/engine/fake_source.h"

#define BIT(kind) (1u << RJ_RUN_##kind)
#define ZSTD      (BIT(ZSTD) | BIT(JOINED))
#define DELTAS    (BIT(DELTA) | BIT(SAME))
#define ALL       (BIT(WORD) | ZSTD | DELTAS)

static uint32_t known = ALL;

uint32_t __wrap_rj_kinds_known(void);
uint32_t __wrap_rj_kinds_known(void)
{
	return known;
}

static void say_offer(struct fake_source *s, uint32_t kinds, uint8_t tail)
{
	const struct rj_frame frame = {
		.type = RJ_FRAME_OFFER,
		.flags = RJ_FLAG_OPTIONAL,
		.payload_bytes = RJ_KINDS_BYTES,
	};
	uint8_t body[RJ_KINDS_BYTES] = { (uint8_t)kinds, (uint8_t)(kinds >> 8),
					 [RJ_KINDS_BYTES - 1] = tail };

	(void)fake_source_say(s, &frame, body);
}

static void say_blocks(struct fake_source *s)
{
	const struct rj_wire_block block = {
		.name = "ram0",
		.bytes = FAKE_SOURCE_PAGES * RAMJET_PAGE_BYTES,
		.page_bytes = RAMJET_PAGE_BYTES,
	};
	struct rj_frame frame = { .type = RJ_FRAME_BLOCKS };
	uint8_t body[128];

	frame.payload_bytes = (uint32_t)rj_blocks_encode(&block, 1, body);
	assert_true(fake_source_say(s, &frame, body));
}

static void begin(struct fake_source *s, uint32_t compression, uint32_t deltas)
{
	fake_source_prepare(s);
	s->move.target_params.compression = compression;
	s->move.target_params.deltas = deltas;
	move_listen(&s->move);
	fake_source_connect(s, 0);
}

static void expect_takes(struct fake_source *s, uint32_t offered,
			 uint32_t taken)
{
	uint8_t body[RJ_KINDS_BYTES];
	struct rj_frame frame;
	uint32_t kinds;

	say_offer(s, offered, 0);
	say_blocks(s);
	assert_true(
		wire_peer_read(s->peer.control, &frame, body, sizeof(body)));
	assert_int_equal(frame.type, RJ_FRAME_TAKES);
	assert_int_equal(frame.flags, RJ_FLAG_OPTIONAL);
	assert_int_equal(rj_kinds_decode(RJ_FRAME_TAKES, body,
					 frame.payload_bytes, &kinds, NULL),
			 0);
	assert_int_equal(kinds, taken);
	assert_true(wire_peer_read(s->peer.control, &frame, NULL, 0));
	assert_int_equal(frame.type, RJ_FRAME_ACCEPT);
	fake_source_done(s);
}

static void of_what_is_offered_it_takes_what_it_knows(void **state)
{
	struct fake_source *s = *state;

	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	expect_takes(s, ALL, ALL);
	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	expect_takes(s, BIT(WORD), BIT(WORD));
	/* Kinds of times to come. */
	begin(s, RAMJET_COMPRESSION_ZSTD, RAMJET_DELTAS_AUTO);
	expect_takes(s, 0xfffc, ALL);
	known = BIT(WORD);
	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	expect_takes(s, ALL, BIT(WORD));
	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	expect_takes(s, DELTAS, 0);
	known = ALL;
}

static void what_it_is_told_not_to_take_it_does_not(void **state)
{
	struct fake_source *s = *state;

	begin(s, RAMJET_COMPRESSION_NONE, RAMJET_DELTAS_AUTO);
	expect_takes(s, ALL, BIT(WORD) | DELTAS);
	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_OFF);
	expect_takes(s, ALL, BIT(WORD) | ZSTD);
}

static void an_offer_that_cannot_be_is_refused(void **state)
{
	struct fake_source *s = *state;

	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	say_offer(s, ALL | 2, 0);
	fake_source_expect_refused(s, STEP_HELLO, -EPROTO,
				   "OFFER: kinds of runs 0x0000007e");
	fake_source_done(s);
	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	say_offer(s, ALL, 1);
	fake_source_expect_refused(s, STEP_HELLO, -EPROTO, "OFFER: malformed");
	fake_source_done(s);
	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	say_offer(s, ALL, 0);
	say_offer(s, ALL, 0);
	fake_source_expect_refused(s, STEP_HELLO, -EPROTO,
				   "OFFER frame from the source comes a second "
				   "time before ACCEPT");
}

/* It would change what the target has answered. */
static void an_offer_after_the_blocks_is_refused(void **state)
{
	struct fake_source *s = *state;
	struct ramjet_error theirs;

	begin(s, RAMJET_COMPRESSION_AUTO, RAMJET_DELTAS_AUTO);
	say_blocks(s);
	say_offer(s, ALL, 0);
	fake_source_connect_channels(s, 0, WIRE_PEER_CHANNELS);
	fake_source_await_target(s);
	move_expect_error(&s->move.target_err, -EPROTO,
			  "OFFER frame from the source has no place while "
			  "rounds are sent");
	wire_peer_hear_end(s->peer.control, &theirs);
	assert_int_equal(theirs.code, -EPROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_SOURCE_TEST(of_what_is_offered_it_takes_what_it_knows),
		FAKE_SOURCE_TEST(what_it_is_told_not_to_take_it_does_not),
		FAKE_SOURCE_TEST(an_offer_that_cannot_be_is_refused),
		FAKE_SOURCE_TEST(an_offer_after_the_blocks_is_refused),
	};

	return cmocka_run_group_tests_name("offer: target", tests, NULL, NULL);
}
