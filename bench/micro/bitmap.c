/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bitmap of a block of 12 TiB, alone: what it costs to take all dirty
 * pages, to cut them into runs as well, and to merge a log of the same size,
 * at several densities. One JSON object a line; ratios are against plain loops
 * over the same words in the same run. Times are the least of several; cpu_ms
 * is that of the busiest thread, which tells more on a busy machine.
 *
 *	bench-bitmap [--gib N] [--quick]
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dirty/bitmap.h"
#include "util/bits.h"
#include "util/clock.h"

#define THREADS_MAX   2u
#define CLUSTER_PAGES 8192u
/* What a worker takes at once before it looks at other shards. */
#define SHARD_CHUNKS 4096u

struct plan {
	uint64_t pages;
	unsigned repeats;
};

struct fill {
	const char *pattern; /* "random" or "clustered" */
	double density;      /* of dirty pages, 0 to 1 */
};

static uint64_t random_state = 88172645463325252u;

static uint64_t random_u64(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

static void *map_words(uint64_t words)
{
	void *map = mmap(NULL, words * sizeof(uint64_t), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return map;
}

/* Set bits in plain words, as a log would have them. */
static void fill_log(uint64_t *log, uint64_t pages, const struct fill *fill)
{
	bool clustered = !strcmp(fill->pattern, "clustered");
	uint64_t run = clustered ? CLUSTER_PAGES : 1;
	uint64_t runs = (uint64_t)((double)pages * fill->density) / run;

	if (fill->density >= 1) {
		memset(log, 0xff, pages / 8);
		return;
	}
	memset(log, 0, pages / 8);
	for (uint64_t i = 0; i < runs; i++) {
		uint64_t first = random_u64() % (pages / run) * run;

		for (uint64_t page = first; page < first + run;) {
			uint64_t count = run < 64 ? 1 : 64;

			log[page / 64] |= rj_bit_span((unsigned)(page % 64),
						      (unsigned)count);
			page += count;
		}
	}
}

struct taker {
	struct rj_bitmap *bm;
	_Atomic uint64_t *next_shard;
	bool cut; /* into runs */
	uint64_t pages;
	uint64_t runs;
	uint64_t cpu_ns;
} RJ_CACHE_ALIGNED; /* else takers slow each other down */

static void take_chunk(struct taker *t, uint64_t chunk)
{
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };
	struct rj_run run = { 0 };

	t->pages += rj_bitmap_claim_chunk(t->bm, chunk, words);
	while (t->cut && (run = rj_words_next_run(words, RJ_CHUNK_PAGES,
						  run.first + run.count))
				 .count)
		t->runs++;
}

static void *taker_main(void *user)
{
	struct taker *t = user;
	uint64_t chunks = t->bm->chunk_count;
	uint64_t begin = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	uint64_t chunk;

	while ((chunk = atomic_fetch_add(t->next_shard, SHARD_CHUNKS)) <
	       chunks) {
		uint64_t end = chunk + SHARD_CHUNKS;

		if (end > chunks)
			end = chunks;
		while ((chunk = rj_bitmap_next_chunk(t->bm, chunk, end)) < end)
			take_chunk(t, chunk++);
	}
	t->cpu_ns = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
	return NULL;
}

/* Returns the nanoseconds; sum has the busiest thread's CPU time. */
static uint64_t take_all(struct rj_bitmap *bm, unsigned threads, bool cut,
			 struct taker *sum)
{
	_Atomic uint64_t next_shard = 0;
	struct taker takers[THREADS_MAX];
	pthread_t others[THREADS_MAX];
	uint64_t begin = rj_now_ns();
	uint64_t ns;

	for (unsigned i = 0; i < threads; i++) {
		takers[i] = (struct taker){ .bm = bm,
					    .next_shard = &next_shard,
					    .cut = cut };
		if (i &&
		    pthread_create(&others[i], NULL, taker_main, &takers[i]))
			abort();
	}
	(void)taker_main(&takers[0]);
	for (unsigned i = 1; i < threads; i++)
		(void)pthread_join(others[i], NULL);
	ns = rj_now_ns() - begin;
	*sum = (struct taker){ 0 };
	for (unsigned i = 0; i < threads; i++) {
		sum->pages += takers[i].pages;
		sum->runs += takers[i].runs;
		if (takers[i].cpu_ns > sum->cpu_ns)
			sum->cpu_ns = takers[i].cpu_ns;
	}
	return ns;
}

static uint64_t read_all(const struct rj_bitmap *bm)
{
	const volatile uint64_t *words = (const uint64_t *)bm->words;
	uint64_t count = bm->chunk_count * RJ_CHUNK_WORDS;
	uint64_t begin = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);

	for (uint64_t i = 0; i < count; i++)
		(void)words[i];
	return rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return !a || b < a ? b : a;
}

