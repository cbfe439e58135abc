/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_BENCH_HARNESS_H
#define RJ_BENCH_HARNESS_H
/*
 * google-benchmark for C. A benchmark is a function that sets up, loops while
 * rj_bench_next() is true, and says how much each turn handled:
 *
 *	static void zero_test(struct rj_bench *bench, int64_t argument)
 *	{
 *		...
 *		while (rj_bench_next(bench))
 *			...
 *		rj_bench_bytes(bench, 4096);
 *	}
 *
 * void rj_bench_register_all(void) of each program registers its own.
 */
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rj_bench;
typedef void rj_bench_fn(struct rj_bench *bench, int64_t argument);

/* `name` is copied; `argument` becomes part of it. */
void rj_bench_register(const char *name, rj_bench_fn *fn, int64_t argument);
bool rj_bench_next(struct rj_bench *bench);
/* Handled a turn, for bytes/s and items/s. */
void rj_bench_bytes(struct rj_bench *bench, int64_t bytes);
void rj_bench_items(struct rj_bench *bench, int64_t items);
/* A figure of its own, beside the time. */
void rj_bench_figure(struct rj_bench *bench, const char *name, double value);

/* The program's own. */
void rj_bench_register_all(void);

#ifdef __cplusplus
}
#endif
#endif
