/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <stdlib.h>
#include <string.h>

#include "engine/placement/placement.h"
#include "tests/unit/engine/fake_nodes.h"
#include "util/compiler.h"

#define STRETCHES_MAX 32u

struct scene {
	struct rj_topology topology;
	struct rj_stretch stretches[STRETCHES_MAX];
	struct rj_placement_wish wish;
	struct rj_placement placement;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	*state = s;
	return s ? 0 : -1;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_placement_done(&s->placement);
	free(s);
	return 0;
}

static void machine(struct scene *s, unsigned nodes, unsigned cpus_each)
{
	fake_topology(&s->topology, nodes, cpus_each);
	s->wish = (struct rj_placement_wish){
		.topology = &s->topology,
		.stretches = s->stretches,
		.nic_node = RJ_NODE_ANY,
	};
}

/* In this order, all of it of weight; a block for each `blocks`. */
static void memory(struct scene *s, unsigned block, int node, uint64_t chunks)
{
	uint64_t first = 0;

	for (size_t i = 0; i < s->wish.stretch_count; i++)
		if (s->stretches[i].block == block)
			first += s->stretches[i].chunks;
	s->stretches[s->wish.stretch_count++] = (struct rj_stretch){
		.block = block,
		.node = node,
		.first_chunk = first,
		.chunks = chunks,
		.weight = chunks,
	};
}

static uint64_t total(const struct scene *s)
{
	uint64_t chunks = 0;

	for (size_t i = 0; i < s->wish.stretch_count; i++)
		chunks += s->stretches[i].chunks;
	return chunks;
}

/* ---- what holds of every placement -------------------------------------- */

static int compare_homes(const void *a, const void *b)
{
	const struct rj_home *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

static void expect_homes_cover_all(const struct scene *s)
{
	const struct rj_placement *p = &s->placement;
	struct rj_home homes[RAMJET_CHANNELS_MAX];
	uint64_t at = 0;

	memcpy(homes, p->homes, p->home_count * sizeof(*homes));
	qsort(homes, p->home_count, sizeof(*homes), compare_homes);
	for (unsigned i = 0; i < p->home_count; i++) {
		assert_int_equal(homes[i].first, at);
		at = homes[i].end;
	}
	assert_int_equal(at, total(s));
}

static void expect_positions_are_one_to_one(const struct scene *s)
{
	const struct rj_placement *p = &s->placement;
	uint64_t at = 0;

	assert_int_equal(p->chunk_total, total(s));
	for (unsigned i = 0; i < p->stretch_count; i++) {
		const struct rj_stretch *stretch = &p->stretches[i];

		assert_int_equal(stretch->position, at);
		assert_true(stretch->chunks);
		assert_int_equal(rj_placement_at(p, at), i);
		assert_ptr_equal(rj_placement_find(p, stretch->block,
						   stretch->first_chunk),
				 stretch);
		at += stretch->chunks;
		assert_int_equal(rj_placement_at(p, at - 1), i);
		assert_ptr_equal(rj_placement_find(p, stretch->block,
						   stretch->first_chunk +
							   stretch->chunks - 1),
				 stretch);
	}
	assert_int_equal(rj_placement_at(p, at), p->stretch_count);
	/* By address there is neither gap nor overlap. */
	for (unsigned i = 1; i < p->stretch_count; i++) {
		const struct rj_stretch *a = p->by_address[i - 1];
		const struct rj_stretch *b = p->by_address[i];

		if (a->block == b->block)
			assert_int_equal(a->first_chunk + a->chunks,
					 b->first_chunk);
		else
			assert_int_equal(b->first_chunk, 0);
	}
}

static void expect_orders_are_whole(const struct scene *s)
{
	const struct rj_placement *p = &s->placement;

	for (unsigned i = 0; i < p->worker_count; i++) {
		const uint16_t *row = p->order + i * p->home_count;
		bool seen[RAMJET_CHANNELS_MAX] = { false };

		if (i < p->home_count)
			assert_int_equal(row[0], i);
		else
			assert_int_equal(p->homes[i].first, p->homes[i].end);
		for (unsigned j = 0; j < p->home_count; j++) {
			assert_in_range(row[j], 0, p->home_count - 1);
			assert_false(seen[row[j]]);
			seen[row[j]] = true;
		}
	}
}

static void place(struct scene *s, unsigned workers)
{
	rj_placement_done(&s->placement);
	s->wish.worker_count = workers;
	assert_int_equal(rj_placement_init(&s->placement, &s->wish, NULL), 0);
	expect_homes_cover_all(s);
	expect_positions_are_one_to_one(s);
	expect_orders_are_whole(s);
}

static void expect_workers(const struct scene *s, const char *wanted)
{
	char seen[256] = "";
	size_t at = 0;

	for (unsigned i = 0; i < s->topology.node_count; i++)
		at += (size_t)snprintf(seen + at, sizeof(seen) - at, "%s%u",
				       i ? " " : "", s->placement.per_node[i]);
	assert_string_equal(seen, wanted);
}

/* Chunks that are home to a worker on their own node, of 100. */
static uint64_t local_percent(const struct scene *s)
{
	const struct rj_placement *p = &s->placement;
	uint64_t local = 0;

	for (unsigned i = 0; i < p->worker_count; i++)
		for (uint64_t at = p->homes[i].first; at < p->homes[i].end;
		     at++)
			local += p->stretches[rj_placement_at(p, at)].node ==
				 p->homes[i].node;
	return local * 100 / p->chunk_total;
}

/* ---- the cases ------------------------------------------------------------ */

static void on_one_node_everything_is_by_address(void **state)
{
	struct scene *s = *state;

	machine(s, 1, 4);
	s->wish.topology = NULL;
	memory(s, 0, RJ_NODE_ANY, 10);
	memory(s, 1, RJ_NODE_ANY, 3);
	place(s, 3);
	assert_int_equal(s->placement.how, RJ_PLACED_ANYWHERE);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s->placement.homes[i].node, RJ_NODE_ANY);
		assert_int_equal(s->placement.homes[i].first, 13 * i / 3);
		for (unsigned j = 0; j < 3; j++)
			assert_int_equal(s->placement.order[i * 3 + j],
					 (i + j) % 3);
	}
	assert_int_equal(s->placement.stretch_count, 2);
}

