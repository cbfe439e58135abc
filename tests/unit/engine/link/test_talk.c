/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/link/talk.h"

#define PHASES (RJ_TALK_RUNNING + 1)

/* Who may say what when, one letter a phase in their order: x is legal. */
static const struct {
	enum rj_frame_type type;
	const char *from_source, *from_target;
} legal[] = {
	{ RJ_FRAME_HELLO, "........", "........" },
	{ RJ_FRAME_OFFER, "x.......", "........" },
	{ RJ_FRAME_TAKES, "........", "x......." },
	{ RJ_FRAME_GUEST, "x.......", "........" },
	{ RJ_FRAME_BLOCKS, "x.......", "........" },
	{ RJ_FRAME_ACCEPT, "........", "x......." },
	{ RJ_FRAME_FAILED, "xxxxxxx.", "xxxxxxx." },
	{ RJ_FRAME_CANCEL, "xxxxxxx.", "xxxxxxx." },
	{ RJ_FRAME_PING, "........", "........" },
	{ RJ_FRAME_PONG, "........", "........" },
	{ RJ_FRAME_PAGES, "........", "........" },
	{ RJ_FRAME_FENCE, "........", "........" },
	{ RJ_FRAME_STATE, ".xxx....", "........" },
	{ RJ_FRAME_DIGESTS, ".x.x....", "........" },
	{ RJ_FRAME_APPLIED, "........", ".xxxx..." },
	{ RJ_FRAME_SWITCHOVER, ".x.x....", "........" },
	{ RJ_FRAME_READY, "........", "....x..." },
	{ RJ_FRAME_COMMIT, ".....x..", "........" },
	{ RJ_FRAME_RUNNING, "........", "......x." },
	{ RJ_FRAME_RESUME, "........", "........" },
	{ RJ_FRAME_KEEPS, "x.......", "x......." },
	{ RJ_FRAME_HEARD, "........", "........" },
	{ RJ_FRAME_LOST, "........", "........" },
	{ RJ_FRAME_BACK, "........", "........" },
	{ RJ_FRAME_JOINED, "........", "........" },
	{ RJ_FRAME_TAKEN, "........", "........" },
}, of_lanes[] = {
	{ RJ_FRAME_LOST, ".xxxxxx.", ".xxxxxx." },
	{ RJ_FRAME_BACK, ".xxxxxx.", "........" },
	{ RJ_FRAME_JOINED, "........", ".xxxxxx." },
	{ RJ_FRAME_TAKEN, "........", ".xxxxxx." },
};

static void expect(enum rj_talk_side from, enum rj_frame_type type,
		   bool lanes_may_be_lost, const char *when)
{
	for (unsigned phase = 0; phase < PHASES; phase++) {
		const struct rj_talk talk = {
			.phase = phase,
			.lanes_may_be_lost = lanes_may_be_lost,
		};
		const struct rj_frame frame = { .type = (uint8_t)type };
		const int rc = rj_talk_check(&talk, from, &frame, NULL);

		if ((rc == 0) != (when[phase] == 'x'))
			fail_msg("%s from %s in phase %u: %d",
				 rj_frame_type_name((uint8_t)type),
				 from == RJ_TALK_SOURCE ? "source" : "target",
				 phase, rc);
		assert_true(!rc || rc == -EPROTO);
	}
}

static void each_frame_has_its_time(void **state)
{
	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(legal); i++) {
		expect(RJ_TALK_SOURCE, legal[i].type, false,
		       legal[i].from_source);
		expect(RJ_TALK_TARGET, legal[i].type, false,
		       legal[i].from_target);
	}
	for (size_t i = 0; i < RJ_ARRAY_SIZE(of_lanes); i++) {
		expect(RJ_TALK_SOURCE, of_lanes[i].type, true,
		       of_lanes[i].from_source);
		expect(RJ_TALK_TARGET, of_lanes[i].type, true,
		       of_lanes[i].from_target);
	}
	expect(RJ_TALK_SOURCE, (enum rj_frame_type)0xee, true, "........");
	expect(RJ_TALK_TARGET, (enum rj_frame_type)0xee, true, "........");
}

static void take(struct rj_talk *talk, enum rj_talk_side from,
		 enum rj_frame_type type, unsigned flags,
		 enum rj_talk_phase then)
{
	const struct rj_frame frame = {
		.type = (uint8_t)type,
		.flags = (uint8_t)flags,
	};

	assert_int_equal(rj_talk_check(talk, from, &frame, NULL), 0);
	rj_talk_move(talk, &frame);
	assert_int_equal(talk->phase, then);
}

