/* SPDX-License-Identifier: BSD-3-Clause */
/* Pages that are sent again go as what has changed in them; whole guests move so,
 * over everything, and what cannot be is refused. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "engine/page/delta_run.h"
#include "engine/page/delta_sum.h"
#include "engine/page/run_table.h"
#include "engine/page/zstd_version.h"
#include "engine/wire/bytes.h"
#include "tests/unit/engine/fake_source.h"

/* ---- whole guests -------------------------------------------------------- */

#define COLLECTS   6u
#define CHANGED    200u /* pages, in each round */
#define PAGE_WORDS (RAMJET_PAGE_BYTES / sizeof(uint64_t))

static unsigned collects;

/* A page of six stays as it is, one is all new, one is empty and full in turn,
 * and three change a little. */
RJ_GUEST_MEMORY static void change(uint64_t *words, unsigned page)
{
	const unsigned what = page % 6;

	if (what == 0)
		return;
	if (what > 2) {
		words[page % PAGE_WORDS] = collects * 1001 + page;
		return;
	}
	for (unsigned i = 0; i < PAGE_WORDS; i++)
		words[i] = what == 2 && collects % 3 == 0
				   ? 0
				   : collects * 77777 + i * i * 31 + page;
}

/* Some rounds, each of the same pages; then none, and it goes over. */
static uint64_t change_some(struct small_vm *vm)
{
	if (++collects > COLLECTS)
		return 0;
	for (unsigned page = 0; page < CHANGED; page++)
		change((uint64_t *)(void *)(vm->ram[0].host +
					    page * RAMJET_PAGE_BYTES),
		       page);
	if (collects == COLLECTS)
		(void)ramjet_switchover(move_handle(vm->user, vm));
	return CHANGED;
}

static void run(struct move *move, enum move_over over,
		const struct ramjet_memory_ops *source,
		const struct ramjet_memory_ops *target, uint32_t deltas)
{
	struct small_vm_options there = move_machine, here = move_machine;

	here.dirty = VM_DIRTY_SCRIPT;
	here.memory = source;
	there.memory = target;
	move_init_two(move, &here, &there);
	move->source.dirt = change_some;
	move->source.user = move;
	move->source_params.hold = true;
	/* That reads. */
	move->source_params.verify = !target || target->read;
	move->source_params.deltas = deltas;
	move->source_params.delta_cache_bytes = 0;
	/* With the others in groups, on every other kind of connection. */
	if (over % 2 && rj_zstd_version())
		move->source_params.compression = RAMJET_COMPRESSION_ZSTD;
	/* Else pages leave too fast for deltas. */
	move->source_params.bandwidth_bytes_per_s = 40u << 20;
	if (over == MOVE_UNIX || over == MOVE_TCP)
		move->source_params.channels = 3;
	/* Few, if nothing is to come of it. */
	collects = deltas == RAMJET_DELTAS_OFF ? COLLECTS - 2 : 0;
	move_begin(move, over);
	move_await(move);
	move_expect_done(move);
	assert_int_equal(move->target_info->verified,
			 move->source_params.verify);
	small_vm_expect_equal(&move->source, &move->target);
	assert_int_equal(move->info->ram_delta_pages,
			 move->target_info->ram_delta_pages);
}

static const char *path_of(const struct move *move)
{
	for (size_t i = 0; i < move->info->fast_path_count; i++)
		if (!strcmp(move->info->fast_paths[i].name, "deltas"))
			return move->info->fast_paths[i].chosen;
	return "";
}

/* Two rounds go by before there is anything to build on. Where there are several
 * lanes, rounds may begin while one of them is in the one before, and then there
 * is nothing either. */
static void expect_deltas(const struct move *move)
{
	assert_in_range(move->info->ram_delta_pages,
			move->source_params.channels > 1 ? 1 : CHANGED,
			COLLECTS * CHANGED);
}

static void what_is_sent_again_goes_as_what_has_changed(void **state)
{
	struct move *move = *state;

	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++) {
		run(move, over, NULL, NULL, RAMJET_DELTAS_AUTO);
		assert_string_equal(path_of(move), "on");
		expect_deltas(move);
		move_done(move);
	}
}

static void what_is_not_mapped_does_so_too(void **state)
{
	const struct ramjet_memory_ops *ops = &ops_memory_ops;
	struct move *move = *state;

	for (unsigned i = 0; i < 2; i++) {
		run(move, i ? MOVE_PIPE : MOVE_UNIX, ops, ops,
		    RAMJET_DELTAS_AUTO);
		expect_deltas(move);
		move_done(move);
	}
}

static void none_go_if_they_are_not_wanted(void **state)
{
	struct move *move = *state;

	run(move, MOVE_UNIX, NULL, NULL, RAMJET_DELTAS_OFF);
	assert_int_equal(move->info->ram_delta_pages, 0);
	assert_string_equal(path_of(move), "none");
}

/* The target asks for none. */
static void none_go_where_nothing_is_read(void **state)
{
	struct ramjet_memory_ops written = ops_memory_ops;
	struct move *move = *state;

	written.read = NULL;
	run(move, MOVE_UNIX, NULL, &written, RAMJET_DELTAS_AUTO);
	assert_int_equal(move->info->ram_delta_pages, 0);
	assert_string_equal(path_of(move), "none");
}

