/* SPDX-License-Identifier: BSD-3-Clause */
/* The public calls: writing a helper, and moving states by hand. */
#include "tests/unit/dbus/scene.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* ---- a helper written with libramjet --------------------------------- */

struct mine {
	const char *id;
	struct ramjet_helper *helper;
	int stop_fd;
	pthread_t thread;
	uint8_t *data;
	size_t bytes;
	int fails; /* negative errno */
	const char *says;
	int result;
	struct ramjet_error err;
};

static int my_save(void *user, void **ret_data, size_t *ret_bytes,
		   struct ramjet_error *err)
{
	struct mine *mine = user;

	assert_int_equal(ramjet_helper_free(mine->helper), -EDEADLK);
	if (mine->fails) {
		if (mine->says)
			(void)snprintf(err->message, sizeof(err->message), "%s",
				       mine->says);
		err->code = mine->says ? mine->fails : 0;
		return mine->fails;
	}
	*ret_data = malloc(mine->bytes + 1);
	assert_non_null(*ret_data);
	if (mine->bytes)
		memcpy(*ret_data, mine->data, mine->bytes);
	*ret_bytes = mine->bytes;
	return 0;
}

static int my_load(void *user, const void *data, size_t bytes,
		   struct ramjet_error *err)
{
	struct mine *mine = user;

	(void)err;
	assert_int_equal(ramjet_helper_free(mine->helper), -EDEADLK);
	if (mine->fails)
		return mine->fails;
	free(mine->data);
	mine->data = malloc(bytes + 1);
	assert_non_null(mine->data);
	if (bytes)
		memcpy(mine->data, data, bytes);
	mine->bytes = bytes;
	return 0;
}

static void *serve(void *user)
{
	struct mine *mine = user;

	mine->result =
		ramjet_helper_run(mine->helper, mine->stop_fd, &mine->err);
	return NULL;
}

static void mine_start_as(struct mine *mine, const char *address,
			  const char *id, size_t bytes, bool unlimited)
{
	*mine = (struct mine){ .id = id, .bytes = bytes };
	mine->data = malloc(bytes + 1);
	assert_non_null(mine->data);
	actor_pattern(id, mine->data, bytes);
	mine->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (ramjet_helper_new(address, id, my_save, my_load, mine,
			      &mine->helper, &mine->err) < 0)
		fail_msg("%s", mine->err.message);
	if (unlimited)
		assert_int_equal(ramjet_helper_set_limit(mine->helper, 0), 0);
	assert_int_equal(ramjet_helper_bus_name(mine->helper)[0], ':');
	assert_int_equal(ramjet_helper_set_limit(mine->helper, (64u << 20) + 1),
			 -EINVAL);
	assert_int_equal(pthread_create(&mine->thread, NULL, serve, mine), 0);
}

static void mine_start(struct mine *mine, const char *address, const char *id,
		       size_t bytes)
{
	mine_start_as(mine, address, id, bytes, false);
}

/* Returns what ramjet_helper_run() did. */
static int mine_stop(struct mine *mine)
{
	const uint64_t one = 1;

	assert_int_equal(write(mine->stop_fd, &one, 8), 8);
	assert_int_equal(pthread_join(mine->thread, NULL), 0);
	assert_int_equal(ramjet_helper_free(mine->helper), 0);
	(void)close(mine->stop_fd);
	free(mine->data);
	return mine->result;
}

static void helpers_of_our_own_are_saved_and_loaded(void **state)
{
	static const struct scene_item items[] = { { "b", 1u << 20 } };
	struct scene *s = *state;
	struct mine a, b;

	mine_start(&a, s->bus.address, "a", 0);
	mine_start(&b, s->bus.address, "b", 1u << 20);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(scene_blob_count(s), 2);
	scene_blob_has(s, "a", 0);
	scene_blob_has(s, "b", 1u << 20);
	b.data[0] ^= 1;
	scene_make_blob(s, items, 1);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	b.data[0] ^= 1;
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(mine_stop(&a), 0);
	assert_int_equal(mine_stop(&b), 0);
}

static void errors_of_callbacks_become_dbus_errors(void **state)
{
	static const struct scene_item items[] = { { "a", 10 } };
	struct scene *s = *state;
	struct mine a;

	mine_start(&a, s->bus.address, "a", 10);
	scene_must_open(s, NULL);
	a.fails = -EACCES;
	a.says = "the tap device is \xff gone\n";
	assert_int_equal(scene_save(s), -EREMOTEIO);
	scene_message_has(s, "org.freedesktop.DBus.Error.AccessDenied");
	scene_message_has(s, "AccessDenied: the tap device is \\xff gone");
	a.says = NULL;
	a.fails = -EIO;
	scene_make_blob(s, items, 1);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -EREMOTEIO);
	scene_message_has(s, "Load: org.freedesktop.DBus.Error.IOError: ");
	scene_message_has(s, "Input/output error");
	a.fails = 0;
	assert_int_equal(scene_save(s), 0);
	assert_int_equal(mine_stop(&a), 0);
}

