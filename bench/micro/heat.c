/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What it costs to tell hot pages from others: what a collect found of a block of
 * 12 TiB, sorted, at several densities, on one thread; beside moving the same bits
 * from map to map. One JSON object a line. Times are the least of several.
 *
 *	bench-heat [--gib N] [--quick]
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/send/heat.h"
#include "util/bits.h"
#include "util/clock.h"

struct plan {
	uint64_t pages;
	unsigned repeats;
};

/* `runs` of `run_pages` each, the same pages each time. */
struct fill {
	const char *pattern;
	uint64_t runs;
	uint64_t run_pages;
};

static uint64_t cpu_ns(void)
{
	return rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t least(uint64_t ns, uint64_t than)
{
	return ns && ns < than ? ns : than;
}

static uint64_t write_pages(struct rj_bitmap *bm, const struct plan *plan,
			    const struct fill *fill)
{
	uint64_t x = 88172645463325252u, set = 0;

	for (uint64_t i = 0; i < fill->runs; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		set += rj_bitmap_set_run(bm,
					 x % (plan->pages / fill->run_pages) *
						 fill->run_pages,
					 fill->run_pages);
	}
	return set;
}

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	exit(1);
}

/* Held back and so moved out, or not hot. */
static uint64_t sort_ns(struct rj_heat *heat, struct rj_bitmap *next,
			uint64_t room, uint64_t *ret_pages)
{
	const struct rj_heat_rules rules = { .room_pages = room };
	const uint64_t began = cpu_ns();

	*ret_pages = rj_heat_sort(heat, &next, &rules).written;
	return cpu_ns() - began;
}

static void bench(const struct plan *plan, const struct fill *fill)
{
	const struct rj_block block = { .page_count = plan->pages };
	uint64_t cold = 0, hot = 0, move = 0, set = 0, pages;
	struct rj_bitmap next;
	struct rj_heat heat;

	expect(!rj_heat_init(&heat, &block, 1, NULL) &&
		       !rj_bitmap_init(&next, plan->pages, NULL),
	       "out of memory");
	for (unsigned i = 0; i < plan->repeats + 3; i++) {
		const bool hold = i > 2; /* they are hot by then */
		struct rj_bitmap *sink = &next;
		uint64_t ns;

		set = write_pages(heat.sinks[0], plan, fill);
		ns = sort_ns(&heat, &next, i % 2 && hold ? UINT64_MAX : 0,
			     &pages);
		expect(pages == set, "not all that was written was sorted");
		if (!hold)
			cold = least(cold, ns);
		else if (i % 2)
			hot = least(hot, ns);
		ns = cpu_ns();
		(void)rj_heat_release(&heat, &sink);
		if (hold && i % 2)
			move = least(move, cpu_ns() - ns);
		expect(rj_bitmap_count(&next) == set, "pages were lost");
		(void)rj_bitmap_clear_run(&next, 0, plan->pages);
	}
	printf("{\"bench\": \"heat\", \"pattern\": \"%s\", \"pages\": %" PRIu64
	       ", \"sort_in_turn_ms\": %.3f, \"sort_held_ms\": %.3f, "
	       "\"release_ms\": %.3f}\n",
	       fill->pattern, set, (double)cold / 1e6, (double)hot / 1e6,
	       (double)move / 1e6);
	(void)fflush(stdout);
	rj_heat_done(&heat);
	rj_bitmap_done(&next);
}

int main(int argc, char **argv)
{
	static const struct fill fills[] = {
		{ "nothing", 0, 1 },
		{ "1000 pages apart", 1000, 1 },
		{ "100,000 pages apart", 100000, 1 },
		{ "100 runs of 2 MiB", 100, 512 },
		{ "2000 runs of 2 MiB", 2000, 512 },
	};
	struct plan plan = { .pages = UINT64_C(12) << 28, .repeats = 6 };

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			plan.repeats = 2;
		} else if (!strcmp(argv[i], "--gib") && i + 1 < argc) {
			plan.pages = strtoull(argv[++i], NULL, 10) << 18;
		} else {
			fprintf(stderr, "usage: %s [--gib N] [--quick]\n",
				argv[0]);
			return 2;
		}
	}
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(fills); i++)
		bench(&plan, &fills[i]);
	return 0;
}
