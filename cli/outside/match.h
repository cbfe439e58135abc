/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OUTSIDE_MATCH_H
#define RJ_CLI_OUTSIDE_MATCH_H
/*
 * Which block of the target's QEMU is which of the source's. Nothing here knows
 * a process: what is known of the blocks of either side is compared.
 *
 * By name, and what has no partner of its name by its size, where both sides
 * have one such block only: main memory is called "pc.ram", or as its back end.
 * The sizes that are used must be equal.
 *
 * Where a side does not know in which of several mappings a block lies, it
 * has digests of what is in them. Such a pair is never written, since that would
 * be a guess; it is fine if both sides have the same content already, as the
 * ROMs of the same machine do.
 */
#include <stddef.h>
#include <stdint.h>

#include "ramjet.h"
#include "util/compiler.h"

/* Of a description that comes from outside. Chosen: QEMU's blocks are some ten,
 * with a DIMM or a card's memory each. */
#define RJ_QEMU_PARTS_MAX 512u
/* Mappings that a block may be. Chosen: two to four are usual. */
#define RJ_QEMU_DIGESTS_MAX 16u

struct rj_qemu_digest {
	uint64_t low, high;
};

/* A block of one side. */
struct rj_qemu_part {
	char name[256]; /* QEMU's */
	char wire[64];  /* the source's: ramjet's; unique */
	uint64_t bytes; /* that are used */
	uint64_t bytes_max;
	bool known; /* it is known where it lies */
	/* What is in it, or in those that may be it; 0: it is known and large. */
	struct rj_qemu_digest digests[RJ_QEMU_DIGESTS_MAX];
	unsigned digest_count;
};

struct rj_qemu_parts {
	struct rj_qemu_part *list; /* malloc()ed */
	size_t count;
};
void rj_qemu_parts_done(struct rj_qemu_parts *parts);
/* Where all of them lie is known: nothing is compared only. */
bool rj_qemu_parts_are_known(const struct rj_qemu_parts *parts);

struct rj_qemu_pair {
	size_t target; /* index of the target's part */
	bool is_moved; /* else it has the same content, and is left alone */
};

/*
 * pairs: one for each of the source's parts. -EINVAL, naming the block and
 * both sides' figures: the two don't fit.
 */
RJ_NODISCARD int rj_qemu_match(const struct rj_qemu_parts *source,
			       const struct rj_qemu_parts *target,
			       struct rj_qemu_pair *pairs,
			       struct ramjet_error *err);
/* -ESTALE, naming it: what is in a part that is not moved has changed. */
RJ_NODISCARD int rj_qemu_parts_unchanged(const struct rj_qemu_parts *before,
					 const struct rj_qemu_parts *now,
					 struct ramjet_error *err);
#endif
