/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/placement/machine_nodes.h"
#include "engine/placement/topology.h"
#include "tests/unit/engine/fake_nodes.h"

static void nodes_are_found_by_the_kernels_number(void **state)
{
	static struct rj_topology topology;

	(void)state;
	fake_topology(&topology, 4, 2);
	assert_int_equal(rj_topology_index(&topology, 0), 0);
	assert_int_equal(rj_topology_index(&topology, 6), 3);
	assert_int_equal(rj_topology_index(&topology, 1), RJ_NODE_ANY);
	assert_int_equal(rj_topology_index(&topology, -1), RJ_NODE_ANY);
}

static void the_nearest_is_oneself_then_the_partner(void **state)
{
	static struct rj_topology topology;
	bool may[RJ_NODES_MAX];

	(void)state;
	memset(may, true, sizeof(may));
	fake_topology(&topology, 8, 2);
	assert_int_equal(rj_topology_nearest(&topology, 5, may), 5);
	may[5] = false;
	assert_int_equal(rj_topology_nearest(&topology, 5, may), 4);
	may[4] = false;
	assert_int_equal(rj_topology_nearest(&topology, 5, may), 1);
	memset(may, false, sizeof(may));
	assert_int_equal(rj_topology_nearest(&topology, 5, may), RJ_NODE_ANY);
}

static void cpus_we_may_not_use_do_not_count(void **state)
{
	static struct rj_topology topology;
	static struct rj_cpus allowed;

	(void)state;
	fake_topology(&topology, 2, 4);
	rj_cpus_add(&allowed, 1);
	rj_cpus_add(&allowed, 3);
	rj_cpus_add(&allowed, RJ_CPUS_MAX - 1);
	rj_topology_restrict(&topology, &allowed);
	assert_int_equal(topology.nodes[0].cpu_count, 2);
	assert_int_equal(topology.nodes[1].cpu_count, 0);
}

/* "0-1,4" as sysfs writes it; false: no such node. */
static bool cpus_of_sysfs(unsigned id, struct rj_cpus *ret)
{
	char path[64];
	unsigned first, last;
	FILE *file;
	int next;

	(void)snprintf(path, sizeof(path),
		       "/sys/devices/system/node/node%u/cpulist", id);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (fscanf(file, "%u", &first) == 1) {
		last = first;
		next = fgetc(file);
		if (next == '-' && fscanf(file, "%u", &last) == 1)
			next = fgetc(file);
		for (unsigned cpu = first; cpu <= last; cpu++)
			rj_cpus_add(ret, cpu);
		if (next != ',')
			break;
	}
	(void)fclose(file);
	return true;
}

static void this_machine_is_as_sysfs_says(void **state)
{
	const struct rj_topology *machine = rj_machine_topology();

	(void)state;
	assert_ptr_equal(machine, rj_machine_topology());
	assert_in_range(machine->node_count, 1, RJ_NODES_MAX);
	assert_int_equal(machine->distance[0][0], RJ_DISTANCE_LOCAL);
	if (machine->node_count == 1) {
		assert_non_null(machine->reason);
		print_message("# one node: %s\n", machine->reason);
		if (strcmp(machine->reason, "one node"))
			return;
	}
	for (unsigned i = 0; i < machine->node_count; i++) {
		const struct rj_node *node = &machine->nodes[i];
		struct rj_cpus cpus = { 0 };

		assert_true(cpus_of_sysfs(node->id, &cpus));
		assert_memory_equal(&cpus, &node->cpus, sizeof(cpus));
		assert_int_equal(node->cpu_count,
				 CPU_COUNT_S(sizeof(cpus), cpus.sets));
	}
}

static void a_thread_may_run_where_it_may_run(void **state)
{
	struct rj_cpus cpus, again;

	(void)state;
	assert_int_equal(rj_cpus_allowed(&cpus), 0);
	assert_int_equal(rj_cpus_run_on(&cpus), 0);
	assert_int_equal(rj_cpus_allowed(&again), 0);
	assert_memory_equal(&cpus, &again, sizeof(cpus));
	memset(&cpus, 0, sizeof(cpus));
	assert_int_equal(rj_cpus_run_on(&cpus), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_are_found_by_the_kernels_number),
		cmocka_unit_test(the_nearest_is_oneself_then_the_partner),
		cmocka_unit_test(cpus_we_may_not_use_do_not_count),
		cmocka_unit_test(this_machine_is_as_sysfs_says),
		cmocka_unit_test(a_thread_may_run_where_it_may_run),
	};

	return cmocka_run_group_tests_name("topology", tests, NULL, NULL);
}
