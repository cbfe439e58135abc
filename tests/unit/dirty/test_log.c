/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/source.h"
#include "ramjet-remote.h"
#include "util/compiler.h"

#define LOG_OFFSET 4104u /* neither a page's begin nor the file's */
#define LOG_BYTES  20001u
#define PAGES      70000u

/* Two blocks; the log has one in two parts, shifted against its words. */
struct fixture {
	int fd;
	_Atomic uint8_t *bits;
	struct ramjet_dirty_region regions[2];
	struct ramjet_log_range ranges[3];
	struct ramjet_dirty_log log;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap maps[2];
	struct ramjet_error err;
};

static const struct ramjet_log_range as_given[3] = {
	{ RAMJET_LOG_RANGE_INIT, "ram0", 0, 1000, 37 },
	{ RAMJET_LOG_RANGE_INIT, "ram0", 1000, PAGES - 1000, 70003 },
	{ RAMJET_LOG_RANGE_INIT, "ram1", 5, 300, 2000 },
};

static void prepare(struct fixture *f)
{
	uint8_t *map;

	memset(f, 0, sizeof(*f));
	f->fd = memfd_create("log", MFD_CLOEXEC);
	assert_true(f->fd >= 0);
	assert_int_equal(ftruncate(f->fd, LOG_OFFSET + LOG_BYTES), 0);
	map = mmap(NULL, LOG_OFFSET + LOG_BYTES, PROT_READ | PROT_WRITE,
		   MAP_SHARED, f->fd, 0);
	assert_true(map != MAP_FAILED);
	f->bits = (_Atomic uint8_t *)(map + LOG_OFFSET);
	f->regions[0] = (struct ramjet_dirty_region){
		.size = sizeof(f->regions[0]),
		.name = "ram0",
		.page_count = PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
	};
	f->regions[1] = f->regions[0];
	f->regions[1].name = "ram1";
	f->regions[1].page_count = 400;
	memcpy(f->ranges, as_given, sizeof(f->ranges));
	f->log = (struct ramjet_dirty_log){ RAMJET_DIRTY_LOG_INIT };
	f->log.fd = f->fd;
	f->log.offset = LOG_OFFSET;
	f->log.bytes = LOG_BYTES;
	f->log.ranges = f->ranges;
	f->log.range_count = 3;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(rj_bitmap_init(&f->maps[i],
						f->regions[i].page_count, NULL),
				 0);
}

static void begin(struct fixture *f)
{
	prepare(f);
	assert_int_equal(ramjet_dirty_log_new(&f->log, &f->source, &f->err), 0);
	assert_int_equal(rj_dirty_set_start(&f->set, &f->source, 1, f->regions,
					    2, &f->err),
			 0);
}

static void end(struct fixture *f)
{
	rj_dirty_set_stop(&f->set);
	ramjet_dirty_free(f->source);
	(void)munmap((uint8_t *)(uintptr_t)f->bits - LOG_OFFSET,
		     LOG_OFFSET + LOG_BYTES);
	(void)close(f->fd);
	for (unsigned i = 0; i < 2; i++)
		rj_bitmap_done(&f->maps[i]);
}

static void set_bit(struct fixture *f, uint64_t bit)
{
	atomic_fetch_or(&f->bits[bit / 8], (uint8_t)(1u << bit % 8));
}

static bool has_bit(struct fixture *f, uint64_t bit)
{
	return atomic_load(&f->bits[bit / 8]) >> bit % 8 & 1;
}

static uint64_t collect(struct fixture *f)
{
	struct rj_bitmap *maps[] = { &f->maps[0], &f->maps[1] };
	uint64_t marked;

	assert_int_equal(
		rj_dirty_set_collect(&f->set, NULL, maps, &marked, &f->err), 0);
	return marked;
}

static void each_bit_is_its_page(void **state)
{
	static const struct {
		uint64_t bit;
		unsigned block;
		uint64_t page;
	} known[] = {
		{ 37, 0, 0 },         { 63, 0, 26 },      { 64, 0, 27 },
		{ 1036, 0, 999 },     { 70003, 0, 1000 }, { 70016, 0, 1013 },
		{ 139002, 0, 69999 }, { 2000, 1, 5 },     { 2299, 1, 304 },
	};
	static const uint64_t nobodys[] = { 0,    36,    1037,  1999,
					    2300, 70002, 139003 };
	struct fixture f;

	(void)state;
	begin(&f);
	assert_int_equal(collect(&f), 0);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(nobodys); i++)
		set_bit(&f, nobodys[i]);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(known); i++) {
		set_bit(&f, known[i].bit);
		assert_int_equal(collect(&f), 1);
		assert_true(
			rj_bitmap_test(&f.maps[known[i].block], known[i].page));
		assert_false(has_bit(&f, known[i].bit));
	}
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(nobodys); i++)
		assert_true(has_bit(&f, nobodys[i]));
	assert_int_equal(collect(&f), 0);
	end(&f);
}

static void runs_cross_words(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f);
	for (uint64_t bit = 70003; bit < 139003; bit++)
		set_bit(&f, bit);
	assert_int_equal(collect(&f), PAGES - 1000);
	assert_int_equal(rj_bitmap_count(&f.maps[0]), PAGES - 1000);
	assert_false(rj_bitmap_test(&f.maps[0], 999));
	end(&f);
}

struct writer {
	struct fixture *f;
	_Atomic uint64_t *pages; /* counts of writes */
	_Atomic bool stop;
};

