/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The policy against simulated links. A link says what a number of channels
 * moves; the policy is compared with the best fixed number on the same link.
 */
#include "tests/unit/cmocka_all.h"

#include "engine/forecast/channel_count.h"

#define TICK_US 20000u
#define MAX     16u
#define SECOND  UINT64_C(1000000)

struct link {
	double per_channel; /* bytes/s a channel moves at most */
	double total;       /* bytes/s of all together at most */
	double half;        /* channels that move half of it; 0: no such */
	unsigned cpus;      /* channels beyond cost `crowding` each */
	double crowding;
	double noise;       /* +- this share, evenly spread */
	uint64_t swallow;   /* bytes a new channel's sockets take at once */
	uint64_t change_us; /* from here on as in `later` */
	const struct link *later;
	bool capped;
};

struct run {
	uint64_t bytes;     /* moved, all in all */
	uint64_t last_half; /* of them, in the second half */
	unsigned count;     /* at the end */
	unsigned kept;      /* duels that changed the number, */
	unsigned kept_late; /* in the second half */
	unsigned duels;
	uint64_t first_duel_us;
};

static double rate_of(const struct link *link, unsigned count)
{
	double rate = (double)count * link->per_channel;

	if (rate > link->total)
		rate = link->total;
	if (link->half > 0)
		rate = link->total * count / (count + link->half);
	if (link->cpus && count > link->cpus)
		rate *= 1 - link->crowding * (double)(count - link->cpus);
	return rate;
}

/* -1 to 1, seeded. */
static double draw(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return (double)*x / 2147483648.0 - 1;
}

static void note(struct run *run, const struct rj_channel_count *cc,
		 uint64_t now_us, bool late)
{
	if (cc->duel.event == RJ_CHANNELS_TRY && !run->duels++)
		run->first_duel_us = now_us;
	if (cc->duel.event != RJ_CHANNELS_KEEP)
		return;
	run->kept++;
	run->kept_late += late;
}

static struct run adapt(const struct link *link, unsigned first, uint64_t us,
			uint32_t seed)
{
	const struct rj_channel_count_options options = { .first = first,
							  .max = MAX };
	struct rj_channel_count cc;
	struct run run = { 0 };
	unsigned active = first;
	uint64_t acked = 0;

	rj_channel_count_init(&cc, &options);
	for (uint64_t now = TICK_US; now <= us; now += TICK_US) {
		const bool late = now > us / 2;
		const struct link *on = link->later && now > link->change_us
						? link->later
						: link;
		const struct rj_channel_sample sample = {
			.now_us = now,
			.bytes = acked,
			.busy = true,
			.capped = on->capped,
		};
		const unsigned next = rj_channel_count_feed(&cc, &sample);
		uint64_t moved;

		note(&run, &cc, now, late);
		moved = (uint64_t)(rate_of(on, next) * TICK_US / 1e6 *
				   (1 + on->noise * draw(&seed)));
		run.bytes += moved;
		run.last_half += late ? moved : 0;
		acked += moved;
		if (next > active)
			acked += link->swallow * (next - active);
		active = next;
	}
	run.count = cc.count;
	return run;
}

static double best_rate(const struct link *link)
{
	double best = 0;

	for (unsigned count = 1; count <= MAX; count++)
		if (rate_of(link, count) > best)
			best = rate_of(link, count);
	return best;
}

/* Within 5 % of the best fixed number once it has had time to climb, and not
 * swinging any more. */
static void comes_near(const struct link *link, unsigned first)
{
	const uint64_t us = 60 * SECOND;
	const double best = best_rate(link) * (double)us / 1e6;
	const struct run run = adapt(link, first, us, 1);

	if ((double)run.last_half < 0.95 * best / 2 ||
	    rate_of(link, run.count) < 0.95 * best_rate(link))
		fail_msg("from %u: %u channels, %.3f of the best", first,
			 run.count, (double)run.last_half / (best / 2));
	assert_in_range(run.kept_late, 0, 1);
}

static const unsigned firsts[] = { 1, 2, 4, 8, 16 };
#define EACH_FIRST(i) \
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++)

