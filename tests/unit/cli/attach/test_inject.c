/* SPDX-License-Identifier: BSD-3-Clause */
/* One userfaultfd() in another process, which must not feel it. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/attach/inject.h"
#include "cli/attach/inject_net.h"
#include "victim.h"

#define MANY 200
/* At a time. TSan's own handler, which keeps them until the program is somewhere
 * safe, remembers one of a kind. */
#ifdef RJ_TSAN
#define QUEUED 1
#else
#define QUEUED 2
#endif

static void inject(const struct victim *victim)
{
	struct rj_attach_injected got = { .uffd = -1 };
	struct ramjet_error err = { 0 };

	if (rj_attach_inject(victim->pid, victim->pidfd, NULL, &got, &err))
		fail_msg("%s", err.message);
	assert_true(got.uffd >= 0);
	assert_true(got.held_us > 0);
	(void)close(got.uffd);
}

/* ---- it goes on as before ---------------------------------------------- */

static void registers_stay_as_they_are(void **state)
{
	struct victim victim;

	(void)state;
	victim_start(&victim, victim_computes);
	for (unsigned i = 0; i < MANY; i++)
		inject(&victim);
	victim_await(&victim, &victim.board->rounds,
		     atomic_load(&victim.board->rounds) + 2);
	assert_int_equal(victim_uffds(&victim), 0);
	victim_end(&victim);
}

static void the_descriptor_is_of_its_memory(void **state)
{
	struct rj_attach_injected got;
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct victim victim;
	char text[1024] = "";
	char path[64];
	FILE *maps;

	(void)state;
	victim_start(&victim, victim_in_ppoll);
	assert_int_equal(
		rj_attach_inject(victim.pid, victim.pidfd, NULL, &got, NULL),
		0);
	assert_true(fcntl(got.uffd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(ioctl(got.uffd, UFFDIO_API, &api), 0);
	/* Its stack, which lies elsewhere in here. */
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)victim.pid);
	maps = fopen(path, "re");
	assert_non_null(maps);
	while (!strstr(text, "[stack]"))
		assert_non_null(fgets(text, sizeof(text), maps));
	(void)fclose(maps);
	reg.range.start = strtoull(text, NULL, 16);
	reg.range.len = 4096;
	assert_int_equal(ioctl(got.uffd, UFFDIO_REGISTER, &reg), 0);
	(void)close(got.uffd);
	victim_end(&victim);
}

static void wait_undisturbed(victim_body *body, long number, bool by_byte)
{
	struct victim victim;

	victim_start(&victim, body);
	victim_await_call(&victim, number);
	for (unsigned i = 0; i < MANY / 4; i++)
		inject(&victim);
	victim_await_call(&victim, number);
	assert_int_equal(atomic_load(&victim.board->returns), 0);
	if (by_byte) {
		assert_int_equal(write(victim.board->pipe_fds[1], "", 1), 1);
		victim_await(&victim, &victim.board->returns, 1);
	}
	victim_end(&victim);
}

static void system_calls_it_waits_in_go_on(void **state)
{
	(void)state;
	wait_undisturbed(victim_in_ppoll, SYS_ppoll, true);
	wait_undisturbed(victim_in_poll, SYS_poll, true);
	wait_undisturbed(victim_in_read, SYS_read, true);
	wait_undisturbed(victim_in_nanosleep, SYS_clock_nanosleep, false);
	wait_undisturbed(victim_in_futex, SYS_futex, false);
}

/* ---- signals ----------------------------------------------------------- */

struct at_step {
	unsigned number; /* 0: none */
	const struct victim *victim;
	int signal;
	pid_t to;         /* 0: the victim */
	const char *what; /* the step was */
	bool done;
};

static void send_at_step(void *user, unsigned number, const char *what)
{
	struct at_step *at = user;

	if (number != at->number || at->done)
		return;
	at->done = true;
	at->what = what;
	(void)kill(at->to ? at->to : at->victim->pid, at->signal);
}

static int inject_with(const struct victim *victim, struct at_step *at)
{
	const struct rj_attach_inject_watch watch = { send_at_step, at };
	struct rj_attach_injected got = { .uffd = -1 };
	int rc = rj_attach_inject(victim->pid, victim->pidfd, &watch, &got,
				  NULL);

	if (!rc)
		(void)close(got.uffd);
	return rc;
}

