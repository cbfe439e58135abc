/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/micro/content.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/micro/harness.h"
#include "engine/page/cut.h"
#include "engine/page/repeats.h"
#include "engine/send/out_frame.h"
#include "ringio/iov.h"

#define REGION_BYTES (64u << 20) /* beyond the caches */
#define REGION_PAGES (REGION_BYTES / RAMJET_PAGE_BYTES)
#define CHUNKS       (REGION_PAGES / RJ_CHUNK_PAGES)
#define RATIOS_MAX   65536u

typedef uint64_t word64 __attribute__((may_alias));

enum fill {
	FILL_ZERO,
	FILL_WORD,
	FILL_RANDOM,
	FILL_SPARSE, /* pages begin with 512 zero bytes, as many do */
	FILL_LATE,   /* all zero but a byte near the end: the worst there is */
	FILLS,
};
static const char *const fill_names[FILLS] = { "zero", "word", "random",
					       "sparse", "late" };

static struct {
	uint8_t *region;
	int fds[2]; /* where frames go, and where a thread reads them */
	pthread_t reader;
	volatile uint64_t
		seen; /* so that no compiler leaves out what is read */
	struct rj_page_codec codec;
	struct rj_out_frame *frame;
	double ratios[RATIOS_MAX];
	unsigned count;
} all;

static void fill_page(uint8_t *page, enum fill fill)
{
	static uint64_t x = 0x9e3779b97f4a7c15;
	word64 *words = (word64 *)(void *)page;
	const unsigned from = fill == FILL_SPARSE ? 64 : 0;

	memset(page, 0, RAMJET_PAGE_BYTES);
	if (fill == FILL_LATE)
		page[RAMJET_PAGE_BYTES - 100] = 1;
	if (fill == FILL_ZERO || fill == FILL_LATE)
		return;
	for (unsigned i = from; i < RAMJET_PAGE_BYTES / sizeof(x); i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = fill == FILL_WORD ? 0x0123456789abcdef : x;
	}
}

static void *new_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static void *read_frames(void *ignored)
{
	uint8_t *into = new_memory(RJ_OUT_PAYLOAD_BYTES);

	(void)ignored;
	while (read(all.fds[1], into, RJ_OUT_PAYLOAD_BYTES) > 0)
		;
	(void)munmap(into, RJ_OUT_PAYLOAD_BYTES);
	return NULL;
}

/* TCP on loopback, as what a lane most often has. */
static void connect_both(void)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t bytes = sizeof(to);
	const int listener = socket(AF_INET, SOCK_STREAM, 0);

	all.fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&to, bytes) ||
	    listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&to, &bytes) ||
	    connect(all.fds[0], (struct sockaddr *)&to, bytes))
		abort();
	all.fds[1] = accept(listener, NULL, NULL);
	(void)close(listener);
}

