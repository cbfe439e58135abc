/* SPDX-License-Identifier: BSD-3-Clause */
/* KVM's log, armed and collected by parts. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/dirty/tiny_guest.h"

static void make(struct guest *g)
{
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.slots = guest_slots,
		.slot_count = GUEST_SLOTS,
	};

	guest_make(g, 0);
	log.vm_fd = g->vm.vm_fd;
	guest_check(g, ramjet_dirty_kvm_log_new(&log, &g->source, &g->err));
}

/* Chunks [first, end) of the block are armed. */
struct armed {
	uint64_t first;
	_Atomic uint64_t end;
};

static void make_by_parts(struct guest *g)
{
	make(g);
	if (!g->source->ops.arm) {
		printf("# skipped: KVM cannot call all pages dirty\n");
		skip();
	}
	guest_check(g, rj_dirty_set_start(&g->set, &g->source, 1, &g->region, 1,
					  &g->err));
}

/* Chunks [first, end). */
static uint64_t part(struct guest *g, uint64_t first, uint64_t end)
{
	const struct ramjet_dirty_part want = {
		.size = sizeof(want),
		.first_page = first * RJ_CHUNK_PAGES,
		.page_count = (end - first) * RJ_CHUNK_PAGES,
	};
	struct rj_bitmap *bitmaps[] = { &g->map };
	struct ramjet_dirty_sink sink = {
		.bitmaps = bitmaps,
		.regions = &g->region,
		.count = 1,
	};

	if (first == end)
		return 0;
	guest_check(g, g->source->ops.collect_part(g->source->user, &want,
						   &sink, &g->err));
	return sink.marked;
}

/* As a collect beside the arming would: of what is armed, in one part. */
static uint64_t collect_armed(struct guest *g, const struct armed *armed)
{
	g->source->ops.collect_begin(g->source->user, 0, &g->err);
	return part(g, armed->first, atomic_load(&armed->end));
}

static void tracking_begins_where_it_is_armed(void **state)
{
	struct armed armed = { .first = 1, .end = 2 };
	struct guest g;

	(void)state;
	make_by_parts(&g);
	memset(g.region.host, 1, GUEST_PAGES * RAMJET_PAGE_BYTES);
	guest_check(&g, guest_arm(&g, 512, 512));
	assert_int_equal(collect_armed(&g, &armed), 0);
	guest_write_edges(&g);
	/* 600 to 1023, of two slots. */
	assert_int_equal(collect_armed(&g, &armed), 9);
	guest_check(&g, guest_arm(&g, 0, 512));
	guest_check(&g, guest_arm(&g, 1024, 1024));
	/* Written before: who looks what is populated finds it. */
	assert_int_equal(guest_collect(&g), 0);
	guest_write_edges(&g);
	assert_int_equal(guest_collect(&g), GUEST_EDGES - 9);
	guest_check_edges(&g);
	guest_free(&g);
}

/* Slots 3 and 4 lie in two chunks, slot 3 with a word in both. They are copied
 * for the first of them before the second is armed. */
static void nothing_is_written_just_because_it_is_armed(void **state)
{
	struct guest g;

	(void)state;
	make_by_parts(&g);
	guest_check(&g, guest_arm(&g, 512, 1024));
	guest_write(&g, 0, 1023);
	g.source->ops.collect_begin(g.source->user, 0, &g.err);
	assert_int_equal(part(&g, 2, 3), 0);
	guest_check(&g, guest_arm(&g, 1536, 512));
	assert_int_equal(part(&g, 3, 4), 0);
	assert_int_equal(part(&g, 1, 2), 1);
	rj_dirty_set_stop(&g.set);
	rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);

	guest_check(&g, rj_dirty_set_start(&g.set, &g.source, 1, &g.region, 1,
					   &g.err));
	guest_check(&g, guest_arm(&g, 512, 512));
	guest_write(&g, 0, 1023);
	g.source->ops.collect_begin(g.source->user, 0, &g.err);
	assert_int_equal(part(&g, 1, 2), 1);
	guest_check(&g, guest_arm(&g, 1024, 1024));
	guest_check(&g, guest_arm(&g, 0, 512));
	assert_int_equal(part(&g, 2, 3) + part(&g, 3, 4) + part(&g, 0, 1), 0);
	/* In the log it still is. */
	rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);
	assert_int_equal(guest_collect(&g), 1);
	guest_free(&g);
}

/* Slots 2 and 3 are 600 to 729 and 1001 to 1037. */
static void what_others_share_a_word_with_is_not_forgotten(void **state)
{
	static const struct {
		uint64_t armed_later, count, kept[2];
	} cases[] = {
		/* To the end of slot 3, from its beginning, and in it. */
		{ 1024, 1024, { 1023, 1001 } },
		{ 512, 512, { 1024, 1037 } },
		{ 1010, 5, { 1009, 1015 } },
		/* From word to word of slot 2. */
		{ 610, 100, { 609, 710 } },
	};
	struct guest g;

	(void)state;
	make_by_parts(&g);
	guest_check(&g, guest_arm(&g, 0, GUEST_PAGES));
	for (size_t i = 0; i < RJ_ARRAY_SIZE(cases); i++) {
		for (unsigned k = 0; k < 2; k++)
			guest_write(&g, 0, cases[i].kept[k]);
		g.source->ops.collect_begin(g.source->user, 0, &g.err);
		(void)part(&g, 0, GUEST_PAGES / RJ_CHUNK_PAGES);
		rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);
		guest_check(&g, guest_arm(&g, cases[i].armed_later,
					  cases[i].count));
		(void)part(&g, 0, GUEST_PAGES / RJ_CHUNK_PAGES);
		for (unsigned k = 0; k < 2; k++)
			assert_true(rj_bitmap_test(&g.map, cases[i].kept[k]));
		rj_bitmap_clear_run(&g.map, 0, GUEST_PAGES);
	}
	guest_free(&g);
}

