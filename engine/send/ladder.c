/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * phase     measured            leaves to          when
 * SETTLED   the rung in force   SETTLING           two of three windows want
 *                                                  another rung
 *                               SETTLED, lower     the rung takes more of the CPU
 *                                                  than it may, for two windows
 * SETTLING  nothing             DUEL               what was under way has left
 * DUEL      the new rung        SETTLED            a window is over, or a third
 *                                                  of one shows it far behind
 */
#include "engine/send/ladder.h"

#include "util/compiler.h"

#define MS UINT64_C(1000000)
#define S  (1000 * MS)

/* Where nothing else is said, the figures were tried out on simulated links
 * (tests/unit: ladder). */

/* Shorter ones tell more of sockets and the scheduler. The first are short: a
 * migration may be over in a second. */
#define WINDOW_NS       (100 * MS)
#define QUICK_WINDOW_NS (20 * MS)
#define QUICK_WINDOWS   5u
#define WINDOW_NS_MAX   (1 * S)
/* Two frames: what one takes depends on what the socket held. */
#define WINDOW_BYTES (UINT64_C(4) << 20)
/* After a change, until its effect is seen. */
#define SETTLE_NS (20 * MS)

/* The network is waited for, from here on: less happens without, too. */
#define WAITS 0.08
/* And here it is what bounds the lane, almost alone. */
#define WAITS_MUCH 0.5
#define NO_WAITS   0.03
#define BUSY       0.2 /* less tells nothing of the CPU */
/* The network's rate is another than it was. */
#define NETWORK_ODD 1.25
/* As fast as it was, and nobody waits for it: it would take more. */
#define TAKES_MORE 0.98

/* What another rung must promise, and what it must bring. */
#define PROMISE     1.05
#define BIG_PROMISE 1.30 /* enough to act on at once */
#define GAIN_UP     1.02
#define LOSS_DOWN   0.99
/* Of what an untried rung is supposed to cost: on some pages it is much less, and
 * to try costs little. */
#define HOPE        0.7
#define OTHER_PAGES 1.25
/* No better than this is no reason for more CPU time. */
#define WORTH 1.02
/* Less of a lane's time is spent on what may be in vain, too. */
#define CHEAP 0.10
/* In a duel, after a third of a window. */
#define FAR_BEHIND 0.75
#define FAR_BYTES  (UINT64_C(2) << 20)

/* Four groups: about a millisecond's work. */
#define SAMPLE_BYTES (512u << 10)
/* So many times what it took later the next: half a per cent. While the lane
 * waits for the network anyway, a sample costs nothing but CPU time. */
#define SAMPLE_PAUSE      200u
#define SAMPLE_PAUSE_IDLE 25u
/* Likewise of what a lost duel has cost: one per cent. */
#define DUEL_PAUSE    100u
#define AUDIT_PAUSE   200u
#define UP_WAIT_NS    (1 * S)
#define DOWN_WAIT_NS  (1 * S)
#define AUDIT_WAIT_NS (20 * S)
#define WAIT_NS_MAX   (60 * S)
/* A little more than allowed is no reason to change. */
#define SHARE_SLACK 1.15
/* Of one window that differs from what was known. */
#define NEWS 0.5

void rj_ladder_init(struct rj_ladder *l,
		    const struct rj_ladder_options *options)
{
	*l = (struct rj_ladder){
		.lane_factor = 1 + 0.13 * (options->lane % 8),
		.quick = QUICK_WINDOWS,
		.got_cpu = 1,
		.up_wait_ns = UP_WAIT_NS,
		.down_wait_ns = DOWN_WAIT_NS,
		.down_step = 1,
		.audit_wait_ns = AUDIT_WAIT_NS,
	};
	rj_rungs_init(&l->rungs, options->highest);
	l->audit_ns = AUDIT_WAIT_NS;
}

/* ---- what a rung should move ------------------------------------------- */

static bool is_network_known(const struct rj_ladder *l)
{
	return l->network > 0 && l->seen.ns < l->network_until_ns;
}

static double lesser(double a, double b)
{
	return a < b ? a : b;
}

/* From off it is better to come near at once. */
static double cost_of(const struct rj_ladder *l, unsigned rung)
{
	const struct rj_rung *r = &l->rungs.rungs[rung];

	return r->cost * (r->known || !l->at ? 1 : HOPE);
}

