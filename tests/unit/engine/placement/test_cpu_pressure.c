/* SPDX-License-Identifier: BSD-3-Clause */
/* What presses, from files of our own making, below a folder that stands for "/". */
#include "tests/unit/cmocka_all.h"

#include <stdio.h>

#include "engine/placement/cpu_pressure.h"
#include "tests/unit/fake_root.h"

#define SECOND UINT64_C(1000000000)

static void put_pressure(const char *root, const char *name, unsigned total_us)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "some avg10=1.25 avg60=0.00 avg300=0.00 total=%u\n"
		       "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n",
		       total_us);
	fake_root_put(root, name, text);
}

static void put_steal(const char *root, unsigned idle, unsigned steal)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "cpu  100 0 100 %u 0 0 0 %u 0 0\ncpu0 1 2 3\n", idle,
		       steal);
	fake_root_put(root, "proc/stat", text);
}

static void expect(double got, double want)
{
	assert_true(got > want - 0.001 && got < want + 0.001);
}

static void what_is_not_there_presses_nothing(void **state)
{
	struct rj_cpu_pressure p = { 0 };

	expect(rj_cpu_pressure_look(&p, *state, 0, SECOND), 0);
	expect(rj_cpu_pressure_look(&p, *state, 0, 2 * SECOND), 0);
}

static void the_machine_presses(void **state)
{
	struct rj_cpu_pressure p = { 0 };

	put_pressure(*state, "proc/pressure/cpu", 5000000);
	expect(rj_cpu_pressure_look(&p, *state, 0, SECOND), 0);
	put_pressure(*state, "proc/pressure/cpu", 5500000);
	expect(rj_cpu_pressure_look(&p, *state, 0, 2 * SECOND), 0.5);
}

static void our_own_waits_press_nobody(void **state)
{
	struct rj_cpu_pressure p = { 0 };

	put_pressure(*state, "proc/pressure/cpu", 0);
	expect(rj_cpu_pressure_look(&p, *state, SECOND, SECOND), 0);
	put_pressure(*state, "proc/pressure/cpu", 900000);
	expect(rj_cpu_pressure_look(&p, *state, SECOND + SECOND / 2,
				    2 * SECOND),
	       0.4);
	put_pressure(*state, "proc/pressure/cpu", 1800000);
	expect(rj_cpu_pressure_look(&p, *state, 9 * SECOND, 3 * SECOND), 0);
}

static void our_own_control_group_says_it_better(void **state)
{
	struct rj_cpu_pressure p = { 0 };

	fake_root_put(*state, "proc/self/cgroup", "0::/vm\n");
	fake_root_put(*state, "proc/self/mountinfo",
		      "30 23 0:26 / /cg rw,nosuid shared:4 - cgroup2 cgroup2 "
		      "rw\n");
	put_pressure(*state, "proc/pressure/cpu", 0);
	put_pressure(*state, "cg/vm/cpu.pressure", 0);
	(void)rj_cpu_pressure_look(&p, *state, 0, SECOND);
	put_pressure(*state, "proc/pressure/cpu", 1000000);
	put_pressure(*state, "cg/vm/cpu.pressure", 100000);
	expect(rj_cpu_pressure_look(&p, *state, 0, 2 * SECOND), 0.1);
}

static void stolen_time_presses(void **state)
{
	struct rj_cpu_pressure p = { 0 };

	put_steal(*state, 1000, 0);
	(void)rj_cpu_pressure_look(&p, *state, 0, SECOND);
	put_steal(*state, 1020, 80);
	expect(rj_cpu_pressure_look(&p, *state, 0, 2 * SECOND), 0.8);
}

static void way_is_given_by_halves_and_taken_back(void **state)
{
	(void)state;
	assert_int_equal(rj_cpu_give_way(100, 100, 0.9), 50);
	assert_int_equal(rj_cpu_give_way(50, 100, 0.5), 50);
	assert_int_equal(rj_cpu_give_way(50, 100, 0.1), 100);
	assert_int_equal(rj_cpu_give_way(100, 100, 0.1), 100);
	assert_int_equal(rj_cpu_give_way(12, 100, 1), 12);
	assert_int_equal(rj_cpu_give_way(40, 50, 0), 50);
	assert_int_equal(rj_cpu_give_way(5, 5, 1), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_not_there_presses_nothing, fake_root_setup,
			fake_root_teardown),
		cmocka_unit_test_setup_teardown(the_machine_presses,
						fake_root_setup,
						fake_root_teardown),
		cmocka_unit_test_setup_teardown(our_own_waits_press_nobody,
						fake_root_setup,
						fake_root_teardown),
		cmocka_unit_test_setup_teardown(
			our_own_control_group_says_it_better, fake_root_setup,
			fake_root_teardown),
		cmocka_unit_test_setup_teardown(stolen_time_presses,
						fake_root_setup,
						fake_root_teardown),
		cmocka_unit_test(way_is_given_by_halves_and_taken_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
