/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PAGE_GROUP_H
#define RJ_ENGINE_PAGE_GROUP_H
/*
 * Pages that were compressed together, at the target: the run that begins a group
 * has the payload, those that join it say where more of its pages go. All are
 * among the codec's pieces, in the table's order, with others between them; the
 * table was found right: no group is larger than it may be.
 */
#include "engine/page/codec.h"

/* That of piece `first`, which begins it: is it what may be decoded? */
RJ_NODISCARD int rj_group_check(const struct rj_page_codec *codec,
				unsigned first, struct ramjet_error *err);
/* Decode it to where its pages are, or write them there. It was checked; what its
 * blocks hold may still turn out to be nothing that zstd has made: then its
 * pages may hold anything, and nothing else was written. */
RJ_NODISCARD int rj_group_place(struct rj_page_codec *codec, unsigned first,
				struct ramjet_error *err);
#endif
