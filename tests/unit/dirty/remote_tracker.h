/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_REMOTE_TRACKER_H
#define RJ_TESTS_REMOTE_TRACKER_H
/* A child whose memory is tracked, and a copy of it that is kept as a migration
 * keeps its target's: by what is reported, and by nothing else. */
#include "dirty/source.h"
#include "ramjet-remote.h"
#include "tests/unit/dirty/remote_child.h"

#define BYTES (UINT64_C(16) << 20)
#define PAGES (BYTES / RAMJET_PAGE_BYTES)

struct remote_tracker {
	struct child child;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap map;
	struct ramjet_error err;
	uint8_t *copy; /* of the first byte of each page */
};

/* A way to track a kind of memory: of each a struct how is in hows[][], for tests
 * as of_kind(), in both modes, of_some() and of_kinds(). */
struct how {
	enum memory_kind kind;
	uint32_t mode;
};
extern struct how hows[MEMORY_KINDS_][RAMJET_REMOTE_SYNC + 1];
void hows_init(void);

/* Child and source; skips the test where the machine has no such memory. */
void remote_make(struct remote_tracker *t, enum memory_kind kind,
		 uint32_t mode);
/* The same of a child that was started, by these ranges. */
void remote_make_of(struct remote_tracker *t, uint32_t mode,
		    const struct ramjet_remote_range *ranges, size_t count);
/* Start and arm; as ramjet_dirty_ops.start fails. */
int remote_start(struct remote_tracker *t);
void remote_begin(struct remote_tracker *t);
/* Pages marked. */
uint64_t remote_collect_as(struct remote_tracker *t, bool last);
uint64_t remote_collect(struct remote_tracker *t);
/* Fails with this, and a message that has `part`. */
void remote_collect_fails(struct remote_tracker *t, int rc, const char *part);
/* What is marked, or these pages: as a sender does it. */
void remote_send(struct remote_tracker *t);
void remote_send_pages(struct remote_tracker *t, uint64_t first,
		       uint64_t count);
/* collect and send until nothing is reported: at most `rounds` times. */
void remote_settle(struct remote_tracker *t, unsigned rounds);
void remote_forget(struct remote_tracker *t);
bool remote_is_marked(const struct remote_tracker *t, uint64_t page);
/* The copy is as the child's memory is. */
void remote_check_copy(struct remote_tracker *t);
void remote_end(struct remote_tracker *t);

/* All of that: half of the memory written and sent, the rest never touched, but
 * where the first touch makes a huge page. */
void begin(struct remote_tracker *t, const struct how *how);
/* Discards as the kinds of memory are discarded. */
void discard(struct remote_tracker *t, uint64_t page, uint64_t count);

#define of_mode(test, kind, mode)                            \
	{                                                    \
#test "/" #kind "/" #mode, test, NULL, NULL, \
			&hows[kind][RAMJET_REMOTE_##mode]    \
	}
#define of_kind(test, kind) \
	of_mode(test, kind, ASYNC), of_mode(test, kind, SYNC)
#define of_kinds(test)                                                        \
	of_kind(test, MEMORY_ANON), of_kind(test, MEMORY_THP),                \
		of_kind(test, MEMORY_MEMFD), of_kind(test, MEMORY_MEMFD_THP), \
		of_kind(test, MEMORY_HUGETLB_ANON),                           \
		of_kind(test, MEMORY_HUGETLB_MEMFD)
#define of_some(test) of_kind(test, MEMORY_ANON), of_kind(test, MEMORY_MEMFD)

#endif
