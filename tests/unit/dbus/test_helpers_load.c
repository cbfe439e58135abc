/* SPDX-License-Identifier: BSD-3-Clause */
/* The target: what is refused before any Load, and what a Load may do. */
#include "tests/unit/dbus/scene.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static void arriving_states_reach_their_helpers(void **state)
{
	static const struct scene_item items[] = { { "a", 0 },
						   { "b", 1 },
						   { "c", 1u << 20 } };
	struct scene *s = *state;
	struct actor *helpers[3];
	struct rj_helper_result *results;
	size_t count;

	for (size_t i = 0; i < 3; i++)
		helpers[i] = scene_good_helper(s, items[2 - i].id, 5);
	scene_must_open(s, NULL);
	scene_make_blob(s, items, 3);
	assert_int_equal(
		rj_helpers_check_arriving(s->h, s->blob, s->bytes, &s->err), 0);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	for (size_t i = 0; i < 3; i++)
		scene_has_loaded(helpers[i], items[2 - i].id,
				 items[2 - i].bytes);
	assert_int_equal(rj_helpers_results(s->h, &results, &count), 0);
	assert_int_equal(count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(results[i].id, items[i].id);
		assert_int_equal(results[i].bytes, items[i].bytes);
		assert_true(results[i].loaded && !results[i].left_alone);
		assert_true(results[i].load_us > 0);
		assert_int_equal(results[i].save_us, 0);
	}
	free(results);
}

static void state_without_its_helper_is_refused_before_any_load(void **state)
{
	static const struct scene_item items[] = { { "a", 10 },
						   { "lost", 10 },
						   { "z", 10 } };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);

	scene_must_open(s, NULL);
	scene_make_blob(s, items, 3);
	assert_int_equal(
		rj_helpers_check_arriving(s->h, s->blob, s->bytes, &s->err),
		-ENOENT);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -ENOENT);
	scene_message_has(s, "'lost', 'z'");
	assert_int_equal(actor_loads(a), 0);
}

static void state_of_an_unlisted_helper_is_refused(void **state)
{
	static const struct scene_item items[] = { { "a", 10 }, { "b", 10 } };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);
	struct actor *b = scene_good_helper(s, "b", 5);

	scene_must_open(s, "a");
	scene_make_blob(s, items, 2);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -ENOENT);
	scene_message_has(s, "'b'");
	assert_int_equal(actor_loads(a), 0);
	assert_int_equal(actor_loads(b), 0);
}

static void helper_without_state_is_left_alone_and_reported(void **state)
{
	static const struct scene_item items[] = { { "a", 10 } };
	struct rj_helper_result *results;
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);
	struct actor *extra = scene_good_helper(s, "extra", 5);
	const char *once;
	size_t count;

	scene_must_open(s, NULL);
	scene_make_blob(s, items, 1);
	/* As the target does: looked at when it arrives, loaded later. */
	assert_int_equal(
		rj_helpers_check_arriving(s->h, s->blob, s->bytes, &s->err), 0);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	scene_has_loaded(a, "a", 10);
	assert_int_equal(actor_loads(extra), 0);
	assert_non_null(strstr(s->logged, "'extra'"));
	once = strstr(s->logged, "left alone");
	assert_non_null(once);
	assert_null(strstr(once + 1, "left alone"));
	assert_int_equal(rj_helpers_results(s->h, &results, &count), 0);
	assert_int_equal(count, 2);
	assert_true(results[0].loaded && !results[0].left_alone);
	assert_true(!results[1].loaded && results[1].left_alone);
	free(results);
}

static void listed_id_that_does_not_arrive_is_refused(void **state)
{
	static const struct scene_item items[] = { { "a", 10 } };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);

	scene_good_helper(s, "b", 5);
	scene_good_helper(s, "c", 5);
	scene_must_open(s, "c,a,b");
	scene_make_blob(s, items, 1);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -ENOENT);
	scene_message_has(s, "'c', 'b'");
	assert_int_equal(scene_load(s, NULL, 0), -ENOENT);
	scene_message_has(s, "'c', 'a', 'b'");
	assert_int_equal(actor_loads(a), 0);
}

static void failed_load_names_the_id_and_who_has_loaded(void **state)
{
	static const struct scene_item items[] = { { "a", 10 },
						   { "b", 10 },
						   { "c", 10 } };
	const struct actor_plan bad = { .id = "b", .on_load = ACTOR_ERROR };
	struct scene *s = *state;

	scene_good_helper(s, "a", 5);
	scene_helper(s, &bad);
	scene_good_helper(s, "c", 5);
	scene_must_open(s, NULL);
	scene_make_blob(s, items, 3);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -EREMOTEIO);
	scene_message_has(s, "helper 'b'");
	scene_message_has(s, "Load: org.example.Refused");
	scene_message_has(s, "already loaded: 'a', 'c'");
}

static void load_over_the_deadline_names_the_id(void **state)
{
	static const struct scene_item items[] = { { "a", 10 }, { "b", 10 } };
	const struct actor_plan bad = { .id = "b", .on_load = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);

	scene_helper(s, &bad);
	/* Long enough for 'a' to have answered. */
	s->options.gather_timeout_ms = SCENE_DEADLINE_MS;
	scene_must_open(s, NULL);
	scene_make_blob(s, items, 2);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -ETIMEDOUT);
	scene_message_has(s, "'b' did not answer Load within 1000 ms");
	scene_message_has(s, "already loaded: 'a'");
	scene_has_loaded(a, "a", 10);
}

