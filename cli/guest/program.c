/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/program.h"

#include <errno.h>
#include <sys/mman.h>

#include "cli/base/parallel.h"
#include "cli/guest/ram_page.h"
#include "util/error.h"

#define PROGRAM_MAGIC   UINT64_C(0x6d6172676f72506a) /* "jProgram" */
#define THREAD_MAGIC    UINT64_C(0x7570637620206a72)
#define PROGRAM_VERSION 3u
#define SET_OWNER_NONE  UINT32_MAX
#define RESIDENT_PAGES  4096u /* asked for at once */

/* Page 0, in words. HEADER_SUM seals the others. */
enum {
	HEADER_MAGIC = 0,
	HEADER_VERSION,
	HEADER_PAGES,
	HEADER_SET_PAGES,
	HEADER_WRITE,
	HEADER_SEED,
	HEADER_THREADS,
	HEADER_ZERO,
	HEADER_COMPRESSIBLE,
	HEADER_PATTERN,
	HEADER_SPREAD_UNIT,
	HEADER_SPREAD_STEP,
	HEADER_TOUCHED,
	HEADER_SUM,
	HEADER_WORDS,
};

/* A vCPU's page, in words. */
enum {
	THREAD_PAGE_MAGIC = 0,
	THREAD_PAGE_OWNER,
	THREAD_PAGE_WRITES,
	THREAD_PAGE_CHECK, /* ~writes */
};

static volatile uint64_t *page_at(const struct rj_cli_program *program,
				  uint64_t index)
{
	return (volatile uint64_t *)(void *)(program->ram +
					     index * RAMJET_PAGE_BYTES);
}

static volatile uint64_t *thread_page(const struct rj_cli_program *program,
				      uint32_t thread)
{
	return page_at(program, 1 + (uint64_t)thread);
}

static uint64_t set_first(const struct rj_cli_program *program)
{
	return 1 + (uint64_t)program->threads;
}

/* Where vCPU `thread`'s slice begins; `threads` gives the set's end. */
static uint64_t slice_first(const struct rj_cli_program *program,
			    uint32_t thread)
{
	uint64_t each = program->set_pages / program->threads;
	uint64_t more = program->set_pages % program->threads;

	return set_first(program) + each * thread +
	       (thread < more ? thread : more);
}

static struct rj_cli_walk walk_of(const struct rj_cli_program *program,
				  uint32_t thread)
{
	return (struct rj_cli_walk){
		.pages = slice_first(program, thread + 1) -
			 slice_first(program, thread),
		.seed = rj_cli_mix(program->seed, 1 + (uint64_t)thread),
		.pattern = program->pattern,
	};
}

static uint64_t static_count(const struct rj_cli_program *program)
{
	return program->page_count - slice_first(program, program->threads);
}

/* What page `index` is made of; a set page's counter is the caller's. */
static struct rj_cli_page page_of(const struct rj_cli_program *program,
				  uint64_t index, uint32_t owner)
{
	uint64_t dice = rj_cli_mix(program->seed ^ PROGRAM_MAGIC, index);
	struct rj_cli_page page = {
		.index = index,
		.seed = program->seed,
		.counted = owner != SET_OWNER_NONE,
		.touched = program->touched,
		.owner = owner,
		.filler = (dice >> 32) % 100 < program->compressible_percent
				  ? RJ_CLI_FILLER_TEXT
				  : RJ_CLI_FILLER_RANDOM,
	};

	if (!page.counted && (uint32_t)dice % 100 < program->zero_percent)
		page.filler = RJ_CLI_FILLER_ZERO;
	return page;
}

/* ---- the header ---- */

static uint64_t words_sum(const uint64_t *words, size_t count)
{
	uint64_t sum = PROGRAM_MAGIC;

	for (size_t i = 0; i < count; i++)
		sum = rj_cli_mix(sum, words[i]);
	return sum;
}

