/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_MORE_KINDS_H
#define RJ_TESTS_MORE_KINDS_H
/*
 * The engine with three more kinds of runs than it has: more_kinds.c stands in
 * for engine/page/run_kinds.c and engine/page/cut.c, and nothing else is
 * replaced. One for each way to say how long a payload is.
 */
#include "engine/page/run_table.h"

enum more_kinds {
	/* Every page is one word, over and over: that word of each. */
	MORE_WORD = 2,
	/* Page p is full of the word base + p: the base, for the whole run. */
	MORE_COUNTED = 3,
	/* Each page up to its last word that is not 0, behind their number.
	 * What is hardly shorter goes raw. */
	MORE_SHORT = 15,
};

/* Words of a page. */
#define MORE_WORDS (RAMJET_PAGE_BYTES / sizeof(uint64_t))
/* The bases look like this, so that cutting knows them. */
#define MORE_BASE UINT64_C(0xc0de000000000000)

/* Pages of each that were placed, by anyone. */
extern _Atomic uint64_t more_placed[RJ_RUN_KINDS];
/* Pages that were to be short, and go raw. */
extern _Atomic uint64_t more_given_up;
#endif
