/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_GUEST_PATTERN_H
#define RJ_CLI_GUEST_PATTERN_H
/*
 * The order in which a vCPU writes the pages of its slice.
 *
 * Goal: after any number of writes, what every page's counter must be is
 * known from that one number. A walk goes round and round through a set of
 * pages; each pass visits every page once, in an order that is a bijection
 * seeded by the pass. So there is one edge: pages before it carry the pass's
 * counter + 1, those behind it the pass's counter, and nothing else is legal.
 * The hot pattern interleaves two such walks: nine of ten writes go through
 * the hot tenth of the slice, the others through the rest.
 */
#include "cli/guest/spec.h"

struct rj_cli_walk {
	uint64_t pages; /* in the slice; 2 or more unless nothing is written */
	uint64_t seed;  /* differs from vCPU to vCPU */
	enum rj_cli_pattern pattern;
};

struct rj_cli_visit {
	uint64_t page;    /* in the slice */
	uint64_t counter; /* what the page carries */
};

/* Where write number `number` (0, 1, ...) goes, and the counter it leaves. */
struct rj_cli_visit rj_cli_walk_write(const struct rj_cli_walk *walk,
				      uint64_t number);
/* After `writes` writes: the counter of the slice's `nth` page in visiting
 * order; nth = 0 .. pages-1 names every page of the slice once. */
struct rj_cli_visit rj_cli_walk_expect(const struct rj_cli_walk *walk,
				       uint64_t writes, uint64_t nth);
/* A bijection of [0, count) chosen by `key`; index < count. */
uint64_t rj_cli_permute(uint64_t index, uint64_t count, uint64_t key);
/* A well-mixed word of two others. */
uint64_t rj_cli_mix(uint64_t a, uint64_t b);
#endif
