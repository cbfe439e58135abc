/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ringio/channel.h"
#include "ringio/features.h"
#include "util/compiler.h"

static const struct rj_feature *find(const struct rj_feature *features,
				     size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(features[i].name, name))
			return &features[i];
	return NULL;
}

static void every_feature_says_what_was_seen(void **state)
{
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];
	size_t count = rj_ringio_features(RAMJET_BACKEND_AUTO, features);

	(void)state;
	assert_in_range(count, 1, RJ_RINGIO_FEATURES_MAX);
	for (size_t i = 0; i < count; i++) {
		assert_true(*features[i].name && *features[i].enables);
		assert_true(*features[i].result);
		assert_ptr_equal(find(features, count, features[i].name),
				 &features[i]);
		print_message("# %-24s %-3s %s\n", features[i].name,
			      features[i].available ? "yes" : "no",
			      features[i].result);
	}
}

/* The probes and the channels must agree. */
static void the_ring_probe_foretells_the_channel(void **state)
{
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];
	size_t count = rj_ringio_features(RAMJET_BACKEND_AUTO, features);
	const struct rj_feature *ring = find(features, count, "io_uring");
	struct rj_conn conn = rj_conn_bare(STDIN_FILENO, RJ_CONN_PIPE);
	struct rj_channel_options options = { .wake_fd = -1 };
	struct rj_channel *channel;

	(void)state;
	assert_non_null(ring);
	assert_int_equal(rj_channel_new(&conn, &options, &channel, NULL), 0);
	assert_int_equal(rj_channel_backend(channel) == RAMJET_BACKEND_URING,
			 ring->available);
	if (ring->available)
		assert_string_equal(rj_channel_reason(channel), ring->result);
	rj_channel_free(channel);
}

/* As a sandbox does: these system calls come to `action`, others to what they
 * are. */
static void forbid(const int *calls, size_t count, uint32_t action)
{
	struct sock_filter code[16] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
	};
	struct sock_fprog program = { .filter = code };
	unsigned at = 1;

	for (size_t i = 0; i < count; i++) {
		code[at++] = (struct sock_filter)BPF_JUMP(
			BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)calls[i], 0, 1);
		code[at++] =
			(struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action);
	}
	code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K,
						  SECCOMP_RET_ALLOW);
	program.len = (unsigned short)at;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(77);
}

static struct rj_conn some_pipe;

/* 0, or the number of the promise that was broken. */
static int replaced_and_named(const char *step)
{
	struct rj_channel_options options = { .wake_fd = -1 };
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];
	const struct rj_feature *ring;
	struct ramjet_error err = { 0 };
	struct rj_channel *channel;

	if (rj_channel_new(&some_pipe, &options, &channel, &err))
		return 1;
	if (rj_channel_backend(channel) != RAMJET_BACKEND_SYSCALLS ||
	    !strstr(rj_channel_reason(channel), step) ||
	    !strstr(rj_channel_reason(channel), "Operation not permitted"))
		return 2;
	rj_channel_free(channel);
	options.backend = RAMJET_BACKEND_URING;
	if (rj_channel_new(&some_pipe, &options, &channel, &err) != -EPERM ||
	    !strstr(err.message, "seccomp"))
		return 3;
	ring = find(features, rj_ringio_features(RAMJET_BACKEND_AUTO, features),
		    "io_uring");
	if (ring->available || !strstr(ring->result, step) ||
	    !strstr(ring->result, "seccomp"))
		return 4;
	return 0;
}

static int without_setup(void)
{
	const int calls[] = { SYS_io_uring_setup };

	forbid(calls, 1, SECCOMP_RET_ERRNO | EPERM);
	return replaced_and_named("io_uring_setup");
}

/* A ring that cannot be entered is none. */
static int without_enter(void)
{
	const int calls[] = { SYS_io_uring_enter };

	forbid(calls, 1, SECCOMP_RET_ERRNO | EPERM);
	return replaced_and_named("io_uring_enter");
}

