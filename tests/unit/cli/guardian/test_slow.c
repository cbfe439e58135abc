/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads of another process, really slowed down: by control groups of their
 * own, and by short stops.
 */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/guardian/slow.h"
#include "cli/guardian/slow_group.h"
#include "util/cgroup.h"

#define VCPUS 2u
/* CPU time of the thread that is not slowed down, in units of schedstat. */
#define WATCH_NS UINT64_C(200000000)

/* The process that is slowed down: two vCPUs and a main loop, all busy. */
struct machine {
	_Atomic int tids[VCPUS + 1]; /* the last is the main loop's */
	pid_t pid;
	char group[512]; /* its own, made for the test; "": none */
	_Atomic unsigned stops;
	_Atomic bool stopped;
	_Atomic bool collided;
	sem_t happened;
};

static struct machine *machine;

static void *burn(void *arg)
{
	volatile uint64_t count = 0;

	*(_Atomic int *)arg = gettid();
	for (;;)
		count++;
	return NULL;
}

static void be_machine(void)
{
	for (unsigned i = 0; i < VCPUS; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, burn, &machine->tids[i]))
			_exit(1);
	}
	burn(&machine->tids[VCPUS]);
}

static int set_up(void **state)
{
	pid_t pid;

	(void)state;
	machine = mmap(NULL, sizeof(*machine), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(machine != MAP_FAILED);
	assert_int_equal(sem_init(&machine->happened, 0, 0), 0);
	pid = fork();
	if (!pid)
		be_machine();
	assert_true(pid > 0);
	machine->pid = pid;
	for (unsigned i = 0; i <= VCPUS; i++)
		while (!atomic_load(&machine->tids[i]))
			(void)poll(NULL, 0, 1);
	return 0;
}

static int tear_down(void **state)
{
	int rc;

	(void)state;
	(void)kill(machine->pid, SIGKILL);
	(void)waitpid(machine->pid, NULL, 0);
	rc = *machine->group ? rmdir(machine->group) : 0;
	(void)munmap(machine, sizeof(*machine));
	return rc;
}

static struct rj_slow_order order(void)
{
	static pid_t threads[VCPUS + 1];

	for (unsigned i = 0; i < VCPUS; i++)
		threads[i] = machine->tids[i];
	/* A double, as QEMU has them where one thread runs all vCPUs. */
	threads[VCPUS] = threads[0];
	return (struct rj_slow_order){
		.what = "guest test",
		.pid = machine->pid,
		.threads = threads,
		.thread_count = VCPUS + 1,
	};
}

/* ---- control groups ------------------------------------------------------- */

static bool write_pid(const char *folder)
{
	char path[600];
	int fd, rc;

	(void)snprintf(path, sizeof(path), "%s/cgroup.procs", folder);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	rc = fd < 0 ? -1 : dprintf(fd, "%d", (int)machine->pid);
	(void)close(fd);
	return rc > 0;
}

/* A group of its own, so that nobody else's is touched. */
static void enter_group(void)
{
	struct rj_slow_groups found;
	const struct rj_slow_order full = order();
	struct rj_slow *slow = NULL;
	struct ramjet_error err = { 0 };

	if (!rj_slow_groups_find(machine->pid, &found)) {
		print_message("# no control group with a cpu controller\n");
		skip();
	}
	(void)snprintf(machine->group, sizeof(machine->group),
		       "%s/ramjet-test-%d", found.parent, (int)machine->pid);
	rj_slow_groups_done(&found);
	if (mkdir(machine->group, 0755) || !write_pid(machine->group)) {
		print_message("# %s: %s\n", machine->group, strerror(errno));
		(void)rmdir(machine->group);
		*machine->group = '\0';
		skip();
	}
	if (rj_slow_new(&full, &slow, &err)) {
		print_message("# %s\n", err.message);
		skip();
	}
	rj_slow_free(slow);
}

/* CPU time a thread has had. */
static uint64_t had_ns(unsigned i)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/schedstat",
		       (int)machine->pid, machine->tids[i]);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%llu", &ns), 1);
	(void)fclose(file);
	return ns;
}

/* What both vCPUs get while the main loop gets a share. */
static uint64_t vcpus_ns(void)
{
	const uint64_t main_ns = had_ns(VCPUS);
	const uint64_t before_ns = had_ns(0) + had_ns(1);

	while (had_ns(VCPUS) - main_ns < WATCH_NS)
		(void)poll(NULL, 0, 10);
	return had_ns(0) + had_ns(1) - before_ns;
}

