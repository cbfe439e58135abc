/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dirty/pagemap_tracker.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tracker_kernel_can(const struct ramjet_error *err, int rc)
{
	if (rc != -EOPNOTSUPP && rc != -EPERM && rc != -ENOSYS)
		return true;
	printf("# skipped: %s\n", err->message);
	return false;
}

int tracker_arm_all(struct tracker *t)
{
	return rj_dirty_set_arm(&t->set, 0, 0, t->memory.region.page_count,
				&t->err);
}

void tracker_start(struct tracker *t)
{
	int rc;

	assert_int_equal(
		rj_bitmap_init(&t->map, t->memory.region.page_count, NULL), 0);
	assert_int_equal(ramjet_dirty_pagemap_new(&t->source, NULL), 0);
	rc = rj_dirty_set_start(&t->set, &t->source, 1, &t->memory.region, 1,
				&t->err);
	if (!tracker_kernel_can(&t->err, rc))
		skip();
	if (rc)
		printf("# %s\n", t->err.message);
	assert_int_equal(rc, 0);
}

void tracker_begin(struct tracker *t)
{
	tracker_start(t);
	assert_int_equal(tracker_arm_all(t), 0);
}

void tracker_make(struct tracker *t, enum memory_kind kind, uint64_t bytes)
{
	memset(t, 0, sizeof(*t));
	if (!memory_make(kind, bytes, &t->memory))
		skip();
}

void tracker_end(struct tracker *t)
{
	rj_dirty_set_stop(&t->set);
	ramjet_dirty_free(t->source);
	rj_bitmap_done(&t->map);
	memory_free(&t->memory);
}

uint64_t tracker_collect_as(struct tracker *t, const struct rj_dirty_walk *walk)
{
	struct rj_bitmap *bitmaps[] = { &t->map };
	uint64_t marked = 0;
	int rc = rj_dirty_set_collect(&t->set, walk, bitmaps, &marked, &t->err);

	if (rc)
		printf("# %s\n", t->err.message);
	assert_int_equal(rc, 0);
	return marked;
}

uint64_t tracker_collect_chunks(struct tracker *t, uint64_t end)
{
	const struct ramjet_dirty_part part = {
		.size = sizeof(part),
		.page_count = end * RJ_CHUNK_PAGES,
	};
	struct rj_bitmap *bitmaps[] = { &t->map };
	struct ramjet_dirty_sink sink = {
		.bitmaps = bitmaps,
		.regions = &t->memory.region,
		.count = 1,
	};

	if (!end)
		return 0;
	assert_int_equal(t->source->ops.collect_part(t->source->user, &part,
						     &sink, &t->err),
			 0);
	return sink.marked;
}

uint64_t tracker_collect(struct tracker *t)
{
	return tracker_collect_as(t, NULL);
}

void tracker_forget(struct tracker *t)
{
	rj_bitmap_clear_run(&t->map, 0, t->map.page_count);
}

void tracker_poke(struct tracker *t, uint64_t page)
{
	t->memory.region.host[page * RAMJET_PAGE_BYTES + page % 4000]++;
}

unsigned tracker_peek(struct tracker *t, uint64_t page)
{
	return *(volatile uint8_t *)(t->memory.region.host +
				     page * RAMJET_PAGE_BYTES);
}

const uint64_t tracker_written[TRACKER_WRITTEN] = { 0,    1,    2,    511,
						    512,  1023, 1500, 2047,
						    2048, 2600, 4095 };

void tracker_check_written(struct tracker *t, uint64_t unit)
{
	uint64_t expected = 0;

	for (uint64_t page = 0; page < PAGES; page++) {
		bool written = false;

		for (unsigned i = 0; i < RJ_ARRAY_SIZE(tracker_written); i++)
			written |= tracker_written[i] / unit == page / unit;
		expected += written;
		if (rj_bitmap_test(&t->map, page) != written)
			printf("# page %llu\n", (unsigned long long)page);
		assert_int_equal(rj_bitmap_test(&t->map, page), written);
	}
	assert_int_equal(rj_bitmap_count(&t->map), expected);
}

static _Atomic uint64_t *writer_word(const struct writer *w, uint64_t i)
{
	return (_Atomic uint64_t *)(w->t->memory.region.host +
				    i * w->stride * RAMJET_PAGE_BYTES);
}

static void *writer_main(void *user)
{
	struct writer *w = user;
	uint64_t seed = 1;

	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		seed = seed * 6364136223846793005u + 1;
		atomic_fetch_add_explicit(
			writer_word(w, (seed >> 33) % w->pages), 1,
			memory_order_relaxed);
	}
	return NULL;
}

void writer_begin(struct writer *w)
{
	w->copy = calloc(w->pages, sizeof(*w->copy));
	assert_non_null(w->copy);
	assert_int_equal(pthread_create(&w->thread, NULL, writer_main, w), 0);
}

void writer_copy_word(struct writer *w, uint64_t i)
{
	w->copy[i] =
		atomic_load_explicit(writer_word(w, i), memory_order_relaxed);
}

void writer_copy_marked(struct writer *w)
{
	for (uint64_t i = 0; i < w->pages; i++)
		if (rj_bitmap_clear_run(&w->t->map, i * w->stride, 1))
			writer_copy_word(w, i);
}

void writer_end(struct writer *w, const struct rj_dirty_walk *last)
{
	atomic_store(&w->stop, true);
	assert_int_equal(pthread_join(w->thread, NULL), 0);
	(void)tracker_collect_as(w->t, last);
	writer_copy_marked(w);
	for (uint64_t i = 0; i < w->pages; i++)
		assert_int_equal(w->copy[i],
				 atomic_load_explicit(writer_word(w, i),
						      memory_order_relaxed));
	free(w->copy);
}
