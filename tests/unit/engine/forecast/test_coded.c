/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Predicted against actual for lanes that are simulated: a coder makes bytes of
 * pages, a wire takes them, and whichever is slower bounds. The forecast sees what
 * a migration's control thread would.
 */
#include "tests/unit/cmocka_all.h"

#include "engine/forecast/forecast.h"

#define MIB 1048576.0
/* What may wait in sockets and frames. */
#define QUEUE_MOST (2 * MIB)
#define STEP_US    500u
#define TICK_US    20000u
#define NEAR       0.15

struct lanes {
	double wire;       /* bytes/s */
	double coder;      /* pages/s */
	double page_bytes; /* of payload, as it comes */
	bool codes;
	/* so far */
	double launched, acked, pages;
	uint64_t now_us, ticked_us;
	struct rj_forecast f;
};

static void look(struct lanes *l)
{
	const struct rj_wire_now wire = {
		.acked = (uint64_t)l->acked,
		.launched = (uint64_t)l->launched,
		.queued = (uint64_t)(l->launched - l->acked),
		.full_pages = (uint64_t)l->pages,
		.coded_pages = l->codes ? (uint64_t)l->pages : 0,
	};

	rj_forecast_look(&l->f, &wire, true, l->now_us);
	l->ticked_us = l->now_us;
}

/* A step in which at most `left` pages are coded; returns how many. */
static double step(struct lanes *l, double left)
{
	const double room = QUEUE_MOST - (l->launched - l->acked);
	double pages = l->coder * STEP_US / 1e6;

	pages = pages < left ? pages : left;
	pages = pages < room / l->page_bytes ? pages : room / l->page_bytes;
	l->pages += pages;
	l->launched += pages * l->page_bytes;
	l->acked += l->wire * STEP_US / 1e6;
	if (l->acked > l->launched)
		l->acked = l->launched;
	l->now_us += STEP_US;
	return pages;
}

/* A round of so many pages; `looked`: by the forecast, as it goes. */
static uint64_t run(struct lanes *l, double pages, bool looked)
{
	const uint64_t began_us = l->now_us;

	for (double left = pages; left >= 1;) {
		left -= step(l, left);
		if (looked && l->now_us - l->ticked_us >= TICK_US)
			look(l);
	}
	if (!looked)
		while (l->acked < l->launched)
			(void)step(l, 0);
	return l->now_us - began_us;
}

static void round_of(struct lanes *l, double pages, bool first)
{
	(void)run(l, pages, true);
	rj_estimate_bytes(&l->f.estimate, (uint64_t)pages,
			  (uint64_t)(pages * l->page_bytes), first);
	rj_estimate_pages(&l->f.estimate, (uint64_t)pages, 0);
}

/* How long `pages` take, against how long they will. */
static void come_true(struct lanes *l, double pages)
{
	const struct rj_pause_inputs now = {
		.unsent_pages = pages,
		.queued_bytes = l->launched - l->acked,
		.stopped = true,
	};
	const struct rj_pause_inputs nothing = { .stopped = true };
	struct rj_pause pause, least;
	double predicted, actual;

	rj_estimate_pause(&l->f.estimate, &now, &pause);
	rj_estimate_pause(&l->f.estimate, &nothing, &least);
	assert_true(pause.known);
	predicted = (double)(pause.pages_us - least.pages_us);
	actual = (double)run(l, pages, false);
	if (predicted < actual * (1 - NEAR) || predicted > actual * (1 + NEAR))
		fail_msg("predicted %.1f ms, took %.1f", predicted / 1e3,
			 actual / 1e3);
	assert_true(pause.p90_us > pause.p50_us);
}

static struct lanes lanes_of(double wire, double coder, double page_bytes)
{
	return (struct lanes){
		.wire = wire,
		.coder = coder,
		.page_bytes = page_bytes,
		.codes = page_bytes < RAMJET_PAGE_BYTES,
		.now_us = 1000000,
	};
}

static void rounds(struct lanes *l, unsigned count, double pages)
{
	for (unsigned i = 0; i < count; i++)
		round_of(l, pages, false);
}

