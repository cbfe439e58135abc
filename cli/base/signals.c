/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/base/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"

#define SAME_WISH_NS UINT64_C(1000000000)

static volatile sig_atomic_t cancel_signal;
static volatile sig_atomic_t switchover_asked;
/* When the first wish to cancel came; 0: none yet. Handlers may run on
 * several threads at once: the one that writes it is the first. */
static _Atomic uint64_t cancelled_ns;

static void die_of(int number)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };

	(void)sigaction(number, &usual, NULL);
	(void)raise(number); /* once the handler has returned */
}

/* Readable when a signal asks to cancel, for calls that wait; -1: not in
 * use. */
static volatile sig_atomic_t told_fd = -1;

static void tell(void)
{
	const uint64_t one = 1;
	const int error = errno;

	if (told_fd >= 0)
		(void)!write(told_fd, &one, sizeof(one));
	errno = error;
}

static void on_cancel(int number)
{
	const uint64_t now = rj_now_ns();
	uint64_t first = 0;

	if (atomic_compare_exchange_strong(&cancelled_ns, &first, now)) {
		cancel_signal = number;
		tell();
	} else if (now > first && now - first >= SAME_WISH_NS) {
		die_of(number);
	}
}

static void on_switchover(int number)
{
	(void)number;
	switchover_asked = 1;
}

static void handle(int number, void (*handler)(int number))
{
	struct sigaction action = { .sa_handler = handler,
				    .sa_flags = SA_RESTART };

	(void)sigemptyset(&action.sa_mask);
	(void)sigaction(number, &action, NULL);
}

static bool is_ignored(int number)
{
	struct sigaction action;

	return !sigaction(number, NULL, &action) &&
	       action.sa_handler == SIG_IGN;
}

void rj_cli_signals_begin(void)
{
	static const int numbers[] = { SIGINT,  SIGTERM, SIGHUP,
				       SIGUSR1, SIGCHLD, SIGPIPE };
	sigset_t open;

	(void)sigemptyset(&open);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		(void)sigaddset(&open, numbers[i]);
	(void)sigprocmask(SIG_UNBLOCK, &open, NULL);
	/* If SIGCHLD is ignored, the exit statuses of our children are lost. */
	handle(SIGCHLD, SIG_DFL);
	handle(SIGXFSZ, SIG_IGN);
}

void rj_cli_signals_install(void)
{
	cancel_signal = 0;
	switchover_asked = 0;
	atomic_store(&cancelled_ns, 0);
	handle(SIGINT, on_cancel);
	handle(SIGTERM, on_cancel);
	if (!is_ignored(SIGHUP))
		handle(SIGHUP, on_cancel);
	handle(SIGUSR1, on_switchover);
	handle(SIGPIPE, SIG_IGN);
}

int rj_cli_signals_cancel(void)
{
	return cancel_signal;
}

int rj_cli_signals_fd(void)
{
	if (told_fd < 0)
		told_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (cancel_signal)
		tell();
	return told_fd;
}

void rj_cli_signals_close_fd(void)
{
	const int fd = told_fd;

	/* Only this thread handles signals. */
	told_fd = -1;
	if (fd >= 0)
		(void)close(fd);
}

bool rj_cli_signals_take_switchover(void)
{
	bool asked = switchover_asked;

	if (asked)
		switchover_asked = 0;
	return asked;
}
