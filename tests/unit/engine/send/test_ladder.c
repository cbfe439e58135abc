/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The ladder against simulated lanes: what it moves is compared with what every
 * fixed level moves in the same place.
 */
#include "tests/unit/cmocka_all.h"

#include "engine/page/reduction.h"
#include "tests/unit/engine/send/lanes_sim.h"

#define SECOND UINT64_C(1000000000)
#define GBIT   (1e9 / 8)

/* What zstd 1.5.4 makes of 24 MiB in groups of 32 pages, and ns a byte; the
 * last two are made up. */
static const struct sim_pages all[] = {
	{ "random",
	  { { -5, 1, .196 },
	    { -1, 1, .153 },
	    { 1, 1, .147 },
	    { 3, 1, .164 } } },
	{ "text",
	  { { -5, .39, 1.91 },
	    { -1, .317, 2.28 },
	    { 1, .265, 2.30 },
	    { 3, .249, 3.09 } } },
	{ "usr",
	  { { -5, .578, 1.51 },
	    { -1, .463, 1.96 },
	    { 1, .418, 2.21 },
	    { 3, .396, 3.94 } } },
	{ "heap",
	  { { -5, .495, 1.80 },
	    { -1, .333, 2.65 },
	    { 1, .313, 3.88 },
	    { 3, .30, 5.18 } } },
	{ "sparse",
	  { { -5, .08, .35 },
	    { -1, .06, .45 },
	    { 1, .05, .6 },
	    { 3, .05, .8 } } },
	{ "hardly",
	  { { -5, .93, .9 },
	    { -1, .90, 1.3 },
	    { 1, .88, 1.8 },
	    { 3, .87, 4 } } },
};
enum {
	RANDOM,
	TEXT,
	USR,
	HEAP,
	SPARSE,
	HARDLY,
	CONTENTS
};
static const int32_t levels[] = { RJ_LEVEL_OFF, -5, -1, 1, 3 };
#define LEVELS (sizeof(levels) / sizeof(levels[0]))

static const struct place {
	unsigned lanes;
	double cpus;
	bool same_machine;
} places[] = {
	{ 1, 1, false }, { 1, 2, false }, { 2, 2, false }, { 4, 2, false },
	{ 8, 2, false }, { 4, 4, false }, { 8, 8, false }, { 16, 64, false },
	{ 1, 2, true },  { 2, 2, true },  { 4, 2, true },
};

static struct sim sim_of(const struct place *place, double link,
			 const struct sim_pages *pages)
{
	return (struct sim){
		.lanes = place->lanes,
		.cpus = place->cpus,
		.same_machine = place->same_machine,
		.link = link,
		.receive_ns = .25,
		.decode_ns = .8,
		.pages = pages,
	};
}

struct fixed {
	double raw, best;
	int32_t level; /* of the best */
};

static struct fixed fixed_levels(const struct sim *sim, uint64_t ns)
{
	struct fixed fixed = { .level = RJ_LEVEL_OFF };

	for (size_t i = 0; i < LEVELS; i++) {
		const double bytes = sim_run(sim, levels[i], ns).bytes;

		if (levels[i] == RJ_LEVEL_OFF)
			fixed.raw = bytes;
		if (bytes > fixed.best) {
			fixed.best = bytes;
			fixed.level = levels[i];
		}
	}
	return fixed;
}

static void compare(const struct sim *sim, uint64_t ns, double of_raw,
		    double of_best)
{
	const struct fixed fixed = fixed_levels(sim, ns);
	const struct sim_result got = sim_run(sim, SIM_AUTO, ns);

	if (got.bytes >= of_raw * fixed.raw &&
	    got.bytes >= of_best * fixed.best)
		return;
	sim_talks = true;
	(void)sim_run(sim, SIM_AUTO, ns);
	sim_talks = false;
	fail_msg("%s, %.1f Gbit/s, %u lanes, %.0f CPUs%s: %.3f of raw, %.3f of "
		 "level %d",
		 sim->pages->name, sim->link / GBIT, sim->lanes, sim->cpus,
		 sim->same_machine ? " for both ends" : "",
		 got.bytes / fixed.raw, got.bytes / fixed.best, fixed.level);
}

/* As the lanes of both ends share CPUs, what is best for all of them is not what
 * each of them sees. */
static double share_of_best(const struct place *place)
{
	return place->same_machine ? 0.90 : 0.95;
}

static void everywhere(double link, uint64_t ns)
{
	for (unsigned i = 0; i < CONTENTS; i++)
		for (size_t p = 0; p < sizeof(places) / sizeof(places[0]);
		     p++) {
			const struct sim sim =
				sim_of(&places[p], link, &all[i]);

			compare(&sim, ns, 0.98, share_of_best(&places[p]));
		}
}

static void slow_links_get_the_level_that_pays(void **state)
{
	(void)state;
	everywhere(0.5 * GBIT, 20 * SECOND);
	everywhere(1 * GBIT, 10 * SECOND);
}

static void fast_links_lose_nothing(void **state)
{
	(void)state;
	everywhere(10 * GBIT, 10 * SECOND);
	everywhere(100 * GBIT, 3 * SECOND);
}

