/* SPDX-License-Identifier: BSD-3-Clause */
/* Buses that are wrong, silent, gone, or several. */
#include "tests/unit/dbus/scene.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int open_address(struct scene *s, const char *address)
{
	s->options.bus_address = address;
	return scene_open(s, NULL);
}

static void wrong_addresses_are_refused_with_the_address(void **state)
{
	static const char *const bad[] = {
		"",
		"/run/bus",
		"tcp:host=localhost,port=1",
		"unixexec:path=/bin/false",
		"autolaunch:",
		"unix:path=/nonexistent;tcp:host=localhost,port=1",
		"unix:",
		"unix:nonsense",
		"unix:path=/nonexistent/bus",
	};
	struct scene *s = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		assert_true(open_address(s, bad[i]) < 0);
		assert_true(s->err.code < 0);
		scene_message_has(s, bad[i]);
		assert_null(s->h);
	}
	assert_true(open_address(s, NULL) < 0);
}

static void default_buses_are_never_tried(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "a", 1);
	assert_int_equal(setenv("DBUS_SESSION_BUS_ADDRESS", s->bus.address, 1),
			 0);
	assert_int_equal(setenv("DBUS_SYSTEM_BUS_ADDRESS", s->bus.address, 1),
			 0);
	assert_int_equal(open_address(s, "unix:path=/nonexistent"), -ENOENT);
	assert_int_equal(open_address(s, s->bus.address), 0);
}

/* ---- something that listens but is no bus ---------------------------- */

struct impostor {
	char folder[64];
	struct sockaddr_un where;
	char address[160];
	int listener;
	const char *answer; /* NULL: hang up at once */
	pthread_t thread;
};

static void *answer_once(void *user)
{
	struct impostor *i = user;
	int fd = accept4(i->listener, NULL, NULL, SOCK_CLOEXEC);
	char line[512];

	if (fd < 0)
		return NULL;
	if (i->answer) {
		(void)!read(fd, line, sizeof(line));
		(void)!send(fd, i->answer, strlen(i->answer), MSG_NOSIGNAL);
		(void)!read(fd, line, sizeof(line));
	}
	(void)close(fd);
	return NULL;
}

static void impostor_start(struct impostor *i)
{
	*i = (struct impostor){ .folder = "/tmp/rj-impostor-XXXXXX",
				.where = { .sun_family = AF_UNIX } };
	assert_non_null(mkdtemp(i->folder));
	(void)snprintf(i->where.sun_path, sizeof(i->where.sun_path), "%s/bus",
		       i->folder);
	(void)snprintf(i->address, sizeof(i->address), "unix:path=%s",
		       i->where.sun_path);
	i->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(i->listener, (void *)&i->where, sizeof(i->where)),
			 0);
	assert_int_equal(listen(i->listener, 4), 0);
}

static void impostor_stop(struct impostor *i)
{
	(void)close(i->listener);
	(void)unlink(i->where.sun_path);
	(void)rmdir(i->folder);
}

static int open_impostor(struct scene *s, const char *answer)
{
	struct impostor i;
	int rc;

	impostor_start(&i);
	i.answer = answer;
	assert_int_equal(pthread_create(&i.thread, NULL, answer_once, &i), 0);
	rc = open_address(s, i.address);
	assert_int_equal(pthread_join(i.thread, NULL), 0);
	scene_message_has(s, i.address);
	impostor_stop(&i);
	return rc;
}

static void silent_socket_costs_the_start_deadline(void **state)
{
	struct scene *s = *state;
	struct impostor i;

	impostor_start(&i);
	s->options.start_timeout_ms = SCENE_IMPATIENCE_MS;
	assert_int_equal(open_address(s, i.address), -ETIMEDOUT);
	scene_message_has(s, i.address);
	scene_message_has(s, "within 30 ms");
	impostor_stop(&i);
}

static void refused_authentication_is_told(void **state)
{
	struct scene *s = *state;

	assert_int_equal(open_impostor(s, "REJECTED EXTERNAL\r\n"
					  "REJECTED EXTERNAL\r\n"
					  "REJECTED EXTERNAL\r\n"),
			 -EACCES);
	scene_message_has(s, "refused to authenticate");
}

static void what_is_no_bus_is_told(void **state)
{
	struct scene *s = *state;

	assert_true(open_impostor(s, NULL) < 0);
	/* A line that is neither yes nor no: more of them may come. */
	s->options.start_timeout_ms = SCENE_IMPATIENCE_MS;
	assert_true(open_impostor(s, "HTTP/1.1 400 Bad Request\r\n\r\n") < 0);
}

static void socket_nobody_listens_on_is_told(void **state)
{
	struct scene *s = *state;
	struct impostor i;

	impostor_start(&i);
	(void)close(i.listener);
	assert_int_equal(open_address(s, i.address), -ECONNREFUSED);
	scene_message_has(s, i.address);
	i.listener = -1;
	impostor_stop(&i);
}

/* ---- a bus that fails later ------------------------------------------ */

static void lost_bus_is_seen_while_memory_moves(void **state)
{
	struct scene *s = *state;
	struct pollfd fd;
	uint64_t until;
	int rc;

	scene_good_helper(s, "a", 1);
	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_check(s->h, NULL), 0);
	test_bus_stop(&s->bus);
	while (!(rc = rj_helpers_check(s->h, &s->err))) {
		assert_int_equal(rj_helpers_poll(s->h, &fd, &until), 0);
		assert_true(poll(&fd, 1, -1) >= 0);
	}
	assert_int_equal(rc, -ENOTCONN);
	scene_message_has(s, "lost the connection to the bus");
	assert_int_equal(scene_save(s), -ENOTCONN);
	assert_int_equal(scene_load(s, NULL, 0), -ENOTCONN);
	assert_true(rj_helpers_poll(s->h, &fd, &until) < 0);
}

