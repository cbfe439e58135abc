/* SPDX-License-Identifier: BSD-3-Clause */
/* What is refused at start, and who takes part. */
#include "tests/unit/dbus/scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void nobody_on_the_bus_means_no_helpers(void **state)
{
	struct scene *s = *state;

	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_count(s->h), 0);
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(s->bytes, 4);
	assert_int_equal(scene_blob_count(s), 0);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	assert_int_equal(scene_load(s, NULL, 0), 0);
}

static void everybody_in_the_queue_takes_part_without_a_list(void **state)
{
	const struct actor_plan bystander = { .id = "x", .nameless = true };
	struct scene *s = *state;

	scene_good_helper(s, "b", 10);
	scene_good_helper(s, "a", 10);
	scene_helper(s, &bystander);
	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_count(s->h), 2);
}

static void listed_ids_are_exactly_who_takes_part(void **state)
{
	struct scene *s = *state;
	struct actor *other;

	scene_good_helper(s, "a", 10);
	other = scene_good_helper(s, "b", 10);
	scene_good_helper(s, "c", 10);
	scene_must_open(s, "c,a");
	assert_int_equal(rj_helpers_count(s->h), 2);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", 10);
	scene_blob_has(s, "c", 10);
	assert_int_equal(scene_blob_count(s), 2);
	assert_int_equal(actor_saves(other), 0);
}

static void all_missing_listed_ids_are_named_before_any_save(void **state)
{
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 10);

	assert_int_equal(scene_open(s, "net,a,tpm"), -ENOENT);
	scene_message_has(s, "'net', 'tpm'");
	assert_null(s->h);
	assert_int_equal(actor_saves(a), 0);
	assert_int_equal(actor_loads(a), 0);
}

static void listed_id_is_missing_on_an_empty_bus(void **state)
{
	struct scene *s = *state;

	assert_int_equal(scene_open(s, "a"), -ENOENT);
	scene_message_has(s, "'a'");
}

static void empty_id_is_refused_with_the_bus_name(void **state)
{
	struct scene *s = *state;
	struct actor *bad = scene_good_helper(s, "", 10);

	scene_good_helper(s, "a", 10);
	assert_int_equal(scene_open(s, NULL), -EBADMSG);
	scene_message_has(s, bad->bus_name);
	scene_message_has(s, "its Id is empty");
}

static void id_of_255_bytes_is_fine_and_of_256_is_not(void **state)
{
	struct scene *s = *state;
	char longest[256], longer[257];
	struct actor *bad;

	memset(longest, 'i', 255);
	longest[255] = '\0';
	memset(longer, 'j', 256);
	longer[256] = '\0';
	scene_good_helper(s, longest, 3);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, longest, 3);
	scene_must_open(s, longest);
	bad = scene_good_helper(s, longer, 3);
	assert_int_equal(scene_open(s, NULL), -EBADMSG);
	scene_message_has(s, bad->bus_name);
	scene_message_has(s, "longer than 255 bytes");
	actor_stop(bad);
}

static void odd_characters_in_ids_are_carried(void **state)
{
	static const char *const ids[] = {
		"a,b",  "with space", "\xc3\xa9t\xc3\xa9",
		"it's", "new\nline",  "\xf0\x9f\x9a\x80"
	};
	struct scene *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ids); i++)
		scene_good_helper(s, ids[i], 20 + i);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(ids); i++)
		scene_blob_has(s, ids[i], 20 + i);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(ids); i++)
		scene_has_loaded(&s->actors[i], ids[i], 20 + i);
	scene_must_open(s, "with space,\xc3\xa9t\xc3\xa9");
	assert_int_equal(rj_helpers_count(s->h), 2);
}

static void control_characters_never_reach_a_message(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "\x1b[31mred\xc2\x9b", 1);
	scene_good_helper(s, "\x1b[31mred\xc2\x9b", 1);
	assert_int_equal(scene_open(s, NULL), -EEXIST);
	assert_null(strchr(s->err.message, '\x1b'));
	assert_null(strstr(s->err.message, "\xc2\x9b"));
	scene_message_has(s, "'\\x1b[31mred\\xc2\\x9b'");
}

static void refused_id_property_is_named(void **state)
{
	const struct actor_plan plan = { .on_id = ACTOR_ERROR };
	struct scene *s = *state;
	struct actor *bad = scene_helper(s, &plan);

	assert_int_equal(scene_open(s, NULL), -EBADMSG);
	scene_message_has(s, bad->bus_name);
	scene_message_has(s, "its Id cannot be read");
	scene_message_has(s, "org.example.Refused");
	assert_null(strchr(s->err.message, '\x1b'));
}

static void id_of_another_type_is_refused(void **state)
{
	const struct actor_plan plan = { .on_id = ACTOR_WRONG_TYPE };
	struct scene *s = *state;
	struct actor *bad = scene_helper(s, &plan);

	assert_int_equal(scene_open(s, NULL), -EBADMSG);
	scene_message_has(s, bad->bus_name);
	scene_message_has(s, "not of type s");
}

