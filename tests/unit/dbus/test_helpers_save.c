/* SPDX-License-Identifier: BSD-3-Clause */
/* The source's switchover: second discovery, Save of everybody. */
#include "tests/unit/dbus/scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/clock.h"

#define MIB (1u << 20)

static void states_of_every_size_arrive_byte_for_byte(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "none", 0);
	scene_good_helper(s, "one", 1);
	scene_good_helper(s, "page", 4096);
	scene_good_helper(s, "most", MIB);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(scene_blob_count(s), 4);
	scene_blob_has(s, "none", 0);
	scene_blob_has(s, "one", 1);
	scene_blob_has(s, "page", 4096);
	scene_blob_has(s, "most", MIB);
}

static void one_byte_over_the_limit_fails_with_the_figures(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "tpm", MIB + 1);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -EMSGSIZE);
	scene_message_has(s, "'tpm'");
	scene_message_has(s, "1048577");
	scene_message_has(s, "1048576");
	assert_null(s->blob);
	s->options.state_bytes_max = MIB + 1;
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "tpm", MIB + 1);
}

static void total_of_all_states_has_a_limit_too(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "a", 600);
	scene_good_helper(s, "b", 600);
	s->options.total_bytes_max = 1199;
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -EMSGSIZE);
	scene_message_has(s, "1199");
	assert_null(s->blob);
}

/* 0 is no limit, at each of them. */
static void without_limits_what_is_possible_is_saved_and_loaded(void **state)
{
	const size_t bytes = MIB + MIB / 2; /* more than by default */
	struct scene *s = *state;

	s->options.state_bytes_max = s->options.total_bytes_max = 0;
	s->options.helpers_max = 0;
	s->options.start_timeout_ms = s->options.gather_timeout_ms = 0;
	s->options.helper_timeout_ms = 0;
	scene_good_helper(s, "a", bytes);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", bytes);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
}

static void nul_bytes_are_carried(void **state)
{
	static const uint8_t wire[] = { 0, 0, 0, 1, 0, 0, 0, 1,    'n',
					0, 0, 0, 5, 0, 1, 0, 0xff, 0 };
	const struct actor_plan plan = { .id = "n",
					 .state = wire + 13,
					 .bytes = 5 };
	struct scene *s = *state;
	struct actor *helper = scene_helper(s, &plan);

	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(s->bytes, sizeof(wire));
	assert_memory_equal(s->blob, wire, sizeof(wire));
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	assert_true(actor_has_loaded(helper, wire + 13, 5));
}

static void error_reply_fails_with_the_id_and_the_reason(void **state)
{
	const struct actor_plan plan = { .id = "net", .on_save = ACTOR_ERROR };
	struct scene *s = *state;

	scene_good_helper(s, "a", 1);
	scene_helper(s, &plan);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -EREMOTEIO);
	scene_message_has(s, "helper 'net' (:1.");
	scene_message_has(s, "Save: org.example.Refused: not \\x1b[31mtoday");
	assert_null(s->blob);
}

static void reply_of_another_type_fails(void **state)
{
	const struct actor_plan plan = { .id = "net",
					 .on_save = ACTOR_WRONG_TYPE };
	struct scene *s = *state;

	scene_helper(s, &plan);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -EBADMSG);
	scene_message_has(s, "'net'");
	scene_message_has(s, "not a byte array");
}

static void late_answer_fails_then_and_harms_nothing_later(void **state)
{
	const struct actor_plan plan = { .id = "slow",
					 .bytes = 5000,
					 .on_save = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *slow;

	scene_good_helper(s, "a", 10);
	slow = scene_helper(s, &plan);
	s->options.gather_timeout_ms = SCENE_DEADLINE_MS;
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -ETIMEDOUT);
	scene_message_has(s, "'slow' did not answer Save within 1000 ms");
	assert_null(strstr(s->err.message, "'a'"));
	actor_wait_saves(slow, 1);
	actor_set_acts(slow, ACTOR_ANSWER, ACTOR_ANSWER);
	actor_release(slow);
	s->options.gather_timeout_ms = SCENE_PATIENCE_MS;
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "slow", 5000);
}

