/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs that were started with libramjet-vmm.so, and real QEMUs. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/attach/inject_net.h"
#include "cli/attach/peer.h"
#include "cli/attach/preload.h"
#include "cli/attach/process.h"
#include "cli/attach/seccomp.h"
#include "victim.h"

#define SANDBOX                                               \
	"on,obsolete=deny,elevateprivileges=deny,spawn=deny," \
	"resourcecontrol=deny"

static char folder[] = "/tmp/rj-preload-XXXXXX";
static char socket_path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	(void)snprintf(socket_path, sizeof(socket_path), "%s/s", folder);
	return setenv("RAMJET_VMM_SOCKET", socket_path, 1);
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	(void)unlink(socket_path);
	(void)snprintf(path, sizeof(path), "%s/pid", folder);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/qmp", folder);
	(void)unlink(path);
	return rmdir(folder);
}

/* ---- a program --------------------------------------------------------- */

static pid_t start(bool preload, char *const *argv, int out_fd)
{
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (preload)
		(void)setenv("LD_PRELOAD", getenv("RJ_VMM_LIBRARY"), 1);
	if (out_fd >= 0)
		(void)dup2(out_fd, STDOUT_FILENO);
	(void)execvp(argv[0], argv);
	_exit(127);
}

/* Until it listens; it must not end. */
static struct rj_attach_handed ask(pid_t pid, bool want_uffd)
{
	struct rj_attach_handed handed = { .uffd = -1 };
	struct ramjet_error err = { 0 };
	int rc;

	while ((rc = rj_attach_preload_ask(pid, socket_path, want_uffd, &handed,
					   NULL)) == -ENOENT ||
	       rc == -EINVAL) {
		if (kill(pid, 0) || waitpid(pid, NULL, WNOHANG) == pid)
			fail_msg("it has ended");
		(void)usleep(1000);
	}
	if (rc) {
		(void)!rj_attach_preload_ask(pid, socket_path, want_uffd,
					     &handed, &err);
		fail_msg("%s", err.message);
	}
	return handed;
}

static void give_back(struct rj_attach_handed *handed)
{
	(void)close(handed->mem_fd);
	(void)close(handed->pagemap_fd);
	if (handed->uffd >= 0)
		(void)close(handed->uffd);
}

static void end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static char *const sleeper[] = { "sleep", "1000000", NULL };

static void it_hands_out_memory_and_userfaultfds(void **state)
{
	struct uffdio_api api = { .api = UFFD_API };
	const pid_t pid = start(true, sleeper, -1);
	struct rj_attach_handed first = ask(pid, true);
	struct rj_attach_handed second = ask(pid, false);
	struct rj_attach_handed third = ask(pid, true);

	(void)state;
	assert_true(first.uffd >= 0 && third.uffd >= 0);
	assert_int_equal(second.uffd, -1);
	/* Each is a new one: this may be said once. */
	assert_int_equal(ioctl(first.uffd, UFFDIO_API, &api), 0);
	api.features = 0;
	assert_int_equal(ioctl(third.uffd, UFFDIO_API, &api), 0);
	assert_true(fcntl(first.mem_fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(fcntl(first.mem_fd, F_GETFL) & O_ACCMODE, O_RDWR);
	give_back(&first);
	give_back(&second);
	give_back(&third);
	end(pid);
}

static void another_process_that_answers_is_refused(void **state)
{
	const pid_t pid = start(true, sleeper, -1);
	struct rj_attach_handed handed = ask(pid, false);
	struct ramjet_error err = { 0 };

	(void)state;
	give_back(&handed);
	assert_int_equal(rj_attach_preload_ask(getpid(), socket_path, true,
					       &handed, &err),
			 -EINVAL);
	assert_non_null(strstr(err.message, " answers, wanted "));
	end(pid);
}

static int ask_once(void *user, char *text, size_t bytes)
{
	struct rj_attach_handed handed;
	struct ramjet_error err = { 0 };
	int rc = rj_attach_preload_ask(*(pid_t *)user, socket_path, true,
				       &handed, &err);

	(void)snprintf(text, bytes, "%s", err.message);
	return rc;
}

static void other_users_get_nothing(void **state)
{
	pid_t pid;
	struct rj_attach_handed handed;
	char text[600];

	(void)state;
	if (geteuid()) {
		print_message("# skipped: not root\n");
		skip();
	}
	pid = start(true, sleeper, -1);
	handed = ask(pid, false);
	give_back(&handed);
	/* Neither by the file's mode ... */
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(as_user(NOBODY, ask_once, &pid, text, sizeof(text)),
			 -EACCES);
	/* ... nor by asking. */
	assert_int_equal(chmod(socket_path, 0666), 0);
	assert_true(as_user(NOBODY, ask_once, &pid, text, sizeof(text)) < 0);
	assert_non_null(strstr(text, "only its own user and root"));
	end(pid);
}

static void a_stale_socket_is_replaced_and_removed_at_the_end(void **state)
{
	char *const briefly[] = { "sleep", "0.01", NULL };
	pid_t pid = start(true, sleeper, -1);
	struct rj_attach_handed handed = ask(pid, false);

	(void)state;
	give_back(&handed);
	end(pid);
	assert_int_equal(access(socket_path, F_OK), 0);
	pid = start(true, sleeper, -1);
	handed = ask(pid, false);
	give_back(&handed);
	end(pid);
	pid = start(true, briefly, -1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(access(socket_path, F_OK), -1);
	assert_int_equal(errno, ENOENT);
}

static void children_are_started_without_it(void **state)
{
	char *const timeout[] = { "timeout", "1000", "printenv", "LD_PRELOAD",
				  NULL };
	char text[64];
	int ends[2];
	int status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = start(true, timeout, ends[1]);
	(void)close(ends[1]);
	assert_int_equal(read(ends[0], text, sizeof(text)), 0);
	(void)close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 1); /* there is none */
}

static void a_shell_that_execs_is_passed_through(void **state)
{
	char *const shell[] = { "sh", "-c", "exec sleep 1000000", NULL };
	const pid_t pid = start(true, shell, -1);
	struct rj_attach_handed handed = ask(pid, true);

	(void)state;
	give_back(&handed);
	end(pid);
}

/* ---- QEMU -------------------------------------------------------------- */

/* The end of its argument list. QEMU's sandbox does not let it go into the
 * background. */
static char *const sandboxed[] = { "-sandbox", SANDBOX, NULL };
static char *const in_background[] = { "-daemonize", NULL };

/* The pid is -errno where there is none. */
static pid_t read_pid(const char *path)
{
	FILE *file = fopen(path, "re");
	int pid = -1;

	if (!file)
		return -errno;
	if (fscanf(file, "%d", &pid) != 1)
		pid = -EAGAIN;
	(void)fclose(file);
	return pid;
}

static pid_t start_qemu(bool preload, char *const *more)
{
	char qmp[160];
	char path[128];
	char *argv[24] = {
		"qemu-system-x86_64", "-accel",   "tcg",  "-m",   "64",
		"-nodefaults",        "-display", "none", "-qmp", qmp,
		"-pidfile",           path
	};
	int status = 0;
	pid_t started;
	pid_t pid;

	for (unsigned i = 0; more[i]; i++)
		argv[12 + i] = more[i];
	(void)snprintf(qmp, sizeof(qmp), "unix:%s/qmp,server=on,wait=off",
		       folder);
	(void)snprintf(path, sizeof(path), "%s/pid", folder);
	(void)unlink(path);
	started = start(preload, argv, -1);
	while ((pid = read_pid(path)) < 0) {
		if (waitpid(started, &status, WNOHANG) == started && status) {
			if (WEXITSTATUS(status) != 127)
				fail_msg("QEMU ends with %x", status);
			print_message("# skipped: no qemu-system-x86_64\n");
			skip();
		}
		(void)usleep(1000);
	}
	if (pid != started)
		assert_int_equal(waitpid(started, &status, 0), started);
	return pid;
}

/* Its main loop runs: it greets, and whose socket it is can be told. */
static void greets(pid_t pid)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char text[512] = "";
	pid_t peer = 0;
	struct ramjet_error err = { 0 };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/qmp",
		       folder);
	while (connect(fd, (const struct sockaddr *)&address, sizeof(address)))
		(void)usleep(1000);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	assert_non_null(strstr(text, "\"QMP\""));
	if (rj_attach_peer_pid(fd, "qemu:", &peer, &err))
		fail_msg("%s", err.message);
	assert_int_equal(peer, pid);
	(void)close(fd);
}

