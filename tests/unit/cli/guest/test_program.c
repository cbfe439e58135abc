/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <sys/mman.h>

#include "cli/guest/program.h"
#include "cli/guest/ram_page.h"

/*
 * The oracle must be able to fail: each test damages one page of a guest's
 * RAM in one way, and wants that damage named, at that page.
 */

#define BYTES (2u << 20)

struct world {
	uint8_t *ram;
	struct rj_cli_program program;
	struct ramjet_error err;
};

static uint8_t *map_ram(void)
{
	void *ram = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(ram != MAP_FAILED);
	return ram;
}

static void make(struct world *w, const char *text)
{
	struct rj_cli_guest_spec spec;

	assert_int_equal(rj_cli_guest_spec_parse(text, &spec, &w->err), 0);
	assert_int_equal(spec.bytes, BYTES);
	assert_int_equal(
		rj_cli_program_create(&w->program, w->ram, &spec, &w->err), 0);
}

static void step(struct world *w, uint32_t thread, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(
			rj_cli_program_step(&w->program, thread, &w->err), 0);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->ram = map_ram();
	make(w, "process:size=2M,set=400K,threads=3,pattern=random,zero=30");
	step(w, 0, 77);
	step(w, 2, 5);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	(void)munmap(w->ram, BYTES);
	free(w);
	return 0;
}

static uint64_t *page(const struct world *w, uint64_t index)
{
	return (uint64_t *)(void *)(w->ram + index * RAMJET_PAGE_BYTES);
}

/* The page vCPU 0 wrote last, and a static one that holds something. */
static uint64_t written_page(const struct world *w)
{
	for (uint64_t i = 4; i < 104; i++)
		if (page(w, i)[3] == 3)
			return i;
	fail_msg("no page was written three times");
	return 0;
}

static uint64_t static_page(const struct world *w, bool zero)
{
	for (uint64_t i = 110; i < BYTES / RAMJET_PAGE_BYTES; i++)
		if (!page(w, i)[0] == zero)
			return i;
	fail_msg("no such static page");
	return 0;
}

static void assert_found(struct world *w, uint64_t index, const char *damage)
{
	char where[32];

	(void)snprintf(where, sizeof(where), "page %llu ",
		       (unsigned long long)index);
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), -EBADMSG);
	if (!strstr(w->err.message, where) || !strstr(w->err.message, damage))
		fail_msg("'%s' speaks not of %s and %s", w->err.message, where,
			 damage);
}

static void an_undamaged_guest_is_clean(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 150; i++) {
		step(w, i % 3, i % 7);
		assert_int_equal(rj_cli_program_check(&w->program, &w->err), 0);
	}
}

static void every_pattern_and_size_of_set_is_clean(void **state)
{
	static const char *const specs[] = {
		"process:size=2M,set=24K,threads=3,pattern=sequential",
		"process:size=2M,set=400K,threads=1,pattern=hot",
		"process:size=2M,set=2M,threads=2,pattern=random",
		"process:size=2M,set=1M,pattern=hot,zero=0,compressible=100",
		"process:size=2M,set=1M,zero=100,compressible=0",
	};
	struct world *w = *state;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(specs); i++) {
		make(w, specs[i]);
		step(w, w->program.threads - 1, 1234);
		assert_int_equal(rj_cli_program_check(&w->program, &w->err), 0);
	}
}

static void an_idle_guest_needs_no_set(void **state)
{
	struct world *w = *state;

	make(w, "process:size=2M,write=0,set=0,threads=4");
	assert_int_equal(w->program.set_pages, 0);
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), 0);
}

static void a_lost_write_is_found(void **state)
{
	struct world *w = *state;
	uint64_t index = written_page(w);

	page(w, index)[3]--;
	page(w, index)[511]--;
	assert_found(w, index, "lost write or stale page");
}

static void a_stale_page_is_found(void **state)
{
	static uint64_t old[RJ_CLI_PAGE_WORDS];
	struct world *w = *state;
	uint64_t index = written_page(w);

	memcpy(old, page(w, index), sizeof(old));
	step(w, 0, 100);
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), 0);
	memcpy(page(w, index), old, sizeof(old));
	assert_found(w, index, "lost write or stale page");
}

static void a_write_from_nowhere_is_found(void **state)
{
	struct world *w = *state;
	uint64_t index = written_page(w);

	page(w, index)[3]++;
	page(w, index)[511]++;
	assert_found(w, index, "counter from nowhere");
}

static void a_torn_page_is_found(void **state)
{
	struct world *w = *state;
	uint64_t index = written_page(w);

	page(w, index)[511]--;
	assert_found(w, index, "torn page");
}