static void helper_that_dies_in_load_fails_it(void **state)
{
	static const struct scene_item items[] = { { "b", 10 } };
	const struct actor_plan bad = { .id = "b", .on_load = ACTOR_LEAVE };
	struct scene *s = *state;

	scene_helper(s, &bad);
	scene_must_open(s, NULL);
	scene_make_blob(s, items, 1);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -EREMOTEIO);
	scene_message_has(s, "helper 'b'");
	scene_message_has(s, "already loaded: none");
}

static void helper_gone_since_start_fails_before_any_load(void **state)
{
	static const struct scene_item items[] = { { "a", 10 }, { "b", 10 } };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);
	struct actor *b = scene_good_helper(s, "b", 5);

	scene_must_open(s, NULL);
	scene_make_blob(s, items, 2);
	actor_stop(b);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -ENXIO);
	scene_message_has(s, "'b'");
	assert_int_equal(actor_loads(a), 0);
}

static void helper_started_meanwhile_gets_its_state(void **state)
{
	static const struct scene_item items[] = { { "late", 10 } };
	struct scene *s = *state;
	struct actor *late;

	scene_must_open(s, NULL);
	late = scene_good_helper(s, "late", 5);
	scene_make_blob(s, items, 1);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	scene_has_loaded(late, "late", 10);
}

static void blob_cut_at_any_byte_reaches_no_helper(void **state)
{
	static const struct scene_item items[] = { { "a", 10 }, { "b", 20 } };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);
	struct actor *b = scene_good_helper(s, "b", 5);

	scene_must_open(s, NULL);
	scene_make_blob(s, items, 2);
	for (size_t cut = 1; cut < s->bytes; cut++)
		assert_int_equal(scene_load(s, s->blob, cut), -EBADMSG);
	assert_int_equal(actor_loads(a) + actor_loads(b), 0);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	scene_has_loaded(a, "a", 10);
	scene_has_loaded(b, "b", 20);
}

static void oversize_state_reaches_no_helper(void **state)
{
	static const struct scene_item items[] = { { "a", 10 },
						   { "b", (1u << 20) + 1 } };
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 5);

	scene_good_helper(s, "b", 5);
	scene_must_open(s, NULL);
	scene_make_blob(s, items, 2);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -EMSGSIZE);
	scene_message_has(s, "'b'");
	scene_message_has(s, "1048577");
	assert_int_equal(actor_loads(a), 0);
}

static void state_for_a_guest_without_helpers_is_refused(void **state)
{
	static const struct scene_item items[] = { { "net", 10 } };
	struct scene *s = *state;

	scene_make_blob(s, items, 0);
	assert_int_equal(
		rj_helpers_check_arriving(NULL, s->blob, s->bytes, &s->err), 0);
	assert_int_equal(rj_helpers_check_arriving(NULL, NULL, 0, &s->err), 0);
	scene_make_blob(s, items, 1);
	assert_int_equal(
		rj_helpers_check_arriving(NULL, s->blob, s->bytes, &s->err),
		-ENOENT);
	scene_message_has(s, "'net'");
	scene_message_has(s, "no helpers are configured here");
}

static void *load_in_thread(void *user)
{
	struct scene *s = user;

	return (void *)(intptr_t)rj_helpers_load_all(s->h, s->blob, s->bytes, 0,
						     &s->err);
}

static void every_load_is_out_before_the_first_answer(void **state)
{
	static const struct scene_item items[] = { { "a", 1 },
						   { "b", 2 },
						   { "c", 3 } };
	struct scene *s = *state;
	struct actor_plan plan = { .on_load = ACTOR_HOLD };
	pthread_t thread;
	void *result;

	for (size_t i = 0; i < 3; i++) {
		plan.id = items[i].id;
		scene_helper(s, &plan);
	}
	scene_must_open(s, NULL);
	scene_make_blob(s, items, 3);
	assert_int_equal(pthread_create(&thread, NULL, load_in_thread, s), 0);
	for (size_t i = 0; i < 3; i++)
		actor_wait_loads(&s->actors[i], 1);
	for (size_t i = 0; i < 3; i++)
		actor_release(&s->actors[i]);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_int_equal((intptr_t)result, 0);
	for (size_t i = 0; i < 3; i++)
		scene_has_loaded(&s->actors[i], items[i].id, items[i].bytes);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(arriving_states_reach_their_helpers),
		TEST(state_without_its_helper_is_refused_before_any_load),
		TEST(state_of_an_unlisted_helper_is_refused),
		TEST(helper_without_state_is_left_alone_and_reported),
		TEST(listed_id_that_does_not_arrive_is_refused),
		TEST(failed_load_names_the_id_and_who_has_loaded),
		TEST(load_over_the_deadline_names_the_id),
		TEST(helper_that_dies_in_load_fails_it),
		TEST(helper_gone_since_start_fails_before_any_load),
		TEST(helper_started_meanwhile_gets_its_state),
		TEST(blob_cut_at_any_byte_reaches_no_helper),
		TEST(oversize_state_reaches_no_helper),
		TEST(state_for_a_guest_without_helpers_is_refused),
		TEST(every_load_is_out_before_the_first_answer),
	};

	test_bus_choose(argc, argv);
	return cmocka_run_group_tests_name("helpers_load", tests, NULL, NULL);
}
