/* SPDX-License-Identifier: BSD-3-Clause */
/* What must be true after any fault. */
#include "tests/unit/engine/sweep/course.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "util/compiler.h"

/* A thread that has been joined counts for a moment more. */
#define SETTLE_TRIES 10000u
#define SETTLE_NS    1000000

static unsigned count_entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		count++;
	(void)closedir(dir);
	return count;
}

void course_note_residue(struct course *course)
{
	course->threads = count_entries("/proc/self/task");
	course->fds = count_entries("/proc/self/fd");
}

RJ_PRINTF(2, 3)
static const char *problem(struct course *course, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(course->problem, sizeof(course->problem), format, args);
	va_end(args);
	return course->problem;
}

/* ---- what is left behind ------------------------------------------------------ */

static const char *judge_residue(struct course *course)
{
	const struct timespec nap = { .tv_nsec = SETTLE_NS };
	unsigned threads = 0, fds = 0;

	for (unsigned i = 0; i < SETTLE_TRIES; i++) {
		threads = count_entries("/proc/self/task");
		fds = count_entries("/proc/self/fd");
		if (threads == course->threads && fds == course->fds)
			return NULL;
		(void)nanosleep(&nap, NULL);
	}
	return problem(course, "%d threads and %d descriptors more than before",
		       (int)(threads - course->threads),
		       (int)(fds - course->fds));
}

/* ---- who runs ------------------------------------------------------------------ */

static bool runs(const struct course *course, enum course_side side)
{
	return atomic_load(&course->vms[side].running);
}

static bool is_bad_end(const struct course_end *end)
{
	return end->state == RAMJET_STATE_NONE ||
	       end->state == RAMJET_STATE_FAILED ||
	       end->state == RAMJET_STATE_CANCELLED;
}

/* Nobody has handed anything over. */
static const char *judge_failed(struct course *course)
{
	if (!is_bad_end(&course->ends[COURSE_TARGET]))
		return problem(course, "one side has failed alone");
	if (!runs(course, COURSE_SOURCE))
		return problem(course, "the source's guest stands still");
	if (runs(course, COURSE_TARGET) ||
	    small_vm_calls(&course->vms[COURSE_TARGET], VM_START))
		return problem(course, "the target's guest was started");
	return NULL;
}

static const char *judge_handed_over(struct course *course)
{
	const enum ramjet_state source = course->ends[COURSE_SOURCE].state;
	const enum ramjet_state target = course->ends[COURSE_TARGET].state;

	if (runs(course, COURSE_SOURCE) ||
	    small_vm_calls(&course->vms[COURSE_SOURCE], VM_START))
		return problem(course, "the source's guest runs, too");
	if (target == RAMJET_STATE_COMPLETED)
		return runs(course, COURSE_TARGET)
			       ? NULL
			       : problem(course, "nobody's guest runs");
	if (source == RAMJET_STATE_COMPLETED)
		return problem(course, "the target does not know it has it");
	if (!is_bad_end(&course->ends[COURSE_TARGET]))
		return problem(course, "the target has not ended");
	return runs(course, COURSE_TARGET)
		       ? problem(course, "a failed target's guest runs")
		       : NULL;
}

static const char *judge_roles(struct course *course, enum course_outcome *ret)
{
	const struct course_end *source = &course->ends[COURSE_SOURCE];

	if (is_bad_end(source)) {
		*ret = COURSE_FAILED;
		return judge_failed(course);
	}
	if (source->state == RAMJET_STATE_COMPLETED)
		*ret = COURSE_COMPLETED;
	else if (source->state == RAMJET_STATE_UNCONFIRMED)
		*ret = COURSE_UNCONFIRMED;
	else
		return problem(course, "the source has not ended");
	return judge_handed_over(course);
}

/* ---- memory ---------------------------------------------------------------------- */

static const char *compare(struct course *course, enum course_side side)
{
	const struct small_vm *vm = &course->vms[side];

	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		for (uint64_t at = 0; at < vm->is.bytes[i];
		     at += RAMJET_PAGE_BYTES)
			if (memcmp(vm->ram[i].host + at,
				   course->written[i] + at, RAMJET_PAGE_BYTES))
				return problem(
					course,
					"the %s's block %u is not what the "
					"guest wrote at %llu",
					vm->is.name, i, (unsigned long long)at);
	return NULL;
}

static const char *judge_memory(struct course *course)
{
	const char *wrong = compare(course, COURSE_SOURCE);

	if (!wrong && runs(course, COURSE_TARGET))
		wrong = compare(course, COURSE_TARGET);
	for (unsigned i = 0; !wrong && i < COURSE_SIDES_; i++) {
		const struct small_vm *vm = &course->vms[i];

		for (unsigned b = 0; b < SMALL_VM_BLOCKS; b++)
			if (!guarded_is_intact(&vm->ram[b]))
				return problem(course,
					       "the %s's memory was left",
					       vm->is.name);
	}
	return wrong;
}

/* ---- what was told ----------------------------------------------------------------- */

static const char *judge_told(struct course *course, enum course_side side)
{
	const struct course_end *end = &course->ends[side];
	const struct small_vm *vm = &course->vms[side];
	const bool is_good = end->state == RAMJET_STATE_COMPLETED;

	if (end->state == RAMJET_STATE_NONE && !end->rc)
		return NULL; /* never asked */
	if (is_good != !end->rc)
		return problem(course, "the %s: %s, but %d", vm->is.name,
			       ramjet_state_name(end->state), end->rc);
	/* "where: what happened" */
	if (!is_good &&
	    (end->err.code != end->rc || !strstr(end->err.message, ": ")))
		return problem(course, "the %s's error names nothing",
			       vm->is.name);
	if (vm->chain_is_broken || vm->error_is_wrong)
		return problem(course, "the %s's notifier was told wrong",
			       vm->is.name);
	if (vm->state_count && vm->states[vm->state_count - 1] != end->state)
		return problem(course, "the %s's notifier missed the end",
			       vm->is.name);
	if (atomic_load(&vm->both_ran))
		return problem(course, "both guests ran");
	if (atomic_load(&vm->state_is_wrong))
		return problem(course, "the %s was given wrong device state",
			       vm->is.name);
	return NULL;
}

const char *course_judge(struct course *course, enum course_outcome *ret)
{
	const char *wrong = judge_roles(course, ret);

	if (!wrong)
		wrong = judge_memory(course);
	for (unsigned i = 0; !wrong && i < COURSE_SIDES_; i++)
		wrong = judge_told(course, i);
	return wrong ? wrong : judge_residue(course);
}

const char *course_ends(struct course *course)
{
	const struct course_end *ends = course->ends;

	return problem(course, "source %s: %s; target %s: %s",
		       ramjet_state_name(ends[COURSE_SOURCE].state),
		       ends[COURSE_SOURCE].err.message,
		       ramjet_state_name(ends[COURSE_TARGET].state),
		       ends[COURSE_TARGET].err.message);
}