static void a_foreign_page_is_found(void **state)
{
	struct world *w = *state;
	uint64_t index = written_page(w);

	memcpy(page(w, index), page(w, static_page(w, false)),
	       RAMJET_PAGE_BYTES);
	assert_found(w, index, "foreign page");
}

static void a_static_page_in_anothers_place_is_found(void **state)
{
	struct world *w = *state;
	uint64_t index = static_page(w, false);

	memcpy(page(w, index), page(w, written_page(w)), RAMJET_PAGE_BYTES);
	assert_found(w, index, "foreign page");
}

static void a_lost_page_is_found(void **state)
{
	struct world *w = *state;
	uint64_t index = written_page(w);

	memset(page(w, index), 0, RAMJET_PAGE_BYTES);
	assert_found(w, index, "lost page");
}

static unsigned resident_pages(const struct world *w)
{
	unsigned char resident[BYTES / RAMJET_PAGE_BYTES];
	unsigned count = 0;

	assert_int_equal(mincore(w->ram, BYTES, resident), 0);
	for (unsigned i = 0; i < sizeof(resident); i++)
		count += resident[i] & 1;
	return count;
}

/* 512 pages: header, vCPU and 16 of a set; 46 more, at least 8 pages apart. */
static void what_is_not_used_is_not_touched(void **state)
{
	struct world *w = *state;
	uint64_t page;

	assert_int_equal(madvise(w->ram, BYTES, MADV_DONTNEED), 0);
	(void)madvise(w->ram, BYTES, MADV_NOHUGEPAGE);
	make(w, "process:size=2M,used=256K,set=64K,zero=0");
	assert_true(resident_pages(w) > 48 && resident_pages(w) <= 64);
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), 0);
	assert_true(resident_pages(w) <= 64);
	/* Damage to a used page, and to one that must be zero. */
	page = rj_cli_spread_next(&w->program.spread, 400);
	w->ram[page * RAMJET_PAGE_BYTES + 9] ^= 1;
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), -EBADMSG);
	w->ram[page * RAMJET_PAGE_BYTES + 9] ^= 1;
	w->ram[(page + 1) * RAMJET_PAGE_BYTES] = 1;
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), -EBADMSG);
	w->ram[(page + 1) * RAMJET_PAGE_BYTES] = 0;
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), 0);
}

static void one_flipped_bit_is_found_wherever_it_is(void **state)
{
	static const unsigned bytes[] = { 0, 8, 16, 24, 32, 2000, 4087, 4095 };
	struct world *w = *state;
	uint64_t indices[] = { written_page(w), static_page(w, false),
			       static_page(w, true),
			       BYTES / RAMJET_PAGE_BYTES - 1, 104 };

	for (size_t i = 0; i < RJ_ARRAY_SIZE(indices); i++) {
		for (size_t j = 0; j < RJ_ARRAY_SIZE(bytes); j++) {
			uint8_t *at = (uint8_t *)page(w, indices[i]);

			at[bytes[j]] ^= 0x10;
			w->err.code = 0;
			assert_found(w, indices[i], "");
			at[bytes[j]] ^= 0x10;
		}
	}
	assert_int_equal(rj_cli_program_check(&w->program, NULL), 0);
}

static void content_that_changed_is_named_by_its_byte(void **state)
{
	struct world *w = *state;
	uint64_t index = written_page(w);

	page(w, index)[100] ^= 1;
	assert_found(w, index, "changed content: the word at byte 800");
}

/* How many words of a page one write changes. */
static unsigned words_changed(struct world *w, const char *text)
{
	uint64_t before[RJ_CLI_PAGE_WORDS];
	unsigned count = 0;

	make(w, text);
	memcpy(before, page(w, 2), sizeof(before));
	step(w, 0, 1);
	for (unsigned i = 0; i < RJ_CLI_PAGE_WORDS; i++)
		count += page(w, 2)[i] != before[i];
	return count;
}

static void a_write_changes_as_much_as_it_is_told(void **state)
{
	static const char *const text = "process:size=2M,set=40K,touch=64";
	struct world *w = *state;

	assert_int_equal(words_changed(w, "process:size=2M,set=40K"), 2);
	assert_int_equal(words_changed(w, text), 8);
	assert_int_equal(words_changed(w, "process:size=2M,set=40K,touch=4072"),
			 509);
	make(w, text);
	step(w, 0, 25);
	assert_int_equal(rj_cli_program_check(&w->program, &w->err), 0);
	/* Of an older write, between counters of the newest. */
	page(w, 2)[5]--;
	assert_found(w, 2, "torn page: the word at byte 40");
}

