/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/ringio/pair.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/ringio/calls.h"

const char *const pair_names[PAIR_KINDS] = {
	[PAIR_TCP4] = "tcp4", [PAIR_TCP6] = "tcp6",
	[PAIR_UNIX] = "unix", [PAIR_SOCKETPAIR] = "socketpair",
	[PAIR_PIPE] = "pipe", [PAIR_FILE] = "file",
};

static void must(int rc, const struct ramjet_error *err)
{
	if (rc)
		fail_msg("%d: %s", rc, err->message);
}

static void dial(const char *text, struct pair *pair)
{
	struct rj_uri uri = uri_of("%s", text);
	struct ramjet_error err = { 0 };
	struct rj_listener listener;

	must(rj_listen(&uri, &listener, &err), &err);
	uri = uri_of("%s", listener.bound_uri);
	must(rj_connect(&uri, 0, -1, &pair->source, &err), &err);
	must(rj_accept(&listener, 0, -1, &pair->target, &err), &err);
	rj_listener_close(&listener);
}

/* Give the descriptors away as a user would. */
static void adopt(int source, int target, struct pair *pair)
{
	struct rj_uri uri = { .scheme = RJ_URI_FD, .fd = source };
	struct ramjet_error err = { 0 };

	must(rj_connect(&uri, 0, -1, &pair->source, &err), &err);
	uri.fd = target;
	must(rj_open_incoming(&uri, &pair->target, &err), &err);
	(void)close(source);
	(void)close(target);
}

static void temporary_name(struct pair *pair)
{
	char uri[80];
	int fd;

	(void)snprintf(pair->path, sizeof(pair->path), "/tmp/rj-pair-XXXXXX");
	fd = mkostemp(pair->path, O_CLOEXEC);
	assert_true(fd >= 0);
	(void)close(fd);
	if (pair->kind != PAIR_UNIX)
		return;
	(void)unlink(pair->path);
	(void)snprintf(uri, sizeof(uri), "unix:%s", pair->path);
	dial(uri, pair);
}

static bool have_ipv6(void)
{
	struct rj_uri uri = uri_of("tcp:[::1]:0");
	struct rj_listener listener;

	if (rj_listen(&uri, &listener, NULL))
		return false;
	rj_listener_close(&listener);
	return true;
}

bool pair_open(enum pair_kind kind, struct pair *ret)
{
	struct pair pair = {
		.kind = kind,
		.source = RJ_CONN_NONE,
		.target = RJ_CONN_NONE,
	};
	struct ramjet_error err = { 0 };
	struct rj_uri uri;
	int fds[2];

	switch (kind) {
	case PAIR_TCP4:
		dial("tcp:127.0.0.1:0", &pair);
		break;
	case PAIR_TCP6:
		if (!have_ipv6())
			return false;
		dial("tcp:[::1]:0", &pair);
		break;
	case PAIR_UNIX:
		temporary_name(&pair);
		break;
	case PAIR_SOCKETPAIR:
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		adopt(fds[0], fds[1], &pair);
		break;
	case PAIR_PIPE:
		assert_int_equal(pipe(fds), 0);
		adopt(fds[1], fds[0], &pair);
		break;
	default:
		temporary_name(&pair);
		/* As fd:, so that it is seen while it grows. */
		fds[0] = open(pair.path, O_WRONLY | O_TRUNC | O_CLOEXEC);
		uri = (struct rj_uri){ .scheme = RJ_URI_FD, .fd = fds[0] };
		must(rj_connect(&uri, 0, -1, &pair.source, &err), &err);
		(void)close(fds[0]);
	}
	*ret = pair;
	return true;
}

void pair_open_target(struct pair *pair)
{
	struct rj_uri uri = { .scheme = RJ_URI_FILE };
	struct ramjet_error err = { 0 };

	if (pair->kind != PAIR_FILE)
		return;
	memcpy(uri.path, pair->path, sizeof(pair->path));
	must(rj_open_incoming(&uri, &pair->target, &err), &err);
}

void pair_close(struct pair *pair)
{
	assert_int_equal(rj_conn_close(&pair->source, 0, NULL), 0);
	assert_int_equal(rj_conn_close(&pair->target, 0, NULL), 0);
	if (*pair->path)
		(void)unlink(pair->path);
}

void wait_until_asleep(int tid)
{
	char path[64], text[256], state = 'R';

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	while (state != 'S') {
		FILE *file = fopen(path, "re");
		const char *paren;

		assert_non_null(file);
		assert_non_null(fgets(text, sizeof(text), file));
		(void)fclose(file);
		paren = strrchr(text, ')');
		assert_non_null(paren);
		state = paren[2];
		(void)sched_yield();
	}
}