static void workers_follow_uneven_memory_on_2_nodes(void **state)
{
	struct scene *s = *state;

	machine(s, 2, 8);
	memory(s, 0, 0, 300);
	memory(s, 1, 1, 100);
	place(s, 4);
	assert_int_equal(s->placement.how, RJ_PLACED_BY_MEMORY);
	expect_workers(s, "3 1");
	assert_int_equal(local_percent(s), 100);
	place(s, 8);
	expect_workers(s, "6 2");
	/* However little it is. */
	s->stretches[1].weight = s->stretches[1].chunks = 1;
	place(s, 2);
	expect_workers(s, "1 1");
	assert_int_equal(local_percent(s), 100);
}

static void workers_follow_uneven_memory_on_4_nodes(void **state)
{
	struct scene *s = *state;

	machine(s, 4, 16);
	memory(s, 0, 0, 400);
	memory(s, 0, 1, 200);
	memory(s, 1, 3, 100);
	memory(s, 1, 2, 100);
	place(s, 8);
	expect_workers(s, "4 2 1 1");
	assert_int_equal(local_percent(s), 100);
	place(s, 16);
	expect_workers(s, "8 4 2 2");
	/* A node without memory has no workers. */
	s->wish.stretch_count = 2;
	place(s, 8);
	expect_workers(s, "5 3 0 0");
}

static void workers_follow_uneven_memory_on_8_nodes(void **state)
{
	struct scene *s = *state;

	machine(s, 8, 4);
	for (int node = 7; node >= 0; node--)
		memory(s, (unsigned)(7 - node) / 4, node, node < 2 ? 700 : 100);
	place(s, 8);
	expect_workers(s, "1 1 1 1 1 1 1 1");
	place(s, 12);
	expect_workers(s, "3 3 1 1 1 1 1 1");
	assert_int_equal(local_percent(s), 100);
	/* Fewer workers than nodes: near ones share. */
	place(s, 2);
	expect_workers(s, "1 1 0 0 0 0 0 0");
	place(s, 1);
	expect_workers(s, "1 0 0 0 0 0 0 0");
}