static void a_write_notices_what_it_would_hide(void **state)
{
	struct world *w = *state;
	uint64_t index;

	make(w, "process:size=2M,set=40K");
	step(w, 0, 13);
	index = 2 + 13 % 10;
	page(w, index)[3] = 0;
	page(w, index)[511] = 0;
	assert_int_equal(rj_cli_program_step(&w->program, 0, &w->err),
			 -EBADMSG);
	assert_non_null(strstr(w->err.message, "lost write or stale page"));
	assert_int_equal(rj_cli_program_writes(&w->program, 0), 13);
}

static void a_damaged_vcpu_page_is_found(void **state)
{
	struct world *w = *state;

	page(w, 2)[2]++;
	assert_found(w, 2, "(vCPU 1): its state is damaged");
	w->err.code = 0;
	assert_int_equal(
		rj_cli_program_adopt(&w->program, w->ram, BYTES, &w->err),
		-EBADMSG);
}

static void a_header_that_says_anything_else_is_refused(void **state)
{
	struct world *w = *state;
	struct rj_cli_program adopted;

	for (unsigned word = 0; word < 13; word++) {
		uint64_t old = page(w, 0)[word];

		page(w, 0)[word] += 1;
		assert_int_equal(
			rj_cli_program_adopt(&adopted, w->ram, BYTES, NULL),
			-EBADMSG);
		page(w, 0)[word] = old;
	}
	assert_int_equal(
		rj_cli_program_adopt(&adopted, w->ram, BYTES - 4096, NULL),
		-EBADMSG);
	assert_int_equal(rj_cli_program_adopt(&adopted, w->ram, BYTES, NULL),
			 0);
}

static void a_copy_goes_on_with_the_very_next_write(void **state)
{
	struct world *w = *state;
	struct world copy = { .ram = map_ram() };
	struct rj_cli_program *there = &copy.program;
	size_t bytes;
	void *data;
	int same;

	assert_int_equal(rj_cli_program_save(&w->program, &data, &bytes, NULL),
			 0);
	memcpy(copy.ram, w->ram, BYTES);
	assert_int_equal(rj_cli_program_adopt(there, copy.ram, BYTES, NULL), 0);
	assert_int_equal(rj_cli_program_compare(there, data, bytes, NULL), 0);
	step(w, 0, 33);
	step(&copy, 0, 33);
	same = !memcmp(copy.ram, w->ram, BYTES);
	assert_int_equal(rj_cli_program_check(there, NULL), 0);
	(void)munmap(copy.ram, BYTES);
	free(data);
	assert_true(same);
}

static void device_state_of_another_moment_is_refused(void **state)
{
	struct world *w = *state;
	struct ramjet_error err = { 0 };
	size_t bytes;
	void *data;

	assert_int_equal(rj_cli_program_save(&w->program, &data, &bytes, NULL),
			 0);
	for (size_t cut = 0; cut < bytes; cut++)
		assert_int_equal(
			rj_cli_program_compare(&w->program, data, cut, NULL),
			-EBADMSG);
	step(w, 2, 1);
	assert_int_equal(rj_cli_program_compare(&w->program, data, bytes, &err),
			 -EBADMSG);
	free(data);
	assert_non_null(strstr(err.message, "vCPU 2: RAM says 6 writes, the "
					    "device state 5"));
}

static void the_digest_sees_every_write(void **state)
{
	struct world *w = *state;
	uint64_t before = rj_cli_program_digest(&w->program);

	assert_int_equal(rj_cli_program_digest(&w->program), before);
	step(w, 1, 1);
	assert_int_not_equal(rj_cli_program_digest(&w->program), before);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(an_undamaged_guest_is_clean),
		WITH_WORLD(every_pattern_and_size_of_set_is_clean),
		WITH_WORLD(an_idle_guest_needs_no_set),
		WITH_WORLD(a_lost_write_is_found),
		WITH_WORLD(a_stale_page_is_found),
		WITH_WORLD(a_write_changes_as_much_as_it_is_told),
		WITH_WORLD(a_write_from_nowhere_is_found),
		WITH_WORLD(a_torn_page_is_found),
		WITH_WORLD(a_foreign_page_is_found),
		WITH_WORLD(a_static_page_in_anothers_place_is_found),
		WITH_WORLD(a_lost_page_is_found),
		WITH_WORLD(what_is_not_used_is_not_touched),
		WITH_WORLD(one_flipped_bit_is_found_wherever_it_is),
		WITH_WORLD(content_that_changed_is_named_by_its_byte),
		WITH_WORLD(a_write_notices_what_it_would_hide),
		WITH_WORLD(a_damaged_vcpu_page_is_found),
		WITH_WORLD(a_header_that_says_anything_else_is_refused),
		WITH_WORLD(a_copy_goes_on_with_the_very_next_write),
		WITH_WORLD(device_state_of_another_moment_is_refused),
		WITH_WORLD(the_digest_sees_every_write),
	};

	return cmocka_run_group_tests_name("program", tests, NULL, NULL);
}
