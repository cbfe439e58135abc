/* SPDX-License-Identifier: BSD-3-Clause */
/* What is peculiar to a thread of ours that lifts protection, and to kernels that
 * want one (Linux 5.19 to 6.6): played by refusing what is newer. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dirty/uapi.h"
#include "tests/unit/dirty/remote_tracker.h"

/* ---- an old kernel ----------------------------------------------------- */

/* Features; the thread that lifts protection looks, too. */
static _Atomic uint64_t lacking;

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int old_api(int fd, struct uffdio_api *api)
{
	int rc;

	if (api->features & lacking) {
		memset(api, 0, sizeof(*api));
		errno = EINVAL;
		return -1;
	}
	rc = __real_ioctl(fd, UFFDIO_API, api);
	api->features &= ~lacking;
	return rc;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list list;
	void *argument;

	va_start(list, request);
	argument = va_arg(list, void *);
	va_end(list);
	if (lacking && request == UFFDIO_API)
		return old_api(fd, argument);
	if (lacking && request == RJ_PAGEMAP_SCAN) {
		errno = ENOTTY;
		return -1;
	}
	return __real_ioctl(fd, request, argument);
}

#define SINCE_6_4 \
	(UINT64_C(0x1ffff) & ~(uint64_t)(UFFD_FEATURE_WP_UNPOPULATED - 1))

static void begin_as(struct remote_tracker *t, enum memory_kind kind,
		     uint32_t mode)
{
	remote_make(t, kind, mode);
	child_do(&t->child, CHILD_WRITE, 0, PAGES / 2, 1);
	remote_begin(t);
	remote_send_pages(t, 0, PAGES / 2);
}

static void linux_6_1_is_enough(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct remote_tracker t;

	lacking = SINCE_6_4;
	begin_as(&t, kind, RAMJET_REMOTE_AUTO);
	assert_string_equal(t.source->ops.name, "remote, synchronous");
	assert_int_equal(remote_collect(&t), 0);
	child_do(&t.child, CHILD_WRITE, 7, 1, 7);
	child_do(&t.child, CHILD_WRITE, PAGES - 1, 1, 8);
	if (kind == MEMORY_MEMFD)
		child_do(&t.child, CHILD_PUNCH, 9, 2, 0);
	child_do(&t.child, CHILD_DONTNEED, 9, 2, 0);
	assert_int_equal(remote_collect(&t), 4);
	assert_true(remote_is_marked(&t, 10));
	remote_send(&t);
	assert_int_equal(remote_collect(&t), 0);
	remote_check_copy(&t);
	lacking = 0;
	remote_end(&t);
}

static void what_is_newer_is_preferred(void **state)
{
	struct remote_tracker t;

	(void)state;
	remote_make(&t, MEMORY_ANON, RAMJET_REMOTE_AUTO);
	assert_string_equal(t.source->ops.name, "remote");
	remote_end(&t);
}

static void what_the_kernel_lacks_is_told(void **state)
{
	static const struct {
		uint64_t lacking;
		uint32_t mode;
		const char *wanted;
	} cases[] = {
		{ SINCE_6_4, RAMJET_REMOTE_ASYNC, "(Linux 6.7) is wanted" },
		{ UINT64_C(0x1ffff) & ~UINT64_C(0xfff), RAMJET_REMOTE_AUTO,
		  "0x1000, write protection (Linux 5.19) is wanted" },
	};
	(void)state;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		struct ramjet_remote_range range = { RAMJET_REMOTE_RANGE_INIT,
						     .block = "ram0" };
		struct ramjet_dirty_remote remote = {
			RAMJET_DIRTY_REMOTE_INIT
		};
		struct remote_tracker t;

		memset(&t, 0, sizeof(t));
		if (!child_start(&t.child, MEMORY_ANON, BYTES, -1))
			skip();
		range.address = t.child.address;
		remote.userfaultfd = t.child.uffd;
		remote.pagemap_fd = t.child.pagemap_fd;
		remote.pid = t.child.pid;
		remote.mode = cases[i].mode;
		remote.ranges = &range;
		remote.range_count = 1;
		lacking = cases[i].lacking;
		assert_int_equal(
			ramjet_dirty_remote_new(&remote, &t.source, &t.err),
			-EOPNOTSUPP);
		lacking = 0;
		if (!strstr(t.err.message, cases[i].wanted))
			printf("# %s\n", t.err.message);
		assert_non_null(strstr(t.err.message, cases[i].wanted));
		/* It is still ours. */
		assert_int_equal(close(t.child.uffd), 0);
		child_end(&t.child);
	}
}

/* ---- the thread -------------------------------------------------------- */

/* KVM's faults, and read()'s, would fail. */
static void a_userfaultfd_of_user_mode_only_is_refused(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct remote_tracker t;

	child_user_mode_only = true;
	remote_make(&t, kind, RAMJET_REMOTE_SYNC);
	child_user_mode_only = false;
	child_do(&t.child, CHILD_WRITE, 3, 1, 1);
	assert_int_equal(remote_start(&t), -EPERM);
	assert_non_null(strstr(t.err.message, "(UFFD_USER_MODE_ONLY)"));
	/* Nothing is left protected, and nobody serves it any more. */
	child_do(&t.child, CHILD_KERNEL_WRITE, 0, PAGES, 5);
	child_do(&t.child, CHILD_WRITE, 0, PAGES, 6);
	remote_end(&t);
}

