/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A dirty source that loses one page in a million: does anybody notice? The
 * guest sweeps its memory, writing a counter into each page. After a million
 * reports it rests until all of them have been sent, and then makes the one
 * write that is lost: so no copy of the page is under way by chance.
 */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dirty/source.h"
#include "ramjet.h"

#define PAGES     16384u
#define BYTES     (PAGES * (size_t)RAMJET_PAGE_BYTES)
#define ONE_IN    1000000u
#define NONE_LOST UINT64_MAX

struct lossy {
	struct ramjet_dirty_source *honest;
	struct rj_bitmap found; /* what the honest one reports */
	uint64_t reported;
	uint64_t lose_at; /* after so many reports; 0: never */
	unsigned rests;   /* collects since the guest rests */
	_Atomic uint64_t lost_page;
};

/* Nothing reported so many collects ago is still to be sent. */
#define RESTS 5u

struct world {
	uint8_t *source_ram, *target_ram;
	struct lossy lossy;
	struct ramjet_guest *source, *target;
	pthread_t writer;
	atomic_bool writer_ends, writer_rests, is_at_rest;
	uint64_t writes; /* of the writer */
};

/* ---- the source that loses ----------------------------------------------- */

static int lossy_start(void *user, const struct ramjet_dirty_region *regions,
		       unsigned count, struct ramjet_error *err)
{
	const struct ramjet_dirty_part all = {
		.size = sizeof(all),
		.page_count = PAGES,
	};
	struct lossy *l = user;
	int rc = l->honest->ops.start(l->honest->user, regions, count, err);

	return rc ? rc : l->honest->ops.arm(l->honest->user, &all, err);
}

RJ_GUEST_MEMORY static void write_counter(uint8_t *ram, uint64_t write)
{
	uint64_t *at =
		(uint64_t *)(void *)(ram + write % PAGES * RAMJET_PAGE_BYTES);

	*at = write / PAGES + 1;
}

/* The resting guest's last write, which nobody will hear of. */
static void write_in_vain(struct world *w)
{
	atomic_store(&w->lossy.lost_page, w->writes % PAGES);
	write_counter(w->source_ram, w->writes++);
}

static void pass_on(struct lossy *l, struct ramjet_dirty_sink *sink,
		    uint64_t page)
{
	l->reported++;
	if (page != atomic_load(&l->lost_page))
		ramjet_dirty_mark(sink, 0, page, 1);
}

static int lossy_collect(void *user, struct ramjet_dirty_sink *sink,
			 struct ramjet_error *err)
{
	struct lossy *l = user;
	struct world *w = rj_container_of(l, struct world, lossy);
	struct rj_bitmap *bitmaps[] = { &l->found };
	struct ramjet_dirty_sink inner = *sink;
	int rc;

	if (atomic_load(&w->is_at_rest) && ++l->rests == RESTS)
		write_in_vain(w);
	inner.bitmaps = bitmaps;
	rc = l->honest->ops.collect(l->honest->user, &inner, err);
	for (uint64_t page = 0; !rc && page < PAGES; page++)
		if (rj_bitmap_clear_run(&l->found, page, 1))
			pass_on(l, sink, page);
	if (l->lose_at && l->reported >= l->lose_at)
		atomic_store(&w->writer_rests, true);
	return rc;
}

static void lossy_stop(void *user)
{
	struct lossy *l = user;

	l->honest->ops.stop(l->honest->user);
}

static void lossy_free(void *user)
{
	struct lossy *l = user;

	ramjet_dirty_free(l->honest);
	rj_bitmap_done(&l->found);
}

static const struct ramjet_dirty_ops lossy_ops = {
	RAMJET_DIRTY_OPS_INIT,    .name = "lossy",    .start = lossy_start,
	.collect = lossy_collect, .stop = lossy_stop, .free = lossy_free,
};

/* ---- the guest ----------------------------------------------------------- */

static void *run_writer(void *arg)
{
	struct world *w = arg;

	while (!atomic_load(&w->writer_ends))
		if (!atomic_load(&w->writer_rests)) {
			write_counter(w->source_ram, w->writes++);
		} else {
			atomic_store(&w->is_at_rest, true);
			(void)sched_yield();
		}
	return NULL;
}

static int guest_stop(void *user, struct ramjet_error *err)
{
	struct world *w = user;

	(void)err;
	/* The writer is joined: nothing is written after this returned. */
	atomic_store(&w->writer_ends, true);
	return pthread_join(w->writer, NULL) ? -EIO : 0;
}

static int guest_start(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

/* Its own check: every page carries the sweep it was last written in. */
static uint64_t stale_pages(const struct world *w, uint64_t *ret_page)
{
	uint64_t stale = 0;

	for (uint64_t page = 0; page < PAGES; page++) {
		const uint64_t wanted =
			w->writes / PAGES + (page < w->writes % PAGES);
		uint64_t found;

		memcpy(&found, w->target_ram + page * RAMJET_PAGE_BYTES,
		       sizeof(found));
		if (found == wanted)
			continue;
		*ret_page = page;
		stale++;
	}
	return stale;
}

static uint8_t *new_ram(void)
{
	void *ram = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(ram != MAP_FAILED);
	return ram;
}

static struct ramjet_guest *new_guest(struct world *w, uint8_t *ram)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = guest_stop,
					      .start = guest_start };
	const struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
					    .host = ram, .bytes = BYTES,
					    .flags = RAMJET_BLOCK_FRESH };
	struct ramjet_guest *guest = NULL;

	assert_int_equal(ramjet_guest_new(&ops, w, &guest, NULL), 0);
	assert_int_equal(ramjet_guest_add_block(guest, &block, NULL), 0);
	return guest;
}

