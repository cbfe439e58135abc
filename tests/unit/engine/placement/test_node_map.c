/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dirty/bitmap.h"
#include "engine/placement/machine_nodes.h"
#include "engine/placement/node_map.h"
#include "tests/unit/engine/fake_nodes.h"

#define PAGES     (UINT64_C(4096) * RJ_CHUNK_PAGES) /* 8 GiB */
#define BIG_PAGES (UINT64_C(12) << 40 >> 12)

struct scene {
	struct rj_topology topology;
	struct fake_memory memory;
	struct rj_node_view view;
	struct rj_block block;
	struct rj_node_map map;
};

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	fake_topology(&s->topology, 4, 4);
	s->view.topology = &s->topology;
	s->view.query = fake_query;
	s->view.user = &s->memory;
	s->block.page_count = PAGES;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_node_map_done(&s->map);
	free(s);
	return 0;
}

static void look(struct scene *s, int (*node_of)(uint64_t), bool bound_counts)
{
	uint64_t chunks = 0;

	rj_node_map_done(&s->map);
	s->memory.asked = 0;
	s->memory.node_of = node_of;
	assert_int_equal(rj_node_map_init(&s->map, &s->view, &s->block, 1,
					  bound_counts, NULL),
			 0);
	for (size_t i = 0; i < s->map.count; i++) {
		assert_int_equal(s->map.stretches[i].first_chunk, chunks);
		chunks += s->map.stretches[i].chunks;
		assert_true(s->map.stretches[i].weight <=
			    s->map.stretches[i].chunks);
	}
	assert_int_equal(chunks, (s->block.page_count + RJ_CHUNK_PAGES - 1) /
					 RJ_CHUNK_PAGES);
}

static int all_on_2(uint64_t page)
{
	(void)page;
	return 2;
}

static int half_and_half(uint64_t page)
{
	return page < PAGES / 2 ? 0 : 3;
}

static int page_by_page(uint64_t page)
{
	return (int)(page % 4);
}

static int chunk_by_chunk(uint64_t page)
{
	return (int)(page / RJ_CHUNK_PAGES % 2);
}

/* 256 MiB each: a sixth of what lies between two samples in 12 TiB. */
static int by_period(uint64_t page)
{
	return (int)(page >> 16 & 1);
}

static int a_stray_in_ten(uint64_t page)
{
	return page / RJ_CHUNK_PAGES % 10 == 7 ? 1 : 2;
}

static int a_hole_in_the_middle(uint64_t page)
{
	if (page < PAGES / 4)
		return 1;
	return page < PAGES / 2 ? RJ_NODE_ANY : 3;
}

static int nothing_known(uint64_t page)
{
	(void)page;
	return RJ_NODE_ANY;
}

static int interleaved_by_policy(uint64_t page)
{
	(void)page;
	return RJ_NODE_SPREAD;
}

static int on_no_node_of_ours(uint64_t page)
{
	(void)page;
	return 77;
}

static void a_block_on_one_node_is_one_stretch(void **state)
{
	struct scene *s = *state;

	look(s, all_on_2, false);
	assert_int_equal(s->map.count, 1);
	assert_int_equal(s->map.stretches[0].node, 2);
	assert_int_equal(s->map.stretches[0].weight, 4096);
	assert_int_equal(s->memory.asked, 4096);
	assert_in_range(s->memory.most_at_once, 1, RJ_QUERY_MAX);
	s->block.page_count = 1;
	look(s, all_on_2, false);
	assert_int_equal(s->map.count, 1);
	assert_int_equal(s->map.stretches[0].node, 2);
}

static void a_block_in_halves_is_two(void **state)
{
	struct scene *s = *state;

	look(s, half_and_half, false);
	assert_int_equal(s->map.count, 2);
	assert_int_equal(s->map.stretches[0].node, 0);
	assert_int_equal(s->map.stretches[0].chunks, 2048);
	assert_int_equal(s->map.stretches[1].node, 3);
}

static void interleaved_memory_has_no_node(void **state)
{
	int (*const kinds[])(uint64_t) = { page_by_page, chunk_by_chunk };
	struct scene *s = *state;

	for (size_t i = 0; i < 2; i++) {
		look(s, kinds[i], false);
		assert_int_equal(s->map.count, 1);
		assert_int_equal(s->map.stretches[0].node, RJ_NODE_ANY);
		assert_int_equal(s->map.stretches[0].weight, 4096);
		assert_int_equal(s->map.mixed_blocks, 1);
	}
}

static void strays_change_nothing(void **state)
{
	struct scene *s = *state;

	look(s, a_stray_in_ten, false);
	assert_int_equal(s->map.count, 1);
	assert_int_equal(s->map.stretches[0].node, 2);
	assert_int_equal(s->map.mixed_blocks, 0);
}

