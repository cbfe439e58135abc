/* SPDX-License-Identifier: BSD-3-Clause */
/* What threads have of their own, and what is said when they don't start. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/fake_root.h"
#include "util/error.h"
#include "util/thread.h"

struct found {
	sigset_t mask;
	int policy;
	size_t stack_bytes;
	char name[16];
};

static void *look(void *arg)
{
	struct found *found = arg;
	pthread_attr_t attr;
	void *stack;

	(void)pthread_sigmask(SIG_BLOCK, NULL, &found->mask);
	found->policy = sched_getscheduler(0);
	(void)pthread_getattr_np(pthread_self(), &attr);
	(void)pthread_attr_getstack(&attr, &stack, &found->stack_bytes);
	(void)pthread_attr_destroy(&attr);
	return NULL;
}

static struct found start_and_look(void)
{
	struct found found = { 0 };
	pthread_t thread;

	assert_int_equal(rj_thread_start(&thread, "rj/test", look, &found), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return found;
}

static void its_mask_leaves_only_its_own_faults_open(void **state)
{
	static const int open[] = { SIGSEGV, SIGBUS,  SIGFPE,
				    SIGILL,  SIGTRAP, SIGSYS };
	sigset_t all, before, after;
	struct found found;

	(void)state;
	/* whatever its maker blocks, and it is left as it was */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	found = start_and_look();
	(void)pthread_sigmask(SIG_SETMASK, &before, &after);
	for (int number = 1; number < 32; number++) {
		bool is_open = number == SIGKILL || number == SIGSTOP;

		for (size_t i = 0; i < RJ_ARRAY_SIZE(open); i++)
			is_open = is_open || number == open[i];
		assert_int_equal(sigismember(&found.mask, number), !is_open);
	}
	assert_int_equal(sigismember(&after, SIGSEGV), 1);
	assert_int_equal(sigismember(&after, SIGTERM), 1);
}

static sigjmp_buf past_fault;

static void on_fault(int number)
{
	siglongjmp(past_fault, number);
}

static void *touch_a_bad_page(void *arg)
{
	int *ret = arg;

	*ret = sigsetjmp(past_fault, 1);
	if (!*ret)
		(void)raise(SIGBUS);
	return NULL;
}

static void a_fault_reaches_the_programs_handler(void **state)
{
	struct sigaction ours = { .sa_handler = on_fault }, before;
	pthread_t thread;
	int fault = 0;

	(void)state;
	(void)sigaction(SIGBUS, &ours, &before);
	assert_int_equal(
		rj_thread_start(&thread, "rj/test", touch_a_bad_page, &fault),
		0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	(void)sigaction(SIGBUS, &before, NULL);
	assert_int_equal(fault, SIGBUS);
}

static void its_stack_is_not_the_programs_default(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	pthread_attr_t attr;
	size_t before;

	(void)state;
	assert_int_equal(pthread_getattr_default_np(&attr), 0);
	assert_int_equal(pthread_attr_getstacksize(&attr, &before), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, PTHREAD_STACK_MIN),
			 0);
	assert_int_equal(pthread_setattr_default_np(&attr), 0);
	assert_in_range(start_and_look().stack_bytes,
			RJ_THREAD_STACK_BYTES - page,
			RJ_THREAD_STACK_BYTES + 16 * page);
	assert_int_equal(pthread_attr_setstacksize(&attr, before), 0);
	assert_int_equal(pthread_setattr_default_np(&attr), 0);
	(void)pthread_attr_destroy(&attr);
}

/* What needs no privilege to try; SCHED_FIFO is inherited the same way. */
static void its_policy_is_not_its_makers(void **state)
{
	const struct sched_param none = { 0 };

	(void)state;
	assert_int_equal(sched_setscheduler(0, SCHED_BATCH, &none), 0);
	assert_int_equal(start_and_look().policy, SCHED_OTHER);
	assert_int_equal(sched_setscheduler(0, SCHED_OTHER, &none), 0);
	assert_int_equal(start_and_look().policy, SCHED_OTHER);
}

static void the_limits_of_threads_are_named(void **state)
{
	char root[] = "/tmp/ramjet-thread-XXXXXX", text[160];

	(void)state;
	fake_root_make(root);
	fake_root_put(root, "proc/self/cgroup", "0::/pod/vmm\n");
	fake_root_put(root, "proc/self/mountinfo",
		      "30 25 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	fake_root_put(root, "sys/fs/cgroup/pod/vmm/pids.max", "max\n");
	fake_root_put(root, "sys/fs/cgroup/pod/pids.max", "6\n");
	rj_thread_limits(root, text, sizeof(text));
	assert_non_null(strstr(text, "ulimit -u"));
	assert_non_null(strstr(text, "pids.max 6"));
	fake_root_put(root, "proc/self/cgroup", "4:cpu:/a\n3:pids:/b\n");
	fake_root_put(root, "proc/self/mountinfo",
		      "30 25 0:27 / /cg/pids rw - cgroup cgroup rw,pids\n");
	fake_root_put(root, "cg/pids/b/pids.max", "17\n");
	rj_thread_limits(root, text, sizeof(text));
	assert_non_null(strstr(text, "pids.max 17"));
	fake_root_remove(root);
}

static void a_thread_that_does_not_start_names_them(void **state)
{
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(rj_thread_fail(&err, -EAGAIN, "send worker %u", 3u),
			 -EAGAIN);
	assert_non_null(strstr(err.message, "send worker 3: its thread does "
					    "not start (limits of threads: "
					    "ulimit -u "));
	assert_non_null(strstr(err.message, "pids.max "));
	assert_non_null(strstr(err.message, strerror(EAGAIN)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_mask_leaves_only_its_own_faults_open),
		cmocka_unit_test(a_fault_reaches_the_programs_handler),
		cmocka_unit_test(its_stack_is_not_the_programs_default),
		cmocka_unit_test(its_policy_is_not_its_makers),
		cmocka_unit_test(the_limits_of_threads_are_named),
		cmocka_unit_test(a_thread_that_does_not_start_names_them),
	};

	return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