/* Every step, one after the other, until there are no more. */
static void sweep_signal(victim_body *body, bool waits)
{
	struct at_step at = { .signal = SIGUSR1 };
	struct victim victim;

	victim_start(&victim, body);
	at.victim = &victim;
	for (unsigned sent = 1;; sent++) {
		if (waits)
			victim_await_call(&victim, SYS_ppoll);
		at.number = sent;
		at.done = false;
		assert_int_equal(inject_with(&victim, &at), 0);
		if (!at.done)
			break;
		victim_await(&victim, &victim.board->signals, sent);
		if (waits)
			victim_await(&victim, &victim.board->returns, sent);
	}
	assert_true(at.number > 8);
	assert_int_equal(atomic_load(&victim.board->signals), at.number - 1);
	if (waits)
		assert_int_equal(atomic_load(&victim.board->returns),
				 at.number - 1);
	assert_int_equal(victim_uffds(&victim), 0);
	victim_end(&victim);
}

static void a_signal_at_any_step_is_delivered_once(void **state)
{
	(void)state;
	sweep_signal(victim_computes, false);
}

/* Its handler runs because it waits, so the wait must end. */
static void a_signal_that_is_waited_for_ends_the_wait(void **state)
{
	(void)state;
	sweep_signal(victim_takes_signals, true);
}

/* Sends until the pipe is closed; tells how many. */
_Noreturn static void send_signals(const struct victim *victim, int end_fd,
				   int result_fd)
{
	const union sigval none = { 0 };
	unsigned sent = 0;
	char byte;

	while (read(end_fd, &byte, 1) != 0) {
		(void)kill(victim->pid, SIGUSR1);
		for (unsigned i = 0; i < QUEUED; i++)
			(void)sigqueue(victim->pid, SIGRTMIN, none);
		sent++;
		while (atomic_load(&victim->board->signals) < sent ||
		       atomic_load(&victim->board->queued) < QUEUED * sent)
			(void)usleep(1);
	}
	(void)!write(result_fd, &sent, sizeof(sent));
	_exit(0);
}

static void rain(victim_body *body)
{
	struct victim victim;
	int end[2];
	int result[2];
	unsigned sent = 0;
	pid_t sender;

	victim_start(&victim, body);
	assert_int_equal(pipe2(end, O_NONBLOCK), 0);
	assert_int_equal(pipe(result), 0);
	sender = fork();
	if (!sender) {
		(void)close(end[1]);
		send_signals(&victim, end[0], result[1]);
	}
	for (unsigned i = 0; i < MANY; i++)
		inject(&victim);
	(void)close(end[1]);
	assert_int_equal(read(result[0], &sent, sizeof(sent)), sizeof(sent));
	assert_int_equal(waitpid(sender, NULL, 0), sender);
	assert_true(sent > 0);
	assert_int_equal(atomic_load(&victim.board->signals), sent);
	assert_int_equal(atomic_load(&victim.board->queued), QUEUED * sent);
	assert_int_equal(victim_uffds(&victim), 0);
	victim_end(&victim);
	(void)close(end[0]);
	(void)close(result[0]);
	(void)close(result[1]);
}

static void signals_all_the_time_are_counted_exactly(void **state)
{
	(void)state;
	rain(victim_computes);
	rain(victim_takes_signals);
}

/* ---- stopped ----------------------------------------------------------- */

static void await_stop(const struct victim *victim)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)victim->pid, &info, WSTOPPED), 0);
}

static void what_was_stopped_stays_stopped(void **state)
{
	struct victim victim;
	unsigned rounds;

	(void)state;
	victim_start(&victim, victim_computes);
	assert_int_equal(kill(victim.pid, SIGSTOP), 0);
	await_stop(&victim);
	rounds = atomic_load(&victim.board->rounds);
	for (unsigned i = 0; i < MANY / 10; i++) {
		inject(&victim);
		while (victim_state(&victim) != 'T')
			(void)usleep(1);
	}
	assert_int_equal(atomic_load(&victim.board->rounds), rounds);
	assert_int_equal(kill(victim.pid, SIGCONT), 0);
	victim_await(&victim, &victim.board->rounds, rounds + 2);
	victim_end(&victim);
}

static void a_stop_at_any_step_stops_it(void **state)
{
	struct at_step at = { .signal = SIGSTOP };
	struct victim victim;

	(void)state;
	victim_start(&victim, victim_computes);
	at.victim = &victim;
	for (at.number = 1;; at.number++) {
		unsigned rounds;

		at.done = false;
		assert_int_equal(inject_with(&victim, &at), 0);
		if (!at.done)
			break;
		while (victim_state(&victim) != 'T')
			(void)usleep(1);
		rounds = atomic_load(&victim.board->rounds);
		assert_int_equal(kill(victim.pid, SIGCONT), 0);
		victim_await(&victim, &victim.board->rounds, rounds + 2);
	}
	assert_int_equal(victim_uffds(&victim), 0);
	victim_end(&victim);
}