static void of_untouched_memory_that_is_found_out_too(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct remote_tracker t;

	child_user_mode_only = true;
	remote_make(&t, kind, RAMJET_REMOTE_SYNC);
	child_user_mode_only = false;
	assert_int_equal(remote_start(&t), -EPERM);
	remote_end(&t);
	remote_make(&t, kind, RAMJET_REMOTE_SYNC);
	assert_int_equal(remote_start(&t), 0);
	remote_end(&t);
}

/* The try writes nothing. */
static void what_is_tried_stays_as_it_is(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct remote_tracker t;
	uint8_t page[RAMJET_PAGE_BYTES];

	remote_make(&t, kind, RAMJET_REMOTE_SYNC);
	child_do(&t.child, CHILD_WRITE, 40, 1, 77);
	remote_begin(&t);
	assert_true(child_read(&t.child, 40, page));
	assert_int_equal(page[0], 77);
	remote_end(&t);
}

static void stopping_lets_all_go_on(void **state)
{
	enum memory_kind kind = *(const enum memory_kind *)*state;
	struct remote_tracker t;

	for (unsigned i = 0; i < 50; i++) {
		begin_as(&t, kind, RAMJET_REMOTE_SYNC);
		child_do(&t.child, CHILD_MISBEHAVE, 0, PAGES, i);
		(void)remote_collect(&t);
		rj_dirty_set_stop(&t.set);
		child_do(&t.child, CHILD_STOP, 0, 0, 0);
		child_do(&t.child, CHILD_WRITE, 0, PAGES, 3);
		remote_end(&t);
	}
}

/* Tracks, and is stopped in it, so that its thread serves nobody. */
static void agent_main(struct remote_tracker *t, int ready)
{
	struct ramjet_remote_range all = { RAMJET_REMOTE_RANGE_INIT,
					   .block = "ram0" };

	all.address = t->child.address;
	remote_make_of(t, RAMJET_REMOTE_SYNC, &all, 1);
	remote_begin(t);
	(void)!write(ready, "r", 1);
	(void)raise(SIGSTOP);
	_exit(1);
}

static void our_death_lets_all_go_on(void **state)
{
	struct remote_tracker t;
	int ready[2], status;
	char byte;
	pid_t agent;

	(void)state;
	memset(&t, 0, sizeof(t));
	if (!child_start(&t.child, MEMORY_ANON, BYTES, -1))
		skip();
	child_do(&t.child, CHILD_WRITE, 0, PAGES, 1);
	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	agent = fork();
	if (!agent)
		agent_main(&t, ready[1]);
	/* The agent has the only one. */
	(void)close(t.child.uffd);
	(void)close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		assert_int_equal(waitpid(agent, &status, 0), agent);
		fail_msg("the agent ended, %x", status);
	}
	assert_int_equal(waitpid(agent, &status, WUNTRACED), agent);
	assert_true(WIFSTOPPED(status));
	child_begin(&t.child, CHILD_WRITE, 0, PAGES, 2);
	assert_false(child_is_done(&t.child, 100));
	assert_int_equal(kill(agent, SIGKILL), 0);
	assert_int_equal(waitpid(agent, &status, 0), agent);
	assert_true(child_is_done(&t.child, -1));
	(void)close(ready[0]);
	child_end(&t.child);
}

int main(void)
{
	static enum memory_kind kinds[MEMORY_KINDS_];
#undef of_kind
#define of_kind(test, kind)                                     \
	{                                                       \
#test "/" #kind, test, NULL, NULL, &kinds[kind] \
	}
	const struct CMUnitTest tests[] = {
		of_kind(linux_6_1_is_enough, MEMORY_ANON),
		of_kind(linux_6_1_is_enough, MEMORY_MEMFD),
		cmocka_unit_test(what_is_newer_is_preferred),
		cmocka_unit_test(what_the_kernel_lacks_is_told),
		of_kind(a_userfaultfd_of_user_mode_only_is_refused,
			MEMORY_ANON),
		of_kind(a_userfaultfd_of_user_mode_only_is_refused,
			MEMORY_MEMFD),
		of_kind(a_userfaultfd_of_user_mode_only_is_refused,
			MEMORY_HUGETLB_ANON),
		of_kind(of_untouched_memory_that_is_found_out_too, MEMORY_ANON),
		of_kind(of_untouched_memory_that_is_found_out_too,
			MEMORY_MEMFD),
		of_kind(what_is_tried_stays_as_it_is, MEMORY_ANON),
		of_kind(what_is_tried_stays_as_it_is, MEMORY_MEMFD),
		of_kind(stopping_lets_all_go_on, MEMORY_ANON),
		of_kind(stopping_lets_all_go_on, MEMORY_MEMFD),
		cmocka_unit_test(our_death_lets_all_go_on),
	};

	for (unsigned i = 0; i < MEMORY_KINDS_; i++)
		kinds[i] = (enum memory_kind)i;
	return cmocka_run_group_tests_name("remote_sync", tests, NULL, NULL);
}