static void a_guest_that_writes_meanwhile_arrives_whole(void **state)
{
	struct small_vm_options is = move_machine;
	struct move *move = *state;

	is.dirty = VM_DIRTY_SHARED;
	for (unsigned i = 0; i < 4; i++) {
		move_init(move, &is);
		move->source_params.channels = i % 2 ? 4 : 1;
		move->source_params.delta_cache_bytes = i < 2 ? 0 : 300000;
		move_begin(move, i % 2 ? MOVE_TCP : MOVE_PIPE);
		move_await(move);
		move_expect_done(move);
		assert_true(move->target_info->verified);
		move_done(move);
	}
}

/* ---- a source that is not as it should be -------------------------------- */

static uint8_t payload[3 * RAMJET_PAGE_BYTES];

/* Page 0 has come; now a run, in the same round. */
static void send_run(struct fake_source *s, struct rj_wire_run run,
		     uint32_t bytes, const char *part)
{
	struct rj_frame frame = { .type = RJ_FRAME_PAGES,
				  .run_count = bytes ? 2 : 1,
				  .payload_bytes = bytes };
	uint8_t table[2 * RJ_RUN_BYTES];
	char place[64];

	rj_run_encode(&run, table);
	rj_run_encode_told(run.kind, bytes, table + RJ_RUN_BYTES);
	fake_source_begin(s);
	fake_source_reach(s, STEP_ACTIVE);
	(void)fake_source_place(s, false, place);
	(void)fake_source_pages(s, &frame, table, payload);
	/* The next header is taken with the payload. */
	(void)fake_source_one_page(s, 1);
	fake_source_expect_refused(s, STEP_ACTIVE, -EPROTO, place);
	move_expect_error(&s->move.target_err, -EPROTO, part);
	/* Page 0 is as it came, and nothing else was written. */
	assert_memory_equal(s->move.target.ram[0].host, fake_source_page,
			    RAMJET_PAGE_BYTES);
	fake_source_expect_clean(s);
	fake_source_done(s);
}

/* One delta of page 0, from a base with this sum, or so. */
static void send_delta(struct fake_source *s, uint64_t flaw,
		       const uint8_t *coded, uint32_t bytes, const char *part)
{
	rj_delta_run_head(payload, rj_delta_sum(fake_source_page) ^ flaw,
			  bytes);
	memcpy(payload + RJ_DELTA_HEAD_BYTES, coded, bytes);
	send_run(s, (struct rj_wire_run){ 0, 1, RJ_RUN_DELTA },
		 RJ_DELTA_HEAD_BYTES + bytes, part);
}

static void another_base_is_refused(void **state)
{
	const uint8_t coded[] = { RJ_DELTA_RUNS, 5, 1, 9 };

	send_delta(*state, 1, coded, sizeof(coded),
		   "block ram0, page 0: delta: builds on a copy with sum ");
}

static void what_no_encoder_made_is_refused(void **state)
{
	const uint8_t beyond[] = { RJ_DELTA_RUNS, 0x8f, 0xff, 2, 9, 9 };
	const uint8_t zstd[] = { RJ_DELTA_ZSTD, 0x28, 0xb5, 0x2f, 0xfd, 0, 0 };
	const uint8_t other[] = { 9, 9 };

	send_delta(*state, 0, beyond, sizeof(beyond),
		   "block ram0, page 0: delta: 2 bytes at 4095");
	send_delta(*state, 0, zstd, sizeof(zstd),
		   "block ram0, page 0: delta: ");
	send_delta(*state, 0, other, sizeof(other), "unknown way, 9");
}

static void lengths_that_do_not_fit_are_refused(void **state)
{
	const struct rj_wire_run run = { 0, 1, RJ_RUN_DELTA };
	const char *ends = "ends in it, or it is too long";

	rj_put16(payload, 4097);
	send_run(*state, run, 4000, ends);
	rj_put16(payload, 100);
	send_run(*state, run, 109, ends);
	send_run(*state, run, 1, ends);
	send_run(*state, run, 111, "deltas: 1 bytes after those of 1 pages");
	rj_put16(payload, 4096);
	send_run(*state, run, 4096, ends);
	rj_put16(payload, 0);
	send_run(*state, run, 3, "deltas: 1 bytes after those of 1 pages");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(what_is_sent_again_goes_as_what_has_changed),
		MOVE_TEST(what_is_not_mapped_does_so_too),
		MOVE_TEST(none_go_if_they_are_not_wanted),
		MOVE_TEST(none_go_where_nothing_is_read),
		MOVE_TEST(a_guest_that_writes_meanwhile_arrives_whole),
		FAKE_SOURCE_TEST(another_base_is_refused),
		FAKE_SOURCE_TEST(what_no_encoder_made_is_refused),
		FAKE_SOURCE_TEST(lengths_that_do_not_fit_are_refused),
	};

	return cmocka_run_group_tests_name("deltas", tests, NULL, NULL);
}