static void the_first_few_workers_are_spread_like_all(void **state)
{
	struct scene *s = *state;
	unsigned on_0 = 0;

	machine(s, 2, 64);
	memory(s, 0, 0, 300);
	memory(s, 0, 1, 100);
	place(s, 32);
	for (unsigned i = 0; i < 32; i++) {
		on_0 += s->placement.homes[i].node == 0;
		if (i)
			assert_in_range(on_0, (i + 1) * 3 / 4 - 1,
					(i + 1) * 3 / 4 + 1);
	}
	assert_int_equal(on_0, 24);
}

static void blocks_in_turns_on_two_nodes_are_sorted(void **state)
{
	struct scene *s = *state;

	machine(s, 2, 4);
	for (unsigned i = 0; i < 8; i++)
		memory(s, i / 4, i % 2, 50);
	place(s, 4);
	expect_workers(s, "2 2");
	assert_int_equal(local_percent(s), 100);
}

static void stealing_begins_on_the_own_node(void **state)
{
	struct scene *s = *state;
	const struct rj_placement *p = &s->placement;

	machine(s, 4, 8);
	for (int node = 0; node < 4; node++)
		memory(s, (unsigned)node, node, 100);
	place(s, 16);
	for (unsigned i = 0; i < 16; i++) {
		const uint16_t *row = p->order + i * 16;
		unsigned before = 0;

		for (unsigned j = 0; j < 16; j++) {
			const unsigned now =
				s->topology.distance[p->homes[i].node]
						    [p->homes[row[j]].node];

			assert_true(now >= before);
			before = now;
		}
	}
}

static void stolen_from_are_not_all_the_same(void **state)
{
	struct scene *s = *state;
	unsigned second[4] = { 0 };

	machine(s, 2, 4);
	memory(s, 0, 0, 100);
	memory(s, 0, 1, 100);
	place(s, 8);
	/* Whose node is done helps a different one each. */
	for (unsigned i = 0; i < 8; i++)
		if (s->placement.homes[i].node == 0)
			second[s->placement.order[i * 8 + 4] / 2]++;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(second[i], 1);
}

static void memory_without_cpus_goes_to_the_nearest(void **state)
{
	struct scene *s = *state;

	machine(s, 4, 4);
	/* As with memory behind CXL, or CPUs that we may not use. */
	s->topology.nodes[3].cpu_count = 0;
	memory(s, 0, 0, 100);
	memory(s, 0, 3, 300);
	place(s, 4);
	expect_workers(s, "1 0 3 0");
	/* Nowhere at all. */
	for (unsigned i = 0; i < 4; i++)
		s->topology.nodes[i].cpu_count = 0;
	place(s, 4);
	assert_int_equal(s->placement.how, RJ_PLACED_ANYWHERE);
	expect_workers(s, "0 0 0 0");
}

static void a_full_node_sends_workers_to_its_neighbour(void **state)
{
	struct scene *s = *state;

	machine(s, 4, 2);
	memory(s, 0, 2, 1000);
	place(s, 4);
	expect_workers(s, "0 0 2 2");
	place(s, 8);
	expect_workers(s, "2 2 2 2");
	/* More than CPUs: as if there were more. */
	place(s, 12);
	assert_int_equal(s->placement.per_node[2], 6);
}

static void interleaved_memory_spreads_workers_over_all_nodes(void **state)
{
	struct scene *s = *state;

	machine(s, 4, 4);
	memory(s, 0, RJ_NODE_ANY, 1000);
	place(s, 8);
	assert_int_equal(s->placement.how, RJ_PLACED_SPREAD);
	expect_workers(s, "2 2 2 2");
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(s->placement.homes[i].end -
					 s->placement.homes[i].first,
				 125);
}