static void open_all(enum fill fill)
{
	static const struct rj_reduction words = { .kinds = 1u << RJ_RUN_WORD };

	all.region = new_memory(REGION_BYTES);
	(void)madvise(all.region, REGION_BYTES, MADV_HUGEPAGE);
	for (uint64_t page = 0; page < REGION_PAGES; page++)
		fill_page(all.region + page * RAMJET_PAGE_BYTES, fill);
	rj_page_codec_init(&all.codec, RJ_OUT_PAYLOAD_BYTES);
	all.codec.reduction = &words;
	all.frame = malloc(sizeof(*all.frame));
	if (!all.frame)
		abort();
	rj_out_frame_init(all.frame, &all.codec, 0);
	all.count = 0;
	connect_both();
	if (pthread_create(&all.reader, NULL, read_frames, NULL))
		abort();
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void close_all(struct rj_bench *bench)
{
	qsort(all.ratios, all.count, sizeof(all.ratios[0]), by_size);
	if (all.count)
		rj_bench_figure(bench, "ratio", all.ratios[all.count / 2]);
	rj_page_codec_done(&all.codec);
	free(all.frame);
	(void)close(all.fds[0]);
	(void)pthread_join(all.reader, NULL);
	(void)close(all.fds[1]);
	(void)munmap(all.region, REGION_BYTES);
}

/* ---- all-zero RAM, against a loop that reads it -------------------------- */

typedef uint64_t lanes __attribute__((vector_size(32), may_alias));

/* As fast as this CPU reads, without looking at what it is. */
#if defined(__x86_64__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
static void
read_chunk(uint64_t page)
{
	const lanes *p =
		(const lanes *)(const void *)(all.region +
					      page * RAMJET_PAGE_BYTES);
	const lanes *end =
		p + RJ_CHUNK_PAGES * RAMJET_PAGE_BYTES / sizeof(lanes);
	lanes a = { 0 }, b = a, c = a, d = a;

	for (; p < end; p += 8) {
		a |= p[0] | p[4];
		b |= p[1] | p[5];
		c |= p[2] | p[6];
		d |= p[3] | p[7];
	}
	a |= b | c | d;
	all.seen = a[0] | a[1] | a[2] | a[3];
}

static void cut_chunk(uint64_t page)
{
	const uint64_t end = page + RJ_CHUNK_PAGES;
	enum rj_run_kind kind;

	while (page < end)
		page += rj_page_cut(&all.codec, all.region, page, end, &kind);
}

/* ---- a sender's work, with and without looking at the content ------------- */

/* As a lane does it, to somebody who only reads. */
static void send_frame(void)
{
	struct rj_iov rest;
	ssize_t n;

	rj_out_frame_seal(all.frame, 1);
	rest = rj_iov_of(all.frame->iov, all.frame->iov_count);
	while (rest.bytes) {
		const unsigned count = rj_iov_open(&rest, rest.bytes);

		n = writev(all.fds[0], rest.entries, (int)count);
		if (n <= 0)
			abort();
		rj_iov_close(&rest, (size_t)n);
	}
	rj_out_frame_reset(all.frame);
}

static void add(uint64_t page, uint32_t count, enum rj_run_kind kind)
{
	while (count) {
		const uint32_t added = rj_out_frame_add(
			all.frame, 0, all.region + page * RAMJET_PAGE_BYTES,
			page, count, kind);

		page += added;
		count -= added;
		if (count)
			send_frame();
	}
}

static void send_blindly(uint64_t page)
{
	add(page, RJ_CHUNK_PAGES, RJ_RUN_RAW);
	send_frame();
}

static void send_cut(uint64_t page)
{
	const uint64_t end = page + RJ_CHUNK_PAGES;
	enum rj_run_kind kind;

	for (uint32_t count; page < end; page += count) {
		count = rj_page_cut(&all.codec, all.region, page, end, &kind);
		add(page, count, kind);
	}
	send_frame();
}

/* ---- pairs ---------------------------------------------------------------- */

static uint64_t time_of(void (*work)(uint64_t page), uint64_t page)
{
	struct timespec from, to;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	work(page);
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (uint64_t)((to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec -
			  from.tv_nsec);
}

/* How much CPU time the one takes, the other being 1: in turns, chunk by chunk,
 * so that what else the machine does meets both. Of all turns the median. */
static void compare(struct rj_bench *bench, void (*one)(uint64_t page),
		    void (*other)(uint64_t page))
{
	uint64_t turn = 0;

	for (; rj_bench_next(bench); turn++)
		for (unsigned i = 0; i < CHUNKS; i += 2) {
			const uint64_t page = i * RJ_CHUNK_PAGES;
			const bool first = (turn + i / 2) & 1;
			const uint64_t a = time_of(first ? one : other, page);
			const uint64_t b = time_of(first ? other : one,
						   page + RJ_CHUNK_PAGES);

			if (all.count < RATIOS_MAX)
				all.ratios[all.count++] =
					first ? (double)a / (double)b
					      : (double)b / (double)a;
		}
}

static void scan(struct rj_bench *bench, int64_t fill)
{
	open_all((enum fill)fill);
	compare(bench, cut_chunk, read_chunk);
	close_all(bench);
}

static void send_pages(struct rj_bench *bench, int64_t fill)
{
	open_all((enum fill)fill);
	compare(bench, send_cut, send_blindly);
	close_all(bench);
}

/* ---- each way of reading a page, in the caches and beyond ------------------ */

static void level_pages(struct rj_bench *bench, int64_t arg)
{
	const struct rj_repeats_level *level = &rj_repeats_levels[arg];
	uint64_t page = 0;

	open_all(FILL_ZERO);
	while (rj_bench_next(bench)) {
		if (!level->repeats(all.region + page * RAMJET_PAGE_BYTES, 0))
			abort();
		page = (page + 1) % REGION_PAGES;
	}
	close_all(bench);
	rj_bench_bytes(bench, RAMJET_PAGE_BYTES);
}

static void register_fills(const char *name, rj_bench_fn *fn)
{
	char full[64];

	for (int fill = 0; fill < FILLS; fill++) {
		(void)snprintf(full, sizeof(full), "%s/%s", name,
			       fill_names[fill]);
		rj_bench_register(full, fn, fill);
	}
}

void register_content(void)
{
	char name[64];

	/* The goals: scan/zero at most 1.11 (0.9 of the read loop's speed);
	 * send/random at most 1.02. */
	register_fills("scan", scan);
	register_fills("send", send_pages);
	for (unsigned i = 0; i < rj_repeats_level_count; i++) {
		(void)snprintf(name, sizeof(name), "zero_test/%s",
			       rj_repeats_levels[i].name);
		if (rj_repeats_levels[i].is_there())
			rj_bench_register(name, level_pages, i);
	}
}
