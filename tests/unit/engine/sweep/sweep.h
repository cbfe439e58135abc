/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SWEEP_H
#define RJ_TESTS_SWEEP_H
/*
 * Every fault of a table at every step of a short migration: afterwards each side
 * is in a legal state, nothing is left behind, and the same guests move
 * undisturbed (judge.c says what that is). Only some steps of each, evenly, unless
 * RAMJET_SWEEP_WHOLE is set; which ones depends on a seed, which is printed, and
 * taken from RAMJET_SWEEP_SEED. With RAMJET_SWEEP_TELL each end is printed, and
 * RAMJET_SWEEP_ONLY is a pattern of the rows' names.
 */
#include "tests/unit/engine/sweep/course.h"
#include "tests/unit/engine/sweep/fault.h"

struct sweep_row {
	const char *name;
	enum fault_place place;
	enum fault_kind kind;
	enum course_shape shape;
	bool is_harmless;     /* the migration completes all the same */
	uint32_t patience_ms; /* of timeouts; 0: more than is needed */
	/* What else the guests have, and its end; NULL: nothing. */
	void (*furnish)(struct course *course);
	void (*strip)(struct course *course);
};

/* For main(): one test a row. */
int sweep_run(const char *name, const struct sweep_row *rows, size_t count);
#endif