static void *write_on(void *user)
{
	struct writer *w = user;
	uint64_t seed = 7;

	while (!atomic_load(&w->stop)) {
		uint64_t page;

		seed = seed * 6364136223846793005u + 1;
		page = (seed >> 33) % PAGES;
		atomic_fetch_add(&w->pages[page], 1);
		set_bit(w->f, page < 1000 ? page + 37 : page - 1000 + 70003);
	}
	return NULL;
}

static void copy(struct fixture *f, struct writer *w, uint64_t *copied)
{
	(void)collect(f);
	for (uint64_t page = 0; page < PAGES; page++)
		if (rj_bitmap_clear_run(&f->maps[0], page, 1))
			copied[page] = atomic_load(&w->pages[page]);
}

static void nothing_is_lost_while_another_sets(void **state)
{
	static uint64_t copied[PAGES];
	static _Atomic uint64_t pages[PAGES];
	struct fixture f;
	struct writer w = { .f = &f, .pages = pages };
	pthread_t thread;

	(void)state;
	begin(&f);
	assert_int_equal(pthread_create(&thread, NULL, write_on, &w), 0);
	for (unsigned i = 0; i < 100; i++)
		copy(&f, &w, copied);
	atomic_store(&w.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	copy(&f, &w, copied);
	for (uint64_t page = 0; page < PAGES; page++)
		assert_int_equal(copied[page], pages[page]);
	end(&f);
}

/* A piece of a collect is whole chunks of pages, but not of words of the log. */
static void parts_take_their_own(void **state)
{
	struct ramjet_dirty_part part = { .size = sizeof(part),
					  .first_page = 512,
					  .page_count = 512 };
	struct fixture f;
	struct rj_bitmap *maps[] = { &f.maps[0], &f.maps[1] };
	struct ramjet_dirty_sink sink = { .bitmaps = maps,
					  .regions = f.regions,
					  .count = 2 };

	(void)state;
	begin(&f);
	for (uint64_t page = 0; page < 1000; page++)
		set_bit(&f, 37 + page);
	set_bit(&f, 70003 + 24);
	assert_int_equal(f.source->ops.collect_part(f.source->user, &part,
						    &sink, &f.err),
			 0);
	assert_int_equal(sink.marked, 488);
	assert_true(has_bit(&f, 37 + 511));
	assert_false(has_bit(&f, 37 + 512));
	assert_true(has_bit(&f, 70003 + 24));
	assert_int_equal(collect(&f), 513);
	end(&f);
}

static void fails(struct fixture *f, int rc, const char *message)
{
	struct ramjet_error err = { 0 };

	assert_int_equal(ramjet_dirty_log_new(&f->log, &f->source, &err), rc);
	assert_non_null(strstr(err.message, message));
	memcpy(f->ranges, as_given, sizeof(f->ranges));
	f->log.bytes = LOG_BYTES;
	f->log.offset = LOG_OFFSET;
	f->log.fd = f->fd;
}

static void says_what_is_wrong(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(ramjet_dirty_log_new(NULL, &f.source, NULL), -EINVAL);
	f.log.fd = -1;
	fails(&f, -EBADF, "log: fd -1");
	f.log.offset = 4;
	fails(&f, -EINVAL, "multiple of 8");
	f.log.bytes = 0;
	fails(&f, -EINVAL, "multiple of 8");
	f.log.bytes = LOG_BYTES + 1;
	fails(&f, -EINVAL, "its file has");
	f.log.bytes = 17375;
	fails(&f, -EINVAL, "but the log has 139000 bits");
	f.ranges[0].first_bit = UINT64_MAX;
	fails(&f, -EINVAL, "but the log has");
	f.ranges[0].page_count = 0;
	fails(&f, -EINVAL, "0 pages of block ram0");
	f.ranges[1].block = NULL;
	fails(&f, -EINVAL, "without a block");
	f.ranges[2].first_bit = 1036;
	fails(&f, -EINVAL, "log: bits of block ram1 are those of block ram0");
	f.ranges[2].first_bit = 36;
	fails(&f, -EINVAL, "log: bits of block ram1 are those of block ram0");
	f.ranges[1].size--;
	fails(&f, -EINVAL, "log: range 1 is of");
	f.log.range_count = 0;
	fails(&f, -EINVAL, "no ranges");
	f.log.range_count = 3;
	end(&f);
}

static void blocks_must_be_there(void **state)
{
	struct fixture f;

	(void)state;
	prepare(&f);
	assert_int_equal(ramjet_dirty_log_new(&f.log, &f.source, &f.err), 0);
	assert_int_equal(
		rj_dirty_set_start(&f.set, &f.source, 1, f.regions, 1, &f.err),
		-ENOENT);
	f.regions[1].page_count = 304;
	assert_int_equal(
		rj_dirty_set_start(&f.set, &f.source, 1, f.regions, 2, &f.err),
		-ERANGE);
	f.regions[1].page_count = 305;
	assert_int_equal(
		rj_dirty_set_start(&f.set, &f.source, 1, f.regions, 2, &f.err),
		0);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_is_its_page),
		cmocka_unit_test(runs_cross_words),
		cmocka_unit_test(nothing_is_lost_while_another_sets),
		cmocka_unit_test(parts_take_their_own),
		cmocka_unit_test(says_what_is_wrong),
		cmocka_unit_test(blocks_must_be_there),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