static void cpu_bound_links_get_as_many_as_pay(void **state)
{
	(void)state;
	for (unsigned cpus = 1; cpus <= MAX; cpus++) {
		const struct link link = { .per_channel = 1.8e9,
					   .total = 1.8e9 * cpus,
					   .cpus = cpus,
					   .crowding = 0.04 };

		EACH_FIRST(i)
		comes_near(&link, firsts[i]);
	}
}

static void links_that_limit_each_connection_get_many(void **state)
{
	(void)state;
	for (unsigned share = 1; share <= MAX; share++) {
		const struct link link = { .per_channel = 1e8,
					   .total = 1e8 * share };

		EACH_FIRST(i)
		comes_near(&link, firsts[i]);
	}
}

static void gains_that_shrink_are_followed_to_where_little_is_left(void **state)
{
	(void)state;
	for (unsigned half = 1; half <= 8; half++) {
		const struct link link = { .total = 1e9, .half = half };

		EACH_FIRST(i)
		comes_near(&link, firsts[i]);
	}
}

static void noise_is_not_taken_for_gain(void **state)
{
	const struct link two = { .per_channel = 1.8e9,
				  .total = 3.6e9,
				  .cpus = 2,
				  .crowding = 0.08,
				  .noise = 0.15 };
	unsigned kept = 0;
	double share = 0;

	(void)state;
	for (uint32_t seed = 1; seed <= 50; seed++) {
		const struct run run = adapt(&two, 2, 20 * SECOND, seed);

		kept += run.kept;
		share += (double)run.bytes / (20 * best_rate(&two)) / 50;
	}
	/* 50 runs: a mistake here and there, and not for long. */
	assert_in_range(kept, 0, 10);
	assert_true(share > 0.97);
}

static void noisy_links_are_climbed_all_the_same(void **state)
{
	const struct link link = { .per_channel = 1e8,
				   .total = 8e8,
				   .noise = 0.15 };

	(void)state;
	for (uint32_t seed = 1; seed <= 50; seed++)
		assert_in_range(adapt(&link, 2, 20 * SECOND, seed).count, 8,
				MAX);
}

static void what_sockets_swallow_is_no_gain(void **state)
{
	const struct link link = { .per_channel = 1e8,
				   .total = 1e8,
				   .swallow = 6u << 20 };
	const struct run run = adapt(&link, 1, 20 * SECOND, 1);

	(void)state;
	assert_int_equal(run.count, 1);
	assert_int_equal(run.kept, 0);
	assert_true(run.duels > 0);
}

static void nothing_is_tried_under_a_cap(void **state)
{
	const struct link link = { .per_channel = 1e8,
				   .total = 1e8,
				   .capped = true };
	const struct run run = adapt(&link, 2, 20 * SECOND, 1);

	(void)state;
	assert_int_equal(run.count, 2);
	assert_int_equal(run.duels, 0);
}

static void a_cap_ends_an_open_duel(void **state)
{
	const struct link link = { .per_channel = 1e8, .total = 1e9 };
	const struct rj_channel_count_options options = { .first = 2,
							  .max = 4 };
	struct rj_channel_sample sample = { .busy = true };
	struct rj_channel_count cc;
	unsigned active = 2;

	(void)state;
	rj_channel_count_init(&cc, &options);
	while (active == 2) {
		sample.now_us += TICK_US;
		sample.bytes += (uint64_t)(rate_of(&link, active) / 50);
		active = rj_channel_count_feed(&cc, &sample);
	}
	assert_int_equal(active, 3);
	sample.now_us += TICK_US;
	sample.capped = true;
	assert_int_equal(rj_channel_count_feed(&cc, &sample), 2);
}

static void a_link_that_changes_is_followed(void **state)
{
	const struct link wide = { .per_channel = 1e8, .total = 1.2e9 };
	const struct link narrow = {
		.per_channel = 5e8, .total = 1e9, .cpus = 2, .crowding = 0.05
	};
	struct link widens = narrow, narrows = wide;

	(void)state;
	widens.change_us = narrows.change_us = 10 * SECOND;
	widens.later = &wide;
	narrows.later = &narrow;
	assert_in_range(adapt(&widens, 2, 30 * SECOND, 1).count, 12, MAX);
	assert_in_range(adapt(&narrows, 2, 60 * SECOND, 1).count, 1, 3);
}