static void late_answer_is_ignored_by_the_same_connection(void **state)
{
	const struct actor_plan plan = { .id = "slow",
					 .bytes = 5000,
					 .on_save = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *slow = scene_helper(s, &plan);

	scene_must_open(s, NULL);
	scene_fresh_error(s);
	assert_int_equal(rj_helpers_save_all(s->h, rj_now_ns() + 1000000000,
					     &s->blob, &s->bytes, &s->err),
			 -ETIMEDOUT);
	actor_wait_saves(slow, 1);
	actor_set_acts(slow, ACTOR_ANSWER, ACTOR_ANSWER);
	actor_release(slow);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "slow", 5000);
	assert_int_equal(actor_saves(slow), 2);
}

static void one_helpers_deadline_may_be_shorter_than_the_whole(void **state)
{
	const struct actor_plan plan = { .id = "slow", .on_save = ACTOR_HOLD };
	struct scene *s = *state;

	scene_helper(s, &plan);
	s->options.helper_timeout_ms = SCENE_DEADLINE_MS;
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -ETIMEDOUT);
	scene_message_has(s, "within 1000 ms");
}

static void helper_that_dies_in_save_fails_it(void **state)
{
	const struct actor_plan plan = { .id = "net", .on_save = ACTOR_LEAVE };
	struct scene *s = *state;

	scene_good_helper(s, "a", 1);
	scene_helper(s, &plan);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -EREMOTEIO);
	scene_message_has(s, "'net'");
	scene_message_has(s, "left the bus without answering");
}

static void helper_gone_since_start_fails_before_any_save(void **state)
{
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 1);
	struct actor *b = scene_good_helper(s, "b", 1);

	for (int listed = 0; listed < 2; listed++) {
		scene_must_open(s, listed ? "a,b" : NULL);
		actor_stop(b);
		assert_int_equal(scene_save(s), -ENXIO);
		scene_message_has(s, "'b' took part at the start and left");
		assert_int_equal(actor_saves(a), 0);
		b = scene_good_helper(s, "b", 1);
	}
}

static void attempt_after_a_helper_left_begins_afresh(void **state)
{
	struct scene *s = *state;
	struct actor *b;

	scene_good_helper(s, "a", 1);
	b = scene_good_helper(s, "b", 1);
	scene_must_open(s, "a,b");
	actor_stop(b);
	assert_int_equal(scene_save(s), -ENXIO);
	assert_int_equal(scene_save(s), -ENOENT);
	scene_message_has(s, "'b'");
	scene_good_helper(s, "b", 77);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "b", 77);
}

static void giving_up_the_name_is_leaving(void **state)
{
	struct scene *s = *state;
	struct actor *b;

	scene_good_helper(s, "a", 1);
	b = scene_good_helper(s, "b", 1);
	scene_must_open(s, NULL);
	actor_drop_name(b);
	assert_int_equal(scene_save(s), -ENXIO);
	scene_message_has(s, "'b'");
}

static void leaving_is_seen_while_memory_moves(void **state)
{
	struct scene *s = *state;
	struct actor *b;
	struct pollfd fd;
	uint64_t until;
	int rc;

	scene_good_helper(s, "a", 1);
	b = scene_good_helper(s, "b", 1);
	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_check(s->h, NULL), 0);
	actor_stop(b);
	while (!(rc = rj_helpers_check(s->h, &s->err))) {
		assert_int_equal(rj_helpers_poll(s->h, &fd, &until), 0);
		assert_true(poll(&fd, 1, -1) >= 0);
	}
	assert_int_equal(rc, -ENXIO);
	scene_message_has(s, "'b'");
}

static void newcomer_takes_part_without_a_list(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "a", 1);
	scene_must_open(s, NULL);
	scene_good_helper(s, "new", 300);
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(scene_blob_count(s), 2);
	scene_blob_has(s, "new", 300);
}

static void newcomer_stays_out_with_a_list(void **state)
{
	const struct actor_plan mute = { .on_id = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *late;

	scene_good_helper(s, "a", 1);
	scene_must_open(s, "a");
	late = scene_good_helper(s, "a", 300);
	scene_helper(s, &mute);
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(scene_blob_count(s), 1);
	scene_blob_has(s, "a", 1);
	assert_int_equal(actor_saves(late), 0);
}

static void newcomer_with_a_known_id_fails_the_switchover(void **state)
{
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 1);
	struct actor *twin;

	scene_must_open(s, NULL);
	twin = scene_good_helper(s, "a", 1);
	assert_int_equal(scene_save(s), -EEXIST);
	scene_message_has(s, a->bus_name);
	scene_message_has(s, twin->bus_name);
	assert_int_equal(actor_saves(a), 0);
	actor_stop(twin);
	assert_int_equal(scene_save(s), 0);
}

