/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/send/lane_level.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/wire/wire.h"
#include "util/clock.h"
#include "util/log.h"

/* Levels that the report names: those of most of the time. */
#define TOLD 4u

static struct rj_level_clocks clocks_now(void)
{
	return (struct rj_level_clocks){
		rj_now_ns(),
		rj_clock_ns(CLOCK_THREAD_CPUTIME_ID),
	};
}

static void name(int32_t level, char *text, size_t size)
{
	if (level == RJ_LEVEL_OFF)
		(void)snprintf(text, size, "off");
	else
		(void)snprintf(text, size, "%" PRId32, level);
}

static const char *why(const struct rj_ladder *ladder)
{
	switch (ladder->reason) {
	case RJ_LADDER_BEGINS:
		return "the network was not waited for";
	case RJ_LADDER_UP:
		return "the network was waited for";
	case RJ_LADDER_DOWN:
		return "the CPU was short";
	case RJ_LADDER_BACK:
		return "another moved no more";
	case RJ_LADDER_NO_GAIN:
		return "pages hardly got smaller";
	case RJ_LADDER_GIVES_WAY:
		return "no more CPU time was to be had";
	}
	return "";
}

static void record(struct rj_lane_level *lane, int32_t level)
{
	const struct rj_ladder *ladder = &lane->ladder;
	char from[16], to[16];

	name(lane->level, from, sizeof(from));
	name(level, to, sizeof(to));
	if (lane->adaptive && level != lane->level)
		rj_log(lane->options.env->log, RJ_LOG_DEBUG,
		       "channel %u: zstd %s instead of %s: %s; waited for the "
		       "network %.0f %% of the time, it took %.0f MB/s",
		       lane->options.lane, to, from, why(ladder),
		       ladder->waited * 100, ladder->network / 1e6);
	lane->level = level;
	rj_levels_note(&lane->options.counters->levels, level, rj_now_us());
}

/* How long this thread was ready to run and did not, so far; 0: not to be had. */
static uint64_t queued_ns(const struct rj_lane_level *lane)
{
	unsigned long long cpu_ns, queued;
	char text[96];
	const ssize_t bytes = lane->sched_fd < 0 ? 0
						 : pread(lane->sched_fd, text,
							 sizeof(text) - 1, 0);

	if (bytes <= 0)
		return 0;
	text[bytes] = '\0';
	return sscanf(text, "%llu %llu", &cpu_ns, &queued) == 2 ? queued : 0;
}

int32_t rj_lane_level_begin(struct rj_lane_level *lane,
			    const struct rj_lane_level_options *options)
{
	const struct rj_reduction *reduction = options->reduction;
	struct rj_ladder_options ladder = { .lane = options->lane };

	*lane = (struct rj_lane_level){
		.options = *options,
		.level = RJ_LEVEL_OFF,
		.sched_fd = -1,
	};
	if (!rj_reduction_allows(reduction, RJ_RUN_ZSTD))
		return RJ_LEVEL_OFF;
	if (reduction->level == RJ_LEVEL_OFF || !reduction->adaptive)
		return reduction->level;
	lane->adaptive = true;
	ladder.highest = reduction->level;
	rj_ladder_init(&lane->ladder, &ladder);
	lane->sched_fd =
		open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	lane->queued_ns = queued_ns(lane);
	record(lane, RJ_LEVEL_OFF);
	return RJ_LEVEL_OFF;
}

/* The time since the latest look was the lane's. */
static void pass(struct rj_lane_level *lane)
{
	const struct rj_level_clocks now = clocks_now();

	if (lane->looked.wall_ns) {
		lane->seen.ns += now.wall_ns - lane->looked.wall_ns;
		lane->seen.cpu_ns += now.cpu_ns - lane->looked.cpu_ns;
	}
	lane->looked = now;
}

void rj_lane_level_work(struct rj_lane_level *lane)
{
	if (lane->adaptive && !lane->looked.wall_ns)
		lane->looked = clocks_now();
}

void rj_lane_level_rest(struct rj_lane_level *lane)
{
	if (!lane->adaptive)
		return;
	pass(lane);
	lane->looked.wall_ns = 0;
}

void rj_lane_level_wait(struct rj_lane_level *lane)
{
	if (lane->adaptive)
		lane->waits = clocks_now();
}

void rj_lane_level_waited(struct rj_lane_level *lane)
{
	struct rj_level_clocks now;
	uint64_t wall_ns, cpu_ns;

	if (!lane->adaptive || !lane->looked.wall_ns)
		return;
	now = clocks_now();
	wall_ns = now.wall_ns - lane->waits.wall_ns;
	cpu_ns = now.cpu_ns - lane->waits.cpu_ns;
	lane->off_ns += wall_ns > cpu_ns ? wall_ns - cpu_ns : 0;
}

/* Who waits for the network is woken up, and waits for a CPU then. */
static void take_waits(struct rj_lane_level *lane)
{
	const uint64_t queued = queued_ns(lane);
	const uint64_t late =
		queued > lane->queued_ns ? queued - lane->queued_ns : 0;

	lane->seen.wait_ns += lane->off_ns > late ? lane->off_ns - late : 0;
	lane->queued_ns = queued;
	lane->off_ns = 0;
}

