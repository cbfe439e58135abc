/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/engine/send/lanes_sim.h"

#include <stdio.h>
#include <string.h>

#include "engine/send/ladder.h"

#define FRAME  2097152.0 /* payload */
#define CLAIM  2097152.0
#define SOCKET 1500000.0
/* CPU ns: to look at a page's byte, and to hand one to the kernel. */
#define LOOK_NS 0.06
#define SEND_NS 0.18

bool sim_talks;

struct lane {
	struct rj_ladder ladder;
	struct rj_ladder_seen seen;
	bool building;
	double left;      /* CPU ns of the frame at hand */
	double payload;   /* of it */
	double data, zin; /* likewise */
	double zns, zout;
	double queued;  /* in the socket, with the frame that waits to be */
	double per_out; /* page bytes a queued byte that zstd made */
	double blocked_ns, busy_ns, cpu_ns;
	double moved;
	double stretch;
};

struct world {
	const struct sim *sim;
	int32_t level;
	double now, link;
	struct lane lanes[SIM_LANES_MAX];
	struct sim_result result;
};

static const struct sim_level *level_of(const struct sim_pages *pages,
					int32_t level)
{
	for (unsigned i = 0; i < 4; i++)
		if (pages->levels[i].level == level)
			return &pages->levels[i];
	return NULL;
}

static const struct sim_pages *pages_at(const struct world *w,
					struct lane *lane)
{
	const struct sim *sim = w->sim;

	if (!sim->stretch_bytes)
		return sim->pages;
	return (uint64_t)(lane->stretch / (double)sim->stretch_bytes) % 2
		       ? sim->other
		       : sim->pages;
}

static void add(struct lane *lane, const struct sim_level *level, double bytes)
{
	const double out = level ? bytes * level->ratio : bytes;

	lane->data += bytes;
	lane->stretch += bytes;
	lane->payload += out;
	lane->left += bytes * LOOK_NS + out * SEND_NS;
	if (!level)
		return;
	lane->zin += bytes;
	lane->zout += out;
	lane->zns += bytes * level->cost;
	lane->left += bytes * level->cost;
}

static struct rj_ladder_room room_of(const struct world *w)
{
	const struct sim *sim = w->sim;

	return (struct rj_ladder_room){
		.lanes = sim->lanes,
		.cpus = sim->cpus / sim->lanes,
		.zstd_share = sim->zstd_share > 0 ? sim->zstd_share : 1,
	};
}

/* What the next frame holds is decided at once; its time is taken later. */
static void build(struct world *w, struct lane *lane)
{
	lane->left = lane->payload = lane->data = 0;
	lane->zin = lane->zout = lane->zns = 0;
	while (lane->payload < FRAME) {
		const struct sim_pages *pages = pages_at(w, lane);
		const int32_t level = w->level == SIM_AUTO
					      ? rj_ladder_level(&lane->ladder)
					      : w->level;
		const double sample =
			w->level != SIM_AUTO
				? 0
				: rj_ladder_sample_bytes(&lane->ladder);

		add(lane, level_of(pages, level),
		    sample > 0 ? sample : CLAIM / 4);
		if (sample <= 0)
			continue;
		/* As a sample: its time is passed by with the frame's. */
		lane->seen.zstd_in += (uint64_t)lane->zin;
		lane->seen.zstd_out += (uint64_t)lane->zout;
		lane->seen.zstd_ns += (uint64_t)lane->zns;
		lane->zin = lane->zout = lane->zns = 0;
		{
			const struct rj_ladder_room room = room_of(w);

			rj_ladder_feed(&lane->ladder, &lane->seen, &room);
		}
	}
	lane->building = true;
}

static void tell(struct world *w, struct lane *lane, unsigned before)
{
	if (sim_talks && lane == w->lanes && lane->ladder.at != before)
		printf("# %.3f s: rung %u -> %u (why %u, waited %.2f, network "
		       "%.0f MB/s, moved %.0f MB/s)\n",
		       w->now / 1e9, before, lane->ladder.at,
		       lane->ladder.reason, lane->ladder.waited,
		       lane->ladder.network / 1e6, lane->ladder.moved / 1e6);
	if (lane->ladder.at && !w->result.first_ns)
		w->result.first_ns = (uint64_t)w->now;
}

