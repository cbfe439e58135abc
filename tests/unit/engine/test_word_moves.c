/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole guests move of which many pages are one word, over and over. */
#include "tests/unit/cmocka_all.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/unit/engine/move.h"
#include "util/compiler.h"

#define WORDS (RAMJET_PAGE_BYTES / 8u)

/* As a guest does it: while it is moved, pages are read meanwhile. */
RJ_GUEST_MEMORY static void put(uint8_t *page, unsigned from, unsigned to,
				uint64_t word)
{
	volatile uint64_t *words = (volatile uint64_t *)(void *)page;

	for (unsigned i = from; i < to; i++)
		words[i] = word;
}

static uint64_t page_count(const struct guarded *ram)
{
	return ram->bytes / RAMJET_PAGE_BYTES;
}

/* Runs of one word, runs of others, and between them some that only begin as
 * one. Returns how many are not one word. */
static uint64_t write_words(const struct guarded *ram)
{
	const uint64_t pages = page_count(ram);
	uint64_t others = 0;
	unsigned last;

	for (uint64_t i = 0; i < pages; i++) {
		uint8_t *page = ram->host + i * RAMJET_PAGE_BYTES;
		const uint64_t word =
			i % 64 < 32 ? UINT64_MAX << i / 64 : i + 1;

		put(page, 0, WORDS, word);
		if (i % 64 < 60)
			continue;
		last = WORDS - (unsigned)(i % 200);
		put(page, last - 1, last, ~word);
		others++;
	}
	return others;
}

static void fill(struct move *move, const struct ramjet_memory_ops *source,
		 const struct ramjet_memory_ops *target, enum vm_dirty dirty)
{
	struct small_vm_options from = move_machine, to = move_machine;

	from.memory = source;
	from.dirty = dirty;
	to.memory = target;
	move_init_two(move, &from, &to);
	small_vm_power_off(&move->source);
}

static void begin(struct move *move, enum move_over over)
{
	small_vm_power_on(&move->source);
	if (over == MOVE_UNIX || over == MOVE_TCP)
		move->source_params.channels = 2;
	move_begin(move, over);
}

static void end(struct move *move)
{
	move_await(move);
	move_expect_done(move);
	assert_true(move->target_info->verified);
	small_vm_expect_equal(&move->source, &move->target);
	for (unsigned i = 0; i < SMALL_VM_BLOCKS; i++)
		assert_false(atomic_load(&move->target.own[i].is_wrong));
}

static void words_take_no_payload(void **state)
{
	struct move *move = *state;
	uint64_t others = 0;

	for (unsigned over = 0; over < MOVE_OVER_COUNT_; over++) {
		/* Mapped or not, at either end. */
		fill(move, over & 1 ? &ops_memory_ops : NULL,
		     over & 2 ? &ops_memory_ops : NULL, VM_DIRTY_NONE);
		others = write_words(&move->source.ram[0]) +
			 write_words(&move->source.ram[1]);
		begin(move, (enum move_over)over);
		end(move);
		assert_int_equal(move->info->ram_normal_pages, others);
		assert_int_equal(move->info->ram_transferred_bytes,
				 others * RAMJET_PAGE_BYTES);
		assert_int_equal(move->target_info->ram_transferred_bytes,
				 others * RAMJET_PAGE_BYTES);
		move_done(move);
	}
}

/* A thread of the guest's that fills pages with words, as it runs. */
struct filler {
	const struct guarded *ram;
	pthread_t thread;
	atomic_bool ends;
	_Atomic uint64_t filled;
};

static void *filler_thread(void *arg)
{
	struct filler *f = arg;
	const uint64_t pages = page_count(f->ram);
	uint64_t n = 0;

	while (!atomic_load(&f->ends)) {
		uint8_t *page =
			f->ram->host + n * 7 % pages * RAMJET_PAGE_BYTES;
		/* Often the word that the page beside it has, too. */
		const uint64_t word = n / pages % 3 ? n / pages : 0;

		put(page, 0, n % 5 ? WORDS : WORDS / 2, word);
		n++;
		if (n % 64 == 0)
			(void)sched_yield();
		atomic_store(&f->filled, n);
	}
	return NULL;
}

static void stop_filler(struct small_vm *vm, enum vm_call call)
{
	struct filler *f = vm->user;

	if (call == VM_STOP && !atomic_exchange(&f->ends, true))
		(void)pthread_join(f->thread, NULL);
}

static void a_guest_that_fills_pages_meanwhile_arrives_whole(void **state)
{
	static const enum move_over overs[] = { MOVE_TCP, MOVE_UNIX,
						MOVE_PIPE };
	struct move *move = *state;

	for (unsigned i = 0; i < RJ_ARRAY_SIZE(overs); i++) {
		struct filler filler = { 0 };

		fill(move, NULL, i == 1 ? &ops_memory_ops : NULL,
		     VM_DIRTY_PAGEMAP);
		(void)write_words(&move->source.ram[1]);
		filler.ram = &move->source.ram[0];
		move->source.user = &filler;
		move->source.on_call = stop_filler;
		move->source_params.bandwidth_bytes_per_s = 60000000;
		assert_int_equal(pthread_create(&filler.thread, NULL,
						filler_thread, &filler),
				 0);
		begin(move, overs[i]);
		end(move);
		print_message("# %llu pages filled, %llu rounds\n",
			      (unsigned long long)atomic_load(&filler.filled),
			      (unsigned long long)move->info->rounds_total);
		move_done(move);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MOVE_TEST(words_take_no_payload),
		MOVE_TEST(a_guest_that_fills_pages_meanwhile_arrives_whole),
	};

	return cmocka_run_group_tests_name("word_moves", tests, NULL, NULL);
}