static void an_interleaved_block_beside_a_bound_one(void **state)
{
	struct scene *s = *state;

	machine(s, 2, 8);
	memory(s, 0, 0, 400);
	memory(s, 1, RJ_NODE_ANY, 400);
	place(s, 4);
	assert_int_equal(s->placement.how, RJ_PLACED_BY_MEMORY);
	expect_workers(s, "3 1");
	assert_true(local_percent(s) >= 50);
}

static void the_nic_counts_only_where_no_memory_does(void **state)
{
	struct scene *s = *state;

	machine(s, 2, 8);
	s->wish.nic_node = 1;
	memory(s, 0, 0, 100);
	place(s, 4);
	expect_workers(s, "4 0");
	s->stretches[0].weight = 0;
	place(s, 4);
	assert_int_equal(s->placement.how, RJ_PLACED_BY_NIC);
	expect_workers(s, "0 4");
	s->wish.nic_node = RJ_NODE_ANY;
	place(s, 4);
	assert_int_equal(s->placement.how, RJ_PLACED_ANYWHERE);
	expect_workers(s, "0 0");
}

static void who_has_no_home_steals_from_near(void **state)
{
	struct scene *s = *state;
	const struct rj_placement *p = &s->placement;

	machine(s, 2, 16);
	memory(s, 0, 0, 300);
	memory(s, 1, 1, 100);
	s->wish.home_count = 4;
	place(s, 12);
	assert_int_equal(p->home_count, 4);
	expect_workers(s, "9 3");
	assert_int_equal(local_percent(s), 100);
	for (unsigned i = 4; i < 12; i++)
		assert_int_equal(p->homes[p->order[i * 4]].node,
				 p->homes[i].node);
	/* Fewer homes than nodes with memory. */
	s->wish.home_count = 1;
	place(s, 12);
	assert_int_equal(p->homes[0].end, 400);
}

/* Whatever the machine and the memory: place() checks what must hold. */
static void nothing_is_lost_whatever_the_memory_looks_like(void **state)
{
	struct scene *s = *state;
	uint32_t x = 2463534242;

	for (unsigned run = 0; run < 400; run++) {
		static const unsigned nodes[] = { 1, 2, 4, 8, 64 };

		machine(s, nodes[run % 5], 1 + run % 3);
		for (unsigned i = 0; i <= run % STRETCHES_MAX; i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			memory(s, i / 5, (int)(x % (nodes[run % 5] + 1)) - 1,
			       1 + x / 64 % 2000);
			if (x % 7 == 0)
				s->stretches[i].weight = 0;
			if (x % 11 == 0)
				s->topology.nodes[x % nodes[run % 5]]
					.cpu_count = 0;
		}
		s->wish.home_count = run % 3;
		place(s, run % 50 == 49 ? RAMJET_CHANNELS_MAX : 2 + run % 17);
	}
}

#define PLACEMENT_TEST(test) \
	cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PLACEMENT_TEST(on_one_node_everything_is_by_address),
		PLACEMENT_TEST(workers_follow_uneven_memory_on_2_nodes),
		PLACEMENT_TEST(workers_follow_uneven_memory_on_4_nodes),
		PLACEMENT_TEST(workers_follow_uneven_memory_on_8_nodes),
		PLACEMENT_TEST(the_first_few_workers_are_spread_like_all),
		PLACEMENT_TEST(blocks_in_turns_on_two_nodes_are_sorted),
		PLACEMENT_TEST(stealing_begins_on_the_own_node),
		PLACEMENT_TEST(stolen_from_are_not_all_the_same),
		PLACEMENT_TEST(memory_without_cpus_goes_to_the_nearest),
		PLACEMENT_TEST(a_full_node_sends_workers_to_its_neighbour),
		PLACEMENT_TEST(
			interleaved_memory_spreads_workers_over_all_nodes),
		PLACEMENT_TEST(an_interleaved_block_beside_a_bound_one),
		PLACEMENT_TEST(the_nic_counts_only_where_no_memory_does),
		PLACEMENT_TEST(who_has_no_home_steals_from_near),
		PLACEMENT_TEST(nothing_is_lost_whatever_the_memory_looks_like),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}