static void skeleton_enforces_the_limit_both_ways(void **state)
{
	static const struct scene_item items[] = { { "a", (1u << 20) + 1 } };
	struct scene *s = *state;
	struct mine a;

	s->options.state_bytes_max = 2u << 20;
	mine_start(&a, s->bus.address, "a", (1u << 20) + 1);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), -EREMOTEIO);
	scene_message_has(s, "LimitsExceeded");
	scene_message_has(s, "1048577 bytes of state, the limit is 1048576");
	scene_make_blob(s, items, 1);
	assert_int_equal(scene_load(s, s->blob, s->bytes), -EREMOTEIO);
	scene_message_has(s, "LimitsExceeded");
	assert_int_equal(mine_stop(&a), 0);
}

static void limit_of_0_is_none(void **state)
{
	struct scene *s = *state;
	struct mine a;

	s->options.state_bytes_max = 0;
	mine_start_as(&a, s->bus.address, "a", (1u << 20) + 1, true);
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", (1u << 20) + 1);
	assert_int_equal(scene_load(s, s->blob, s->bytes), 0);
	assert_int_equal(mine_stop(&a), 0);
}

static int ignore_save(void *user, void **ret_data, size_t *ret_bytes,
		       struct ramjet_error *err)
{
	(void)user;
	(void)ret_data;
	(void)ret_bytes;
	(void)err;
	return 0;
}

static int ignore_load(void *user, const void *data, size_t bytes,
		       struct ramjet_error *err)
{
	(void)user;
	(void)data;
	(void)bytes;
	(void)err;
	return 0;
}

static void bad_arguments_are_refused(void **state)
{
	struct ramjet_helper *helper = NULL;
	struct scene *s = *state;
	const char *address = s->bus.address;
	char longer[257];

	memset(longer, 'a', 256);
	longer[256] = '\0';
	assert_int_equal(ramjet_helper_new(address, "", ignore_save,
					   ignore_load, NULL, &helper, NULL),
			 -EINVAL);
	assert_int_equal(ramjet_helper_new(address, longer, ignore_save,
					   ignore_load, NULL, &helper, NULL),
			 -EINVAL);
	assert_int_equal(ramjet_helper_new(address, "\xff", ignore_save,
					   ignore_load, NULL, &helper, NULL),
			 -EINVAL);
	assert_int_equal(ramjet_helper_new(address, NULL, ignore_save,
					   ignore_load, NULL, &helper, NULL),
			 -EINVAL);
	assert_int_equal(ramjet_helper_new(address, "a", NULL, ignore_load,
					   NULL, &helper, NULL),
			 -EINVAL);
	assert_int_equal(ramjet_helper_new("tcp:host=x", "a", ignore_save,
					   ignore_load, NULL, &helper, NULL),
			 -EINVAL);
	assert_int_equal(ramjet_helper_new("unix:path=/nonexistent", "a",
					   ignore_save, ignore_load, NULL,
					   &helper, &s->err),
			 -ENOENT);
	scene_message_has(s, "/nonexistent");
	assert_null(helper);
	ramjet_helper_free(NULL);
}

static void helper_ends_with_an_error_when_the_bus_goes_away(void **state)
{
	struct scene *s = *state;
	struct mine a;

	mine_start(&a, s->bus.address, "a", 1);
	test_bus_stop(&s->bus);
	assert_int_equal(pthread_join(a.thread, NULL), 0);
	assert_int_equal(a.result, -ENOTCONN);
	assert_non_null(strstr(a.err.message, "lost the connection"));
	ramjet_helper_free(a.helper);
	(void)close(a.stop_fd);
	free(a.data);
}

static void stop_helping(struct mine *a, struct scene *s)
{
	ramjet_helper_free(a->helper);
	a->helper = NULL;
	assert_int_equal(scene_save(s), -ENXIO);
}

/* One thread for both sides: neither ever waits inside. */
static void helper_fits_an_event_loop_of_ones_own(void **state)
{
	struct scene *s = *state;
	struct mine a = { .id = "a" };
	struct pollfd fds[2];
	uint64_t until;
	int rc;

	scene_must_open(s, NULL);
	assert_int_equal(ramjet_helper_new(s->bus.address, "a", my_save,
					   my_load, &a, &a.helper, NULL),
			 0);
	assert_int_equal(rj_helpers_begin_save(s->h, 0, &s->err), 0);
	while (!(rc = rj_helpers_process(s->h, &s->err))) {
		assert_int_equal(rj_helpers_poll(s->h, &fds[0], &until), 0);
		fds[1].fd = ramjet_helper_fd(a.helper);
		fds[1].events = (short)ramjet_helper_events(a.helper);
		rc = ramjet_helper_timeout_ms(a.helper);
		assert_true(poll(fds, 2, rc) >= 0);
		assert_int_equal(ramjet_helper_process(a.helper, NULL), 0);
	}
	assert_int_equal(rc, 1);
	assert_int_equal(
		rj_helpers_finish_save(s->h, &s->blob, &s->bytes, NULL), 0);
	scene_blob_has(s, "a", 0);
	stop_helping(&a, s);
}

