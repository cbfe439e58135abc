/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole migrations as on a machine of two nodes: one of each CPU we have. */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "engine/guest/guest.h"
#include "engine/migration/migration.h"
#include "engine/placement/numa.h"
#include "tests/unit/engine/fake_nodes.h"
#include "tests/unit/engine/move.h"
#include "util/bits.h"

#define MIB (UINT64_C(1) << 20)

static struct rj_topology two_nodes;
/* The source's and the target's: each has a thread that looks. */
static struct fake_memory memory[2];
static const struct rj_node_view views[2] = {
	{ .topology = &two_nodes, .query = fake_query, .user = &memory[0] },
	{ .topology = &two_nodes, .query = fake_query, .user = &memory[1] },
};
static int cpu_of_node[2];

/* Of 24 MiB, 18 on node 0. */
static int three_to_one(uint64_t page)
{
	return page * RAMJET_PAGE_BYTES < 18 * MIB ? 0 : 1;
}

static int page_by_page(uint64_t page)
{
	return (int)(page % 2);
}

static int nowhere(uint64_t page)
{
	(void)page;
	return RJ_NODE_ANY;
}

/* A node of one CPU each; false when there are not two. */
static bool make_nodes(void)
{
	cpu_set_t ours;
	unsigned found = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(ours), &ours), 0);
	rj_topology_single(&two_nodes, "");
	two_nodes.node_count = 2;
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
		if (!CPU_ISSET(cpu, &ours))
			continue;
		cpu_of_node[found] = cpu;
		two_nodes.nodes[found].id = 2 * found;
		rj_cpus_add(&two_nodes.nodes[found].cpus, (unsigned)cpu);
		two_nodes.nodes[found].cpu_count = 1;
		two_nodes.distance[found][found] = RJ_DISTANCE_LOCAL;
		two_nodes.distance[found][!found] = RJ_DISTANCE_OTHER;
		found++;
	}
	return found == 2;
}

/* ---- where threads may run ------------------------------------------------ */

static bool read_line(const char *tid, const char *name, const char *key,
		      char *line, size_t bytes)
{
	char path[300];
	bool found = false;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%s/%s", tid, name);
	file = fopen(path, "re");
	while (!found && file && fgets(line, (int)bytes, file))
		found = !strncmp(line, key, strlen(key));
	if (file)
		(void)fclose(file);
	return found;
}

/* How many threads of this name may run on that CPU alone. */
static unsigned count_pinned(const char *name, int cpu)
{
	char wanted[64], line[512];
	struct dirent *entry;
	unsigned count = 0;
	DIR *folder = opendir("/proc/self/task");

	if (!folder)
		return 0;
	(void)snprintf(wanted, sizeof(wanted), "Cpus_allowed_list:\t%d\n", cpu);
	while ((entry = readdir(folder)))
		count += read_line(entry->d_name, "comm", name, line,
				   sizeof(line)) &&
			 read_line(entry->d_name, "status", "Cpus_allowed_list",
				   line, sizeof(line)) &&
			 !strcmp(line, wanted);
	(void)closedir(folder);
	return count;
}

static unsigned pinned[2][2]; /* senders, receivers; by node */
static unsigned to_be_pinned; /* of either */

static void look(unsigned kind, const char *name)
{
	do
		for (unsigned node = 0; node < 2; node++)
			pinned[kind][node] =
				count_pinned(name, cpu_of_node[node]);
	while (pinned[kind][0] + pinned[kind][1] < to_be_pinned &&
	       !sched_yield());
}

/* The guest is about to stop: no worker ends before it has, and some may have
 * only just begun. */
static void look_at_threads(struct small_vm *vm, enum vm_call call)
{
	(void)vm;
	if (call != VM_STOP)
		return;
	look(0, "rj/send/");
	look(1, "rj/recv/");
}

/* ---- */

static const char *reason_of(const struct ramjet_info *info, const char *name,
			     const char *chosen)
{
	for (size_t i = 0; i < info->fast_path_count; i++) {
		if (strcmp(RAMJET_AT(info->fast_paths, i)->name, name))
			continue;
		assert_string_equal(RAMJET_AT(info->fast_paths, i)->chosen,
				    chosen);
		return RAMJET_AT(info->fast_paths, i)->reason;
	}
	fail_msg("nothing is said of %s", name);
	return NULL;
}