static void header_encode(const struct rj_cli_program *program,
			  uint64_t words[HEADER_WORDS])
{
	words[HEADER_MAGIC] = PROGRAM_MAGIC;
	words[HEADER_VERSION] = PROGRAM_VERSION;
	words[HEADER_PAGES] = program->page_count;
	words[HEADER_SET_PAGES] = program->set_pages;
	words[HEADER_WRITE] = program->write_bytes_per_s;
	words[HEADER_SEED] = program->seed;
	words[HEADER_THREADS] = program->threads;
	words[HEADER_ZERO] = program->zero_percent;
	words[HEADER_COMPRESSIBLE] = program->compressible_percent;
	words[HEADER_PATTERN] = program->pattern;
	words[HEADER_SPREAD_UNIT] = program->spread.unit;
	words[HEADER_SPREAD_STEP] = program->spread.step;
	words[HEADER_TOUCHED] = program->touched;
	words[HEADER_SUM] = words_sum(words, HEADER_SUM);
}

RJ_GUEST_MEMORY
static void header_store(const struct rj_cli_program *program)
{
	volatile uint64_t *page = page_at(program, 0);
	uint64_t words[HEADER_WORDS];

	header_encode(program, words);
	for (unsigned i = 0; i < RJ_CLI_PAGE_WORDS; i++)
		page[i] = i < HEADER_WORDS ? words[i] : 0;
}

/* RAM that has arrived may hold anything: check all of it. */
static bool header_is_sound(const uint64_t words[HEADER_WORDS],
			    uint64_t page_count)
{
	const struct rj_cli_spread spread = {
		.unit = words[HEADER_SPREAD_UNIT],
		.step = words[HEADER_SPREAD_STEP],
	};
	uint64_t threads = words[HEADER_THREADS];

	return words[HEADER_MAGIC] == PROGRAM_MAGIC &&
	       words[HEADER_VERSION] == PROGRAM_VERSION &&
	       words[HEADER_SUM] == words_sum(words, HEADER_SUM) &&
	       words[HEADER_PAGES] == page_count && threads >= 1 &&
	       threads <= RJ_CLI_THREADS_MAX && threads < page_count &&
	       words[HEADER_SET_PAGES] <= page_count - 1 - threads &&
	       (!words[HEADER_WRITE] ||
		words[HEADER_SET_PAGES] >= 2 * threads) &&
	       words[HEADER_PATTERN] < RJ_CLI_PATTERN_COUNT_ &&
	       rj_cli_spread_is_sound(&spread, page_count) &&
	       words[HEADER_TOUCHED] <= RJ_CLI_PAGE_TOUCHED_MAX &&
	       words[HEADER_ZERO] <= 100 && words[HEADER_COMPRESSIBLE] <= 100;
}

RJ_GUEST_MEMORY
static int header_load(struct rj_cli_program *program, struct ramjet_error *err)
{
	volatile uint64_t *page = page_at(program, 0);
	uint64_t words[HEADER_WORDS];

	for (unsigned i = 0; i < HEADER_WORDS; i++)
		words[i] = page[i];
	if (!header_is_sound(words, program->page_count))
		return rj_fail(err, -EBADMSG,
			       "guest process: page 0 of the RAM that arrived "
			       "isn't the header of a process guest (it "
			       "begins with %016llx)",
			       (unsigned long long)words[HEADER_MAGIC]);
	program->set_pages = words[HEADER_SET_PAGES];
	program->write_bytes_per_s = words[HEADER_WRITE];
	program->seed = words[HEADER_SEED];
	program->threads = (uint32_t)words[HEADER_THREADS];
	program->zero_percent = (uint32_t)words[HEADER_ZERO];
	program->compressible_percent = (uint32_t)words[HEADER_COMPRESSIBLE];
	program->pattern = (enum rj_cli_pattern)words[HEADER_PATTERN];
	program->spread.unit = words[HEADER_SPREAD_UNIT];
	program->spread.step = words[HEADER_SPREAD_STEP];
	program->touched = (uint32_t)words[HEADER_TOUCHED];
	return 0;
}

/* ---- a vCPU's page ---- */