static void what_is_not_there_goes_with_its_neighbours(void **state)
{
	struct scene *s = *state;

	look(s, a_hole_in_the_middle, false);
	assert_int_equal(s->map.count, 2);
	assert_int_equal(s->map.stretches[0].node, 1);
	assert_int_equal(s->map.stretches[0].chunks, 2048);
	assert_int_equal(s->map.stretches[0].weight, 1024);
	assert_int_equal(s->map.stretches[1].node, 3);
}

static void unknown_memory_has_neither_node_nor_weight(void **state)
{
	int (*const kinds[])(uint64_t) = { nothing_known, on_no_node_of_ours };
	struct scene *s = *state;

	for (size_t i = 0; i < 2; i++) {
		look(s, kinds[i], true);
		assert_int_equal(s->map.count, 1);
		assert_int_equal(s->map.stretches[0].node, RJ_NODE_ANY);
		assert_int_equal(s->map.stretches[0].weight, 0);
		assert_int_equal(s->map.mixed_blocks, 0);
	}
}

static void where_memory_is_bound_counts_on_a_target(void **state)
{
	struct scene *s = *state;

	s->memory.unpopulated = true;
	look(s, half_and_half, true);
	assert_int_equal(s->map.count, 2);
	assert_int_equal(s->map.stretches[1].weight, 2048);
	look(s, half_and_half, false);
	assert_int_equal(s->map.count, 2);
	assert_int_equal(s->map.stretches[1].weight, 0);
	look(s, interleaved_by_policy, true);
	assert_int_equal(s->map.count, 1);
	assert_int_equal(s->map.stretches[0].node, RJ_NODE_ANY);
	assert_int_equal(s->map.stretches[0].weight, 4096);
}

static void the_samples_of_12_tib_are_bounded(void **state)
{
	struct scene *s = *state;

	s->block.page_count = BIG_PAGES;
	look(s, all_on_2, false);
	assert_int_equal(s->map.count, 1);
	assert_int_equal(s->memory.asked, RJ_SAMPLES_MAX);
	/* A period in step with the samples must not look like one node. */
	look(s, by_period, false);
	assert_int_equal(s->map.stretches[0].node, RJ_NODE_ANY);
	assert_int_equal(s->map.mixed_blocks, 1);
}

static void many_blocks_are_one_list(void **state)
{
	struct scene *s = *state;
	const struct rj_block blocks[] = { { .page_count = 1 },
					   { .page_count = 1025 },
					   { .page_count = 512 } };

	s->memory.node_of = all_on_2;
	assert_int_equal(
		rj_node_map_init(&s->map, &s->view, blocks, 3, false, NULL), 0);
	assert_int_equal(s->map.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(s->map.stretches[i].block, i);
		assert_int_equal(s->map.stretches[i].first_chunk, 0);
	}
	assert_int_equal(s->map.stretches[1].chunks, 3);
}

/* As of a guest of 12 TiB whose memory was plugged in by and by. */
static void many_large_blocks_share_the_samples(void **state)
{
	struct rj_block blocks[1000] = { { .page_count = 0 } };
	struct scene *s = *state;

	for (unsigned i = 0; i < 1000; i++)
		blocks[i].page_count = BIG_PAGES / 1000;
	s->memory.node_of = all_on_2;
	assert_int_equal(
		rj_node_map_init(&s->map, &s->view, blocks, 1000, false, NULL),
		0);
	assert_int_equal(s->map.count, 1000);
	assert_in_range(s->memory.asked, 1000, RJ_SAMPLES_MAX + 1000);
}

/* ---- this machine --------------------------------------------------------- */

static uint64_t resident(const struct rj_block *block)
{
	unsigned char pages[64];
	uint64_t count = 0;

	assert_int_equal(mincore(block->host, block->bytes, pages), 0);
	for (unsigned i = 0; i < 64; i++)
		count += pages[i] & 1;
	return count;
}

