/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/sweep/course.h"

#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/engine/sweep/fault.h"
#include "util/compiler.h"

#define PATIENCE_MS  20000u
#define HANGS_MS     120000
#define WRITES       5u /* pages between two collects */
#define COLLECTS     3u /* while the guest runs */
#define PAUSE_US     20000000
#define STATE_BYTES  3000u
#define BLOCK0_PAGES 40u
#define BLOCK1_PAGES 9u

static uint64_t page_count(unsigned block)
{
	return block ? BLOCK1_PAGES : BLOCK0_PAGES;
}

static uint64_t byte_count(unsigned block)
{
	return page_count(block) * RAMJET_PAGE_BYTES;
}

/* ---- what the guest does --------------------------------------------------- */

/* A word of a page that workers may be reading. */
RJ_GUEST_MEMORY static void write_word(struct course *course, unsigned block,
				       uint64_t page, uint64_t x)
{
	const uint64_t at = page * (RAMJET_PAGE_BYTES / 8) + x % 512;
	volatile uint64_t *words =
		(void *)course->vms[COURSE_SOURCE].ram[block].host;

	words[at] = x;
	memcpy(course->written[block] + at * 8, &x, 8);
}

void course_write(struct course *course)
{
	if (!atomic_load(&course->vms[COURSE_SOURCE].running))
		return;
	for (unsigned i = 0; i < WRITES; i++) {
		const uint64_t x =
			++course->writes * UINT64_C(0x9e3779b97f4a7c15);
		const unsigned block = i == WRITES - 1;
		const uint64_t page = (x >> 40) % page_count(block);

		write_word(course, block, page, x);
		atomic_fetch_or(&course->dirty[block], UINT64_C(1) << page);
	}
}

/* ---- its life ---------------------------------------------------------------- */

static void vm_init(struct course *course, enum course_side side)
{
	const struct small_vm_options is = {
		.name = side == COURSE_SOURCE ? "source" : "target",
		.bytes = { byte_count(0), byte_count(1) },
		.state_bytes = STATE_BYTES,
		.memory = course->shape == COURSE_REMOTE ? &faulty_memory_ops
							 : NULL,
	};
	struct small_vm *vm = &course->vms[side];

	small_vm_init(vm, &is);
	vm->other = &course->vms[!side];
	vm->user = course;
	vm->on_call = faulty_guest_call;
}

void course_init(struct course *course, enum course_shape shape)
{
	memset(course, 0, sizeof(*course));
	course->shape = shape;
	course->patience_ms = PATIENCE_MS;
	(void)snprintf(course->folder, sizeof(course->folder),
		       "/tmp/ramjet-sweep-XXXXXX");
	assert_non_null(mkdtemp(course->folder));
	for (unsigned i = 0; i < COURSE_SIDES_; i++)
		vm_init(course, i);
	course_add_dirty(course);
	small_vm_fill(&course->vms[COURSE_SOURCE], 1);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++) {
		course->written[i] = malloc(byte_count(i));
		assert_non_null(course->written[i]);
		memcpy(course->written[i],
		       course->vms[COURSE_SOURCE].ram[i].host, byte_count(i));
	}
}

/*
 * ThreadSanitizer asks a process what a function's name is, to find out whether a
 * report is to be suppressed, and keeps the pipes to it.
 */
#ifdef RJ_TSAN
void __sanitizer_symbolize_pc(void *at, const char *format, char *text,
			      size_t size);

static void start_symbolizer(void)
{
	char text[64];

	__sanitizer_symbolize_pc(__builtin_return_address(0), "%f", text,
				 sizeof(text));
}
#else
static void start_symbolizer(void)
{
}
#endif

void course_warm_up(struct course *course)
{
	static bool is_warm;

	if (!is_warm) {
		start_symbolizer();
		course_run(course);
	}
	is_warm = true;
	course_note_residue(course);
}