RJ_GUEST_MEMORY
static void thread_store(const struct rj_cli_program *program, uint32_t thread,
			 uint64_t writes)
{
	volatile uint64_t *page = thread_page(program, thread);

	page[THREAD_PAGE_MAGIC] = THREAD_MAGIC;
	page[THREAD_PAGE_OWNER] = thread;
	page[THREAD_PAGE_WRITES] = writes;
	page[THREAD_PAGE_CHECK] = ~writes;
}

RJ_GUEST_MEMORY
static int thread_check(const struct rj_cli_program *program, uint32_t thread,
			struct ramjet_error *err)
{
	volatile uint64_t *page = thread_page(program, thread);

	if (page[THREAD_PAGE_MAGIC] == THREAD_MAGIC &&
	    page[THREAD_PAGE_OWNER] == thread &&
	    page[THREAD_PAGE_CHECK] == ~page[THREAD_PAGE_WRITES])
		return 0;
	return rj_fail(err, -EBADMSG,
		       "self-check: page %u (vCPU %u): its state is damaged "
		       "(writes %016llx, check %016llx)",
		       thread + 1, thread,
		       (unsigned long long)page[THREAD_PAGE_WRITES],
		       (unsigned long long)page[THREAD_PAGE_CHECK]);
}

RJ_GUEST_MEMORY
uint64_t rj_cli_program_writes(const struct rj_cli_program *program,
			       uint32_t thread)
{
	return thread_page(program, thread)[THREAD_PAGE_WRITES];
}

uint64_t rj_cli_program_writes_total(const struct rj_cli_program *program)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < program->threads; i++)
		total += rj_cli_program_writes(program, i);
	return total;
}

int rj_cli_program_step(const struct rj_cli_program *program, uint32_t thread,
			struct ramjet_error *err)
{
	struct rj_cli_walk walk = walk_of(program, thread);
	uint64_t number = rj_cli_program_writes(program, thread);
	struct rj_cli_visit visit = rj_cli_walk_write(&walk, number);
	uint64_t index = slice_first(program, thread) + visit.page;
	struct rj_cli_page page = {
		.index = index,
		.seed = program->seed,
		.owner = thread,
		.counted = true,
		.counter = visit.counter,
		.touched = program->touched,
	};

	if (rj_cli_page_write(page_at(program, index), &page, err))
		return -EBADMSG;
	thread_store(program, thread, number + 1);
	return 0;
}

/* ---- all of RAM ---- */

static int fill_static(void *user, uint64_t first, uint64_t count,
		       struct ramjet_error *err)
{
	const struct rj_cli_program *program = user;
	const uint64_t begin = slice_first(program, program->threads) + first;
	uint64_t i = begin;

	(void)err;
	while ((i = rj_cli_spread_next(&program->spread, i)) < begin + count) {
		struct rj_cli_page page = page_of(program, i, SET_OWNER_NONE);

		rj_cli_page_fill(page_at(program, i++), &page);
	}
	return 0;
}

/* Check that pages [from, end) of RAM, which are not used, are zero. Pages that
 * are not resident are not read, so that they stay so; if mincore() fails, all
 * are. */
static int check_unused(const struct rj_cli_program *program, uint64_t from,
			uint64_t end, struct ramjet_error *err)
{
	unsigned char resident[RESIDENT_PAGES];

	while (from < end) {
		const uint64_t count = end - from < RESIDENT_PAGES
					       ? end - from
					       : RESIDENT_PAGES;

		if (mincore(program->ram + from * RAMJET_PAGE_BYTES,
			    count * RAMJET_PAGE_BYTES, resident))
			memset(resident, 1, sizeof(resident));
		for (uint64_t i = 0; i < count; i++) {
			const struct rj_cli_page zero = {
				.index = from + i,
				.filler = RJ_CLI_FILLER_ZERO,
			};

			if (resident[i] & 1 &&
			    rj_cli_page_check(page_at(program, from + i), &zero,
					      err))
				return -EBADMSG;
		}
		from += count;
	}
	return 0;
}