static void helper_that_never_tells_its_id_costs_a_deadline(void **state)
{
	const struct actor_plan plan = { .on_id = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *bad = scene_helper(s, &plan);

	s->options.helper_timeout_ms = SCENE_IMPATIENCE_MS;
	assert_int_equal(scene_open(s, NULL), -EBADMSG);
	scene_message_has(s, bad->bus_name);
	scene_message_has(s, "gave no Id within 30 ms");
}

static void unlisted_helpers_may_be_as_bad_as_they_like(void **state)
{
	const struct actor_plan bad[] = {
		{ .on_id = ACTOR_HOLD },
		{ .on_id = ACTOR_ERROR },
		{ .on_id = ACTOR_WRONG_TYPE },
		{ .on_id = ACTOR_LEAVE },
		{ .id = "" },
		{ .id = "twin" },
		{ .id = "twin" },
	};
	struct scene *s = *state;

	scene_good_helper(s, "a", 10);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++)
		scene_helper(s, &bad[i]);
	s->options.helper_timeout_ms = SCENE_DEADLINE_MS;
	scene_must_open(s, "a");
	assert_int_equal(rj_helpers_count(s->h), 1);
	/* Nor do they cost anything later: nobody asks them again. */
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", 10);
	assert_int_equal(scene_blob_count(s), 1);
}

static void equal_ids_are_refused_with_both_bus_names(void **state)
{
	struct scene *s = *state;
	struct actor *one = scene_good_helper(s, "net", 1);
	struct actor *two = scene_good_helper(s, "net", 1);

	scene_good_helper(s, "other", 1);
	for (int listed = 0; listed < 2; listed++) {
		assert_int_equal(scene_open(s, listed ? "net" : NULL), -EEXIST);
		scene_message_has(s, "'net'");
		scene_message_has(s, one->bus_name);
		scene_message_has(s, two->bus_name);
	}
	scene_must_open(s, "other");
}

static void helper_that_leaves_while_asked_is_not_there(void **state)
{
	const struct actor_plan plan = { .on_id = ACTOR_LEAVE };
	struct scene *s = *state;

	scene_good_helper(s, "a", 1);
	scene_helper(s, &plan);
	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_count(s->h), 1);
}

static void fifty_helpers_are_all_found(void **state)
{
	struct scene *s = *state;
	char ids[50][8];

	for (unsigned i = 0; i < 50; i++) {
		(void)snprintf(ids[i], sizeof(ids[i]), "h%u", i);
		scene_good_helper(s, ids[i], 100 + i);
	}
	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_count(s->h), 50);
	assert_int_equal(scene_save(s), 0);
	for (unsigned i = 0; i < 50; i++)
		scene_blob_has(s, ids[i], 100 + i);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	for (unsigned i = 0; i < 50; i++)
		scene_has_loaded(&s->actors[i], ids[i], 100 + i);
}

static void more_helpers_than_the_limit_are_refused(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "a", 1);
	scene_good_helper(s, "b", 1);
	scene_good_helper(s, "c", 1);
	s->options.helpers_max = 2;
	assert_int_equal(scene_open(s, NULL), -E2BIG);
	scene_message_has(s, "3 are on the bus, the limit is 2");
	scene_message_has(s, "wanted an id-list");
	scene_must_open(s, "a,b");
}

static void uid_of_helpers_is_checked_when_asked_for(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "a", 1);
	s->options.helper_uid = (int64_t)geteuid();
	scene_must_open(s, NULL);
	s->options.helper_uid = (int64_t)geteuid() + 1;
	assert_int_equal(scene_open(s, NULL), -EPERM);
	scene_message_has(s, "'a'");
	scene_message_has(s, "wanted");
}

static void malformed_lists_are_refused(void **state)
{
	static const char *const bad[] = {
		"", ",", "a,", ",a", "a,,b", "\xff"
	};
	struct scene *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		assert_int_equal(scene_open(s, bad[i]), -EINVAL);
		scene_message_has(s, "id-list: the Id '");
	}
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_on_the_bus_means_no_helpers),
		TEST(everybody_in_the_queue_takes_part_without_a_list),
		TEST(listed_ids_are_exactly_who_takes_part),
		TEST(all_missing_listed_ids_are_named_before_any_save),
		TEST(listed_id_is_missing_on_an_empty_bus),
		TEST(empty_id_is_refused_with_the_bus_name),
		TEST(id_of_255_bytes_is_fine_and_of_256_is_not),
		TEST(odd_characters_in_ids_are_carried),
		TEST(control_characters_never_reach_a_message),
		TEST(refused_id_property_is_named),
		TEST(id_of_another_type_is_refused),
		TEST(helper_that_never_tells_its_id_costs_a_deadline),
		TEST(unlisted_helpers_may_be_as_bad_as_they_like),
		TEST(equal_ids_are_refused_with_both_bus_names),
		TEST(helper_that_leaves_while_asked_is_not_there),
		TEST(fifty_helpers_are_all_found),
		TEST(more_helpers_than_the_limit_are_refused),
		TEST(uid_of_helpers_is_checked_when_asked_for),
		TEST(malformed_lists_are_refused),
	};

	test_bus_choose(argc, argv);
	return cmocka_run_group_tests_name("helpers_start", tests, NULL, NULL);
}
