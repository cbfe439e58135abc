/* SPDX-License-Identifier: BSD-3-Clause */
/* Only on the CPUs that the VMM leaves to it; the VMM's own calls as before. */
#include "tests/unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/engine/move.h"
#include "util/cpu_set.h"

static struct rj_cpus all;
static uint32_t first; /* of them */

/* Asserted when all is over: these run on ramjet's threads. */
static unsigned confined, astray, calls, calls_astray;

static bool is_only(const struct rj_cpus *cpus, unsigned cpu)
{
	return rj_cpus_has(cpus, cpu) &&
	       CPU_COUNT_S(sizeof(*cpus), cpus->sets) == 1;
}

static bool is_ours(const char *tid)
{
	char path[300], name[32] = "";
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%s/comm", tid);
	file = fopen(path, "re");
	if (!file)
		return false;
	(void)!fgets(name, sizeof(name), file);
	(void)fclose(file);
	return !strncmp(name, "rj/", 3);
}

static void look_at(const char *tid)
{
	struct rj_cpus cpus = { 0 };
	const int id = (int)strtol(tid, NULL, 10);

	if (id <= 0 || id == gettid() || !is_ours(tid) ||
	    sched_getaffinity(id, sizeof(cpus), cpus.sets))
		return;
	if (is_only(&cpus, first))
		confined++;
	else
		astray++;
}

static void look(struct small_vm *vm, enum vm_call call)
{
	struct rj_cpus cpus;
	struct dirent *entry;
	DIR *tasks;

	(void)vm;
	calls++;
	if (rj_cpus_allowed(&cpus) || memcmp(&cpus, &all, sizeof(all)))
		calls_astray++;
	tasks = call == VM_SAVE ? opendir("/proc/self/task") : NULL;
	while (tasks && (entry = readdir(tasks)))
		look_at(entry->d_name);
	if (tasks)
		(void)closedir(tasks);
}

static bool has_several(void)
{
	assert_int_equal(rj_cpus_allowed(&all), 0);
	for (first = 0; !rj_cpus_has(&all, first);)
		first++;
	return CPU_COUNT_S(sizeof(all), all.sets) > 1;
}

static void all_threads_keep_to_them(void **state)
{
	struct move *move = *state;

	if (!has_several()) {
		printf("# skipped: one CPU only\n");
		skip();
	}
	move_init(move, &move_machine);
	move->source.on_call = move->target.on_call = look;
	move->source_params.channels = 3;
	move->source_params.cpus = move->target_params.cpus = &first;
	move->source_params.cpu_count = move->target_params.cpu_count = 1;
	move_begin(move, MOVE_TCP);
	move_await(move);
	move_expect_done(move);
	/* Three workers a side, and the target's control thread. */
	assert_true(confined >= 7);
	assert_int_equal(astray, 0);
	assert_true(calls >= 4);
	assert_int_equal(calls_astray, 0);
}

static void refuse(struct move *move, const uint32_t *cpus, size_t count,
		   const char *text)
{
	struct ramjet_migration *migration = NULL;
	struct ramjet_params params = { RAMJET_PARAMS_INIT, .cpus = cpus,
					.cpu_count = count };
	struct ramjet_error err;
	struct rj_cpus now;

	assert_int_equal(ramjet_incoming(move->target.guest, "tcp:127.0.0.1:0",
					 &params, &migration, &err),
			 -EINVAL);
	move_expect_error(&err, -EINVAL, text);
	assert_null(migration);
	assert_int_equal(rj_cpus_allowed(&now), 0);
	assert_memory_equal(&now, &all, sizeof(all));
}

static void what_cannot_be_used_is_named(void **state)
{
	struct move *move = *state;
	uint32_t cpus[3] = { 8190, 0, 8191 };

	(void)has_several();
	cpus[1] = first;
	move_init(move, &move_machine);
	refuse(move, cpus, 3, "cpus: 8190, 8191: offline, or not for this");
	refuse(move, cpus, 1, "cpus: 8190: offline");
	refuse(move, cpus, 0, "cpus: none given");
	refuse(move, NULL, 1, "cpus: none given");
	cpus[0] = RJ_CPUS_MAX;
	refuse(move, cpus, 3, "cpus: 8192, wanted less than 8192");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(all_threads_keep_to_them),
		MOVE_TEST(what_cannot_be_used_is_named),
	};

	return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