static int check_static(void *user, uint64_t first, uint64_t count,
			struct ramjet_error *err)
{
	const struct rj_cli_program *program = user;
	uint64_t i = slice_first(program, program->threads) + first;
	const uint64_t end = i + count;

	while (i < end) {
		const uint64_t next = rj_cli_spread_next(&program->spread, i);
		struct rj_cli_page page =
			page_of(program, next, SET_OWNER_NONE);

		if (check_unused(program, i, next < end ? next : end, err))
			return -EBADMSG;
		if (next < end &&
		    rj_cli_page_check(page_at(program, next), &page, err))
			return -EBADMSG;
		i = next + 1;
	}
	return 0;
}

/* A slice, for the parallel loops. */
struct slice {
	const struct rj_cli_program *program;
	struct rj_cli_walk walk;
	uint64_t first;
	uint64_t writes;
	uint32_t thread;
};

static struct slice slice_of(const struct rj_cli_program *program,
			     uint32_t thread)
{
	return (struct slice){
		.program = program,
		.walk = walk_of(program, thread),
		.first = slice_first(program, thread),
		.writes = rj_cli_program_writes(program, thread),
		.thread = thread,
	};
}

static int fill_slice(void *user, uint64_t first, uint64_t count,
		      struct ramjet_error *err)
{
	const struct slice *slice = user;

	(void)err;
	for (uint64_t i = first; i < first + count; i++) {
		uint64_t index = slice->first + i;
		struct rj_cli_page page =
			page_of(slice->program, index, slice->thread);

		rj_cli_page_fill(page_at(slice->program, index), &page);
	}
	return 0;
}

static int check_slice(void *user, uint64_t first, uint64_t count,
		       struct ramjet_error *err)
{
	const struct slice *slice = user;

	for (uint64_t i = first; i < first + count; i++) {
		struct rj_cli_visit visit =
			rj_cli_walk_expect(&slice->walk, slice->writes, i);
		uint64_t index = slice->first + visit.page;
		struct rj_cli_page page =
			page_of(slice->program, index, slice->thread);

		page.counter = visit.counter;
		if (rj_cli_page_check(page_at(slice->program, index), &page,
				      err))
			return -EBADMSG;
	}
	return 0;
}

int rj_cli_program_create(struct rj_cli_program *program, uint8_t *ram,
			  const struct rj_cli_guest_spec *spec,
			  struct ramjet_error *err)
{
	uint64_t room = spec->bytes / RAMJET_PAGE_BYTES - 1 - spec->threads;
	int rc = 0;

	*program = (struct rj_cli_program){
		.ram = ram,
		.page_count = spec->bytes / RAMJET_PAGE_BYTES,
		.set_pages = spec->set_bytes / RAMJET_PAGE_BYTES,
		.write_bytes_per_s = spec->write_bytes_per_s,
		.seed = spec->seed,
		.threads = spec->threads,
		.zero_percent = spec->zero_percent,
		.compressible_percent = spec->compressible_percent,
		.pattern = spec->pattern,
		.touched = spec->touch_bytes / 8 - 2,
	};
	/* set=size means all of it; the program's own pages come off. */
	if (program->set_pages > room)
		program->set_pages = room;
	program->spread =
		rj_cli_spread_of(spec, static_count(program),
				 program->page_count - static_count(program));
	header_store(program);
	for (uint32_t i = 0; i < program->threads && !rc; i++) {
		struct slice slice;

		thread_store(program, i, 0);
		slice = slice_of(program, i);
		rc = rj_cli_parallel(slice.walk.pages, fill_slice, &slice, err);
	}
	if (!rc)
		rc = rj_cli_parallel(static_count(program), fill_static,
				     program, err);
	return rc;
}

int rj_cli_program_adopt(struct rj_cli_program *program, uint8_t *ram,
			 uint64_t bytes, struct ramjet_error *err)
{
	struct rj_cli_program found = {
		.ram = ram,
		.page_count = bytes / RAMJET_PAGE_BYTES,
	};
	int rc = header_load(&found, err);

	for (uint32_t i = 0; !rc && i < found.threads; i++)
		rc = thread_check(&found, i, err);
	if (!rc)
		*program = found;
	return rc;
}

