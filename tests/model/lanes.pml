/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Rounds and fences of protocol v2 where lanes are lost and return
 * (docs/protocol.md, docs/decisions/046-lost-lanes.md): from the first page to
 * READY. The names of messages are those of engine/wire/wire.h.
 *
 * The guest writes, rounds are opened, lanes claim pages, send them as they are
 * or as what has changed since a copy that was sent before, and pass fences. At
 * any step a lane's connection breaks, which loses any tail of what was under way;
 * both sides notice when they like. A lost lane may return under a new epoch.
 *
 * A page is the number of times it was written. Claims:
 *   1. READY: every page is at the target as it is at the source.
 *   2. No older copy lands on a newer one.
 *   3. What is sent as a change is applied to the copy that it builds on.
 *   4. It ends: READY comes, unless all lanes are lost for good.
 *
 * BROKEN_* leave one rule out; REACH_* claim that something never happens: run.py
 * expects each to be caught.
 */
#define LANES  2
#define PAGES  2
#define WHOLE  255 /* instead of a base */
/* BOTH: both pages are written, and both lanes break; else, as they are alike, one
 * of each. */
#ifndef WRITES
#define WRITES 2
#endif
#ifndef ROUNDS
#define ROUNDS 4 /* opened at most before the guest is stopped */
#endif
#ifndef BREAKS
#define BREAKS 1
#endif
#ifndef DEPTH
#define DEPTH 3
#endif

mtype = { PAGE, FENCE, LOST, BACK, JOINED, APPLIED, SWITCHOVER, READY, HELLO };

/* PAGE: page, content, base. FENCE: round, final. */
chan data[LANES] = [DEPTH] of { mtype, byte, byte, byte };
bool broken[LANES];
/* LOST: lane, epoch, frames. BACK: lane, epoch, round. SWITCHOVER: round. */
chan to_target = [4] of { mtype, byte, byte, byte };
/* LOST: lane, epoch, frames. JOINED: lane, epoch, round. APPLIED: round. */
chan to_source = [5] of { mtype, byte, byte, byte };
/* New connections, which say HELLO: lane, epoch. */
chan door = [2] of { mtype, byte, byte };

/* ---- the source ---- */
byte memory[PAGES];
bool written[PAGES];      /* since the last collect */
bool told[PAGES];         /* lost on their way */
typedef bits { bool page[PAGES] };
bits map[2];
byte open;                /* the open round */
bool filled;              /* the map of the next one, in part */
bool final_open;
bool guest_runs = true;
byte writes;
byte source_applied;      /* rounds */
/* copies of what was sent, to build on */
byte copy[PAGES], copy_round[PAGES];
bool has_copy[PAGES];
byte round_of[LANES];     /* the one whose fence comes next */
byte claims_from[LANES];  /* nothing is claimed in rounds before */
bool sends[LANES];        /* its worker is at it */
bool asked[LANES];        /* LOST was said, and not answered */
bool may_return[LANES], returning[LANES];
byte epoch[LANES];
byte frames[LANES];       /* sent in this epoch */
typedef claim { byte frame[PAGES] };
claim claims[LANES];      /* the last frame with this page; 0: none */
bool announced;
bool ready;

/* ---- the target ---- */
byte there[PAGES];
bool receives[LANES];
bool at_fence[LANES];
bool says_final[LANES];
byte its_epoch[LANES];
byte taken[LANES];        /* frames */
byte applied;             /* rounds */
byte unanswered;          /* LOST without BACK */
byte final_from;
bool final_applied;
byte last_round;
bool have_end;

byte breaks;
bool was_void, came_back, built, went_again;

#define in_round(k, p)  map[round_of[k] & 1].page[p]
#define nothing_left(k) (!in_round(k, 0) && !in_round(k, 1))
#define blocks_fill(k)  (sends[k] && round_of[k] < open)
#ifdef BROKEN_NOBODY_IS_THERE
#define can_fill        (!blocks_fill(0) && !blocks_fill(1))
#else
#define can_fill        ((sends[0] || sends[1]) && !blocks_fill(0) && \
			 !blocks_fill(1))