/* ---- states moved by hand -------------------------------------------- */

static void listing_shows_everybody_and_what_is_wrong(void **state)
{
	const struct actor_plan bad = { .on_id = ACTOR_ERROR };
	struct ramjet_helper_info *infos;
	struct scene *s = *state;
	struct actor *helpers[4];
	size_t count;

	helpers[0] = scene_helper(s, &bad);
	helpers[1] = scene_good_helper(s, "b", 1);
	helpers[2] = scene_good_helper(s, "a", 1);
	helpers[3] = scene_good_helper(s, "b", 1);
	assert_int_equal(
		ramjet_helpers_list(&s->options, &infos, &count, &s->err), 0);
	assert_int_equal(count, 4);
	assert_string_equal(infos[0].bus_name, helpers[0]->bus_name);
	assert_non_null(strstr(infos[0].problem, "org.example.Refused"));
	assert_string_equal(infos[1].id, "a");
	assert_string_equal(infos[1].problem, "");
	assert_true(infos[1].takes_part && infos[1].has_uid);
	assert_int_equal(infos[1].uid, geteuid());
	assert_string_equal(infos[2].bus_name, helpers[1]->bus_name);
	assert_string_equal(infos[3].bus_name, helpers[3]->bus_name);
	assert_non_null(strstr(infos[3].problem, "same Id 'b'"));
	ramjet_helpers_free(infos);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(actor_saves(helpers[i]), 0);
}

static void listing_names_listed_ids_nobody_has(void **state)
{
	struct ramjet_helper_info *infos;
	struct scene *s = *state;
	size_t count;

	scene_good_helper(s, "a", 1);
	scene_good_helper(s, "b", 1);
	s->options.id_list = "c,a";
	assert_int_equal(
		ramjet_helpers_list(&s->options, &infos, &count, &s->err), 0);
	assert_int_equal(count, 3);
	assert_true(infos[0].takes_part && !infos[1].takes_part);
	assert_string_equal(infos[2].id, "c");
	assert_string_equal(infos[2].bus_name, "");
	assert_non_null(strstr(infos[2].problem, "no helper"));
	ramjet_helpers_free(infos);
	s->options.bus_address = "unix:path=/nonexistent";
	assert_int_equal(
		ramjet_helpers_list(&s->options, &infos, &count, &s->err),
		-ENOENT);
}

static void states_are_saved_and_loaded_by_hand(void **state)
{
	struct ramjet_helper_info *infos;
	struct scene *s = *state;
	struct actor *a = scene_good_helper(s, "a", 2000);
	size_t count;

	scene_good_helper(s, "b", 10);
	s->options.id_list = "a";
	assert_int_equal(ramjet_helpers_save(&s->options, &s->blob, &s->bytes,
					     &infos, &count, &s->err),
			 0);
	assert_int_equal(count, 2);
	assert_int_equal(infos[0].bytes, 2000);
	assert_true(infos[0].save_us > 0);
	ramjet_helpers_free(infos);
	scene_blob_has(s, "a", 2000);
	assert_int_equal(ramjet_helpers_load(&s->options, s->blob, s->bytes,
					     &infos, &count, &s->err),
			 0);
	assert_true(infos[0].loaded && !infos[1].loaded);
	ramjet_helpers_free(infos);
	scene_has_loaded(a, "a", 2000);
	assert_int_equal(ramjet_helpers_load(&s->options, s->blob, 7, NULL,
					     NULL, &s->err),
			 -EBADMSG);
	assert_int_equal(actor_loads(a), 1);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(helpers_of_our_own_are_saved_and_loaded),
		TEST(errors_of_callbacks_become_dbus_errors),
		TEST(skeleton_enforces_the_limit_both_ways),
		TEST(limit_of_0_is_none),
		TEST(bad_arguments_are_refused),
		TEST(helper_ends_with_an_error_when_the_bus_goes_away),
		TEST(helper_fits_an_event_loop_of_ones_own),
		TEST(listing_shows_everybody_and_what_is_wrong),
		TEST(listing_names_listed_ids_nobody_has),
		TEST(states_are_saved_and_loaded_by_hand),
	};

	test_bus_choose(argc, argv);
	return cmocka_run_group_tests_name("helpers_operator", tests, NULL,
					   NULL);
}