int rj_cli_program_check(const struct rj_cli_program *program,
			 struct ramjet_error *err)
{
	struct rj_cli_program header = { .ram = program->ram,
					 .page_count = program->page_count };
	int rc = header_load(&header, err);

	for (uint32_t i = 0; i < program->threads && !rc; i++) {
		struct slice slice = slice_of(program, i);

		rc = thread_check(program, i, err);
		if (!rc)
			rc = rj_cli_parallel(slice.walk.pages, check_slice,
					     &slice, err);
	}
	if (!rc)
		rc = rj_cli_parallel(static_count(program), check_static,
				     (void *)program, err);
	return rc;
}

uint64_t rj_cli_program_digest(const struct rj_cli_program *program)
{
	uint64_t end = slice_first(program, program->threads);
	uint64_t digest = rj_cli_program_writes_total(program);
	uint64_t head, tail;

	for (uint64_t i = set_first(program); i < end; i++) {
		rj_cli_page_counters(page_at(program, i), &head, &tail);
		digest = rj_cli_mix(digest ^ head, tail);
	}
	return digest;
}

/* ---- device state ---- */

/* Little endian words: magic, version, sum of the header, vCPUs, the writes
 * of each. */
enum {
	STATE_MAGIC = 0,
	STATE_VERSION,
	STATE_SUM,
	STATE_THREADS,
	STATE_WORDS
};

static uint64_t header_sum(const struct rj_cli_program *program)
{
	uint64_t words[HEADER_WORDS];

	header_encode(program, words);
	return words[HEADER_SUM];
}

int rj_cli_program_save(const struct rj_cli_program *program, void **ret_data,
			size_t *ret_bytes, struct ramjet_error *err)
{
	size_t count = STATE_WORDS + program->threads;
	uint64_t *words = calloc(count, sizeof(*words));

	if (!words)
		return rj_fail(err, -ENOMEM, "guest process: out of memory");
	words[STATE_MAGIC] = PROGRAM_MAGIC;
	words[STATE_VERSION] = PROGRAM_VERSION;
	words[STATE_SUM] = header_sum(program);
	words[STATE_THREADS] = program->threads;
	for (uint32_t i = 0; i < program->threads; i++)
		words[STATE_WORDS + i] = rj_cli_program_writes(program, i);
	*ret_data = words;
	*ret_bytes = count * sizeof(*words);
	return 0;
}

static uint64_t state_word(const void *data, size_t index)
{
	uint64_t word;

	memcpy(&word, (const uint8_t *)data + index * sizeof(word),
	       sizeof(word));
	return word;
}

int rj_cli_program_compare(const struct rj_cli_program *program,
			   const void *data, size_t bytes,
			   struct ramjet_error *err)
{
	if (bytes < STATE_WORDS * sizeof(uint64_t) ||
	    state_word(data, STATE_MAGIC) != PROGRAM_MAGIC ||
	    state_word(data, STATE_VERSION) != PROGRAM_VERSION)
		return rj_fail(err, -EBADMSG,
			       "guest process: the device state (%zu bytes) "
			       "isn't a process guest's",
			       bytes);
	if (state_word(data, STATE_SUM) != header_sum(program) ||
	    state_word(data, STATE_THREADS) != program->threads ||
	    bytes != (STATE_WORDS + program->threads) * sizeof(uint64_t))
		return rj_fail(err, -EBADMSG,
			       "guest process: the header that arrived in RAM "
			       "isn't the one the device state speaks of");
	for (uint32_t i = 0; i < program->threads; i++) {
		uint64_t wanted = state_word(data, STATE_WORDS + i);
		uint64_t found = rj_cli_program_writes(program, i);

		if (found != wanted)
			return rj_fail(err, -EBADMSG,
				       "guest process: vCPU %u: RAM says %llu "
				       "writes, the device state %llu",
				       i, (unsigned long long)found,
				       (unsigned long long)wanted);
	}
	return 0;
}