static void asking_this_machine_populates_nothing(void **state)
{
	struct rj_block block = {
		.bytes = 64 * RAMJET_PAGE_BYTES,
		.page_count = 64,
		.fd = -1,
	};
	struct rj_page_place places[64];
	uint64_t pages[64];

	(void)state;
	block.host = mmap(NULL, block.bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(block.host, MAP_FAILED);
	assert_int_equal(madvise(block.host, block.bytes, MADV_NOHUGEPAGE), 0);
	block.host[7 * RAMJET_PAGE_BYTES] = 1;
	for (unsigned i = 0; i < 64; i++)
		pages[i] = i;
	rj_machine_query(NULL, &block, pages, 64, places);
	assert_int_equal(resident(&block), 1);
	for (unsigned i = 0; i < 64; i++) {
		/* Where the kernel or the build does not tell, none is. */
		if (places[7].populated)
			assert_int_equal(places[i].populated, i == 7);
		else
			assert_int_equal(places[i].node, RJ_NODE_ANY);
	}
	(void)munmap(block.host, block.bytes);
}

static bool kernel_tells(void)
{
	const struct rj_topology *machine = rj_machine_topology();

	if (machine->node_count > 1 || !strcmp(machine->reason, "one node"))
		return true;
	print_message("# not asked: %s\n", machine->reason);
	return false;
}

/* One page, of memory whose policy is `mode` for the nodes in `mask`. */
static void memory_that_is_not_mapped_is_nowhere(void **state)
{
	static const struct ramjet_memory_ops operations;
	const struct rj_block block = {
		.fd = -1,
		.page_count = 8,
		.foreign = &operations,
	};
	const uint64_t pages[] = { 0, 7 };
	struct rj_page_place places[2];

	(void)state;
	rj_machine_query(NULL, &block, pages, 2, places);
	for (unsigned i = 0; i < 2; i++) {
		assert_false(places[i].populated);
		assert_int_equal(places[i].node, RJ_NODE_ANY);
	}
}

static int node_under_policy(int mode, unsigned long mask)
{
	const uint64_t page = 0;
	struct rj_block block = { .fd = -1, .page_count = 1 };
	struct rj_page_place place;

	block.host = mmap(NULL, RAMJET_PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(block.host, MAP_FAILED);
	assert_int_equal(syscall(SYS_mbind, block.host, RAMJET_PAGE_BYTES, mode,
				 mask ? &mask : NULL, 8 * sizeof(mask), 0),
			 0);
	rj_machine_query(NULL, &block, &page, 1, &place);
	assert_false(place.populated);
	(void)munmap(block.host, RAMJET_PAGE_BYTES);
	return place.node;
}

static void a_policy_tells_where_absent_pages_will_be(void **state)
{
	const struct rj_topology *machine = rj_machine_topology();
	unsigned first = machine->nodes[0].id;

	(void)state;
	if (!kernel_tells() || first >= 8 * sizeof(unsigned long))
		return;
	assert_int_equal(node_under_policy(MPOL_BIND, 1ul << first), first);
	assert_int_equal(node_under_policy(MPOL_PREFERRED, 1ul << first),
			 first);
	assert_int_equal(node_under_policy(MPOL_INTERLEAVE, 1ul << first),
			 RJ_NODE_SPREAD);
	/* Near to whoever writes first. */
	assert_int_equal(node_under_policy(MPOL_LOCAL, 0), RJ_NODE_ANY);
}

static void a_file_of_others_is_seen_without_filling_its_holes(void **state)
{
	struct rj_block block = {
		.bytes = 64 * RAMJET_PAGE_BYTES,
		.page_count = 64,
		.fd = memfd_create("numa", MFD_CLOEXEC),
	};
	struct rj_page_place places[2];
	const uint64_t pages[2] = { 3, 40 };
	struct stat before, after;

	(void)state;
	assert_true(block.fd >= 0);
	assert_int_equal(ftruncate(block.fd, (off_t)block.bytes), 0);
	assert_int_equal(pwrite(block.fd, "x", 1, 40 * RAMJET_PAGE_BYTES), 1);
	block.host = mmap(NULL, block.bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			  block.fd, 0);
	assert_ptr_not_equal(block.host, MAP_FAILED);
	assert_int_equal(fstat(block.fd, &before), 0);
	rj_machine_query(NULL, &block, pages, 2, places);
	assert_int_equal(fstat(block.fd, &after), 0);
	assert_int_equal(before.st_blocks, after.st_blocks);
	assert_false(places[0].populated);
	if (kernel_tells())
		assert_true(places[1].populated);
	(void)munmap(block.host, block.bytes);
	(void)close(block.fd);
}

#define MAP_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAP_TEST(a_block_on_one_node_is_one_stretch),
		MAP_TEST(a_block_in_halves_is_two),
		MAP_TEST(interleaved_memory_has_no_node),
		MAP_TEST(strays_change_nothing),
		MAP_TEST(what_is_not_there_goes_with_its_neighbours),
		MAP_TEST(unknown_memory_has_neither_node_nor_weight),
		MAP_TEST(where_memory_is_bound_counts_on_a_target),
		MAP_TEST(the_samples_of_12_tib_are_bounded),
		MAP_TEST(many_blocks_are_one_list),
		MAP_TEST(many_large_blocks_share_the_samples),
		cmocka_unit_test(asking_this_machine_populates_nothing),
		cmocka_unit_test(memory_that_is_not_mapped_is_nowhere),
		cmocka_unit_test(a_policy_tells_where_absent_pages_will_be),
		cmocka_unit_test(
			a_file_of_others_is_seen_without_filling_its_holes),
	};

	return cmocka_run_group_tests_name("node_map", tests, NULL, NULL);
}