static void newcomer_that_gives_no_id_fails_the_switchover(void **state)
{
	const struct actor_plan mute = { .on_id = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 1);
	struct actor *late;

	s->options.gather_timeout_ms = SCENE_DEADLINE_MS;
	scene_must_open(s, NULL);
	late = scene_helper(s, &mute);
	assert_int_equal(scene_save(s), -EBADMSG);
	scene_message_has(s, late->bus_name);
	assert_int_equal(actor_saves(a), 0);
}

static void unlisted_helper_may_leave(void **state)
{
	struct scene *s = *state;
	struct actor *b;

	b = scene_good_helper(s, "b", 1);
	scene_good_helper(s, "a", 1);
	scene_must_open(s, "a");
	actor_stop(b);
	assert_int_equal(rj_helpers_check(s->h, NULL), 0);
	assert_int_equal(scene_save(s), 0);
}

static int drive(struct scene *s)
{
	struct pollfd fd;
	uint64_t until;
	int rc;

	while (!(rc = rj_helpers_process(s->h, &s->err))) {
		assert_int_equal(rj_helpers_poll(s->h, &fd, &until), 0);
		assert_true(poll(&fd, 1, -1) >= 0);
	}
	return rc;
}

/* The answer of ListQueuedOwners comes first, with it the Saves go out. */
static void drive_until_save(struct scene *s, struct actor *actor)
{
	struct pollfd fd;
	uint64_t until;

	while (actor_saves(actor) == 0) {
		assert_int_equal(rj_helpers_process(s->h, &s->err), 0);
		assert_int_equal(rj_helpers_poll(s->h, &fd, &until), 0);
		assert_true(poll(&fd, 1, 1) >= 0);
	}
}

static void every_save_is_out_before_the_first_answer(void **state)
{
	static const char *const ids[] = { "a", "b", "c" };
	struct scene *s = *state;
	struct actor_plan plan = { .bytes = 9, .on_save = ACTOR_HOLD };

	for (size_t i = 0; i < 3; i++) {
		plan.id = ids[i];
		scene_helper(s, &plan);
	}
	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_begin_save(s->h, 0, &s->err), 0);
	assert_int_equal(rj_helpers_begin_save(s->h, 0, NULL), -EBUSY);
	drive_until_save(s, &s->actors[0]);
	for (size_t i = 0; i < 3; i++)
		actor_wait_saves(&s->actors[i], 1);
	for (size_t i = 0; i < 3; i++)
		actor_release(&s->actors[i]);
	assert_int_equal(drive(s), 1);
	assert_int_equal(
		rj_helpers_finish_save(s->h, &s->blob, &s->bytes, &s->err), 0);
	for (size_t i = 0; i < 3; i++)
		scene_blob_has(s, ids[i], 9);
	assert_int_equal(
		rj_helpers_finish_save(s->h, &s->blob, &s->bytes, NULL),
		-EINVAL);
}

