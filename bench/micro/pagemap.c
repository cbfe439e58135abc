/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tracking with pagemap costs, by kind of memory and how much is dirty:
 * the start, a collect that finds nothing, one that finds a share of the
 * pages, and the first write to a page after a collect. One JSON object a
 * line; times are the least of several.
 *
 *	bench-pagemap [--mib N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/source.h"
#include "util/clock.h"

#define REPEATS 5u

struct tracked {
	struct ramjet_dirty_region region;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap map;
};

static void die(const char *what, const struct ramjet_error *err)
{
	fprintf(stderr, "%s: %s\n", what, err->message);
	exit(1);
}

static void map_memory(struct tracked *t, bool memfd, uint64_t bytes)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	int fd = -1;

	if (memfd) {
		fd = memfd_create("ramjet-bench", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)bytes))
			abort();
		flags = MAP_SHARED;
	}
	t->region = (struct ramjet_dirty_region){
		.name = "ram0",
		.host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, fd, 0),
		.page_count = bytes / RAMJET_PAGE_BYTES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = fd,
	};
	if (t->region.host == MAP_FAILED)
		abort();
	memset(t->region.host, 1, bytes);
}

/* Returns nanoseconds. */
static uint64_t start(struct tracked *t)
{
	struct ramjet_error err = { 0 };
	uint64_t begin = rj_now_ns();

	if (rj_dirty_set_start(&t->set, &t->source, 1, &t->region, 1, &err))
		die("start", &err);
	return rj_now_ns() - begin;
}

static uint64_t collect(struct tracked *t, uint64_t expected)
{
	struct rj_bitmap *bitmaps[] = { &t->map };
	struct ramjet_error err = { 0 };
	uint64_t begin = rj_now_ns();
	uint64_t marked;

	if (rj_dirty_set_collect(&t->set, NULL, bitmaps, &marked, &err))
		die("collect", &err);
	begin = rj_now_ns() - begin;
	if (marked != expected) {
		fprintf(stderr, "%" PRIu64 " pages, %" PRIu64 " expected\n",
			marked, expected);
		exit(1);
	}
	(void)rj_bitmap_clear_run(&t->map, 0, t->map.page_count);
	return begin;
}

/* Every `stride`-th page. */
static uint64_t write_pages(struct tracked *t, uint64_t stride)
{
	uint64_t begin = rj_now_ns();

	for (uint64_t page = 0; page < t->region.page_count; page += stride)
		((volatile uint8_t *)
			 t->region.host)[page * RAMJET_PAGE_BYTES]++;
	return rj_now_ns() - begin;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return !a || b < a ? b : a;
}

static void measure(struct tracked *t, const char *kind, uint64_t stride)
{
	uint64_t pages = (t->region.page_count + stride - 1) / stride;
	uint64_t start_ns = 0;
	uint64_t idle_ns = 0;
	uint64_t write_ns = 0;
	uint64_t again_ns = 0;
	uint64_t dirty_ns = 0;

	for (unsigned i = 0; i < REPEATS; i++) {
		start_ns = least(start_ns, start(t));
		idle_ns = least(idle_ns, collect(t, 0));
		write_ns = least(write_ns, write_pages(t, stride));
		again_ns = least(again_ns, write_pages(t, stride));
		dirty_ns = least(dirty_ns, collect(t, pages));
		rj_dirty_set_stop(&t->set);
	}
	printf("{\"bench\": \"pagemap\", \"memory\": \"%s\", \"mib\": %" PRIu64
	       ", \"dirty_pages\": %" PRIu64 ", \"start_ms\": %.3f, "
	       "\"idle_collect_ms\": %.3f, \"collect_ms\": %.3f, "
	       "\"first_write_ns\": %.1f, \"later_write_ns\": %.1f}\n",
	       kind, t->region.page_count >> 8, pages, (double)start_ns / 1e6,
	       (double)idle_ns / 1e6, (double)dirty_ns / 1e6,
	       (double)write_ns / (double)pages,
	       (double)again_ns / (double)pages);
	(void)fflush(stdout);
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = { "anonymous", "memfd" };
	uint64_t bytes = UINT64_C(1) << 30;

	if (argc == 3 && !strcmp(argv[1], "--mib"))
		bytes = strtoull(argv[2], NULL, 10) << 20;
	for (unsigned kind = 0; kind < RJ_ARRAY_SIZE(kinds); kind++) {
		struct ramjet_error err = { 0 };
		struct tracked t = { 0 };

		map_memory(&t, kind, bytes);
		if (rj_bitmap_init(&t.map, t.region.page_count, &err) ||
		    ramjet_dirty_pagemap_new(&t.source, &err))
			die(kinds[kind], &err);
		for (uint64_t stride = 1; stride <= 1000; stride *= 10)
			measure(&t, kinds[kind], stride);
		ramjet_dirty_free(t.source);
		rj_bitmap_done(&t.map);
		(void)munmap(t.region.host, bytes);
		if (t.region.fd >= 0)
			(void)close(t.region.fd);
	}
	return 0;
}
