/* SPDX-License-Identifier: BSD-3-Clause */
/* Machines with more CPUs than a cpu_set_t has room for. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "util/cpus.h"

int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);

static unsigned cpus_known, cpus_allowed;

/* As a kernel that knows so many CPUs. */
int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	(void)pid;
	if (!cpus_known) {
		errno = EPERM;
		return -1;
	}
	if (bytes * 8 < cpus_known) {
		errno = EINVAL;
		return -1;
	}
	memset(set, 0, bytes);
	for (unsigned i = 0; i < cpus_allowed; i++)
		CPU_SET_S(cpus_known - 1 - i, bytes, set);
	return 0;
}

static void count(unsigned known, unsigned allowed, unsigned wanted)
{
	cpus_known = known;
	cpus_allowed = allowed;
	assert_int_equal(rj_allowed_cpus(), wanted);
}

static void cpus_are_counted_on_machines_of_any_size(void **state)
{
	(void)state;
	count(8, 2, 2);
	count(1024, 1024, 1024);
	count(1025, 3, 3);
	count(8192, 5000, 5000);
	/* Nothing to be had: one. */
	count(1u << 30, 7, 1);
	count(0, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpus_are_counted_on_machines_of_any_size),
	};

	return cmocka_run_group_tests_name("cpus", tests, NULL, NULL);
}
