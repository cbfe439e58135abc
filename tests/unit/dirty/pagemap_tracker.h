/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_PAGEMAP_TRACKER_H
#define RJ_TESTS_PAGEMAP_TRACKER_H
/* Memory tracked with pagemap, and a thread that writes it. */
#include <pthread.h>
#include <stdatomic.h>

#include "dirty/source.h"
#include "tests/unit/dirty/memory_kinds.h"

#define BYTES (UINT64_C(16) << 20)
#define PAGES (BYTES / RAMJET_PAGE_BYTES)

struct tracker {
	struct memory memory;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap map;
	struct ramjet_error err;
};

/* False: this kernel cannot do it at all, which was said. */
bool tracker_kernel_can(const struct ramjet_error *err, int rc);
/* Skips the test where the machine has no such memory. */
void tracker_make(struct tracker *t, enum memory_kind kind, uint64_t bytes);
/* Start, armed nowhere yet; skips where the kernel cannot. */
void tracker_start(struct tracker *t);
int tracker_arm_all(struct tracker *t);
/* Both. */
void tracker_begin(struct tracker *t);
void tracker_end(struct tracker *t);

/* Pages marked. */
uint64_t tracker_collect_as(struct tracker *t,
			    const struct rj_dirty_walk *walk);
uint64_t tracker_collect(struct tracker *t);
/* Only of chunks [0, end): of what is armed, say. */
uint64_t tracker_collect_chunks(struct tracker *t, uint64_t end);
void tracker_forget(struct tracker *t);

void tracker_poke(struct tracker *t, uint64_t page);
unsigned tracker_peek(struct tracker *t, uint64_t page);
/* Some of them in pieces that were populated before, some not. */
#define TRACKER_WRITTEN 11u
extern const uint64_t tracker_written[TRACKER_WRITTEN];
/* These are marked and no others. */
void tracker_check_written(struct tracker *t, uint64_t unit);

/* Writes the first word of every stride-th page, at random. */
struct writer {
	struct tracker *t;
	uint64_t pages;
	uint64_t stride;
	uint64_t *copy; /* of those words */
	_Atomic bool stop;
	pthread_t thread;
};

void writer_begin(struct writer *w);
void writer_copy_word(struct writer *w, uint64_t i);
void writer_copy_marked(struct writer *w);
/* The copy made of what is reported equals the memory at last. */
void writer_end(struct writer *w, const struct rj_dirty_walk *last);
#endif
