/* SPDX-License-Identifier: BSD-3-Clause */
/* Two QEMUs for `demo qemu:`, and the small Linux in one of them, which says
 * "tick N" on its console ten times a second. */
#include "cli/commands/demo_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/base/child.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* Chosen: some times what a boot takes by TCG, and a few ticks. */
#define BOOT_MS  60000
#define TICKS_MS 20000
#define TICKS    5 /* seen at the target */

struct machine {
	struct rj_cli_child child;
	char socket[128];
	char console[128];
};

struct machines {
	char folder[64];
	char kernel[PATH_MAX];
	char initrd[PATH_MAX]; /* "": none */
	struct machine here, there;
	char target[160];
	bool ticks; /* its Linux is ours, which says them */
};

/* ---- what they boot ------------------------------------------------------------ */

/* Beside the build: what scripts/qemu-lab.sh has brought, and what is built of the
 * guest. */
static void find_lab(char lab[PATH_MAX], char guest[PATH_MAX])
{
	const char *told = getenv("RAMJET_QEMU_LAB");
	char self[PATH_MAX - 64] = "";
	const ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	/* BUILD/cli/ramjet */
	for (int i = 0; n > 0 && i < 2 && strrchr(self, '/'); i++)
		*strrchr(self, '/') = '\0';
	(void)snprintf(guest, PATH_MAX, "%s/tests/qemu/qemu-guest.cpio.gz",
		       self);
	if (told)
		(void)snprintf(lab, PATH_MAX, "%s", told);
	else
		(void)snprintf(lab, PATH_MAX, "%s/../build-qemu-lab", self);
}

static int append(int out, const char *path, struct ramjet_error *err)
{
	rj_autoclose int in = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = in < 0 ? -1 : 1;

	while (n > 0)
		n = sendfile(out, in, NULL, 1 << 20);
	return n < 0 ? rj_fail_errno(
			       err, -errno,
			       "guest qemu: %s (scripts/qemu-lab.sh "
			       "brings what a demo boots, or kernel=PATH)",
			       path)
		     : 0;
}

/* Linux unpacks one archive after the other. */
static int make_initrd(struct machines *m, struct ramjet_error *err)
{
	char lab[PATH_MAX], guest[PATH_MAX], base[PATH_MAX + 32];
	rj_autoclose int out = -1;
	int rc;

	find_lab(lab, guest);
	(void)snprintf(m->kernel, sizeof(m->kernel), "%.*s/vmlinuz",
		       (int)sizeof(m->kernel) - 16, lab);
	(void)snprintf(m->initrd, sizeof(m->initrd), "%s/initrd", m->folder);
	(void)snprintf(base, sizeof(base), "%s/base.cpio.gz", lab);
	out = open(m->initrd, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out < 0)
		return rj_fail_errno(err, -errno, "guest qemu: %s", m->initrd);
	rc = append(out, base, err);
	m->ticks = true;
	return rc ? rc : append(out, guest, err);
}

static int find_linux(struct machines *m, const struct rj_cli_qemu_spec *spec,
		      struct ramjet_error *err)
{
	if (!*spec->kernel)
		return make_initrd(m, err);
	(void)snprintf(m->kernel, sizeof(m->kernel), "%s", spec->kernel);
	(void)snprintf(m->initrd, sizeof(m->initrd), "%s", spec->initrd);
	return 0;
}

/* ---- machines ------------------------------------------------------------------- */

static int start_one(const struct machines *m, struct machine *machine,
		     const char *name, bool waits, struct ramjet_error *err)
{
	char qmp[192], serial[192];
	const char *argv[40] = {
		"env",
		"qemu-system-x86_64",
		"-accel",
		"tcg",
		"-cpu",
		"max",
		"-m",
		"256",
		"-machine",
		"q35",
		"-nodefaults",
		"-display",
		"none",
		"-kernel",
		m->kernel,
		"-append",
		"console=ttyS0 quiet panic=1 write=100M set=64M",
		"-qmp",
		qmp,
		"-serial",
		serial,
	};
	size_t count = 21;
	const struct rj_cli_child_order order = {
		.what = name,
		.program = "/usr/bin/env",
		.argv = (char *const *)(uintptr_t)argv,
		.kept = { -1, -1 },
	};

	(void)snprintf(machine->socket, sizeof(machine->socket), "%s/%s.qmp",
		       m->folder, name);
	(void)snprintf(machine->console, sizeof(machine->console),
		       "%s/%s.console", m->folder, name);
	(void)snprintf(qmp, sizeof(qmp), "unix:%s,server=on,wait=off",
		       machine->socket);
	(void)snprintf(serial, sizeof(serial), "file:%s", machine->console);
	if (*m->initrd) {
		argv[count++] = "-initrd";
		argv[count++] = m->initrd;
	}
	if (waits) {
		argv[count++] = "-S";
		argv[count++] = "-incoming";
		argv[count++] = "defer";
	}
	return rj_cli_child_start(&order, &machine->child, err);
}

/* The console's text, up to its newest part; *returned*. */
static char *console_of(const struct machine *machine)
{
	rj_autoclose int fd = open(machine->console, O_RDONLY | O_CLOEXEC);
	char *text = calloc(1, (1u << 20) + 1);

	if (text && fd >= 0 && read(fd, text, 1u << 20) < 0)
		*text = '\0';
	return text;
}

/* "tick 12 3.69...": the first, or the last. 0: none, as the first is 1. */
static uint64_t tick_of(const char *text, bool last)
{
	uint64_t number = 0, found = 0;

	for (const char *at = strstr(text, "tick "); at;
	     at = strstr(at + 1, "tick ")) {
		if (sscanf(at, "tick %" SCNu64 " ", &number) != 1)
			continue;
		found = number;
		if (!last)
			break;
	}
	return found;
}

