/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_DIRTY_H
#define RAMJET_DIRTY_H
/*
 * For VMMs that know by themselves which pages were written, and tell it with a
 * bitmap or with a dirty source of their own (docs/dirty-sources.md). The rules
 * are ramjet.h's. KVM's sources are in ramjet-kvm.h.
 */
#include "ramjet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- a bitmap ----------------------------------------------------------- */

/*
 * Built in: a bitmap that others set. One bit per 4 KiB page, little endian,
 * bit 0 of byte 0 is page 0 of the block; writers set bits with an atomic OR
 * *after* writing the page. ramjet clears bits with atomic exchanges. `bits`
 * is borrowed until the source is freed, 8-byte aligned, and holds at least
 * (pages + 63) / 64 * 8 bytes (`bytes`).
 */
struct ramjet_dirty_bitmap {
	size_t size;
	const char *block; /* copied */
	void *bits;
	uint64_t bytes;
};
#define RAMJET_DIRTY_BITMAP_INIT .size = sizeof(struct ramjet_dirty_bitmap)
int ramjet_dirty_shared_new(const struct ramjet_dirty_bitmap *bitmap,
			    struct ramjet_dirty_source **ret,
			    struct ramjet_error *err);

void ramjet_dirty_bitmap_init(struct ramjet_dirty_bitmap *o, size_t size);
#define ramjet_dirty_bitmap_init(o) ramjet_dirty_bitmap_init(o, sizeof *(o))

/* ---- a source ----------------------------------------------------------- */

struct ramjet_dirty_sink;

/* What a source is told about each block when tracking starts; valid until
 * `stop`. The array is walked with RAMJET_AT(regions, i). */
struct ramjet_dirty_region {
	size_t size;
	const char *name;
	uint8_t *host;
	uint64_t page_count;
	uint32_t page_bytes; /* backing page size */
	int fd;
	uint64_t fd_offset;
	/* As in struct ramjet_block: `host` is NULL with it, fd -1, and
	 * fd_offset is where in that memory the region starts. */
	const struct ramjet_memory_ops *memory;
	void *memory_user;
};

/* The guest is stopped. What is reported now may be reported once more, should
 * it run on after all: so nothing need be protected again. */
#define RAMJET_DIRTY_LAST UINT32_C(1)

/* Pages [first_page, first_page + page_count) of a region. Both are multiples of
 * 512, unless the part ends where the region does. */
struct ramjet_dirty_part {
	size_t size;
	unsigned region;
	uint32_t flags; /* RAMJET_DIRTY_LAST or 0 */
	uint64_t first_page;
	uint64_t page_count;
};

/*
 * A source of the VMM's own. All calls come from one thread at a time, except
 * `rearm`, `arm` and `collect_part`, which several call concurrently, for
 * disjoint chunks each; and `rearm` and `arm` also beside `collect`.
 * Contract: a write that completes after `collect` returned is reported by a
 * later `collect`, unless `rearm` is given: then after `rearm` of its page.
 */
struct ramjet_dirty_ops {
	size_t size;
	const char *name; /* for reports, static */
	/* Begin tracking: every write from now on is reported. */
	int (*start)(void *user, const struct ramjet_dirty_region *regions,
		     unsigned count, struct ramjet_error *err);
	/* Report every page written since the last collect (or start) with
	 * ramjet_dirty_mark*(). With vCPUs stopped, one call after the stop
	 * reports everything. */
	int (*collect)(void *user, struct ramjet_dirty_sink *sink,
		       struct ramjet_error *err);
	/* Optional. Pages whose bits are set in words[0..count) starting at
	 * `first_page` (a multiple of 64) of region `region` are about to be
	 * read: report later writes to them again. Until then collect() may
	 * report them repeatedly. */
	int (*rearm)(void *user, unsigned region, uint64_t first_page,
		     const uint64_t *words, size_t count,
		     struct ramjet_error *err);
	/* End tracking. Also called after a failed start. */
	void (*stop)(void *user);
	/* The source is freed. May be NULL. */
	void (*free)(void *user);
	/* Optional. What the first write to a tracked page costs the guest,
	 * in nanoseconds, as measured by start. */
	uint64_t (*write_cost_ns)(void *user);
	/* Optional. Instead of `collect`: report what of this part was written
	 * since it was collected last. Each collect asks for all parts, cut as
	 * it likes, from several threads, with a sink each. */
	int (*collect_part)(void *user, const struct ramjet_dirty_part *part,
			    struct ramjet_dirty_sink *sink,
			    struct ramjet_error *err);
	/* Optional, beside `collect_part`. With it, tracking begins part by
	 * part: `start` takes no time in proportion to memory, and a write need
	 * be reported only once `arm` of its page has returned. Each page is
	 * armed once, before it is read for the first time; before that no
	 * collect asks for it. */
	int (*arm)(void *user, const struct ramjet_dirty_part *part,
		   struct ramjet_error *err);
	/* Optional, beside `collect_part`: a collect begins; its parts are
	 * asked for once this has returned. For what can be done for all parts
	 * together only. `flags` as in struct ramjet_dirty_part. */
	int (*collect_begin)(void *user, uint32_t flags,
			     struct ramjet_error *err);
	/* Optional. For writes that no source sees, through pages pinned before
	 * they were protected (again): return once those have ended that were
	 * under way when this was called. It is called when all sources have
	 * been asked, before a page that they reported is read; and when all
	 * memory is armed, before any is read. Not with RAMJET_DIRTY_LAST:
	 * whoever stops the guest has waited for them. */
	int (*settle)(void *user, struct ramjet_error *err);
};
#define RAMJET_DIRTY_OPS_INIT .size = sizeof(struct ramjet_dirty_ops)

/* Inside `collect` and `collect_part` only. Out-of-range marks are ignored and
 * reported. */
void ramjet_dirty_mark(struct ramjet_dirty_sink *sink, unsigned region,
		       uint64_t first_page, uint64_t page_count);
/* Bit i of words[] is page first_page + i; first_page a multiple of 64. */
void ramjet_dirty_mark_words(struct ramjet_dirty_sink *sink, unsigned region,
			     uint64_t first_page, const uint64_t *words,
			     size_t count);

/* `ops` is copied, `user` borrowed until ops->free. */
int ramjet_dirty_new(const struct ramjet_dirty_ops *ops, void *user,
		     struct ramjet_dirty_source **ret,
		     struct ramjet_error *err);

void ramjet_dirty_ops_init(struct ramjet_dirty_ops *o, size_t size);
#define ramjet_dirty_ops_init(o) ramjet_dirty_ops_init(o, sizeof *(o))

#ifdef __cplusplus
}
#endif
#endif