static void raw_pages_are_bound_by_the_wire(void **state)
{
	struct lanes l = lanes_of(110 * MIB, 1e6, RAMJET_PAGE_BYTES);

	(void)state;
	round_of(&l, 100000, true);
	rounds(&l, 3, 8000);
	assert_int_equal(l.f.estimate.page_rate.samples, 0);
	assert_false(rj_estimate_is_cpu_bound(&l.f.estimate));
	come_true(&l, 9000);
}

static void compressed_ones_too_if_the_coder_is_faster(void **state)
{
	struct lanes l = lanes_of(110 * MIB, 130000, 1600);

	(void)state;
	round_of(&l, 100000, true);
	/* Already of the first round's. */
	come_true(&l, 20000);
	rounds(&l, 3, 20000);
	assert_false(rj_estimate_is_cpu_bound(&l.f.estimate));
	come_true(&l, 20000);
}

static void else_by_the_coder(void **state)
{
	struct lanes l = lanes_of(1100 * MIB, 60000, 1600);

	(void)state;
	round_of(&l, 100000, true);
	rounds(&l, 3, 20000);
	assert_true(rj_estimate_is_cpu_bound(&l.f.estimate) ||
		    l.f.estimate.capacity.mean <= 60000 * 1700);
	come_true(&l, 20000);
	/* Its pages become as large as raw ones: no faster. */
	l.page_bytes = 4000;
	rounds(&l, 6, 20000);
	come_true(&l, 20000);
}

static void a_level_that_changes_is_followed(void **state)
{
	struct lanes l = lanes_of(110 * MIB, 1e6, RAMJET_PAGE_BYTES);

	(void)state;
	round_of(&l, 100000, true);
	rounds(&l, 3, 8000);
	come_true(&l, 9000);
	/* Up: the wire is what is short. */
	l.codes = true;
	l.page_bytes = 1600;
	l.coder = 130000;
	rounds(&l, 6, 20000);
	come_true(&l, 20000);
	/* Too far up. */
	l.page_bytes = 1400;
	l.coder = 20000;
	rounds(&l, 6, 20000);
	assert_true(rj_estimate_is_cpu_bound(&l.f.estimate));
	come_true(&l, 10000);
	/* And off. */
	l.codes = false;
	l.page_bytes = RAMJET_PAGE_BYTES;
	l.coder = 1e6;
	rounds(&l, 8, 20000);
	assert_int_equal(l.f.estimate.page_rate.samples, 0);
	come_true(&l, 9000);
}

static void deltas_are_not_what_the_first_round_was(void **state)
{
	struct lanes l = lanes_of(110 * MIB, 400000, RAMJET_PAGE_BYTES);

	(void)state;
	round_of(&l, 100000, true);
	l.codes = true;
	l.page_bytes = 80;
	rounds(&l, 1, 30000);
	/* A round is enough to know: what is little is coded in no time. */
	assert_true(rj_estimate_page_bytes(&l.f.estimate) < 110);
	rounds(&l, 3, 60000);
	come_true(&l, 60000);
}

static void a_round_of_few_pages_says_nothing(void **state)
{
	struct rj_estimate e = { 0 };

	(void)state;
	rj_estimate_bytes(&e, 1000, 1000 * RAMJET_PAGE_BYTES, false);
	rj_estimate_bytes(&e, 10, 10, false);
	assert_true(rj_estimate_page_bytes(&e) >= RAMJET_PAGE_BYTES);
	rj_estimate_bytes(&e, 1000, 1000, false);
	assert_true(rj_estimate_page_bytes(&e) < RAMJET_PAGE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(raw_pages_are_bound_by_the_wire),
		cmocka_unit_test(compressed_ones_too_if_the_coder_is_faster),
		cmocka_unit_test(else_by_the_coder),
		cmocka_unit_test(a_level_that_changes_is_followed),
		cmocka_unit_test(deltas_are_not_what_the_first_round_was),
		cmocka_unit_test(a_round_of_few_pages_says_nothing),
	};

	return cmocka_run_group_tests_name("coded", tests, NULL, NULL);
}