static void end_qemu(pid_t pid)
{
	const int pidfd = pidfd_open(pid, 0);
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	assert_int_equal(kill(pid, SIGTERM), 0);
	while (poll(&wait, 1, -1) < 1)
		continue;
	(void)close(pidfd);
	(void)waitpid(pid, NULL, 0);
}

static void attach_to_qemu(enum rj_attach_via via, bool preload,
			   char *const *more)
{
	const pid_t pid = start_qemu(preload, more);
	const struct rj_attach_order order = {
		.pid = pid,
		.via = via,
		.socket_path = preload ? socket_path : NULL,
		.want_uffd = true,
	};

	greets(pid);
	assert_int_equal(rj_seccomp_count(pid), more == sandboxed);
	for (unsigned i = 0; i < 20; i++) {
		struct rj_attach_process p;
		struct ramjet_error err = { 0 };

		if (rj_attach_process_open(&order, &p, &err))
			fail_msg("%s", err.message);
		assert_int_equal(p.via, preload ? RJ_ATTACH_PRELOAD
						: RJ_ATTACH_PTRACE);
		assert_true(p.uffd >= 0 && p.mem_fd >= 0);
		if (!preload)
			print_message("# held %llu us\n",
				      (unsigned long long)p.held_us);
		rj_attach_process_close(&p);
	}
	greets(pid);
	end_qemu(pid);
}

static void a_qemu_is_attached_to_by_ptrace(void **state)
{
	(void)state;
	if (!RJ_INJECT_WORKS)
		skip();
	attach_to_qemu(RJ_ATTACH_AUTO, false, sandboxed);
	attach_to_qemu(RJ_ATTACH_PTRACE, false, in_background);
}

static void a_qemu_hands_out_what_was_preloaded(void **state)
{
	(void)state;
	attach_to_qemu(RJ_ATTACH_PRELOAD, true, sandboxed);
	attach_to_qemu(RJ_ATTACH_AUTO, true, in_background);
	/* It was ended politely. */
	assert_int_equal(access(socket_path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_hands_out_memory_and_userfaultfds),
		cmocka_unit_test(another_process_that_answers_is_refused),
		cmocka_unit_test(other_users_get_nothing),
		cmocka_unit_test(
			a_stale_socket_is_replaced_and_removed_at_the_end),
		cmocka_unit_test(children_are_started_without_it),
		cmocka_unit_test(a_shell_that_execs_is_passed_through),
		cmocka_unit_test(a_qemu_is_attached_to_by_ptrace),
		cmocka_unit_test(a_qemu_hands_out_what_was_preloaded),
	};

	return cmocka_run_group_tests_name("preload", tests, setup, teardown);
}