/* Data bytes/s. */
static double promise(const struct rj_ladder *l, unsigned rung, double cpus)
{
	const struct rj_rung *r = &l->rungs.rungs[rung];
	const double cpu = lesser(cpus, l->got_cpu) * 1e9 /
			   (l->other_ns + cost_of(l, rung));

	const double moves =
		is_network_known(l) ? lesser(cpu, l->network / r->ratio) : cpu;

	/* What it does move is known better, where the CPU bounds it: others
	 * may have more of that than was thought. */
	return rung && rung == l->at && l->moved > 0 && l->waited < WAITS
		       ? lesser(moves, l->moved)
		       : moves;
}

/* Of the lane's time, for zstd alone. */
static double share(const struct rj_ladder *l, unsigned rung, double moved)
{
	return moved * cost_of(l, rung) / 1e9;
}

static bool is_permitted(const struct rj_ladder *l, unsigned rung,
			 const struct rj_ladder_room *room)
{
	const double slack = rung == l->at ? SHARE_SLACK : 1;

	return !rung || room->zstd_share >= 1 ||
	       share(l, rung, promise(l, rung, room->cpus)) <=
		       room->zstd_share * slack;
}

/* The rung that moves the most; of equals, the lowest. */
static unsigned best(const struct rj_ladder *l,
		     const struct rj_ladder_room *room)
{
	unsigned found = 0;
	double most = promise(l, 0, room->cpus);

	for (unsigned i = 1; l->rungs.known && i < l->rungs.count; i++) {
		const double moves = promise(l, i, room->cpus);

		if (moves < most * WORTH || !is_permitted(l, i, room) ||
		    (i != l->at && l->seen.ns < l->retry_ns[i]))
			continue;
		found = i;
		most = moves;
	}
	return found;
}

/* ---- going from rung to rung ------------------------------------------- */

static void new_window(struct rj_ladder *l)
{
	l->window = l->seen;
}

static void go(struct rj_ladder *l, unsigned rung, enum rj_ladder_reason reason)
{
	l->at = rung;
	l->reason = reason;
	l->votes_up = l->votes_down = 0;
	l->sampling = false;
	new_window(l);
}

static void settle(struct rj_ladder *l, double moved)
{
	l->phase = RJ_LADDER_SETTLED;
	l->moved = moved;
}

static void challenge(struct rj_ladder *l, unsigned rung,
		      enum rj_ladder_reason reason, bool audit)
{
	l->from = l->at;
	l->from_moved = l->moved;
	l->from_network = l->network;
	l->from_waited = l->waited;
	l->promised_ratio =
		l->rungs.rungs[rung].known ? l->rungs.rungs[rung].ratio : 0;
	l->began_ns = l->seen.ns;
	l->under_way = l->seen.wire_bytes;
	l->audit = audit;
	l->duels++;
	go(l, rung, reason);
	l->phase = RJ_LADDER_SETTLING;
}

/* Later the next time: twice as long as before, and long enough for what it has
 * cost to be little. */
static uint64_t put_off(struct rj_ladder *l, uint64_t *wait_ns, double cost_ns,
			unsigned pause)
{
	uint64_t ns = *wait_ns;

	if (cost_ns * pause > (double)ns)
		ns = (uint64_t)(cost_ns * pause);
	if (ns > WAIT_NS_MAX)
		ns = WAIT_NS_MAX;
	*wait_ns = ns < WAIT_NS_MAX / 2 ? ns * 2 : WAIT_NS_MAX;
	return l->seen.ns + (uint64_t)((double)ns * l->lane_factor);
}

