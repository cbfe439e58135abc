/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/scaling/ends.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/busy_guest.h"
#include "bench/machine.h"
#include "bench/scaling/resident.h"

/* How often is looked: at first a twentieth of what is to be shown; then
 * rarely, so as not to disturb. */
#define FIRST_NS 100000
#define LATER_MS 20
#define BEFORE_S 0.3

static int stop(void *user, struct ramjet_error *err)
{
	(void)err;
	writer_stop(user);
	return 0;
}

static int start(void *user, struct ramjet_error *err)
{
	(void)err;
	writer_start(user);
	return 0;
}

static struct ramjet_guest *guest_of(struct ends *ends)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = stop, .start = start };
	const struct ramjet_block block = memory_block(&ends->memory, false);
	struct ramjet_dirty_source *dirty = NULL;
	struct ramjet_guest *guest = NULL;
	struct ramjet_error err;

	check(ramjet_guest_new(&ops, &ends->writer, &guest, &err), &err);
	check(ramjet_guest_add_block(guest, &block, &err), &err);
	check(ramjet_dirty_pagemap_new(&dirty, &err), &err);
	check(ramjet_guest_add_dirty_source(guest, dirty, &err), &err);
	return guest;
}

/* How much the guest has written since the last look. */
struct pace {
	double at_s;
	uint64_t pages;
};

static double pace_since(struct pace *last, const struct writer *writer)
{
	const struct pace now = { now_s(), atomic_load(&writer->written) };
	const double a_second =
		(double)(now.pages - last->pages) / (now.at_s - last->at_s);

	*last = now;
	return a_second;
}

static struct ramjet_info *look(const struct ramjet_migration *m)
{
	struct ramjet_info *info = NULL;

	if (ramjet_info(m, &info))
		give_up("no statistics");
	return info;
}

static void await_first_page(const struct ramjet_migration *m)
{
	const struct timespec pause = { .tv_nsec = FIRST_NS };
	bool gone = false;

	while (!gone) {
		struct ramjet_info *info = look(m);

		gone = info->ram_normal_pages || info->ram_zero_pages ||
		       ramjet_state_is_final(info->state);
		ramjet_info_free(info);
		if (!gone)
			(void)nanosleep(&pause, NULL);
	}
}

/* Rounds go on meanwhile. */
static void hold(struct ramjet_migration *m, const struct ends *ends,
		 struct pace *pace, struct seen *seen)
{
	if (!ends->params.hold)
		return;
	(void)usleep(ends->hold_ms * 1000);
	seen->later = pace_since(pace, &ends->writer);
	(void)ramjet_switchover(m);
}

/* Until the guest is stopped, or all is over. */
static void watch(struct ramjet_migration *m, const struct ends *ends,
		  struct pace *pace, struct seen *seen)
{
	enum ramjet_state state;
	bool first = true;

	for (;;) {
		struct ramjet_info *info = look(m);

		state = info->state;
		if (first && info->rounds_total > 0) {
			seen->first_round = pace_since(pace, &ends->writer);
			first = false;
			hold(m, ends, pace, seen);
		}
		ramjet_info_free(info);
		if (state >= RAMJET_STATE_SWITCHOVER)
			break;
		resident_note(&seen->own_mib);
		pause_ms(LATER_MS);
	}
}

struct ramjet_info *source_run(struct ends *ends, const char *uri,
			       struct seen *ret_seen)
{
	struct ramjet_guest *guest = guest_of(ends);
	struct pace pace = { now_s(), 0 };
	struct ramjet_migration *m = NULL;
	struct ramjet_error err;
	struct seen seen = { 0 };
	struct ramjet_info *info;
	double resident_mib, began_s;

	writer_start(&ends->writer);
	(void)usleep((useconds_t)(BEFORE_S * 1e6));
	seen.before = pace_since(&pace, &ends->writer);
	resident_mib = resident_now();
	began_s = now_s();
	check(ramjet_migrate(guest, uri, &ends->params, &m, &err), &err);
	await_first_page(m);
	seen.first_ms = 1000 * (now_s() - began_s);
	watch(m, ends, &pace, &seen);
	check(ramjet_wait(m, -1, &err), &err);
	resident_note(&seen.own_mib);
	seen.own_mib -= resident_mib;
	info = look(m);
	ramjet_migration_free(m);
	*ret_seen = seen;
	return info;
}