static void bench_take(struct rj_bitmap *bm, const uint64_t *log,
		       const struct fill *fill, unsigned threads, bool cut,
		       const struct plan *plan)
{
	struct taker sum = { 0 };
	uint64_t take_ns = 0;
	uint64_t cpu_ns = 0;
	uint64_t read_ns = 0;

	for (unsigned i = 0; i < plan->repeats; i++) {
		uint64_t set = rj_bitmap_or_words(bm, 0, log, plan->pages / 64);

		read_ns = least(read_ns, read_all(bm));
		take_ns = least(take_ns, take_all(bm, threads, cut, &sum));
		cpu_ns = least(cpu_ns, sum.cpu_ns);
		if (sum.pages != set || rj_bitmap_count(bm)) {
			fprintf(stderr, "taken %" PRIu64 " of %" PRIu64 "\n",
				sum.pages, set);
			exit(1);
		}
	}
	printf("{\"bench\": \"bitmap %s\", \"pattern\": \"%s\", "
	       "\"dirty_percent\": %g, \"threads\": %u, \"pages\": %" PRIu64
	       ", \"runs\": %" PRIu64 ", \"ms\": %.3f, \"cpu_ms\": %.3f, "
	       "\"read_every_word_ms\": %.3f, \"ratio\": %.4f}\n",
	       cut ? "take and cut" : "take", fill->pattern,
	       fill->density * 100, threads, sum.pages, sum.runs,
	       (double)take_ns / 1e6, (double)cpu_ns / 1e6,
	       (double)read_ns / 1e6, (double)cpu_ns / (double)read_ns);
	(void)fflush(stdout);
}

static void bench_merge(struct rj_bitmap *bm, const uint64_t *log,
			uint64_t *copy, const struct fill *fill,
			const struct plan *plan)
{
	uint64_t words = plan->pages / 64;
	uint64_t merge_ns = 0;
	uint64_t again_ns = 0;
	uint64_t copy_ns = 0;
	struct taker sum;

	for (unsigned i = 0; i < plan->repeats; i++) {
		uint64_t begin = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);

		memcpy(copy, log, words * sizeof(*log));
		copy_ns = least(copy_ns,
				rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin);
		begin = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);
		(void)rj_bitmap_or_words(bm, 0, log, words);
		merge_ns = least(merge_ns,
				 rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin);
		begin = rj_clock_ns(CLOCK_THREAD_CPUTIME_ID);
		(void)rj_bitmap_or_words(bm, 0, log, words);
		again_ns = least(again_ns,
				 rj_clock_ns(CLOCK_THREAD_CPUTIME_ID) - begin);
		(void)take_all(bm, 1, false, &sum);
	}
	printf("{\"bench\": \"bitmap merge\", \"pattern\": \"%s\", "
	       "\"dirty_percent\": %g, \"merge_ms\": %.3f, "
	       "\"merge_again_ms\": %.3f, \"memcpy_ms\": %.3f, "
	       "\"ratio\": %.4f}\n",
	       fill->pattern, fill->density * 100, (double)merge_ns / 1e6,
	       (double)again_ns / 1e6, (double)copy_ns / 1e6,
	       (double)merge_ns / (double)copy_ns);
	(void)fflush(stdout);
}

static void bench_all(const struct plan *plan)
{
	static const struct fill fills[] = {
		{ "none", 0 },          { "random", 0.0001 },
		{ "random", 0.001 },    { "random", 0.01 },
		{ "random", 0.1 },      { "clustered", 0.0001 },
		{ "clustered", 0.001 }, { "clustered", 0.01 },
		{ "clustered", 0.1 },   { "all", 1 },
	};
	uint64_t *log = map_words(plan->pages / 64);
	uint64_t *copy = map_words(plan->pages / 64);
	struct rj_bitmap bm;

	if (rj_bitmap_init(&bm, plan->pages, NULL))
		exit(1);
	/* Page faults are not what is measured. */
	(void)rj_bitmap_set_run(&bm, 0, plan->pages);
	(void)rj_bitmap_clear_run(&bm, 0, plan->pages);
	(void)take_all(&bm, 1, false, &(struct taker){ 0 });
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(fills); i++) {
		fill_log(log, plan->pages, &fills[i]);
		for (unsigned threads = 1; threads <= THREADS_MAX; threads++) {
			bench_take(&bm, log, &fills[i], threads, false, plan);
			bench_take(&bm, log, &fills[i], threads, true, plan);
		}
		bench_merge(&bm, log, copy, &fills[i], plan);
	}
	rj_bitmap_done(&bm);
	(void)munmap(log, plan->pages / 8);
	(void)munmap(copy, plan->pages / 8);
}

int main(int argc, char **argv)
{
	struct plan plan = { .pages = UINT64_C(12) << 28, .repeats = 5 };

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			plan.repeats = 1;
		} else if (!strcmp(argv[i], "--gib") && i + 1 < argc) {
			plan.pages = strtoull(argv[++i], NULL, 10) << 18;
		} else {
			fprintf(stderr, "usage: %s [--gib N] [--quick]\n",
				argv[0]);
			return 2;
		}
	}
	bench_all(&plan);
	return 0;
}