static void lose(struct rj_ladder *l, double moved)
{
	const unsigned tried = l->at;
	const double lost = 1 - moved / l->from_moved;
	const double cost =
		(lost > 0 ? lost : 0) * (double)(l->seen.ns - l->began_ns);

	l->duels_lost++;
	if (l->audit) {
		l->audit_ns = put_off(l, &l->audit_wait_ns, cost, AUDIT_PAUSE);
	} else if (tried > l->from) {
		const uint64_t soon = (uint64_t)(cost * DUEL_PAUSE / 2);
		const uint64_t until =
			put_off(l, &l->up_wait_ns, cost, DUEL_PAUSE);

		/* What takes less CPU time may be better, and is tried sooner. */
		for (unsigned i = 1; i < l->rungs.count; i++)
			l->retry_ns[i] = i < tried ? l->seen.ns + soon : until;
	} else {
		l->down_ns = put_off(l, &l->down_wait_ns, cost, DUEL_PAUSE);
		l->network_until_ns = l->down_ns;
		l->down_step = 1;
	}
	go(l, l->from, RJ_LADDER_BACK);
	l->moved = l->from_moved;
	/* It may have been the other end that bounded the lane in the duel. */
	if (tried > l->from || l->audit) {
		l->network = l->from_network;
		l->network_at = l->from;
	}
	l->under_way = l->seen.wire_bytes;
	l->phase = RJ_LADDER_RETURNING;
}

static void win(struct rj_ladder *l, double moved)
{
	l->audit_wait_ns = AUDIT_WAIT_NS;
	settle(l, moved);
	if (l->at > l->from) {
		l->down_step = 1;
		return;
	}
	/* And on, if the next window wants it, too. */
	l->down_step *= 2;
	l->votes_down = 1;
}

/* All that was found out before was found out about another network. */
static void start_afresh(struct rj_ladder *l)
{
	for (unsigned i = 0; i < l->rungs.count; i++)
		l->retry_ns[i] = 0;
	l->up_wait_ns = UP_WAIT_NS;
	l->down_wait_ns = DOWN_WAIT_NS;
	l->down_ns = 0;
	l->down_step = 1;
	l->sample_ns = 0;
	l->moved = 0;
}

/* ---- a window ---------------------------------------------------------- */

static struct rj_ladder_seen since(const struct rj_ladder_seen *now,
				   const struct rj_ladder_seen *then)
{
	return (struct rj_ladder_seen){
		.ns = now->ns - then->ns,
		.wait_ns = now->wait_ns - then->wait_ns,
		.cpu_ns = now->cpu_ns - then->cpu_ns,
		.page_bytes = now->page_bytes - then->page_bytes,
		.data_bytes = now->data_bytes - then->data_bytes,
		.payload_bytes = now->payload_bytes - then->payload_bytes,
		.wire_bytes = now->wire_bytes - then->wire_bytes,
		.left_bytes = now->left_bytes - then->left_bytes,
		.zstd_in = now->zstd_in - then->zstd_in,
		.zstd_out = now->zstd_out - then->zstd_out,
		.zstd_ns = now->zstd_ns - then->zstd_ns,
	};
}

static double network_rate(const struct rj_ladder_seen *w)
{
	return w->ns ? (double)w->left_bytes * 1e9 / (double)w->ns : 0;
}

/* Data bytes/s: by what has left, since buffers swallow much at first. */
static double moved_in(const struct rj_ladder_seen *w)
{
	return w->wire_bytes ? network_rate(w) * (double)w->data_bytes /
				       (double)w->wire_bytes
			     : 0;
}

/* How much of the time it wanted a CPU it had one. That tells something only where
 * it wanted one for long. */
static void learn_cpu(struct rj_ladder *l, const struct rj_ladder_seen *w)
{
	const double busy = (double)(w->ns - w->wait_ns);
	const double got = lesser(1, (double)w->cpu_ns / busy);

	l->got_cpu +=
		NEWS * ((busy >= BUSY * (double)w->ns ? got : 1) - l->got_cpu);
}

static void learn_costs(struct rj_ladder *l, const struct rj_ladder_seen *w)
{
	const double zstd_ns = (double)w->zstd_ns;
	const double other =
		((double)w->cpu_ns - zstd_ns) / (double)w->data_bytes;

	learn_cpu(l, w);
	if (other > 0)
		l->other_ns +=
			(l->other_ns > 0 ? NEWS : 1) * (other - l->other_ns);
	if (l->at && w->zstd_in)
		rj_rungs_learn(&l->rungs, l->at, w->data_bytes,
			       w->payload_bytes, zstd_ns);
}