#endif
/* While the guest stands still only if nothing else goes on. */
#define is_worth_it     ((guest_runs && !final_open) || !any_lane)
#define any_lane        (sends[0] || sends[1] || returning[0] || returning[1])
#define may_end         (!asked[0] && !asked[1])

inline collect()
{
	p = 0;
	do
	:: p < PAGES ->
		if
		:: written[p] || told[p] -> map[(open + 1) & 1].page[p] = true
		:: else
		fi;
		written[p] = false;
		told[p] = false;
		p++
	:: else -> break
	od;
	p = 0
}

inline send_page(k, pg)
{
	in_round(k, pg) = false;
	frames[k]++;
	claims[k].frame[pg] = frames[k];
	if
#ifdef BROKEN_BASE_NOT_APPLIED
	:: has_copy[pg] && round_of[k] > copy_round[pg] ->
#else
	:: has_copy[pg] && source_applied > copy_round[pg] ->
#endif
		base = copy[pg];
		built = true
	:: else -> base = WHOLE
	fi;
	if
	:: !broken[k] -> data[k]!PAGE(pg, memory[pg], base)
	:: else
	fi;
	copy[pg] = memory[pg];
	copy_round[pg] = round_of[k];
	has_copy[pg] = true
}

/* The target has `n` frames of lane `k`: all else is dirty again. */
inline put_back(k, n)
{
	something = false;
	p = 0;
	do
	:: p < PAGES ->
		if
		:: claims[k].frame[p] > n ->
			something = true;
#ifndef BROKEN_NOT_PUT_BACK
			told[p] = true;
#endif
			went_again = true;
#ifndef BROKEN_COPY_KEPT
			has_copy[p] = false
#endif
		:: else
		fi;
		claims[k].frame[p] = 0;
		p++
	:: else -> break
	od;
	p = 0
}

inline lane_is_lost(k, n)
{
	sends[k] = false;
	asked[k] = false;
	put_back(k, n);
	may_return[k] = true;
	if
	/* The final round that is open is none any more. */
	:: something ->
		final_open = false;
		announced = false;
		base = open + 1
	:: else -> base = 0
	fi
}