static unsigned child_groups(void)
{
	DIR *folder = opendir(machine->group);
	const struct dirent *entry;
	unsigned count = 0;

	assert_non_null(folder);
	while ((entry = readdir(folder)))
		count += entry->d_type == DT_DIR && *entry->d_name != '.';
	(void)closedir(folder);
	return count;
}

static void expect_as_found(void)
{
	assert_int_equal(child_groups(), 0);
	for (unsigned i = 0; i <= VCPUS; i++) {
		struct rj_slow_groups at;

		assert_true(rj_slow_groups_find(machine->tids[i], &at));
		assert_string_equal(at.parent, machine->group);
		rj_slow_groups_done(&at);
	}
}

static struct rj_slow *by_groups(void)
{
	const struct rj_slow_order full = order();
	struct rj_slow *slow = NULL;
	struct ramjet_error err = { 0 };

	if (rj_slow_new(&full, &slow, &err))
		fail_msg("%s", err.message);
	assert_int_equal(rj_slow_way(slow), RJ_SLOW_GROUP);
	expect_as_found();
	return slow;
}

static void vcpus_are_slowed_down_and_the_main_loop_is_not(void **state)
{
	struct rj_slow *slow;

	(void)state;
	enter_group();
	slow = by_groups();
	assert_int_equal(rj_slow_set(slow, 99, NULL), 0);
	assert_int_equal(child_groups(), VCPUS);
	/* 1 % each; the main loop's share is at least a fiftieth of a CPU
	 * however loaded the machine is. */
	assert_true(vcpus_ns() < WATCH_NS);
	assert_int_equal(rj_slow_set(slow, 0, NULL), 0);
	expect_as_found();
	rj_slow_free(slow);
}

static void hold_gives_full_speed_and_release_takes_it(void **state)
{
	struct rj_slow *slow;
	char path[700], text[32] = "";
	FILE *file;

	(void)state;
	enter_group();
	slow = by_groups();
	assert_int_equal(rj_slow_set(slow, 40, NULL), 0);
	(void)snprintf(path, sizeof(path),
		       "%s/ramjet-slow-%d-%d/cpu.cfs_quota_us", machine->group,
		       (int)machine->pid, machine->tids[1]);
	for (unsigned i = 0; i < 3; i++) {
		static const char *const wanted[] = { "60000\n", "-1\n",
						      "60000\n" };

		file = fopen(path, "re");
		/* Version 2 has other files. */
		if (!file)
			break;
		assert_non_null(fgets(text, sizeof(text), file));
		(void)fclose(file);
		assert_string_equal(text, wanted[i]);
		if (i == 0)
			rj_slow_hold(slow);
		else
			rj_slow_release(slow);
	}
	rj_slow_free(slow);
	expect_as_found();
}