/* By who asks for no parts. */
static uint64_t whole(struct guest *g)
{
	struct rj_bitmap *bitmaps[] = { &g->map };
	struct ramjet_dirty_sink sink = {
		.bitmaps = bitmaps,
		.regions = &g->region,
		.count = 1,
	};

	guest_check(g, g->source->ops.collect(g->source->user, &sink, &g->err));
	return sink.marked;
}

static void the_whole_is_copied_anew_each_time(void **state)
{
	struct guest g;

	(void)state;
	make_by_parts(&g);
	/* No slot is logged yet: that is no error. */
	assert_int_equal(whole(&g), 0);
	guest_check(&g, guest_arm(&g, 0, GUEST_PAGES));
	assert_int_equal(whole(&g), 0);
	guest_write(&g, 0, 1023);
	assert_int_equal(whole(&g), 1);
	guest_write(&g, 0, 1022);
	assert_int_equal(whole(&g), 1);
	assert_int_equal(rj_bitmap_count(&g.map), 2);
	guest_free(&g);
}

static void a_slot_that_is_gone_fails_the_collect(void **state)
{
	const struct ramjet_kvm_slot *slot = &guest_slots[2];
	struct rj_bitmap *bitmaps[1];
	struct rj_dirty_walk walk = { .last = true };
	struct rj_crew crew;
	uint64_t marked;
	struct guest g;

	(void)state;
	make(&g);
	guest_check(&g, guest_start(&g));
	assert_int_equal(
		tiny_vm_set_slot(&g.vm, slot->slot, slot->guest_phys_addr,
				 g.region.host + slot->block_offset, 0),
		0);
	assert_int_equal(rj_crew_start(&crew, "rj/test", 3, NULL), 0);
	walk.crew = &crew;
	bitmaps[0] = &g.map;
	assert_int_equal(
		rj_dirty_set_collect(&g.set, &walk, bitmaps, &marked, &g.err),
		-ENOENT);
	assert_non_null(strstr(g.err.message, "KVM_GET_DIRTY_LOG of slot 2"));
	rj_crew_stop(&crew);
	guest_free(&g);
}

/* What a worker does in the first round: arm, then look (all is populated),
 * then read. */
struct first_round {
	struct guest *guest;
	struct armed armed;
	uint32_t *copy;
};

static void *first_round_main(void *user)
{
	struct first_round *r = user;

	for (uint64_t page = 0; page < GUEST_PAGES; page++) {
		if (page % RJ_CHUNK_PAGES == 0)
			guest_check(r->guest,
				    guest_arm(r->guest, page, RJ_CHUNK_PAGES));
		r->copy[page] = guest_page_value(r->guest, page);
		if (page % RJ_CHUNK_PAGES == RJ_CHUNK_PAGES - 1)
			atomic_store(&r->armed.end, page / RJ_CHUNK_PAGES + 1);
	}
	return NULL;
}

static void loses_nothing_while_it_is_armed(void **state)
{
	struct first_round r = { .copy = calloc(GUEST_PAGES, sizeof(*r.copy)) };
	struct guest_writers writers;
	struct guest g;

	(void)state;
	make_by_parts(&g);
	r.guest = &g;
	for (unsigned cycle = 0; cycle < 30; cycle++) {
		pthread_t thread;

		atomic_store(&r.armed.end, 0);
		guest_writers_start(&writers, &g);
		assert_int_equal(
			pthread_create(&thread, NULL, first_round_main, &r), 0);
		while (atomic_load(&r.armed.end) < g.map.chunk_count) {
			(void)collect_armed(&g, &r.armed);
			(void)guest_take(&g, r.copy);
		}
		assert_int_equal(pthread_join(thread, NULL), 0);
		(void)collect_armed(&g, &r.armed);
		(void)guest_take(&g, r.copy);
		guest_writers_stop(&writers);
		(void)collect_armed(&g, &r.armed);
		(void)guest_take(&g, r.copy);
		for (uint64_t page = 0; page < GUEST_PAGES; page++)
			assert_int_equal(r.copy[page],
					 guest_page_value(&g, page));
		rj_dirty_set_stop(&g.set);
		guest_check(&g, rj_dirty_set_start(&g.set, &g.source, 1,
						   &g.region, 1, &g.err));
	}
	free(r.copy);
	guest_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tracking_begins_where_it_is_armed),
		cmocka_unit_test(nothing_is_written_just_because_it_is_armed),
		cmocka_unit_test(
			what_others_share_a_word_with_is_not_forgotten),
		cmocka_unit_test(the_whole_is_copied_anew_each_time),
		cmocka_unit_test(a_slot_that_is_gone_fails_the_collect),
		cmocka_unit_test(loses_nothing_while_it_is_armed),
	};

	return cmocka_run_group_tests_name("kvm_parts", tests, NULL, NULL);
}