static void run(struct move *move, int (*node_of)(uint64_t), unsigned channels)
{
	struct small_vm_options is = move_machine;

	memset(pinned, 0, sizeof(pinned));
	to_be_pinned = node_of == nowhere ? 0 : channels;
	memory[0] = memory[1] = (struct fake_memory){ .node_of = node_of };
	is.bytes[0] = 24 * MIB;
	is.bytes[1] = 0;
	move_init(move, &is);
	move->source.guest->nodes = &views[0];
	move->target.guest->nodes = &views[1];
	move->source.on_call = look_at_threads;
	move->source_params.channels = channels;
	move_begin(move, MOVE_TCP);
	move_await(move);
	move_expect_done(move);
}

static void workers_are_pinned_to_where_the_memory_is(void **state)
{
	struct move *move = *state;

	run(move, three_to_one, 2);
	assert_string_equal(reason_of(move->info, "numa", "2 nodes"),
			    "workers per node: 1 + 1; NIC lo on an unknown "
			    "node");
	assert_non_null(strstr(reason_of(move->target_info, "numa", "2 nodes"),
			       "workers per node: 1 + 1"));
	for (unsigned node = 0; node < 2; node++) {
		assert_int_equal(pinned[0][node], 1);
		assert_int_equal(pinned[1][node], 1);
	}
}

static void more_workers_than_cpus_follow_the_memory(void **state)
{
	struct move *move = *state;

	run(move, three_to_one, 8);
	/* More than CPUs: in proportion to memory. */
	assert_int_equal(pinned[0][0] + pinned[0][1], 8);
	assert_true(pinned[0][0] > pinned[0][1]);
	assert_true(pinned[1][0] > pinned[1][1]);
}

static void interleaved_memory_is_reported_as_such(void **state)
{
	struct move *move = *state;

	run(move, page_by_page, 2);
	assert_string_equal(reason_of(move->info, "numa", "2 nodes"),
			    "memory is interleaved; workers per node: 1 + 1; "
			    "NIC lo on an unknown node");
}

static void nobody_is_pinned_where_nothing_is_known(void **state)
{
	struct move *move = *state;

	run(move, nowhere, 2);
	assert_non_null(
		strstr(reason_of(move->info, "numa", "no"), "no memory"));
	for (unsigned node = 0; node < 2; node++) {
		assert_int_equal(pinned[0][node], 0);
		assert_int_equal(pinned[1][node], 0);
	}
}

static void off_is_off(void **state)
{
	struct move *move = *state;

	move_init(move, &move_machine);
	to_be_pinned = 0;
	memory[0] = (struct fake_memory){ .node_of = three_to_one };
	move->source.guest->nodes = &views[0];
	move->source.on_call = look_at_threads;
	move->source_params.numa = RAMJET_NUMA_OFF;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_string_equal(reason_of(move->info, "numa", "off"),
			    "as asked for");
	assert_int_equal(memory[0].asked, 0);
	assert_int_equal(pinned[0][0] + pinned[0][1], 0);
}

static void one_node_asks_nothing(void **state)
{
	static struct rj_topology one;
	const struct rj_node_view alone = {
		.topology = &one,
		.query = fake_query,
		.user = &memory[0],
	};
	struct move *move = *state;

	rj_topology_single(&one, "one node");
	memory[0] = (struct fake_memory){ .node_of = three_to_one };
	move_init(move, &move_machine);
	move->source.guest->nodes = &alone;
	move->target.guest->nodes = &alone;
	move_begin(move, MOVE_UNIX);
	move_await(move);
	move_expect_done(move);
	assert_string_equal(reason_of(move->info, "numa", "off"), "one node");
	assert_string_equal(reason_of(move->target_info, "numa", "off"),
			    "one node");
	assert_int_equal(memory[0].asked, 0);
}