void course_done(struct course *course)
{
	for (unsigned i = 0; i < COURSE_SIDES_; i++)
		small_vm_done(&course->vms[i]);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		free(course->written[i]);
	assert_int_equal(rmdir(course->folder), 0);
}

static void vm_prepare(struct small_vm *vm)
{
	small_vm_power_off(vm);
	vm->state_count = 0;
	memset(vm->fails, 0, sizeof(vm->fails));
	for (unsigned i = 0; i < VM_CALL_COUNT_; i++)
		atomic_store(&vm->calls[i], 0);
}

void course_prepare(struct course *course)
{
	for (unsigned i = 0; i < COURSE_SIDES_; i++) {
		vm_prepare(&course->vms[i]);
		course->ends[i] = (struct course_end){ 0 };
	}
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		atomic_store(&course->dirty[i], 0);
	course->collects = 0;
	course->problem[0] = '\0';
	small_vm_fill(&course->vms[COURSE_TARGET], 100 + course->writes);
	small_vm_power_on(&course->vms[COURSE_SOURCE]);
}

/* ---- the migration ------------------------------------------------------------- */

static struct ramjet_params params_of(const struct course *course)
{
	struct ramjet_params params = { RAMJET_PARAMS_INIT };

	params.channels = 2;
	params.verify = true;
	/* Rounds follow one another until any pause will do. */
	params.downtime_limit_us = course->collects < COLLECTS ? 1 : PAUSE_US;
	params.switchover_bandwidth_bytes_per_s = 1u << 30;
	params.connect_timeout_ms = course->patience_ms;
	params.reply_timeout_ms = course->patience_ms;
	params.stall_timeout_ms = course->patience_ms;
	params.total_timeout_ms = 2 * course->patience_ms;
	params.switchover_timeout_us = course->patience_ms * UINT64_C(1000);
	return params;
}

void course_collected(struct course *course)
{
	struct ramjet_params params;

	if (++course->collects != COLLECTS)
		return;
	params = params_of(course);
	(void)ramjet_set_params(course->migrations[COURSE_SOURCE], &params,
				NULL);
}

static int begin(struct course *course, enum course_side side)
{
	const struct ramjet_params params = params_of(course);
	struct course_end *end = &course->ends[side];
	struct ramjet_migration **ret = &course->migrations[side];
	struct ramjet_guest *guest = course->vms[side].guest;
	char uri[128];

	(void)snprintf(uri, sizeof(uri), "unix:%s/socket", course->folder);
	fault_enter();
	end->rc =
		side == COURSE_SOURCE
			? ramjet_migrate(guest, uri, &params, ret, &end->err)
			: ramjet_incoming(guest, uri, &params, ret, &end->err);
	fault_leave();
	return end->rc;
}

static void await(struct course *course, enum course_side side)
{
	struct course_end *end = &course->ends[side];

	end->rc = ramjet_wait(course->migrations[side], HANGS_MS, &end->err);
	end->state = ramjet_migration_state(course->migrations[side]);
}

static void end(struct course *course, enum course_side side)
{
	struct ramjet_info *info = NULL;

	fault_enter();
	if (!ramjet_info(course->migrations[side], &info))
		ramjet_info_free(info);
	ramjet_migration_free(course->migrations[side]);
	fault_leave();
	course->migrations[side] = NULL;
}

void course_run(struct course *course)
{
	bool has_source;

	course_prepare(course);
	if (begin(course, COURSE_TARGET))
		return;
	has_source = !begin(course, COURSE_SOURCE);
	if (has_source)
		await(course, COURSE_SOURCE);
	/* A source that never got there leaves a target that waits for one. */
	if (course->ends[COURSE_SOURCE].rc &&
	    ramjet_migration_state(course->migrations[COURSE_TARGET]) <=
		    RAMJET_STATE_SETUP)
		(void)ramjet_cancel(course->migrations[COURSE_TARGET]);
	await(course, COURSE_TARGET);
	if (has_source)
		end(course, COURSE_SOURCE);
	end(course, COURSE_TARGET);
}