/* ---- sudden ends ------------------------------------------------------- */

static bool is_killed_at(const struct victim *victim, unsigned number)
{
	int status = 0;
	const pid_t pid = fork();

	if (!pid) {
		struct at_step at = { .number = number,
				      .signal = SIGKILL,
				      .to = getpid() };

		_exit(inject_with(victim, &at) ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		return true;
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}

static void it_survives_our_death_at_any_step(void **state)
{
	struct victim victim;
	unsigned number = 1;

	(void)state;
	victim_start(&victim, victim_computes);
	for (; is_killed_at(&victim, number); number++)
		victim_await(&victim, &victim.board->rounds,
			     atomic_load(&victim.board->rounds) + 2);
	assert_true(number > 8);
	assert_true(victim_uffds(&victim) <= number);
	inject(&victim);
	victim_end(&victim);
}

static void its_wait_survives_our_death_at_any_step(void **state)
{
	victim_body *const bodies[] = { victim_in_ppoll, victim_in_poll,
					victim_in_read };
	const long numbers[] = { SYS_ppoll, SYS_poll, SYS_read };

	(void)state;
	for (unsigned b = 0; b < 3; b++) {
		struct victim victim;

		victim_start(&victim, bodies[b]);
		victim_await_call(&victim, numbers[b]);
		for (unsigned i = 1; is_killed_at(&victim, i); i++)
			victim_await_call(&victim, numbers[b]);
		assert_int_equal(atomic_load(&victim.board->returns), 0);
		assert_int_equal(write(victim.board->pipe_fds[1], "", 1), 1);
		victim_await(&victim, &victim.board->returns, 1);
		victim_end(&victim);
	}
}

static void its_signals_survive_our_death(void **state)
{
	struct victim victim;

	(void)state;
	victim_start(&victim, victim_takes_signals);
	victim_await_call(&victim, SYS_ppoll);
	for (unsigned i = 1; is_killed_at(&victim, i); i++) {
		victim_await_call(&victim, SYS_ppoll);
		assert_int_equal(kill(victim.pid, SIGUSR1), 0);
		victim_await(&victim, &victim.board->returns, i);
		assert_int_equal(atomic_load(&victim.board->signals), i);
	}
	victim_end(&victim);
}

static void its_death_at_any_step_is_told(void **state)
{
	bool more = true;

	(void)state;
	for (unsigned number = 1; more; number++) {
		struct at_step at = { .number = number, .signal = SIGKILL };
		struct victim victim;
		int rc;

		victim_start(&victim, victim_computes);
		at.victim = &victim;
		rc = inject_with(&victim, &at);
		more = at.done;
		/* With the last one all is done but to let go. */
		if (more && strcmp(at.what, "detach"))
			assert_int_equal(rc, -ESRCH);
		victim_end(&victim);
	}
}

/* ---- refusals ---------------------------------------------------------- */

static void one_that_is_traced_is_refused(void **state)
{
	struct rj_attach_injected got;
	struct ramjet_error err = { 0 };
	struct victim victim;

	(void)state;
	victim_start(&victim, victim_computes);
	assert_int_equal(ptrace(PTRACE_SEIZE, victim.pid, NULL, NULL), 0);
	assert_int_equal(
		rj_attach_inject(victim.pid, victim.pidfd, NULL, &got, &err),
		-EBUSY);
	assert_non_null(strstr(err.message, "it is traced by process "));
	assert_int_equal(victim_uffds(&victim), 0);
	victim_end(&victim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(registers_stay_as_they_are),
		cmocka_unit_test(the_descriptor_is_of_its_memory),
		cmocka_unit_test(system_calls_it_waits_in_go_on),
		cmocka_unit_test(a_signal_at_any_step_is_delivered_once),
		cmocka_unit_test(a_signal_that_is_waited_for_ends_the_wait),
		cmocka_unit_test(signals_all_the_time_are_counted_exactly),
		cmocka_unit_test(what_was_stopped_stays_stopped),
		cmocka_unit_test(a_stop_at_any_step_stops_it),
		cmocka_unit_test(it_survives_our_death_at_any_step),
		cmocka_unit_test(its_wait_survives_our_death_at_any_step),
		cmocka_unit_test(its_signals_survive_our_death),
		cmocka_unit_test(its_death_at_any_step_is_told),
		cmocka_unit_test(one_that_is_traced_is_refused),
	};

	if (!RJ_INJECT_WORKS) {
		printf("1..0 # SKIP ptrace is for x86-64 so far\n");
		return 0;
	}
	return cmocka_run_group_tests_name("inject", tests, NULL, NULL);
}