static void take_counters(struct rj_lane_level *lane, uint64_t left_bytes)
{
	const struct rj_counters *c = lane->options.counters;
	struct rj_ladder_seen *seen = &lane->seen;
	const uint64_t raw = rj_counter(&c->normal_pages);
	const uint64_t refused = rj_counter(&c->zstd_refused_pages);
	const uint64_t data = raw + rj_counter(&c->compressed_pages);

	seen->data_bytes = data * RAMJET_PAGE_BYTES;
	seen->page_bytes = seen->data_bytes + (rj_counter(&c->zero_pages) +
					       rj_counter(&c->word_pages) +
					       rj_counter(&c->delta_pages)) *
						      RAMJET_PAGE_BYTES;
	seen->zstd_in = rj_counter(&c->zstd_in_bytes);
	seen->zstd_out = rj_counter(&c->zstd_out_bytes);
	seen->zstd_ns = rj_counter(&c->zstd_ns);
	/* Of a sample's groups, those that were refused may not have been
	 * counted as pages yet. */
	seen->payload_bytes =
		(raw > refused ? raw - refused : 0) * RAMJET_PAGE_BYTES +
		seen->zstd_out;
	seen->wire_bytes = rj_counter(&c->launched_bytes);
	if (left_bytes > seen->left_bytes)
		seen->left_bytes = left_bytes;
}

static struct rj_ladder_room room_of(const struct rj_lane_level *lane,
				     unsigned active)
{
	const struct rj_level_room *room = lane->options.room;

	return (struct rj_ladder_room){
		.lanes = active,
		.cpus = (double)room->cpus / active,
		.zstd_share = atomic_load_explicit(&room->zstd_percent,
						   memory_order_relaxed) /
			      100.0,
	};
}

int32_t rj_lane_level_look(struct rj_lane_level *lane, uint64_t left_bytes,
			   unsigned active)
{
	const struct rj_ladder_room room = room_of(lane, active);
	const struct rj_ladder_seen *seen = &lane->seen;
	int32_t level;

	pass(lane);
	take_waits(lane);
	take_counters(lane, left_bytes);
	atomic_store_explicit(&lane->options.counters->unserved_ns,
			      seen->ns - seen->wait_ns > seen->cpu_ns
				      ? seen->ns - seen->wait_ns - seen->cpu_ns
				      : 0,
			      memory_order_relaxed);
	rj_ladder_feed(&lane->ladder, seen, &room);
	level = lane->ladder.rungs.rungs[lane->ladder.at].level;
	if (level != lane->level)
		record(lane, level);
	return rj_ladder_level(&lane->ladder);
}

static int longest_first(const void *a, const void *b)
{
	const struct rj_level_time *x = a, *y = b;

	return (x->ns < y->ns) - (x->ns > y->ns);
}

/* "auto: zstd 1", and "1 for 83 % of the channels' time, off for 17 %; 9 tries, 3
 * in vain; at last: ..." */
static void report(const struct rj_level_times *levels, const char *last_why,
		   char *chosen, size_t chosen_size, char *reason,
		   size_t reason_size)
{
	struct rj_level_time all[RJ_LEVEL_TIMES_MAX];
	char level[16];
	uint64_t ns = 0;
	size_t at = 0;

	memcpy(all, levels->times, sizeof(all));
	qsort(all, levels->count, sizeof(all[0]), longest_first);
	for (unsigned i = 0; i < levels->count; i++)
		ns += all[i].ns;
	name(all[0].level, level, sizeof(level));
	(void)snprintf(chosen, chosen_size, "auto: %s%s",
		       all[0].level == RJ_LEVEL_OFF ? "" : "zstd ", level);
	for (unsigned i = 0; i < levels->count && i < TOLD && ns; i++) {
		name(all[i].level, level, sizeof(level));
		at += (size_t)snprintf(reason + at, reason_size - at,
				       "%s%s %.0f %%", i ? ", " : "", level,
				       100.0 * (double)all[i].ns / (double)ns);
	}
	(void)snprintf(reason + at, reason_size - at,
		       " of the time; %u tries, %u in vain; at last: %s",
		       levels->tries, levels->tries_lost, last_why);
}

/* Whoever is through last tells of all lanes. */
void rj_lane_level_end(struct rj_lane_level *lane)
{
	const struct rj_ladder *ladder = &lane->ladder;
	const struct rj_env *env = lane->options.env;
	struct rj_level_times *levels;
	char chosen[32], reason[160];

	if (!lane->adaptive)
		return;
	levels = &env->stats->level_times;
	rj_lock(env->lock);
	for (unsigned i = 0; i < ladder->rungs.count; i++)
		if (ladder->rung_ns[i] || !i)
			rj_level_times_add(levels, ladder->rungs.rungs[i].level,
					   ladder->rung_ns[i]);
	levels->tries += ladder->duels;
	levels->tries_lost += ladder->duels_lost;
	report(levels, why(ladder), chosen, sizeof(chosen), reason,
	       sizeof(reason));
	rj_statistics_path_now(env->stats, "compression", chosen, "%s", reason);
	rj_unlock(env->lock);
}

void rj_lane_level_done(struct rj_lane_level *lane)
{
	if (lane->adaptive && lane->sched_fd >= 0)
		(void)close(lane->sched_fd);
}
