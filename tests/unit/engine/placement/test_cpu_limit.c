/* SPDX-License-Identifier: BSD-3-Clause */
/* Control groups of our own making, below a folder that stands for "/". */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine/placement/cpu_limit.h"
#include "tests/unit/fake_root.h"

#define ELSE  "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
#define MOUNT "30 23 0:26 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"

static void place(const char *root, const char *group, const char *mounts)
{
	fake_root_put(root, "proc/self/cgroup", group);
	fake_root_put(root, "proc/self/mountinfo", mounts);
}

static void expect(const char *root, unsigned affinity, unsigned cpus,
		   uint32_t period_us)
{
	struct rj_cpu_limit limit;

	rj_cpu_limit_of(root, affinity, &limit);
	assert_int_equal(limit.cpus, cpus);
	assert_int_equal(limit.quota_period_us, period_us);
	assert_string_equal(limit.by, period_us ? "cgroup quota" : "affinity");
}

static void nothing_to_be_read_limits_nothing(void **state)
{
	expect(*state, 3, 3, 0);
	expect(*state, 0, 1, 0);
}

static void a_quota_of_version_2_limits_and_is_rounded_up(void **state)
{
	place(*state, "0::/vm\n", ELSE MOUNT);
	fake_root_put(*state, "cg/vm/cpu.max", "250000 100000\n");
	expect(*state, 8, 3, 100000);
	expect(*state, 3, 3, 100000); /* 2.5 of 3 */
	expect(*state, 2, 2, 0);
	fake_root_put(*state, "cg/vm/cpu.max", "10000 50000\n");
	expect(*state, 8, 1, 50000);
}

static void no_quota_of_version_2_limits_nothing(void **state)
{
	place(*state, "0::/vm\n", ELSE MOUNT);
	fake_root_put(*state, "cg/vm/cpu.max", "max 100000\n");
	expect(*state, 8, 8, 0);
}

static void groups_above_limit_as_well(void **state)
{
	place(*state, "0::/a/b/c\n", ELSE MOUNT);
	fake_root_put(*state, "cg/a/b/c/cpu.max", "max 100000\n");
	fake_root_put(*state, "cg/a/b/cpu.max", "400000 100000\n");
	fake_root_put(*state, "cg/a/cpu.max", "60000 20000\n");
	expect(*state, 8, 3, 20000);
	fake_root_put(*state, "cg/a/cpu.max", "600000 100000\n");
	expect(*state, 8, 4, 100000);
	fake_root_put(*state, "cg/cpu.max", "100000 100000\n");
	expect(*state, 8, 1, 100000);
}

static void a_group_mounted_for_a_container_is_found(void **state)
{
	place(*state, "0::/box/7/vm\n",
	      "30 23 0:26 /box/7 /cg rw - cgroup2 cgroup2 rw\n");
	fake_root_put(*state, "cg/vm/cpu.max", "200000 100000\n");
	expect(*state, 8, 2, 100000);
	/* One that only begins alike is another one. */
	place(*state, "0::/box/77/vm\n",
	      "30 23 0:26 /box/7 /cg rw - cgroup2 cgroup2 rw\n");
	expect(*state, 8, 8, 0);
	fake_root_put(*state, "cg/cpu.max", "300000 100000\n");
	expect(*state, 8, 3, 100000);
}

static void a_quota_of_version_1_limits(void **state)
{
	place(*state, "5:cpuset:/\n4:cpu,cpuacct:/vm\n1:name=systemd:/\n",
	      "29 23 0:25 / /set rw - cgroup cgroup rw,cpuset\n"
	      "31 23 0:27 / /cg1 rw - cgroup cgroup rw,cpu,cpuacct\n");
	fake_root_put(*state, "cg1/vm/cpu.cfs_quota_us", "-1\n");
	fake_root_put(*state, "cg1/vm/cpu.cfs_period_us", "100000\n");
	expect(*state, 8, 8, 0);
	fake_root_put(*state, "cg1/vm/cpu.cfs_quota_us", "150000\n");
	expect(*state, 8, 2, 100000);
}

static void with_both_versions_the_lesser_counts(void **state)
{
	place(*state, "4:cpu:/vm\n0::/\n",
	      MOUNT "31 23 0:27 / /cg1 rw - cgroup cgroup rw,cpu\n");
	fake_root_put(*state, "cg1/vm/cpu.cfs_quota_us", "200000\n");
	fake_root_put(*state, "cg1/vm/cpu.cfs_period_us", "100000\n");
	fake_root_put(*state, "cg/cpu.max", "500000 100000\n");
	expect(*state, 8, 2, 100000);
}

static void what_makes_no_sense_limits_nothing(void **state)
{
	place(*state, "0::/vm\nnonsense\n", "nonsense\n" MOUNT);
	fake_root_put(*state, "cg/vm/cpu.max", "");
	expect(*state, 8, 8, 0);
	fake_root_put(*state, "cg/vm/cpu.max", "100000\n");
	expect(*state, 8, 8, 0);
	fake_root_put(*state, "cg/vm/cpu.max", "100000 0\n");
	expect(*state, 8, 8, 0);
	fake_root_put(*state, "cg/vm/cpu.max", "-5 100000\n");
	expect(*state, 8, 8, 0);
}

static void this_machine_has_a_cpu_for_us(void **state)
{
	struct rj_cpu_limit limit;

	(void)state;
	rj_cpu_limit_read(&limit);
	assert_in_range(limit.cpus, 1, (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}

#define CASE(name)                                             \
	cmocka_unit_test_setup_teardown(name, fake_root_setup, \
					fake_root_teardown)

static void spare_cpus_are_those_no_worker_needs(void **state)
{
	static const struct {
		unsigned cpus, workers, spare;
	} rows[] = { { 1, 1, 0 }, { 2, 1, 1 },   { 2, 2, 0 },    { 2, 8, 0 },
		     { 4, 1, 1 }, { 4, 3, 1 },   { 16, 4, 4 },   { 16, 12, 4 },
		     { 8, 8, 0 }, { 128, 1, 1 }, { 128, 64, 64 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(rj_spare_cpus(rows[i].cpus, rows[i].workers),
				 rows[i].spare);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(nothing_to_be_read_limits_nothing),
		CASE(a_quota_of_version_2_limits_and_is_rounded_up),
		CASE(no_quota_of_version_2_limits_nothing),
		CASE(groups_above_limit_as_well),
		CASE(a_group_mounted_for_a_container_is_found),
		CASE(a_quota_of_version_1_limits),
		CASE(with_both_versions_the_lesser_counts),
		CASE(what_makes_no_sense_limits_nothing),
		cmocka_unit_test(this_machine_has_a_cpu_for_us),
		cmocka_unit_test(spare_cpus_are_those_no_worker_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