static void learn_network(struct rj_ladder *l, const struct rj_ladder_seen *w)
{
	const double rate = network_rate(w);
	const bool known = l->network > 0 && l->network_at == l->at;

	l->waited = (double)w->wait_ns / (double)w->ns;
	if (l->waited >= WAITS) {
		const bool odd = known && (rate > l->network * NETWORK_ODD ||
					   rate * NETWORK_ODD < l->network);

		if (odd && l->phase == RJ_LADDER_SETTLED)
			start_afresh(l);
		l->network = known && !odd
				     ? l->network + NEWS * (rate - l->network)
				     : rate;
		l->network_at = l->at;
		l->network_until_ns =
			l->seen.ns +
			(uint64_t)((double)l->down_wait_ns * l->lane_factor);
	} else if (l->waited < NO_WAITS && rate > l->network * TAKES_MORE) {
		l->network = 0;
	}
}

static void judge(struct rj_ladder *l, const struct rj_ladder_seen *w)
{
	const double moved = moved_in(w);
	const double ratio = l->rungs.rungs[l->at].ratio;
	double before = l->from_moved;

	/* Quite other pages than were expected are nobody's merit; but without
	 * zstd they are all the same. */
	if (l->from && l->at && l->promised_ratio > 0 &&
	    (ratio > l->promised_ratio * OTHER_PAGES ||
	     ratio * OTHER_PAGES < l->promised_ratio))
		before *= lesser(2, l->promised_ratio / ratio);
	if (moved >= before * (l->at > l->from ? GAIN_UP : LOSS_DOWN))
		win(l, moved);
	else
		lose(l, moved);
}

/* Most of it zero pages: that tells of reading memory, not of sending it. */
static bool tells(const struct rj_ladder_seen *w)
{
	return w->data_bytes >= w->page_bytes / 2 && w->data_bytes;
}

static bool two_of_three(unsigned votes)
{
	votes &= 7;
	return votes & 1 && votes & 6;
}

static void vote(struct rj_ladder *l, bool up, bool down)
{
	l->votes_up = l->votes_up << 1 | up;
	l->votes_down = l->votes_down << 1 | down;
}

/* Whether it is worth what it costs, when it brings next to nothing. */
static bool stays(const struct rj_ladder *l, unsigned wanted,
		  const struct rj_ladder_room *room)
{
	const double here = promise(l, l->at, room->cpus);

	return is_permitted(l, l->at, room) &&
	       (share(l, l->at, here) < CHEAP
			? promise(l, wanted, room->cpus) < here * WORTH
			: wanted > l->at && promise(l, wanted, room->cpus) <
						    here * PROMISE);
}

static void step_down(struct rj_ladder *l, unsigned wanted)
{
	/* Where the network's rate is not known, nothing tells how far. */
	if (!is_network_known(l) && l->at - wanted > l->down_step)
		wanted = l->at - l->down_step;
	challenge(l, wanted,
		  l->rungs.rungs[l->at].ratio > 1 / PROMISE ? RJ_LADDER_NO_GAIN
							    : RJ_LADDER_DOWN,
		  false);
}

static void consider(struct rj_ladder *l, const struct rj_ladder_room *room)
{
	const unsigned wanted = best(l, room);
	const bool moves =
		wanted != l->at && !stays(l, wanted, room) &&
		(wanted > l->at || is_network_known(l) ||
		 l->seen.ns >= l->down_ns || !is_permitted(l, l->at, room));
	const bool allowed = is_permitted(l, l->at, room);
	const bool at_once = promise(l, wanted, room->cpus) >
			     BIG_PROMISE * promise(l, l->at, room->cpus);

	vote(l, moves && wanted > l->at, moves && wanted < l->at);
	if (!allowed && two_of_three(l->votes_down)) {
		go(l, wanted, RJ_LADDER_GIVES_WAY);
		settle(l, 0);
	} else if (moves && wanted > l->at &&
		   (two_of_three(l->votes_up) || (at_once && l->quick))) {
		challenge(l, wanted, RJ_LADDER_UP, false);
	} else if (moves && wanted < l->at && two_of_three(l->votes_down)) {
		step_down(l, wanted);
	} else if (l->at && l->seen.ns >= l->audit_ns) {
		challenge(l, 0, RJ_LADDER_DOWN, true);
	}
}

static void plan_sample(struct rj_ladder *l)
{
	l->sampling = !l->at && l->phase == RJ_LADDER_SETTLED &&
		      l->rungs.count > 1 && l->waited >= WAITS &&
		      l->seen.ns >= l->sample_ns;
}