static void a_short_move_over_a_slow_link_is_compressed_soon(void **state)
{
	const struct place one = { 1, 2, false };
	const struct sim sim = sim_of(&one, 1 * GBIT, &all[USR]);
	const struct sim_result got = sim_run(&sim, SIM_AUTO, SECOND);

	(void)state;
	assert_in_range(got.first_ns, 1, SECOND / 10);
	compare(&sim, SECOND, 1.5, 0.8);
}

static void a_short_move_over_a_fast_link_is_as_fast_as_raw(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONTENTS; i++)
		for (size_t p = 0; p < sizeof(places) / sizeof(places[0]);
		     p++) {
			const struct sim sim =
				sim_of(&places[p], 100 * GBIT, &all[i]);

			compare(&sim, SECOND, 0.97, 0.85);
		}
}

/* 10 Gbit/s, then 500 Mbit/s, then 10 Gbit/s again. */
static void follow_a_link(const struct place *place, unsigned content)
{
	struct sim sim = sim_of(place, 10 * GBIT, &all[content]);
	const struct fixed fast = fixed_levels(&sim, 5 * SECOND);
	struct fixed slow;
	struct sim_result got;
	double part[3];

	sim.link = 0.5 * GBIT;
	slow = fixed_levels(&sim, 5 * SECOND);
	sim.link = 10 * GBIT;
	sim.change_ns[0] = 5 * SECOND;
	sim.change_link[0] = 0.5 * GBIT;
	sim.change_ns[1] = 10 * SECOND;
	sim.change_link[1] = 10 * GBIT;
	got = sim_run(&sim, SIM_AUTO, 15 * SECOND);
	part[0] = got.bytes_at[0] / fast.best;
	part[1] = (got.bytes_at[1] - got.bytes_at[0]) / slow.best;
	part[2] = (got.bytes - got.bytes_at[1]) / fast.best;
	/* Until it is noticed, up to 20 times as much would have been moved. */
	if (part[0] < 0.95 || part[1] < 0.75 || part[2] < 0.80)
		fail_msg("%s, %u lanes, %.0f CPUs: %.3f, %.3f, %.3f of the "
			 "best levels",
			 all[content].name, place->lanes, place->cpus, part[0],
			 part[1], part[2]);
}

static void a_link_that_changes_is_followed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONTENTS; i++)
		for (size_t p = 0; p < sizeof(places) / sizeof(places[0]); p++)
			if (!places[p].same_machine && places[p].lanes <= 4)
				follow_a_link(&places[p], i);
}

/* Stretches of pages that zstd can do nothing with, and others. */
static void contents_that_change_are_followed(void **state)
{
	static const uint64_t stretches[] = { 8, 64, 256 };
	const struct place one = { 1, 2, false };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sim sim = sim_of(&one, 1 * GBIT, &all[USR]);

		sim.stretch_bytes = stretches[i] << 20;
		sim.other = &all[RANDOM];
		compare(&sim, 30 * SECOND, 0.98, 0.93);
	}
}

static double share_of_time(const struct sim *sim, uint64_t ns)
{
	return sim_run(sim, SIM_AUTO, ns).zstd_ns / (double)ns / sim->lanes;
}

static void no_more_of_the_cpu_is_taken_than_allowed(void **state)
{
	const struct place one = { 1, 2, false };
	struct sim sim = sim_of(&one, 1 * GBIT, &all[USR]);
	double share;

	(void)state;
	assert_true(share_of_time(&sim, 5 * SECOND) > 0.5);
	sim.zstd_share = 0.5;
	share = share_of_time(&sim, 5 * SECOND);
	assert_true(share > 0.2 && share < 0.55);
	compare(&sim, 5 * SECOND, 1.5, 0);
	sim.zstd_share = 0.01;
	assert_true(share_of_time(&sim, 5 * SECOND) < 0.03);
}

/* Trying costs next to nothing where it is in vain. */
static void hopeless_pages_are_hardly_ever_tried(void **state)
{
	const struct place one = { 1, 2, false };
	struct sim sim = sim_of(&one, 10 * GBIT, &all[RANDOM]);

	(void)state;
	assert_true(share_of_time(&sim, 5 * SECOND) < 0.02);
	assert_int_equal(sim_run(&sim, SIM_AUTO, 5 * SECOND).duels, 0);
}

static void settled_lanes_try_ever_more_rarely(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONTENTS; i++) {
		const struct place one = { 1, 2, false };
		const struct sim sim = sim_of(&one, 1 * GBIT, &all[i]);
		const unsigned early =
			sim_run(&sim, SIM_AUTO, 20 * SECOND).duels;

		assert_in_range(early, 0, 14);
		assert_in_range(sim_run(&sim, SIM_AUTO, 80 * SECOND).duels -
					early,
				0, 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_links_get_the_level_that_pays),
		cmocka_unit_test(fast_links_lose_nothing),
		cmocka_unit_test(
			a_short_move_over_a_slow_link_is_compressed_soon),
		cmocka_unit_test(
			a_short_move_over_a_fast_link_is_as_fast_as_raw),
		cmocka_unit_test(a_link_that_changes_is_followed),
		cmocka_unit_test(contents_that_change_are_followed),
		cmocka_unit_test(no_more_of_the_cpu_is_taken_than_allowed),
		cmocka_unit_test(hopeless_pages_are_hardly_ever_tried),
		cmocka_unit_test(settled_lanes_try_ever_more_rarely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
