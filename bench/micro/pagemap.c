/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What tracking with pagemap costs, by kind of memory and how much is dirty:
 * the start, arming all, a collect that finds nothing, one that finds a share of
 * the pages, both also as the last one, with the guest stopped, and the first
 * write to a page after a collect. One JSON object a line; times are the least
 * of several.
 *
 *	bench-pagemap [--mib N] [--threads N] [--repeats N]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/source.h"
#include "util/clock.h"

static unsigned repeats = 5;
static struct rj_crew crew;

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

/* Windows as large as the pieces of a collect. */
#define WINDOW_PAGES (UINT64_C(128) * RJ_CHUNK_PAGES)

static int arm_window(void *user, unsigned member, uint64_t piece,
		      struct ramjet_error *err)
{
	struct tracked *t = user;
	const uint64_t first = piece * WINDOW_PAGES;
	const uint64_t left = t->region.page_count - first;

	(void)member;
	return rj_dirty_set_arm(&t->set, 0, first,
				left < WINDOW_PAGES ? left : WINDOW_PAGES, err);
}

static uint64_t arm(struct tracked *t)
{
	struct ramjet_error err = { 0 };
	const uint64_t begin = rj_now_ns();

	if (rj_crew_run(&crew,
			(t->region.page_count + WINDOW_PAGES - 1) /
				WINDOW_PAGES,
			arm_window, t, &err))
		die("arm", &err);
	return rj_now_ns() - begin;
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

static uint64_t collect(struct tracked *t, bool last, uint64_t expected)
{
	const struct rj_dirty_walk walk = { .last = last, .crew = &crew };
	struct rj_bitmap *bitmaps[] = { &t->map };
	struct ramjet_error err = { 0 };
	uint64_t begin = rj_now_ns();
	uint64_t marked;

	if (rj_dirty_set_collect(&t->set, &walk, bitmaps, &marked, &err))
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

struct times {
	uint64_t start_ns, arm_ns, idle_ns, last_idle_ns, write_ns, again_ns,
		last_ns, collect_ns;
};

static void print(const struct tracked *t, const char *kind, uint64_t pages,
		  const struct times *least)
{
	printf("{\"bench\": \"pagemap\", \"memory\": \"%s\", \"mib\": %" PRIu64
	       ", \"threads\": %u, \"dirty_pages\": %" PRIu64
	       ", \"start_ms\": %.3f, \"arm_ms\": %.3f, "
	       "\"idle_collect_ms\": %.3f, \"collect_ms\": %.3f, "
	       "\"idle_last_ms\": %.3f, \"last_ms\": %.3f, "
	       "\"first_write_ns\": %.1f, \"later_write_ns\": %.1f}\n",
	       kind, t->region.page_count >> 8, rj_crew_size(&crew), pages,
	       (double)least->start_ns / 1e6, (double)least->arm_ns / 1e6,
	       (double)least->idle_ns / 1e6, (double)least->collect_ns / 1e6,
	       (double)least->last_idle_ns / 1e6, (double)least->last_ns / 1e6,
	       (double)least->write_ns / (double)pages,
	       (double)least->again_ns / (double)pages);
	(void)fflush(stdout);
}

static void measure(struct tracked *t, const char *kind, uint64_t stride)
{
	const uint64_t pages = (t->region.page_count + stride - 1) / stride;
	struct times l = { 0 };

	for (unsigned i = 0; i < repeats; i++) {
		l.start_ns = least(l.start_ns, start(t));
		l.arm_ns = least(l.arm_ns, arm(t));
		l.idle_ns = least(l.idle_ns, collect(t, false, 0));
		l.last_idle_ns = least(l.last_idle_ns, collect(t, true, 0));
		l.write_ns = least(l.write_ns, write_pages(t, stride));
		l.again_ns = least(l.again_ns, write_pages(t, stride));
		l.last_ns = least(l.last_ns, collect(t, true, pages));
		l.collect_ns = least(l.collect_ns, collect(t, false, pages));
		rj_dirty_set_stop(&t->set);
	}
	print(t, kind, pages, &l);
}

static uint64_t number(int argc, char **argv, const char *name, uint64_t other)
{
	for (int i = 1; i + 1 < argc; i += 2)
		if (!strcmp(argv[i], name))
			return strtoull(argv[i + 1], NULL, 10);
	return other;
}

int main(int argc, char **argv)
{
	static const char *const kinds[] = { "anonymous", "memfd" };
	const uint64_t bytes = number(argc, argv, "--mib", 1024) << 20;

	repeats = (unsigned)number(argc, argv, "--repeats", repeats);
	if (rj_crew_start(&crew, "scan",
			  (unsigned)number(argc, argv, "--threads", 1), NULL))
		abort();
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
	rj_crew_stop(&crew);
	return 0;
}