static void rest(void)
{
	const struct timespec span = { .tv_nsec = 50000000 };

	(void)nanosleep(&span, NULL);
}

static int ended(struct machine *machine, const char *name,
		 struct ramjet_error *err)
{
	char words[300];

	rj_cli_child_words(&machine->child, words, sizeof(words));
	return rj_fail(err, -EIO,
		       "guest qemu: %s has ended, or does not boot: "
		       "%s",
		       name, *words ? words : "it said nothing");
}

static bool is_up(const struct machine *machine)
{
	return !access(machine->socket, F_OK);
}

static bool has_ended(const struct machine *machine)
{
	struct pollfd look = { .fd = machine->child.pidfd, .events = POLLIN };

	return poll(&look, 1, 0) != 0;
}

/* Until its guest ticks, or says anything if it is not ours. */
static int await_boot(struct machines *m, struct ramjet_error *err)
{
	const uint64_t end_us = rj_now_us() + BOOT_MS * UINT64_C(1000);
	bool done = false;

	while (!done && rj_now_us() < end_us && !has_ended(&m->here) &&
	       !has_ended(&m->there)) {
		rj_autofree char *text = console_of(&m->here);

		done = text && is_up(&m->here) && is_up(&m->there) &&
		       (m->ticks ? tick_of(text, true) > 0 : *text != '\0');
		if (!done)
			rest();
	}
	if (done)
		return 0;
	return has_ended(&m->there) ? ended(&m->there, "the target QEMU", err)
				    : ended(&m->here, "the source QEMU", err);
}

static void qemu_done(void *scene)
{
	struct machines *m = scene;

	rj_cli_child_done(&m->here.child);
	rj_cli_child_done(&m->there.child);
	(void)unlink(m->here.console);
	(void)unlink(m->there.console);
	(void)unlink(m->here.socket);
	(void)unlink(m->there.socket);
	if (m->ticks)
		(void)unlink(m->initrd);
	(void)rmdir(m->folder);
	free(m);
}

static int qemu_start(struct rj_cli_command_line *line, void **ret,
		      struct ramjet_error *err)
{
	struct machines *m = calloc(1, sizeof(*m));
	const char *tmp = getenv("TMPDIR");
	int rc = 0;

	if (!m)
		return rj_fail(err, -ENOMEM, "guest qemu: out of memory");
	m->here.child = m->there.child = (struct rj_cli_child)RJ_CLI_CHILD_NONE;
	/* A socket's path must be short. */
	(void)snprintf(m->folder, sizeof(m->folder), "%s/ramjet-demo-XXXXXX",
		       tmp && strlen(tmp) < sizeof(m->folder) - 24 ? tmp
								   : "/tmp");
	if (!mkdtemp(m->folder))
		rc = rj_fail_errno(err, -errno, "guest qemu: %s", m->folder);
	if (!rc)
		rc = find_linux(m, &line->guest.qemu, err);
	if (!rc)
		rc = start_one(m, &m->here, "here", false, err);
	if (!rc)
		rc = start_one(m, &m->there, "there", true, err);
	if (!rc)
		rc = await_boot(m, err);
	if (rc) {
		qemu_done(m);
		return rc;
	}
	(void)snprintf(line->guest.path, sizeof(line->guest.path), "%s",
		       m->here.socket);
	(void)snprintf(m->target, sizeof(m->target), "qemu:%s",
		       m->there.socket);
	/* It is the demo's own. */
	line->quit_source = true;
	*ret = m;
	return 0;
}

static const char *qemu_target(const void *scene)
{
	return ((const struct machines *)scene)->target;
}

/* ---- that it goes on there ------------------------------------------------------- */

static int prove_ticks(struct machines *m, char *text, size_t bytes,
		       struct ramjet_error *err)
{
	const uint64_t end_us = rj_now_us() + TICKS_MS * UINT64_C(1000);
	rj_autofree char *before = console_of(&m->here);
	uint64_t last = before ? tick_of(before, true) : 0;
	uint64_t first = 0, newest = 0;

	while (newest < last + TICKS && rj_now_us() < end_us) {
		rj_autofree char *now = console_of(&m->there);

		first = now ? tick_of(now, false) : 0;
		newest = now ? tick_of(now, true) : 0;
		rest();
	}
	/* The line that was half said when it stopped is heard by nobody. */
	if (newest < last + TICKS || first > last + 2)
		return rj_fail(err, -EIO,
			       "completed, but its console said tick %llu "
			       "here, and %llu to %llu there",
			       (unsigned long long)last,
			       (unsigned long long)first,
			       (unsigned long long)newest);
	(void)snprintf(text, bytes,
		       "its console said tick %llu here, then tick %llu, and "
		       "so on to %llu, there",
		       (unsigned long long)last, (unsigned long long)first,
		       (unsigned long long)newest);
	return 0;
}

static int qemu_prove(void *scene, char *text, size_t bytes,
		      struct ramjet_error *err)
{
	struct machines *m = scene;

	if (m->ticks)
		return prove_ticks(m, text, bytes, err);
	(void)snprintf(text, bytes,
		       "is one of your own: what it says is not understood");
	return 0;
}

static const struct rj_cli_demo_scene scenes[] = {
	{ "qemu", qemu_start, qemu_target, qemu_prove, qemu_done },
};

const struct rj_cli_demo_scene *rj_cli_demo_scene_of(const char *kind)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(scenes); i++)
		if (!strcmp(scenes[i].kind, kind))
			return &scenes[i];
	return NULL;
}