proctype Source()
{
	byte p, a, b, c, base;
	bool something;

	do
	/* the guest, and its dirt */
	:: atomic { guest_runs && writes < WRITES ->
		if
		:: memory[0]++; written[0] = true
#ifdef BOTH
		:: memory[1]++; written[1] = true
#endif
		fi;
		writes++ }
	:: d_step { guest_runs && open < ROUNDS && can_fill && !filled ->
		collect();
		filled = true }
	:: d_step { guest_runs && filled -> open++; filled = false }
	:: d_step { guest_runs -> guest_runs = false }
	/* the end: nothing lost is unanswered */
	:: d_step { !guest_runs && !final_open && may_end && can_fill ->
		collect();
		filled = false;
		open++;
		final_open = true }
	:: d_step { final_open && may_end && !announced && nfull(to_target) ->
		announced = true;
		to_target!SWITCHOVER(open, 0, 0) }
	/* lanes at work */
	:: d_step { sends[0] && round_of[0] <= open && round_of[0] >= claims_from[0] &&
		in_round(0, 0) && (nfull(data[0]) || broken[0]) -> send_page(0, 0) }
	:: d_step { sends[0] && round_of[0] <= open && round_of[0] >= claims_from[0] &&
		in_round(0, 1) && (nfull(data[0]) || broken[0]) -> send_page(0, 1) }
	:: d_step { sends[1] && round_of[1] <= open && round_of[1] >= claims_from[1] &&
		in_round(1, 0) && (nfull(data[1]) || broken[1]) -> send_page(1, 0) }
	:: d_step { sends[1] && round_of[1] <= open && round_of[1] >= claims_from[1] &&
		in_round(1, 1) && (nfull(data[1]) || broken[1]) -> send_page(1, 1) }
	:: d_step { sends[0] && round_of[0] <= open && !broken[0] && nfull(data[0]) &&
		(nothing_left(0) || round_of[0] < claims_from[0]) ->
		data[0]!FENCE(round_of[0], final_open && round_of[0] == open, 0);
		round_of[0]++ }
	:: d_step { sends[1] && round_of[1] <= open && !broken[1] && nfull(data[1]) &&
		(nothing_left(1) || round_of[1] < claims_from[1]) ->
		data[1]!FENCE(round_of[1], final_open && round_of[1] == open, 0);
		round_of[1]++ }
	/* a loss is noticed */
	:: d_step { sends[0] && broken[0] && !asked[0] && nfull(to_target) ->
		sends[0] = false; asked[0] = true;
		to_target!LOST(0, epoch[0], 0) }
	:: d_step { sends[1] && broken[1] && !asked[1] && nfull(to_target) ->
		sends[1] = false; asked[1] = true;
		to_target!LOST(1, epoch[1], 0) }
	/* a lane returns */
	:: d_step { may_return[0] && nfull(door) && is_worth_it ->
		may_return[0] = false; returning[0] = true;
		door!HELLO(0, epoch[0] + 1) }
	:: d_step { may_return[1] && nfull(door) && is_worth_it ->
		may_return[1] = false; returning[1] = true;
		door!HELLO(1, epoch[1] + 1) }
	/* what the target says */
	:: d_step { to_source?[LOST(a, b, c)] && nfull(to_target) ->
		to_source?LOST(a, b, c);
		if
		:: b == epoch[a] && !may_return[a] && !returning[a] ->
			lane_is_lost(a, c);
			to_target!BACK(a, b, base)
		:: else
		fi }
	:: d_step { to_source?[APPLIED(a, b, c)] ->
		to_source?APPLIED(a, b, c);
		source_applied = a + 1 }
	:: d_step { to_source?[JOINED(a, b, c)] ->
		to_source?JOINED(a, b, c);
		returning[a] = false;
		came_back = true;
		epoch[a] = b;
		frames[a] = 0;
		round_of[a] = c;
		/* Of the round before it may be the last: but its map may be
		 * that of the next one by now. */
#ifdef BROKEN_CLAIMS_AT_ONCE
		claims_from[a] = 0;
#else
#ifdef BROKEN_CLAIMS_WHILE_FILLED
		claims_from[a] = (open -> open - 1 : 0);
#else
#ifdef BROKEN_LEFT_BEHIND
		claims_from[a] = open;
#else
		claims_from[a] = (filled || !open -> open : open - 1);
#endif
#endif
#endif
		sends[a] = true }
	:: d_step { to_source?[READY(a, b, c)] ->
		to_source?READY(a, b, c);
		ready = true }
	:: ready -> break
	od
}

#ifdef BROKEN_NO_LANE_IS_ENOUGH
#define look_now true
#else
#define look_now (receives[0] || receives[1])
#endif

/* The fences of all lanes that are left: the round is applied. */
inline look_at_fences()
{
	if
	:: look_now && (!receives[0] || at_fence[0]) &&
	   (!receives[1] || at_fence[1]) ->
		final = (receives[0] && says_final[0]) ||
			(receives[1] && says_final[1]);
		if
#ifndef BROKEN_FINAL_UNSETTLED
		:: final && unanswered
#endif
		:: else ->
			if
#ifndef BROKEN_FINAL_STANDS
			:: final && applied < final_from ->
				was_void = true;
				final = false
#endif
			:: else
			fi;
			final_applied = final;
			last_round = applied;
			to_source!APPLIED(applied, 0, 0);
			applied++;
			at_fence[0] = false;
			at_fence[1] = false;
			says_final[0] = false;
			says_final[1] = false
		fi;
		final = false
	:: else
	fi
}

/* Its connection is closed: what it had not read is gone. */
inline drop_lane(k)
{
	receives[k] = false;
	at_fence[k] = false;
	says_final[k] = false;
	broken[k] = true;
#ifndef BROKEN_LATE_BYTES
	do
	:: len(data[k]) > 0 -> data[k]?_, _, _, _
	:: len(data[k]) == 0 -> break
	od;
#endif
	unanswered++;
	to_source!LOST(k, its_epoch[k], taken[k]);
	look_at_fences()
}

