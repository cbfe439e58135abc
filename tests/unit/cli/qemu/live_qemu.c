/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/qemu/live_qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/compiler.h"

/* A loaded machine takes its time; nothing depends on it. */
#define START_ROUNDS  3000
#define ARGUMENTS_MAX 48u

static const char *program(const char *version)
{
	static char path[512];
	const char *lab = getenv("RAMJET_QEMU_LAB");

	if (strcmp(version, "10"))
		return "/usr/bin/qemu-system-x86_64";
	(void)snprintf(path, sizeof(path), "%s/qemu10/qemu",
		       lab ? lab : RJ_QEMU_LAB);
	return path;
}

void live_need(const char *version)
{
	if (access(program(version), X_OK)) {
		print_message("# no %s: scripts/qemu-lab.sh brings it\n",
			      program(version));
		skip();
	}
}

bool live_is_gone(const struct live *live)
{
	struct pollfd end = { .fd = live->child.pidfd, .events = POLLIN };

	return poll(&end, 1, 10000) == 1;
}

static bool is_gone_now(const struct live *live)
{
	struct pollfd end = { .fd = live->child.pidfd, .events = POLLIN };

	/* A moment for what listens a little later. */
	return poll(&end, 1, 20) == 1;
}

static void connect_to(struct live *live)
{
	struct ramjet_error err = { 0 };
	char words[1024];

	for (unsigned i = 0; i < START_ROUNDS; i++) {
		err = (struct ramjet_error){ 0 };
		if (!rj_qemu_open(live->socket, &live->qemu, &err))
			return;
		if (is_gone_now(live)) {
			rj_cli_child_words(&live->child, words, sizeof(words));
			fail_msg("QEMU ended: %s", words);
		}
	}
	fail_msg("%s", err.message);
}

void live_start(struct live *live, const char *version, const char *machine,
		const char *const *more)
{
	static unsigned number;
	char qmp[160];
	const char *argv[ARGUMENTS_MAX] = {
		program(version),
		"-accel",
		"tcg",
		"-M",
		machine,
		"-cpu",
		"qemu64",
		"-nodefaults",
		"-display",
		"none",
		"-S",
		"-qmp",
		qmp,
	};
	size_t count = 13;
	struct rj_cli_child_order order = { .what = "QEMU",
					    .program = argv[0],
					    .argv = (char *const *)argv,
					    .kept = { -1, -1 } };
	struct ramjet_error err = { 0 };

	*live = (struct live){ .child = RJ_CLI_CHILD_NONE,
			       .qemu = RJ_QEMU_NONE };
	(void)snprintf(live->socket, sizeof(live->socket),
		       "/tmp/ramjet-live-%d-%u.qmp", (int)getpid(), number++);
	(void)snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off",
		       live->socket);
	for (; more && *more; more++) {
		assert_true(count + 1 < RJ_ARRAY_SIZE(argv));
		argv[count++] = *more;
	}
	live_ok(rj_cli_child_start(&order, &live->child, &err), &err);
	connect_to(live);
}

void live_end(struct live *live)
{
	rj_qemu_close(&live->qemu);
	rj_cli_child_done(&live->child);
	(void)unlink(live->socket);
}

int live_open_memory(const struct rj_qemu *q)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)q->pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

const struct rj_qemu_block *live_block_called(
	const struct rj_qemu_blocks *blocks, const char *name)
{
	for (size_t i = 0; i < blocks->count; i++)
		if (!strcmp(blocks->block[i].name, name))
			return &blocks->block[i];
	fail_msg("no block '%s'", name);
	return NULL;
}