static int setup(struct world *w, uint64_t lose_at)
{
	struct ramjet_dirty_source *lossy = NULL;

	*w = (struct world){ .lossy.lose_at = lose_at };
	atomic_store(&w->lossy.lost_page, NONE_LOST);
	w->source_ram = new_ram();
	w->target_ram = new_ram();
	w->source = new_guest(w, w->source_ram);
	w->target = new_guest(w, w->target_ram);
	if (ramjet_dirty_pagemap_new(&w->lossy.honest, NULL))
		return -ENOTSUP;
	assert_int_equal(rj_bitmap_init(&w->lossy.found, PAGES, NULL), 0);
	assert_int_equal(ramjet_dirty_new(&lossy_ops, &w->lossy, &lossy, NULL),
			 0);
	assert_int_equal(ramjet_guest_add_dirty_source(w->source, lossy, NULL),
			 0);
	return pthread_create(&w->writer, NULL, run_writer, w);
}

static void teardown(struct world *w)
{
	ramjet_guest_free(w->source);
	ramjet_guest_free(w->target);
	(void)munmap(w->source_ram, BYTES);
	(void)munmap(w->target_ram, BYTES);
}

/* Keep the migration going until as many pages were reported as it takes. */
static void wait_for_reports(struct world *w, struct ramjet_migration *out)
{
	while (atomic_load(&w->lossy.lost_page) == NONE_LOST &&
	       !(w->lossy.lose_at == 0 &&
		 ramjet_migration_state(out) == RAMJET_STATE_HELD))
		(void)ramjet_wait(out, 20, NULL);
}

static int move(struct world *w, bool verify, struct ramjet_error *err)
{
	struct ramjet_params params = { RAMJET_PARAMS_INIT, .hold = true };
	struct ramjet_migration *in = NULL, *out = NULL;
	int rc;

	params.verify = verify;
	/* A limit nothing can meet: round after round, as fast as they go. */
	params.downtime_limit_us = w->lossy.lose_at ? 1 : 10000000;
	assert_int_equal(
		ramjet_incoming(w->target, "tcp:127.0.0.1:0", NULL, &in, NULL),
		0);
	assert_int_equal(ramjet_migrate(w->source, ramjet_listen_uri(in),
					&params, &out, NULL),
			 0);
	wait_for_reports(w, out);
	params.hold = false;
	params.downtime_limit_us = 10000000;
	assert_int_equal(ramjet_set_params(out, &params, NULL), 0);
	rc = ramjet_wait(out, -1, err);
	(void)ramjet_wait(in, -1, NULL);
	ramjet_migration_free(out);
	ramjet_migration_free(in);
	return rc;
}

/* ---- tests --------------------------------------------------------------- */

static void an_honest_source_loses_nothing(void **state)
{
	uint64_t page = NONE_LOST;
	struct world w;

	(void)state;
	if (setup(&w, 0)) {
		teardown(&w);
		print_message("# skipped: no asynchronous userfaultfd here\n");
		skip();
	}
	assert_int_equal(move(&w, true, NULL), 0);
	assert_int_equal(stale_pages(&w, &page), 0);
	teardown(&w);
}

static void one_lost_page_in_a_million_fails_verify(void **state)
{
	struct ramjet_error err = { 0 };
	struct world w;

	(void)state;
	if (setup(&w, ONE_IN)) {
		teardown(&w);
		print_message("# skipped: no asynchronous userfaultfd here\n");
		skip();
	}
	assert_int_equal(move(&w, true, &err), -EBADMSG);
	print_message("# lost page %llu of %llu reports: %s\n",
		      (unsigned long long)atomic_load(&w.lossy.lost_page),
		      (unsigned long long)w.lossy.reported, err.message);
	assert_non_null(strstr(err.message, "verify: block ram0 differs"));
	teardown(&w);
}

static void one_lost_page_in_a_million_is_seen_by_the_self_check(void **state)
{
	uint64_t page = NONE_LOST;
	struct world w;

	(void)state;
	if (setup(&w, ONE_IN)) {
		teardown(&w);
		print_message("# skipped: no asynchronous userfaultfd here\n");
		skip();
	}
	assert_int_equal(move(&w, false, NULL), 0);
	assert_int_equal(stale_pages(&w, &page), 1);
	assert_int_equal(page, atomic_load(&w.lossy.lost_page));
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_source_loses_nothing),
		cmocka_unit_test(one_lost_page_in_a_million_fails_verify),
		cmocka_unit_test(
			one_lost_page_in_a_million_is_seen_by_the_self_check),
	};

	return cmocka_run_group_tests_name("lossy_source", tests, NULL, NULL);
}