static void called_off_save_leaves_room_for_the_next(void **state)
{
	const struct actor_plan plan = { .id = "a",
					 .bytes = 4,
					 .on_save = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *a = scene_helper(s, &plan);

	scene_must_open(s, NULL);
	/* Before its first answer. */
	assert_int_equal(rj_helpers_begin_save(s->h, 0, &s->err), 0);
	rj_helpers_abort(s->h);
	rj_helpers_abort(s->h);
	rj_helpers_abort(NULL);
	assert_int_equal(rj_helpers_process(s->h, &s->err), 1);
	/* With a Save under way. */
	assert_int_equal(rj_helpers_begin_save(s->h, 0, &s->err), 0);
	drive_until_save(s, a);
	rj_helpers_abort(s->h);
	actor_set_acts(a, ACTOR_ANSWER, ACTOR_ANSWER);
	actor_release(a);
	/* With the states held. */
	assert_int_equal(rj_helpers_begin_save(s->h, 0, &s->err), 0);
	assert_int_equal(drive(s), 1);
	rj_helpers_abort(s->h);
	assert_int_equal(
		rj_helpers_finish_save(s->h, &s->blob, &s->bytes, NULL),
		-EINVAL);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", 4);
}

static void cancelling_ends_the_wait_and_spares_the_handle(void **state)
{
	const struct actor_plan plan = { .id = "a",
					 .bytes = 4,
					 .on_save = ACTOR_HOLD };
	const uint64_t one = 1;
	struct scene *s = *state;
	struct actor *a = scene_helper(s, &plan);
	uint64_t drained;

	scene_must_open(s, NULL);
	assert_int_equal(write(s->wake_fd, &one, 8), 8);
	assert_int_equal(scene_save(s), -ECANCELED);
	assert_null(s->blob);
	assert_int_equal(read(s->wake_fd, &drained, 8), 8);
	actor_set_acts(a, ACTOR_ANSWER, ACTOR_ANSWER);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", 4);
}

static void rehearsal_learns_sizes_and_disturbs_nothing(void **state)
{
	struct rj_helper_result *results;
	struct scene *s = *state;
	struct actor *b = scene_good_helper(s, "b", 4000);
	uint64_t whole, slowest;
	size_t count;

	scene_good_helper(s, "a", 30);
	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_rehearse(s->h, 0, &s->err), 0);
	assert_int_equal(rj_helpers_results(s->h, &results, &count), 0);
	assert_int_equal(count, 2);
	assert_string_equal(results[0].id, "a");
	assert_int_equal(results[0].bytes, 30);
	assert_string_equal(results[1].id, "b");
	assert_string_equal(results[1].bus_name, b->bus_name);
	assert_int_equal(results[1].bytes, 4000);
	rj_helpers_times(s->h, &whole, &slowest);
	assert_true(slowest >= results[0].save_us);
	assert_true(slowest >= results[1].save_us);
	assert_true(whole >= slowest && slowest > 0);
	free(results);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "b", 4000);
	assert_int_equal(actor_saves(b), 2);
}

static void states_come_in_the_order_of_ids(void **state)
{
	static const uint8_t wire[] = { 0, 0, 0, 3, 0,   0,   0,   1, 'B', 0, 0,
					0, 0, 0, 0, 0,   1,   'a', 0, 0,   0, 0,
					0, 0, 0, 2, 'a', 'b', 0,   0, 0,   0 };
	struct scene *s = *state;

	scene_good_helper(s, "ab", 0);
	scene_good_helper(s, "B", 0);
	scene_good_helper(s, "a", 0);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(s->bytes, sizeof(wire));
	assert_memory_equal(s->blob, wire, sizeof(wire));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(states_of_every_size_arrive_byte_for_byte),
		TEST(one_byte_over_the_limit_fails_with_the_figures),
		TEST(total_of_all_states_has_a_limit_too),
		TEST(without_limits_what_is_possible_is_saved_and_loaded),
		TEST(nul_bytes_are_carried),
		TEST(error_reply_fails_with_the_id_and_the_reason),
		TEST(reply_of_another_type_fails),
		TEST(late_answer_fails_then_and_harms_nothing_later),
		TEST(late_answer_is_ignored_by_the_same_connection),
		TEST(one_helpers_deadline_may_be_shorter_than_the_whole),
		TEST(helper_that_dies_in_save_fails_it),
		TEST(helper_gone_since_start_fails_before_any_save),
		TEST(attempt_after_a_helper_left_begins_afresh),
		TEST(giving_up_the_name_is_leaving),
		TEST(leaving_is_seen_while_memory_moves),
		TEST(newcomer_takes_part_without_a_list),
		TEST(newcomer_stays_out_with_a_list),
		TEST(newcomer_with_a_known_id_fails_the_switchover),
		TEST(newcomer_that_gives_no_id_fails_the_switchover),
		TEST(unlisted_helper_may_leave),
		TEST(every_save_is_out_before_the_first_answer),
		TEST(called_off_save_leaves_room_for_the_next),
		TEST(cancelling_ends_the_wait_and_spares_the_handle),
		TEST(rehearsal_learns_sizes_and_disturbs_nothing),
		TEST(states_come_in_the_order_of_ids),
	};

	test_bus_choose(argc, argv);
	return cmocka_run_group_tests_name("helpers_save", tests, NULL, NULL);
}