static void a_short_migration_tries_nothing(void **state)
{
	const struct link link = { .per_channel = 1e9, .total = 8e9 };

	(void)state;
	assert_int_equal(adapt(&link, 2, SECOND / 4, 1).duels, 0);
	assert_true(adapt(&link, 2, SECOND, 1).first_duel_us >= SECOND / 4);
}

/* On the machine the figures are from: 4 GiB take a second or so. */
static void trying_costs_a_second_little(void **state)
{
	const struct link link = { .per_channel = 1.8e9,
				   .total = 3.6e9,
				   .cpus = 2,
				   .crowding = 0.08 };

	(void)state;
	for (uint64_t tenths = 1; tenths <= 50; tenths++) {
		const uint64_t us = tenths * SECOND / 10;

		assert_true((double)adapt(&link, 2, us, 1).bytes >
			    0.98 * best_rate(&link) * (double)us / 1e6);
	}
}

static void idle_time_counts_for_nothing(void **state)
{
	const struct rj_channel_count_options options = { .first = 2,
							  .max = 4 };
	struct rj_channel_sample sample = { .now_us = 1 };
	struct rj_channel_count cc;

	(void)state;
	rj_channel_count_init(&cc, &options);
	for (unsigned i = 0; i < 10000; i++) {
		sample.now_us += TICK_US;
		assert_int_equal(rj_channel_count_feed(&cc, &sample), 2);
	}
	assert_int_equal(cc.busy_us, 0);
}

static void windows_are_as_long_as_the_path_needs(void **state)
{
	const struct rj_channel_count_options options = {
		.first = 1, .max = 2, .window_us = 300000, .rtt_us = 100000
	};
	struct rj_channel_count cc;

	(void)state;
	rj_channel_count_init(&cc, &options);
	assert_int_equal(cc.window_us, 1600000);
	assert_int_equal(cc.settle_us, 1600000);
}

static void settling_gives_an_open_duel_up(void **state)
{
	const struct rj_channel_count_options options = { .first = 2,
							  .max = 4 };
	struct rj_channel_sample sample = { .busy = true };
	struct rj_channel_count cc;

	(void)state;
	rj_channel_count_init(&cc, &options);
	do {
		sample.now_us += TICK_US;
		sample.bytes += 10u << 20;
	} while (rj_channel_count_feed(&cc, &sample) == 2);
	assert_int_equal(cc.duel.to, 3);
	assert_int_equal(rj_channel_count_settle(&cc), 2);
	assert_int_equal(cc.duel.event, RJ_CHANNELS_SAME);
	sample.now_us += TICK_US;
	assert_int_equal(rj_channel_count_feed(&cc, &sample), 2);
}

static void one_channel_alone_is_left_alone(void **state)
{
	const struct rj_channel_count_options options = { .first = 1,
							  .max = 1 };
	struct rj_channel_sample sample = { .busy = true };
	struct rj_channel_count cc;

	(void)state;
	rj_channel_count_init(&cc, &options);
	for (unsigned i = 0; i < 1000; i++) {
		sample.now_us += TICK_US;
		sample.bytes += 10u << 20;
		assert_int_equal(rj_channel_count_feed(&cc, &sample), 1);
		assert_int_equal(cc.duel.event, RJ_CHANNELS_SAME);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cpu_bound_links_get_as_many_as_pay),
		cmocka_unit_test(links_that_limit_each_connection_get_many),
		cmocka_unit_test(
			gains_that_shrink_are_followed_to_where_little_is_left),
		cmocka_unit_test(noise_is_not_taken_for_gain),
		cmocka_unit_test(noisy_links_are_climbed_all_the_same),
		cmocka_unit_test(what_sockets_swallow_is_no_gain),
		cmocka_unit_test(nothing_is_tried_under_a_cap),
		cmocka_unit_test(a_cap_ends_an_open_duel),
		cmocka_unit_test(a_link_that_changes_is_followed),
		cmocka_unit_test(a_short_migration_tries_nothing),
		cmocka_unit_test(trying_costs_a_second_little),
		cmocka_unit_test(idle_time_counts_for_nothing),
		cmocka_unit_test(windows_are_as_long_as_the_path_needs),
		cmocka_unit_test(settling_gives_an_open_duel_up),
		cmocka_unit_test(one_channel_alone_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