static void a_session_goes_from_phase_to_phase(void **state)
{
	struct rj_talk t = { 0 };

	(void)state;
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_GUEST, 0, RJ_TALK_OFFER);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_OFFER, 0, RJ_TALK_OFFER);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_BLOCKS, 0, RJ_TALK_OFFER);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_TAKES, 0, RJ_TALK_OFFER);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_ACCEPT, 0, RJ_TALK_ROUNDS);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_APPLIED, 0, RJ_TALK_ROUNDS);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_STATE, RJ_FLAG_MORE, RJ_TALK_RECORD);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_STATE, RJ_FLAG_MORE, RJ_TALK_RECORD);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_STATE, 0, RJ_TALK_RECORDS);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_DIGESTS, 0, RJ_TALK_RECORDS);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_SWITCHOVER, 0, RJ_TALK_ANNOUNCED);
	assert_false(rj_talk_has(&t, RJ_TALK_READY));
	take(&t, RJ_TALK_TARGET, RJ_FRAME_APPLIED, 0, RJ_TALK_ANNOUNCED);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_READY, 0, RJ_TALK_READY);
	assert_true(rj_talk_has(&t, RJ_TALK_READY));
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_COMMIT, 0, RJ_TALK_COMMITTED);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_RUNNING, 0, RJ_TALK_RUNNING);
}

static int try(struct rj_talk *talk, enum rj_frame_type type, uint32_t aux,
	       unsigned flags, const char **ret_message)
{
	static struct ramjet_error err;
	const struct rj_frame frame = {
		.type = (uint8_t)type,
		.aux = aux,
		.flags = (uint8_t)flags,
	};
	int rc;

	err = (struct ramjet_error){ 0 };
	rc = rj_talk_check(talk, RJ_TALK_SOURCE, &frame, &err);
	if (!rc)
		rj_talk_move(talk, &frame);
	*ret_message = err.message;
	return rc;
}

static void after_back_the_end_is_announced_anew(void **state)
{
	struct rj_talk t = { .lanes_may_be_lost = true };

	(void)state;
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_KEEPS, 0, RJ_TALK_OFFER);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_BLOCKS, 0, RJ_TALK_OFFER);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_ACCEPT, 0, RJ_TALK_ROUNDS);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_LOST, 0, RJ_TALK_ROUNDS);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_BACK, 0, RJ_TALK_ROUNDS);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_STATE, RJ_FLAG_MORE, RJ_TALK_RECORD);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_BACK, 0, RJ_TALK_RECORD);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_STATE, 0, RJ_TALK_RECORDS);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_SWITCHOVER, 0, RJ_TALK_ANNOUNCED);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_LOST, 0, RJ_TALK_ANNOUNCED);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_BACK, 0, RJ_TALK_RECORDS);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_SWITCHOVER, 0, RJ_TALK_ANNOUNCED);
	take(&t, RJ_TALK_TARGET, RJ_FRAME_READY, 0, RJ_TALK_READY);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_BACK, 0, RJ_TALK_READY);
}

static void keeps_comes_once(void **state)
{
	struct rj_talk t = { 0 };
	const char *said;

	(void)state;
	assert_int_equal(try(&t, RJ_FRAME_KEEPS, 0, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_KEEPS, 0, 0, &said), -EPROTO);
	assert_string_equal(said, "a KEEPS frame from the source comes a "
				  "second time before ACCEPT, wanted OFFER, "
				  "GUEST or BLOCKS");
}

static void one_way_nothing_waits_for_an_answer(void **state)
{
	struct rj_talk t = { .one_way = true };

	(void)state;
	rj_talk_said(&t, RJ_FRAME_ACCEPT);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_SWITCHOVER, 0, RJ_TALK_ANNOUNCED);
	take(&t, RJ_TALK_SOURCE, RJ_FRAME_COMMIT, 0, RJ_TALK_COMMITTED);
}

static void a_refusal_names_frame_moment_and_what_was_wanted(void **state)
{
	const struct rj_frame commit = { .type = RJ_FRAME_COMMIT };
	const struct rj_frame ready = { .type = RJ_FRAME_READY };
	struct ramjet_error err = { 0 };
	struct rj_talk t = { .phase = RJ_TALK_ROUNDS };

	(void)state;
	assert_int_equal(rj_talk_check(&t, RJ_TALK_SOURCE, &commit, &err),
			 -EPROTO);
	assert_string_equal(err.message,
			    "a COMMIT frame from the source has no place while "
			    "rounds are sent, wanted STATE, DIGESTS or "
			    "SWITCHOVER");
	err = (struct ramjet_error){ 0 };
	t.phase = RJ_TALK_READY;
	assert_int_equal(rj_talk_check(&t, RJ_TALK_TARGET, &ready, &err),
			 -EPROTO);
	assert_string_equal(err.message, "a READY frame from the target has no "
					 "place after READY, wanted none");
	err = (struct ramjet_error){ 0 };
	t.phase = RJ_TALK_COMMITTED;
	assert_int_equal(rj_talk_check(&t, RJ_TALK_TARGET, &ready, &err),
			 -EPROTO);
	assert_non_null(strstr(err.message, "after COMMIT, wanted RUNNING"));
}