static void cpus_that_are_gone_are_reported_or_refused(void **state)
{
	struct ramjet_error err = { 0 };
	struct ramjet_migration m = { 0 };
	const struct rj_env env = rj_env_of(&m);
	const struct rj_cpus none = { 0 };

	(void)state;
	rj_mutex_init(&m.lock);
	assert_int_equal(rj_numa_settle(&env, NULL, &err), 0);
	assert_int_equal(rj_numa_settle(&env, &none, &err), 0);
	assert_int_equal(m.stats.fast_path_count, 1);
	assert_string_equal(m.stats.fast_paths[0].name, "numa pinning");
	assert_string_equal(m.stats.fast_paths[0].chosen, "no");
	m.params.strict = true;
	assert_int_equal(rj_numa_settle(&env, &none, &err), -EINVAL);
	assert_non_null(strstr(err.message, "strict: numa"));
	rj_mutex_done(&m.lock);
}

static int node_of_words(const struct rj_bitmap *map, uint64_t chunk)
{
	const _Atomic uint64_t *at = &map->words[chunk * RJ_CHUNK_WORDS];
	unsigned long nodes[16] = { 0 };
	int policy = -1;

	if (syscall(SYS_get_mempolicy, &policy, nodes, 1025, at, MPOL_F_ADDR) ||
	    policy != MPOL_PREFERRED)
		return RJ_NODE_ANY;
	return (int)rj_lowest_bit(nodes[0]);
}

/* Of node 0, which every machine has. Of the other, made-up one nothing can be
 * had, and nothing is known of the rest. */
static void maps_lie_where_the_memory_does(void **state)
{
	enum {
		CHUNKS = 64
	}; /* a page of bits */
	struct rj_stretch stretches[] = {
		{ .block = 0, .node = 1, .first_chunk = 0, .chunks = CHUNKS },
		{ .block = 1, .node = RJ_NODE_ANY, .chunks = CHUNKS },
		{ .block = 1, .first_chunk = CHUNKS, .chunks = 2 * CHUNKS },
	};
	const struct rj_numa numa = {
		.topology = &two_nodes,
		.placement = { .stretches = stretches, .stretch_count = 3 },
	};
	struct rj_bitmap maps[2] = { { 0 } };
	const uint64_t pages = UINT64_C(4) * CHUNKS * RJ_CHUNK_PAGES;
	int here;

	(void)state;
	if (syscall(SYS_get_mempolicy, &here, NULL, 0, &here, MPOL_F_ADDR)) {
		printf("# skipped: no memory policies\n");
		skip();
	}
	two_nodes.nodes[1].id = 999;
	assert_int_equal(rj_bitmap_init(&maps[0], pages, NULL), 0);
	assert_int_equal(rj_bitmap_init(&maps[1], pages, NULL), 0);
	rj_numa_place_maps(&numa, maps);
	assert_int_equal(node_of_words(&maps[0], 0), RJ_NODE_ANY);
	assert_int_equal(node_of_words(&maps[1], 0), RJ_NODE_ANY);
	assert_int_equal(node_of_words(&maps[1], CHUNKS), 0);
	assert_int_equal(node_of_words(&maps[1], 3 * CHUNKS - 1), 0);
	assert_int_equal(node_of_words(&maps[1], 3 * CHUNKS), RJ_NODE_ANY);
	rj_bitmap_done(&maps[0]);
	rj_bitmap_done(&maps[1]);
	two_nodes.nodes[1].id = 2;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(workers_are_pinned_to_where_the_memory_is),
		MOVE_TEST(more_workers_than_cpus_follow_the_memory),
		MOVE_TEST(interleaved_memory_is_reported_as_such),
		MOVE_TEST(nobody_is_pinned_where_nothing_is_known),
		MOVE_TEST(off_is_off),
		MOVE_TEST(one_node_asks_nothing),
		cmocka_unit_test(maps_lie_where_the_memory_does),
		cmocka_unit_test(cpus_that_are_gone_are_reported_or_refused),
	};

	if (!make_nodes()) {
		printf("1..0 # SKIP one CPU cannot play two nodes\n");
		return 0;
	}
	return cmocka_run_group_tests_name("numa", tests, NULL, NULL);
}
