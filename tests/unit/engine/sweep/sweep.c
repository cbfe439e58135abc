/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/sweep/sweep.h"

#include "tests/unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/compiler.h"

/* Steps of a row that a thinned sweep tries. */
#if defined(RJ_TSAN) || defined(__SANITIZE_ADDRESS__)
#define THINNED 2u
#else
#define THINNED 3u
#endif
/* For timeouts that are not to be met, on however busy a machine. */
#define PATIENCE_MS 60000u

static bool is_whole;
static uint64_t seed;

struct sweep {
	const struct sweep_row *row;
	struct course course;
	uint64_t steps; /* of an undisturbed migration */
	uint64_t at;    /* where the fault is */
	unsigned outcomes[COURSE_OUTCOMES_];
	uint64_t tried;
};

static void must(struct sweep *s, const char *when, const char *wrong)
{
	char text[1024];

	if (!wrong)
		return;
	(void)snprintf(text, sizeof(text), "%s", wrong);
	fail_msg("%s, step %llu%s: %s (%s)", s->row->name,
		 (unsigned long long)s->at, when, text,
		 course_ends(&s->course));
}

static void undisturbed(struct sweep *s)
{
	enum course_outcome outcome = COURSE_FAILED;
	const char *wrong;
	bool fired;

	s->course.patience_ms = PATIENCE_MS;
	fault_arm(s->row->place, s->row->kind, 0);
	course_run(&s->course);
	s->steps = fault_disarm(&fired);
	wrong = course_judge(&s->course, &outcome);
	if (!wrong && outcome != COURSE_COMPLETED)
		wrong = "it did not complete";
	must(s, ", the next migration", wrong);
}

/* False: there is no such step. */
static bool disturbed(struct sweep *s, uint64_t at)
{
	enum course_outcome outcome = COURSE_FAILED;
	const char *wrong;
	bool fired;

	s->at = at;
	s->course.patience_ms =
		s->row->patience_ms ? s->row->patience_ms : PATIENCE_MS;
	fault_arm(s->row->place, s->row->kind, at);
	course_run(&s->course);
	(void)fault_disarm(&fired);
	wrong = course_judge(&s->course, &outcome);
	if (!wrong && outcome != COURSE_COMPLETED &&
	    (s->row->is_harmless || !fired))
		wrong = "it did not complete";
	must(s, "", wrong);
	if (getenv("RAMJET_SWEEP_TELL"))
		print_message("# %s, step %llu: %s\n", s->row->name,
			      (unsigned long long)at, course_ends(&s->course));
	if (!fired)
		return false;
	s->outcomes[outcome]++;
	s->tried++;
	if (outcome != COURSE_COMPLETED)
		undisturbed(s);
	return true;
}

static void sweep(void **state)
{
	struct sweep *s = *state;
	const uint64_t steps = s->steps;
	const uint64_t every =
		is_whole || steps <= THINNED ? 1 : steps / THINNED;

	for (uint64_t at = 1 + seed % every; disturbed(s, at) || at <= s->steps;
	     at += every)
		;
	print_message("# %s: %llu steps, %llu tried: %u completed, %u failed, "
		      "%u unconfirmed\n",
		      s->row->name, (unsigned long long)steps,
		      (unsigned long long)s->tried,
		      s->outcomes[COURSE_COMPLETED], s->outcomes[COURSE_FAILED],
		      s->outcomes[COURSE_UNCONFIRMED]);
}

static int setup(void **state)
{
	struct sweep *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	s->row = *state;
	course_init(&s->course, s->row->shape);
	if (s->row->furnish)
		s->row->furnish(&s->course);
	course_warm_up(&s->course);
	*state = s;
	undisturbed(s);
	return 0;
}

static int teardown(void **state)
{
	struct sweep *s = *state;

	if (s->row->strip)
		s->row->strip(&s->course);
	course_done(&s->course);
	free(s);
	return 0;
}

int sweep_run(const char *name, const struct sweep_row *rows, size_t count)
{
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	const char *given = getenv("RAMJET_SWEEP_SEED");
	int failed;

	if (!tests)
		return 1;
	cmocka_set_test_filter(getenv("RAMJET_SWEEP_ONLY"));
	is_whole = getenv("RAMJET_SWEEP_WHOLE") != NULL;
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
	print_message("# seed %llu\n", (unsigned long long)seed);
	for (size_t i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){
			.name = rows[i].name,
			.test_func = sweep,
			.setup_func = setup,
			.teardown_func = teardown,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	failed = _cmocka_run_group_tests(name, tests, count, NULL, NULL);
	free(tests);
	return failed;
}
