/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dirty source that knows what the guest wrote, of either kind: asked as a
 * whole, or by parts that are armed first. It fails, takes its time, or keeps to
 * itself what it should have reported.
 */
#include "tests/unit/engine/sweep/course.h"

#include "ramjet-dirty.h"
#include "tests/unit/cmocka_all.h"
#include "tests/unit/engine/sweep/fault.h"

#include <errno.h>
#include <stdio.h>

#include "util/compiler.h"

/* *ret_lose: what is to be reported is not. */
static int begin(const char *what, bool *ret_lose, struct ramjet_error *err)
{
	const enum fault_kind kind = fault_step(FAULT_DIRTY);

	*ret_lose = kind == FAULT_LOSE;
	if (kind == FAULT_DELAY)
		fault_nap();
	if (kind != FAULT_ERROR)
		return 0;
	(void)snprintf(err->message, sizeof(err->message), "%s: told to fail",
		       what);
	return -EIO;
}

static void report(struct course *course, struct ramjet_dirty_sink *sink,
		   unsigned block, bool lose)
{
	const uint64_t words = atomic_exchange(&course->dirty[block], 0);

	if (!lose)
		ramjet_dirty_mark_words(sink, block, 0, &words, 1);
}

static int start(void *user, const struct ramjet_dirty_region *regions,
		 unsigned count, struct ramjet_error *err)
{
	bool lose;

	(void)user, (void)regions, (void)count;
	return begin("start", &lose, err);
}

/* What is written before it is asked is reported. */
static int collect(void *user, struct ramjet_dirty_sink *sink,
		   struct ramjet_error *err)
{
	struct course *course = user;
	bool lose;
	int rc;

	course_write(course);
	rc = begin("collect", &lose, err);
	if (rc)
		return rc;
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		report(course, sink, i, lose);
	course_collected(course);
	return 0;
}

static int rearm(void *user, unsigned region, uint64_t first_page,
		 const uint64_t *words, size_t count, struct ramjet_error *err)
{
	bool lose;

	(void)user, (void)region, (void)first_page, (void)words, (void)count;
	return begin("rearm", &lose, err);
}

static void stop(void *user)
{
	struct ramjet_error err;
	bool lose;

	(void)user;
	(void)begin("stop", &lose, &err);
}

static int collect_begin(void *user, uint32_t flags, struct ramjet_error *err)
{
	struct course *course = user;
	bool lose;
	int rc;

	(void)flags;
	course_write(course);
	rc = begin("collect_begin", &lose, err);
	if (!rc)
		course_collected(course);
	return rc;
}

static int collect_part(void *user, const struct ramjet_dirty_part *part,
			struct ramjet_dirty_sink *sink,
			struct ramjet_error *err)
{
	bool lose;
	const int rc = begin("collect_part", &lose, err);

	if (!rc)
		report(user, sink, part->region, lose);
	return rc;
}

static int arm(void *user, const struct ramjet_dirty_part *part,
	       struct ramjet_error *err)
{
	bool lose;

	(void)user, (void)part;
	return begin("arm", &lose, err);
}

static int settle(void *user, struct ramjet_error *err)
{
	bool lose;

	(void)user;
	return begin("settle", &lose, err);
}

void course_add_dirty(struct course *course)
{
	const struct ramjet_dirty_ops whole = {
		RAMJET_DIRTY_OPS_INIT, .name = "sweep", .start = start,
		.collect = collect,    .rearm = rearm,  .stop = stop,
	};
	const struct ramjet_dirty_ops parts = {
		RAMJET_DIRTY_OPS_INIT,
		.name = "sweep in parts",
		.start = start,
		.collect = collect,
		.rearm = rearm,
		.stop = stop,
		.collect_part = collect_part,
		.arm = arm,
		.collect_begin = collect_begin,
		.settle = settle,
	};
	struct ramjet_dirty_source *source = NULL;

	assert_int_equal(ramjet_dirty_new(course->shape == COURSE_PARTS
						  ? &parts
						  : &whole,
					  course, &source, NULL),
			 0);
	assert_int_equal(
		ramjet_guest_add_dirty_source(course->vms[COURSE_SOURCE].guest,
					      source, NULL),
		0);
}