static void records_come_one_after_another_and_once_a_kind(void **state)
{
	struct rj_talk t = { .phase = RJ_TALK_ROUNDS };
	const char *said;

	(void)state;
	assert_int_equal(try(&t, RJ_FRAME_STATE, 1, RJ_FLAG_MORE, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_STATE, 1, RJ_FLAG_MORE, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_STATE, 2, 0, &said), -EPROTO);
	assert_string_equal(said, "a STATE frame from the source of another "
				  "kind has no place inside a record, wanted "
				  "STATE of the same kind");
	/* Also one that would be skipped between records. */
	assert_int_equal(try(&t, RJ_FRAME_STATE, 77, RJ_FLAG_OPTIONAL, &said),
			 -EPROTO);
	assert_int_equal(try(&t, RJ_FRAME_STATE, 1, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_STATE, 1, 0, &said), -EPROTO);
	assert_string_equal(said, "a STATE frame from the source comes a "
				  "second time after a record, wanted STATE "
				  "of another kind, DIGESTS or SWITCHOVER");
	assert_int_equal(try(&t, RJ_FRAME_STATE, 2, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_STATE, 2, RJ_FLAG_MORE, &said),
			 -EPROTO);
	/* Of kinds that nobody knows, nothing is kept. */
	assert_int_equal(try(&t, RJ_FRAME_STATE, UINT32_MAX, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_STATE, UINT32_MAX, 0, &said), 0);
}

static void digests_come_once(void **state)
{
	struct rj_talk t = { .phase = RJ_TALK_ROUNDS };
	const char *said;

	(void)state;
	assert_int_equal(try(&t, RJ_FRAME_DIGESTS, 1, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_DIGESTS, 0, 0, &said), -EPROTO);
	assert_string_equal(said, "a DIGESTS frame from the source comes a "
				  "second time after a record, wanted STATE or "
				  "SWITCHOVER");
	/* What they are of is no kind of a record. */
	assert_int_equal(try(&t, RJ_FRAME_STATE, 1, 0, &said), 0);
}

static void an_offer_comes_once_and_so_does_its_answer(void **state)
{
	const struct rj_frame takes = { .type = RJ_FRAME_TAKES };
	struct ramjet_error err = { 0 };
	struct rj_talk t = { 0 };
	const char *said;

	(void)state;
	assert_int_equal(try(&t, RJ_FRAME_OFFER, 0, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_GUEST, 0, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_OFFER, 0, 0, &said), -EPROTO);
	assert_string_equal(said, "a OFFER frame from the source comes a "
				  "second time before ACCEPT, wanted BLOCKS");
	rj_talk_move(&t, &takes);
	assert_int_equal(rj_talk_check(&t, RJ_TALK_TARGET, &takes, &err),
			 -EPROTO);
	assert_string_equal(err.message,
			    "a TAKES frame from the target comes a second "
			    "time before ACCEPT, wanted ACCEPT");
	/* They are no records of the switchover. */
	rj_talk_said(&t, RJ_FRAME_ACCEPT);
	assert_int_equal(try(&t, RJ_FRAME_COMMIT, 0, 0, &said), -EPROTO);
	assert_non_null(strstr(said, "wanted STATE, DIGESTS or SWITCHOVER"));
}

static void a_guest_is_described_once(void **state)
{
	struct rj_talk t = { 0 };
	const char *said;

	(void)state;
	assert_int_equal(try(&t, RJ_FRAME_GUEST, 0, 0, &said), 0);
	assert_int_equal(try(&t, RJ_FRAME_GUEST, 0, 0, &said), -EPROTO);
	assert_string_equal(said, "a GUEST frame from the source comes a "
				  "second time before ACCEPT, wanted OFFER or "
				  "BLOCKS");
	/* It is no record of the switchover. */
	rj_talk_said(&t, RJ_FRAME_ACCEPT);
	assert_int_equal(try(&t, RJ_FRAME_COMMIT, 0, 0, &said), -EPROTO);
	assert_non_null(strstr(said, "wanted STATE, DIGESTS or SWITCHOVER"));
	assert_int_equal(try(&t, RJ_FRAME_DIGESTS, 0, 0, &said), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_frame_has_its_time),
		cmocka_unit_test(a_session_goes_from_phase_to_phase),
		cmocka_unit_test(after_back_the_end_is_announced_anew),
		cmocka_unit_test(keeps_comes_once),
		cmocka_unit_test(one_way_nothing_waits_for_an_answer),
		cmocka_unit_test(
			a_refusal_names_frame_moment_and_what_was_wanted),
		cmocka_unit_test(
			records_come_one_after_another_and_once_a_kind),
		cmocka_unit_test(digests_come_once),
		cmocka_unit_test(an_offer_comes_once_and_so_does_its_answer),
		cmocka_unit_test(a_guest_is_described_once),
	};

	return cmocka_run_group_tests_name("talk", tests, NULL, NULL);
}