#define room (len(to_source) < 4)

inline place(k)
{
	data[k]?PAGE(a, b, c);
	taken[k]++;
	assert(c == WHOLE || there[a] == c);	/* claim 3 */
	assert(b >= there[a]);			/* claim 2 */
	there[a] = b
}

#define comes(k) (receives[k] && !at_fence[k] && !final_applied)

proctype Target()
{
	byte a, b, c, e;
	bool final;

	do
	:: d_step { comes(0) && data[0]?[PAGE(a, b, c)] -> place(0) }
	:: d_step { comes(1) && data[1]?[PAGE(a, b, c)] -> place(1) }
	:: d_step { comes(0) && data[0]?[FENCE(a, b, c)] && room ->
		data[0]?FENCE(a, b, c);
		assert(a == applied);
		at_fence[0] = true;
		says_final[0] = b;
		look_at_fences() }
	:: d_step { comes(1) && data[1]?[FENCE(a, b, c)] && room ->
		data[1]?FENCE(a, b, c);
		assert(a == applied);
		at_fence[1] = true;
		says_final[1] = b;
		look_at_fences() }
	/* It notices a break at any time: what came before may be unread. */
	:: d_step { receives[0] && broken[0] && !final_applied && room -> drop_lane(0) }
	:: d_step { receives[1] && broken[1] && !final_applied && room -> drop_lane(1) }
	:: d_step { to_target?[LOST(a, b, c)] && room ->
		to_target?LOST(a, b, c);
		if
		:: receives[a] && b == its_epoch[a] && final_applied ->
			/* All that it had is applied: none is lost. */
			receives[a] = false;
			unanswered++;
			to_source!LOST(a, b, taken[a])
		:: receives[a] && b == its_epoch[a] && !final_applied ->
			drop_lane(a)
		:: else
		fi }
	:: d_step { to_target?[BACK(a, b, c)] && room ->
		to_target?BACK(a, b, c);
		unanswered--;
		if
		:: c > final_from && !final_applied -> final_from = c
		:: else
		fi;
		if
		:: !final_applied -> look_at_fences()
		:: else
		fi }
	:: d_step { to_target?[SWITCHOVER(a, b, c)] ->
		to_target?SWITCHOVER(a, b, c);
		have_end = true;
		e = a }
	:: d_step { door?[HELLO(a, b)] && room ->
		door?HELLO(a, b);
		assert(!receives[a] && b == its_epoch[a] + 1);
		its_epoch[a] = b;
		broken[a] = false;
		taken[a] = 0;
		receives[a] = true;
		to_source!JOINED(a, b, applied) }
	:: d_step { have_end && final_applied && e == last_round && !unanswered && room ->
		/* claim 1 */
		assert(!guest_runs);
		assert(there[0] == memory[0] && there[1] == memory[1]);
		to_source!READY(0, 0, 0);
		have_end = false }
	:: ready -> break
	od
}

proctype World()
{
	do
#ifdef BOTH
	:: d_step { breaks < BREAKS && !broken[0] && receives[0] -> broken[0] = true; breaks++ }
#endif
	:: d_step { breaks < BREAKS && !broken[1] && receives[1] -> broken[1] = true; breaks++ }
	:: break
	od
}

init {
	d_step {
		sends[0] = true; sends[1] = true;
		receives[0] = true; receives[1] = true;
		/* Round 0 has all of memory. */
		map[0].page[0] = true; map[0].page[1] = true;
		memory[0] = 1; memory[1] = 1
	}
	atomic { run Source(); run Target(); run World() }
	timeout;
	/* claim 4 */
	assert(ready || !any_lane);
#ifdef REACH_READY
	assert(!ready);
#endif
#ifdef REACH_AGAIN
	assert(!(ready && went_again));
#endif
#ifdef REACH_VOID
	assert(!was_void);
#endif
#ifdef REACH_RETURN
	assert(!(ready && came_back));
#endif
#ifdef REACH_BUILT
	assert(!(ready && built));
#endif
}