static void end_window(struct rj_ladder *l, const struct rj_ladder_seen *w,
		       const struct rj_ladder_room *room)
{
	const double moved = moved_in(w);

	new_window(l);
	if (!tells(w))
		return;
	learn_costs(l, w);
	learn_network(l, w);
	if (l->phase == RJ_LADDER_DUEL) {
		judge(l, w);
	} else {
		l->moved += (l->moved > 0 ? NEWS : 1) * (moved - l->moved);
		consider(l, room);
	}
	l->quick -= l->quick > 0;
	plan_sample(l);
}

static void end_sample(struct rj_ladder *l, const struct rj_ladder_seen *d)
{
	const unsigned pause =
		l->waited > WAITS_MUCH ? SAMPLE_PAUSE_IDLE : SAMPLE_PAUSE;

	l->sampling = false;
	l->sample_ns = l->seen.ns + d->zstd_ns * pause;
	rj_rungs_learn(&l->rungs, 1, d->zstd_in, d->zstd_out,
		       (double)d->zstd_ns);
}

/* ---- what the worker calls --------------------------------------------- */

static bool is_settling(const struct rj_ladder *l)
{
	return l->phase == RJ_LADDER_SETTLING ||
	       l->phase == RJ_LADDER_RETURNING;
}

static bool is_over(const struct rj_ladder *l, const struct rj_ladder_seen *w)
{
	const uint64_t ns = l->quick ? QUICK_WINDOW_NS : WINDOW_NS;

	if (is_settling(l))
		return (w->ns >= SETTLE_NS &&
			l->seen.left_bytes >= l->under_way) ||
		       w->ns >= WINDOW_NS_MAX;
	return (w->ns >= ns && w->data_bytes >= WINDOW_BYTES) ||
	       w->ns >= WINDOW_NS_MAX;
}

static bool is_far_behind(const struct rj_ladder *l,
			  const struct rj_ladder_seen *w)
{
	return l->phase == RJ_LADDER_DUEL && w->ns >= WINDOW_NS / 3 &&
	       w->wire_bytes >= FAR_BYTES && tells(w) &&
	       moved_in(w) < FAR_BEHIND * l->from_moved;
}

/* More lanes, or fewer, share the network: each has another part of it, and what
 * was measured before says nothing of what is measured now. */
static void heed_lanes(struct rj_ladder *l, unsigned lanes)
{
	const double part = (double)l->lanes / (double)lanes;
	const bool changed = l->lanes && l->lanes != lanes;

	l->lanes = lanes;
	if (!changed)
		return;
	l->network *= part;
	l->from_network *= part;
	new_window(l);
	if (l->phase == RJ_LADDER_SETTLED) {
		l->moved = 0;
	} else if (l->phase == RJ_LADDER_DUEL) {
		l->phase = RJ_LADDER_SETTLING;
		l->under_way = l->seen.wire_bytes;
	}
	if (l->from_waited >= WAITS)
		l->from_moved *= part;
}

void rj_ladder_feed(struct rj_ladder *l, const struct rj_ladder_seen *seen,
		    const struct rj_ladder_room *room)
{
	const struct rj_ladder_seen d = since(seen, &l->seen);
	struct rj_ladder_seen w;

	l->seen = *seen;
	heed_lanes(l, room->lanes);
	l->rung_ns[l->at] += d.ns;
	if (l->sampling && d.zstd_in) {
		end_sample(l, &d);
		if (l->quick && l->moved > 0)
			consider(l, room);
	}
	if (l->rungs.count < 2)
		return;
	w = since(seen, &l->window);
	if (is_far_behind(l, &w)) {
		learn_costs(l, &w);
		learn_network(l, &w);
		lose(l, moved_in(&w));
		return;
	}
	if (!is_over(l, &w))
		return;
	if (is_settling(l)) {
		l->phase = l->phase == RJ_LADDER_SETTLING ? RJ_LADDER_DUEL
							  : RJ_LADDER_SETTLED;
		new_window(l);
		return;
	}
	end_window(l, &w, room);
}

int32_t rj_ladder_level(const struct rj_ladder *l)
{
	return l->rungs.rungs[l->sampling ? 1 : l->at].level;
}

uint32_t rj_ladder_sample_bytes(const struct rj_ladder *l)
{
	return l->sampling ? SAMPLE_BYTES : 0;
}