/* It saves some lookups, and is not what tells of requests. */
static int without_register(void)
{
	const int calls[] = { SYS_io_uring_register };
	struct rj_channel_options options = { .wake_fd = -1 };
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];
	struct rj_channel *channel;
	size_t count;

	forbid(calls, 1, SECCOMP_RET_ERRNO | EPERM);
	if (rj_channel_new(&some_pipe, &options, &channel, NULL))
		return 1;
	if (rj_channel_backend(channel) != RAMJET_BACKEND_URING)
		return 2;
	rj_channel_free(channel);
	count = rj_ringio_features(RAMJET_BACKEND_AUTO, features);
	if (!find(features, count, "io_uring_sendmsg")->available ||
	    !find(features, count, "io_uring_recvmsg")->available)
		return 3;
	return find(features, count, "io_uring_registered_zc")->available ? 4
									  : 0;
}

/* Where whoever asks for io_uring is killed. */
static int with_system_calls_alone(void)
{
	const int calls[] = { SYS_io_uring_setup, SYS_io_uring_enter,
			      SYS_io_uring_register };
	struct rj_channel_options options = {
		.backend = RAMJET_BACKEND_SYSCALLS,
		.wake_fd = -1,
	};
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];
	struct rj_channel *channel;

	forbid(calls, 3, SECCOMP_RET_KILL_PROCESS);
	if (rj_channel_new(&some_pipe, &options, &channel, NULL))
		return 1;
	rj_channel_free(channel);
	return find(features,
		    rj_ringio_features(RAMJET_BACKEND_SYSCALLS, features),
		    "io_uring")
			       ->available
		       ? 2
		       : 0;
}

static void in_a_sandbox(int (*run)(void))
{
	pid_t child;
	int status;

	assert_int_equal(fflush(NULL), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(run());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# skipped: no seccomp filters here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static bool has_io_uring(void)
{
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];

	return find(features, rj_ringio_features(RAMJET_BACKEND_AUTO, features),
		    "io_uring")
		->available;
}

static void a_forbidden_ring_is_replaced_and_named(void **state)
{
	(void)state;
	in_a_sandbox(without_setup);
	if (!has_io_uring()) {
		print_message("# skipped: no io_uring here\n");
		skip();
	}
	in_a_sandbox(without_enter);
}

static void requests_are_tried_and_not_asked_for(void **state)
{
	(void)state;
	if (!has_io_uring()) {
		print_message("# skipped: no io_uring here\n");
		skip();
	}
	in_a_sandbox(without_register);
}

static void whoever_wants_system_calls_calls_no_io_uring(void **state)
{
	(void)state;
	in_a_sandbox(with_system_calls_alone);
}

/* A namespace's CAP_IPC_LOCK is one, and lifts nothing. */
static int with_a_bit_that_lifts_nothing(void)
{
	const struct rlimit limit = { 8 << 20, 8 << 20 };
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];
	const struct rj_feature *memlock;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || unshare(CLONE_NEWUSER))
		_exit(77);
	memlock = find(features,
		       rj_ringio_features(RAMJET_BACKEND_AUTO, features),
		       "memlock");
	return memlock->available || strcmp(memlock->result, "8192 KiB") != 0;
}

static void a_memlock_limit_is_tried_out(void **state)
{
	pid_t child;
	int status;

	(void)state;
	assert_int_equal(fflush(NULL), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child)
		_exit(with_a_bit_that_lifts_nothing());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# skipped: no user namespaces here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_feature_says_what_was_seen),
		cmocka_unit_test(the_ring_probe_foretells_the_channel),
		cmocka_unit_test(a_forbidden_ring_is_replaced_and_named),
		cmocka_unit_test(requests_are_tried_and_not_asked_for),
		cmocka_unit_test(whoever_wants_system_calls_calls_no_io_uring),
		cmocka_unit_test(a_memlock_limit_is_tried_out),
	};

	some_pipe = rj_conn_bare(STDIN_FILENO, RJ_CONN_PIPE);
	return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
