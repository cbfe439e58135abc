/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
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
	size_t count = rj_ringio_features(features);

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
	size_t count = rj_ringio_features(features);
	const struct rj_feature *ring = find(features, count, "io_uring");
	struct rj_conn conn = { .fd = STDIN_FILENO, .kind = RJ_CONN_PIPE };
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

/* As a container's seccomp profile does. */
static void forbid_io_uring(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = RJ_ARRAY_SIZE(code),
		.filter = code,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		_exit(77);
}

/* 0, or the number of the promise that was broken. */
static int without_io_uring(void)
{
	struct rj_conn conn = { .fd = STDIN_FILENO, .kind = RJ_CONN_PIPE };
	struct rj_channel_options options = { .wake_fd = -1 };
	struct rj_feature features[RJ_RINGIO_FEATURES_MAX];
	const struct rj_feature *ring;
	struct ramjet_error err = { 0 };
	struct rj_channel *channel;

	forbid_io_uring();
	if (rj_channel_new(&conn, &options, &channel, &err))
		return 1;
	if (rj_channel_backend(channel) != RAMJET_BACKEND_SYSCALLS ||
	    !strstr(rj_channel_reason(channel), "Operation not permitted"))
		return 2;
	rj_channel_free(channel);
	options.backend = RAMJET_BACKEND_URING;
	if (rj_channel_new(&conn, &options, &channel, &err) != -EPERM ||
	    !strstr(err.message, "seccomp"))
		return 3;
	ring = find(features, rj_ringio_features(features), "io_uring");
	if (ring->available || !strstr(ring->result, "seccomp"))
		return 4;
	return 0;
}

static void a_forbidden_ring_is_replaced_and_named(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	assert_true(child >= 0);
	if (!child)
		_exit(without_io_uring());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# skipped: no seccomp filters here\n");
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
	};

	return cmocka_run_group_tests_name("features", tests, NULL, NULL);
}