static void launch(struct world *w, struct lane *lane)
{
	struct rj_ladder_seen *seen = &lane->seen;
	const struct rj_ladder_room room = room_of(w);
	const unsigned before = lane->ladder.at;

	lane->seen.left_bytes = lane->seen.wire_bytes - (uint64_t)lane->queued;
	lane->seen.wire_bytes += (uint64_t)lane->payload;
	lane->moved += lane->data;
	lane->queued += lane->payload;
	lane->per_out = lane->payload > 0 ? (lane->zin > 0 ? lane->data : 0) /
						    lane->payload
					  : 0;
	w->result.zstd_ns += lane->zns;
	seen->zstd_in += (uint64_t)lane->zin;
	seen->zstd_out += (uint64_t)lane->zout;
	seen->zstd_ns += (uint64_t)lane->zns;
	seen->ns += (uint64_t)(lane->blocked_ns + lane->busy_ns);
	seen->wait_ns += (uint64_t)lane->blocked_ns;
	seen->cpu_ns += (uint64_t)lane->cpu_ns;
	seen->page_bytes += (uint64_t)lane->data;
	seen->data_bytes += (uint64_t)lane->data;
	seen->payload_bytes += (uint64_t)lane->payload;
	lane->blocked_ns = lane->busy_ns = lane->cpu_ns = 0;
	if (w->level == SIM_AUTO)
		rj_ladder_feed(&lane->ladder, seen, &room);
	tell(w, lane, before);
	build(w, lane);
}

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* ns of CPU time the receiver takes for a queued byte. */
static double receive_cost(const struct world *w, const struct lane *lane)
{
	return w->sim->receive_ns + lane->per_out * w->sim->decode_ns;
}

/* To the next event. */
static void step(struct world *w)
{
	const struct sim *sim = w->sim;
	double runnable = sim->guest_cpus, draining = 0, cpu, ns = 1e9;
	double drain[SIM_LANES_MAX];

	for (unsigned i = 0; i < sim->lanes; i++) {
		runnable += w->lanes[i].building;
		if (w->lanes[i].queued > 1)
			draining++;
	}
	if (sim->same_machine)
		runnable += draining;
	cpu = least(1, sim->cpus / (runnable > 0 ? runnable : 1));
	for (unsigned i = 0; i < sim->lanes; i++) {
		struct lane *lane = &w->lanes[i];
		const double cost = receive_cost(w, lane);

		drain[i] = 0;
		if (lane->queued > 1) {
			drain[i] = w->link / draining;
			if (cost > 0)
				drain[i] = least(drain[i],
						 (sim->same_machine ? cpu : 1) *
							 1e9 / cost);
		}
		if (lane->building)
			ns = least(ns, lane->left / cpu);
		else
			ns = least(ns,
				   (lane->queued - SOCKET) / drain[i] * 1e9);
		if (lane->queued > 1)
			ns = least(ns, lane->queued / drain[i] * 1e9);
	}
	ns = ns < 1 ? 1 : ns;
	w->now += ns;
	for (unsigned i = 0; i < sim->lanes; i++) {
		struct lane *lane = &w->lanes[i];

		lane->queued -= least(lane->queued, drain[i] * ns / 1e9);
		if (lane->building) {
			lane->left -= ns * cpu;
			lane->busy_ns += ns;
			lane->cpu_ns += ns * cpu;
			lane->building = lane->left > 0.5;
		} else {
			lane->blocked_ns += ns;
		}
		if (!lane->building && lane->queued <= SOCKET + 1)
			launch(w, lane);
	}
}

static void begin(struct world *w)
{
	for (unsigned i = 0; i < w->sim->lanes; i++) {
		const struct rj_ladder_options options = { .highest = 3,
							   .lane = i };

		rj_ladder_init(&w->lanes[i].ladder, &options);
		w->lanes[i].stretch = (double)i * 3e6;
		build(w, &w->lanes[i]);
	}
}

static double moved(const struct world *w)
{
	double bytes = 0;

	for (unsigned i = 0; i < w->sim->lanes; i++)
		bytes += w->lanes[i].moved;
	return bytes;
}

struct sim_result sim_run(const struct sim *sim, int32_t level, uint64_t ns)
{
	static struct world w;
	unsigned changes = 0;

	memset(&w, 0, sizeof(w));
	w.sim = sim;
	w.level = level;
	w.link = sim->link;
	begin(&w);
	while (w.now < (double)ns) {
		if (changes < 3 && sim->change_ns[changes] &&
		    w.now >= (double)sim->change_ns[changes]) {
			w.result.bytes_at[changes] = moved(&w);
			w.link = sim->change_link[changes++];
		}
		step(&w);
	}
	w.result.bytes = moved(&w);
	w.result.level = rj_ladder_level(&w.lanes[0].ladder);
	for (unsigned i = 0; i < sim->lanes; i++) {
		w.result.duels += w.lanes[i].ladder.duels;
		w.result.duels_lost += w.lanes[i].ladder.duels_lost;
	}
	return w.result;
}
