/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/guardian/guardian_rig.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/qmp/caller.h"
#include "util/cleanup.h"

/* Against a test that hangs; nothing takes that long. */
#define HANG_MS 60000

struct rig rig;

void rig_listen(void)
{
	rig.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(rig.listener, (struct sockaddr *)&rig.address,
			      sizeof(rig.address)),
			 0);
	/* As QEMU's own. */
	assert_int_equal(listen(rig.listener, 1), 0);
}

int rig_set_up(void **state)
{
	(void)state;
	rig = (struct rig){ .vmm = getpid() };
	(void)snprintf(rig.folder, sizeof(rig.folder),
		       "/tmp/ramjet-guardian-XXXXXX");
	assert_non_null(mkdtemp(rig.folder));
	(void)snprintf(rig.path, sizeof(rig.path), "%s/qmp", rig.folder);
	rig.address.sun_family = AF_UNIX;
	(void)snprintf(rig.address.sun_path, sizeof(rig.address.sun_path), "%s",
		       rig.path);
	rig_listen();
	/* Who kills itself leaves its guardian to us. */
	return prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void rig_page_path(char *path, size_t bytes)
{
	(void)snprintf(path, bytes, "%s/vmm-%d", rig.folder, (int)rig.vmm);
}

bool rig_has_page(void)
{
	char path[128];

	rig_page_path(path, sizeof(path));
	return !access(path, F_OK);
}

int rig_tear_down(void **state)
{
	char path[128];

	(void)state;
	rj_close_fd(&rig.listener);
	(void)unlink(rig.path);
	rig_page_path(path, sizeof(path));
	(void)unlink(path);
	return rmdir(rig.folder);
}

struct rj_guardian_order rig_order(void)
{
	return (struct rj_guardian_order){
		.qmp_path = rig.path,
		.vmm_pid = rig.vmm,
		.folder = rig.folder,
		.patience_ms = rig.patience_ms,
	};
}

struct rj_guardian *rig_start(void)
{
	struct rj_guardian_order full = rig_order();
	struct rj_guardian *g = NULL;
	struct ramjet_error err = { 0 };

	if (rj_guardian_start(&full, &g, &err))
		fail_msg("%s", err.message);
	return g;
}

pid_t rig_live(life_fn *life)
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		(void)setpgid(0, 0);
		life(rig_start());
		(void)raise(SIGKILL);
	}
	return pid;
}

void rig_await_all_ends(void)
{
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	assert_int_equal(errno, ECHILD);
}

static void note_command(const char *text)
{
	json_t *request = json_loads(text, 0, NULL);
	const char *name =
		json_string_value(json_object_get(request, "execute"));
	const size_t used = strlen(rig.said);

	assert_non_null(name);
	if (strcmp(name, "qmp_capabilities"))
		(void)snprintf(rig.said + used, sizeof(rig.said) - used, "%s,",
			       name);
	json_decref(request);
}

/* One request a message: the caller waits for each answer. */
static void answer_all(int fd)
{
	char text[4096];
	ssize_t got;

	while ((got = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[got] = '\0';
		note_command(text);
		if (rig.error && !strstr(text, "qmp_capabilities"))
			(void)dprintf(fd,
				      "{\"error\":{\"class\":\"GenericError\","
				      "\"desc\":\"%s\"}}\r\n",
				      rig.error);
		else
			(void)dprintf(fd, "{\"return\":{}}\r\n");
	}
}

void rig_serve_one(void)
{
	struct pollfd someone = { .fd = rig.listener, .events = POLLIN };
	rj_autoclose int fd = -1;

	assert_int_equal(poll(&someone, 1, HANG_MS), 1);
	fd = accept4(rig.listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	(void)dprintf(fd, "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n");
	answer_all(fd);
}

void rig_nobody_came(void)
{
	struct pollfd someone = { .fd = rig.listener, .events = POLLIN };

	assert_int_equal(poll(&someone, 1, 0), 0);
}

enum rj_guardian_left rig_left(const char *wanted_words)
{
	struct rj_guardian *g = rig_start();
	struct ramjet_error err = { 0 };
	enum rj_guardian_left found;
	const char *words;

	found = rj_guardian_earlier(g, &words);
	if (!strstr(words, wanted_words))
		fail_msg("'%s' is not in '%s'", wanted_words, words);
	assert_int_equal(rj_guardian_end(g, &err), 0);
	assert_false(rig_has_page());
	rig_await_all_ends();
	return found;
}

void rig_must(int rc)
{
	if (rc)
		_exit(99);
}