static void what_a_killed_one_left_is_mended(void **state)
{
	pid_t ramjet;

	(void)state;
	enter_group();
	ramjet = fork();
	if (!ramjet) {
		if (!rj_slow_set(by_groups(), 50, NULL))
			(void)raise(SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(ramjet, NULL, 0), ramjet);
	assert_int_equal(child_groups(), VCPUS);
	assert_int_equal(rj_slow_mend(machine->pid, NULL), 1);
	expect_as_found();
	assert_int_equal(rj_slow_mend(machine->pid, NULL), 0);
}

/* libvirt puts each vCPU into a group of its own: that is left alone. */
static void threads_that_somebody_else_has_placed_are_left_alone(void **state)
{
	const struct rj_slow_order full = order();
	struct rj_slow *slow = NULL;
	struct ramjet_error err = { 0 };
	struct rj_slow_groups groups;

	(void)state;
	enter_group();
	assert_true(rj_slow_groups_find(machine->pid, &groups));
	groups.pid = 1; /* somebody else's groups */
	assert_int_equal(rj_slow_groups_set(&groups, full.threads, 1, 0, NULL),
			 0);
	assert_int_equal(rj_slow_new(&full, &slow, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.message, "control group of its own"));
	assert_int_equal(rj_slow_groups_mend(&groups, NULL), 1);
	rj_slow_groups_done(&groups);
	expect_as_found();
}

/* ---- short stops ---------------------------------------------------------- */

static int stop(void *user, struct ramjet_error *err)
{
	siginfo_t info;

	(void)user;
	(void)err;
	machine->collided |= machine->stopped;
	(void)kill(machine->pid, SIGSTOP);
	if (waitid(P_PID, (id_t)machine->pid, &info, WSTOPPED))
		return -errno;
	machine->stopped = true;
	machine->stops++;
	(void)sem_post(&machine->happened);
	return 0;
}

static int go_on(void *user, struct ramjet_error *err)
{
	siginfo_t info;

	(void)user;
	(void)err;
	machine->collided |= !machine->stopped;
	(void)kill(machine->pid, SIGCONT);
	if (waitid(P_PID, (id_t)machine->pid, &info, WCONTINUED))
		return -errno;
	machine->stopped = false;
	return 0;
}

static struct rj_slow *by_stops(void)
{
	struct rj_slow_order full = order();
	struct rj_slow *slow = NULL;
	struct ramjet_error err = { 0 };

	full.no_groups = true;
	full.stop = stop;
	full.go_on = go_on;
	if (rj_slow_new(&full, &slow, &err))
		fail_msg("%s", err.message);
	assert_int_equal(rj_slow_way(slow), RJ_SLOW_STOPS);
	return slow;
}

static void await_stop(void)
{
	while (sem_wait(&machine->happened))
		assert_int_equal(errno, EINTR);
}

static void stops_come_again_and_end_with_the_throttle(void **state)
{
	struct rj_slow *slow = by_stops();

	(void)state;
	assert_int_equal(rj_slow_set(slow, 0, NULL), 0);
	assert_int_equal(machine->stops, 0);
	assert_int_equal(rj_slow_set(slow, 50, NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		await_stop();
	assert_int_equal(rj_slow_set(slow, 0, NULL), 0);
	assert_false(machine->stopped);
	assert_int_equal(rj_slow_set(slow, 99, NULL), 0);
	await_stop();
	rj_slow_free(slow);
	assert_false(machine->stopped);
	assert_false(machine->collided);
}

static void no_stop_comes_between_hold_and_release(void **state)
{
	struct rj_slow *slow = by_stops();

	(void)state;
	assert_int_equal(rj_slow_set(slow, 90, NULL), 0);
	for (unsigned i = 0; i < 5; i++) {
		await_stop();
		rj_slow_hold(slow);
		assert_false(machine->stopped);
		/* The migration's own. */
		assert_int_equal(stop(NULL, NULL), 0);
		await_stop();
		/* The engine lifts a throttle while the guest is stopped. */
		if (i == 4)
			assert_int_equal(rj_slow_set(slow, 0, NULL), 0);
		assert_true(machine->stopped);
		assert_int_equal(go_on(NULL, NULL), 0);
		rj_slow_release(slow);
	}
	rj_slow_free(slow);
	assert_false(machine->collided);
	assert_false(machine->stopped);
}

static void no_way_at_all_is_said_with_the_reasons(void **state)
{
	struct rj_slow_order full = order();
	struct rj_slow *slow = NULL;
	struct ramjet_error err = { 0 };

	(void)state;
	full.no_groups = true;
	assert_int_equal(rj_slow_new(&full, &slow, &err), -EOPNOTSUPP);
	assert_string_equal(err.message,
			    "guest test: its vCPUs cannot be slowed down: by "
			    "control groups: not wanted; by short stops: not "
			    "to be had");
}

static void more_than_99_percent_is_refused(void **state)
{
	struct rj_slow *slow = by_stops();

	(void)state;
	assert_int_equal(rj_slow_set(slow, 100, NULL), -ERANGE);
	rj_slow_free(slow);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(vcpus_are_slowed_down_and_the_main_loop_is_not),
		CASE(hold_gives_full_speed_and_release_takes_it),
		CASE(what_a_killed_one_left_is_mended),
		CASE(threads_that_somebody_else_has_placed_are_left_alone),
		CASE(stops_come_again_and_end_with_the_throttle),
		CASE(no_stop_comes_between_hold_and_release),
		CASE(no_way_at_all_is_said_with_the_reasons),
		CASE(more_than_99_percent_is_refused),
	};

	return cmocka_run_group_tests_name("slow", tests, NULL, NULL);
}