static void bus_lost_during_save_fails_it(void **state)
{
	const struct actor_plan plan = { .id = "a", .on_save = ACTOR_HOLD };
	struct scene *s = *state;
	struct actor *a = scene_helper(s, &plan);
	struct pollfd fd;
	uint64_t until;
	int rc;

	scene_must_open(s, NULL);
	assert_int_equal(rj_helpers_begin_save(s->h, 0, &s->err), 0);
	while (actor_saves(a) == 0) {
		assert_int_equal(rj_helpers_process(s->h, &s->err), 0);
		assert_int_equal(rj_helpers_poll(s->h, &fd, &until), 0);
		assert_true(poll(&fd, 1, 1) >= 0);
	}
	test_bus_stop(&s->bus);
	while (!(rc = rj_helpers_process(s->h, &s->err))) {
		assert_int_equal(rj_helpers_poll(s->h, &fd, &until), 0);
		assert_true(poll(&fd, 1, -1) >= 0);
	}
	assert_int_equal(rc, -ENOTCONN);
	scene_message_has(s, "lost the connection to the bus");
}

static void hung_bus_costs_the_deadline_and_may_recover(void **state)
{
	struct scene *s = *state;

	scene_good_helper(s, "a", 100);
	s->options.gather_timeout_ms = 200;
	scene_must_open(s, NULL);
	assert_int_equal(kill(s->bus.pid, SIGSTOP), 0);
	assert_int_equal(scene_save(s), -ETIMEDOUT);
	scene_message_has(s, s->bus.address);
	scene_message_has(s, "within 200 ms");
	assert_int_equal(kill(s->bus.pid, SIGCONT), 0);
	s->options.gather_timeout_ms = SCENE_PATIENCE_MS;
	scene_must_open(s, NULL);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", 100);
}

static void cancelling_while_the_bus_hangs_spares_the_handle(void **state)
{
	const uint64_t one = 1;
	struct scene *s = *state;
	uint64_t drained;

	scene_good_helper(s, "a", 100);
	scene_must_open(s, NULL);
	scene_good_helper(s, "b", 200);
	assert_int_equal(kill(s->bus.pid, SIGSTOP), 0);
	assert_int_equal(write(s->wake_fd, &one, 8), 8);
	assert_int_equal(scene_save(s), -ECANCELED);
	assert_int_equal(scene_save(s), -ECANCELED);
	assert_int_equal(read(s->wake_fd, &drained, 8), 8);
	assert_int_equal(kill(s->bus.pid, SIGCONT), 0);
	assert_int_equal(scene_save(s), 0);
	scene_blob_has(s, "a", 100);
	scene_blob_has(s, "b", 200);
}

/* ---- several --------------------------------------------------------- */

static void two_buses_in_one_process_do_not_mix(void **state)
{
	struct scene *source = *state;
	struct scene *target;
	void *second = NULL;
	struct actor *there;

	assert_int_equal(scene_setup(&second), 0);
	target = second;
	scene_good_helper(source, "net", 1000);
	there = scene_good_helper(target, "net", 7);
	scene_must_open(source, NULL);
	scene_must_open(target, "net");
	assert_int_equal(rj_helpers_begin_save(source->h, 0, NULL), 0);
	assert_int_equal(scene_save(target), 0);
	scene_blob_has(target, "net", 7);
	assert_int_equal(rj_helpers_process(source->h, NULL) < 0, 0);
	/* The source's own Save goes on where it was. */
	for (struct pollfd fd; !rj_helpers_process(source->h, NULL);) {
		uint64_t until;

		assert_int_equal(rj_helpers_poll(source->h, &fd, &until), 0);
		assert_true(poll(&fd, 1, -1) >= 0);
	}
	assert_int_equal(rj_helpers_finish_save(source->h, &source->blob,
						&source->bytes, NULL),
			 0);
	scene_blob_has(source, "net", 1000);
	assert_int_equal(scene_load(target, source->blob, source->bytes), 0);
	scene_has_loaded(there, "net", 1000);
	assert_int_equal(actor_loads(&source->actors[0]), 0);
	assert_int_equal(scene_teardown(&second), 0);
}

static unsigned open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

static void handles_leave_nothing_open(void **state)
{
	struct scene *s = *state;
	unsigned before;

	scene_good_helper(s, "a", 1);
	scene_good_helper(s, "a", 1);
	before = open_fds();
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(scene_open(s, NULL), -EEXIST);
	assert_int_equal(open_fds(), before);
	rj_helpers_free(NULL);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, scene_setup, scene_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(wrong_addresses_are_refused_with_the_address),
		TEST(default_buses_are_never_tried),
		TEST(silent_socket_costs_the_start_deadline),
		TEST(refused_authentication_is_told),
		TEST(what_is_no_bus_is_told),
		TEST(socket_nobody_listens_on_is_told),
		TEST(lost_bus_is_seen_while_memory_moves),
		TEST(bus_lost_during_save_fails_it),
		TEST(hung_bus_costs_the_deadline_and_may_recover),
		TEST(cancelling_while_the_bus_hangs_spares_the_handle),
		TEST(two_buses_in_one_process_do_not_mix),
		TEST(handles_leave_nothing_open),
	};

	test_bus_choose(argc, argv);
	return cmocka_run_group_tests_name("helpers_bus", tests, NULL, NULL);
}
