/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A control link that is lost and resumed (docs/protocol.md, docs/decisions/
 * 047-control-link-resumed.md): what each side says arrives once and in order,
 * however often the connection breaks, whatever was under way.
 *
 * Each side says the numbers 1 to SAYS. A connection may break at any step, which
 * loses any tail of what was under way in either direction; the sides notice when
 * they like. The source connects anew, HELLO names the epoch, RESUME how many
 * messages were heard; what follows these is said again. HEARD lets the other side
 * forget.
 *
 * Claims: numbers arrive in order, each once; what must be said again is kept; all
 * have arrived in the end. BROKEN_* and REACH_*: as in the other models.
 */
#ifndef SAYS
#define SAYS 3
#endif
#ifndef BREAKS
#define BREAKS 2
#endif
#define SIDES 2 /* 0 the source, 1 the target */

mtype = { MESSAGE, RESUME, HEARD };

/* Of each connection, one each way: to side s, of epoch e. */
chan wire_0_0 = [3] of { mtype, byte };
chan wire_0_1 = [3] of { mtype, byte };
chan wire_1_0 = [3] of { mtype, byte };
chan wire_1_1 = [3] of { mtype, byte };
chan wire_2_0 = [3] of { mtype, byte };
chan wire_2_1 = [3] of { mtype, byte };
bool up[BREAKS + 1];
byte epoch[SIDES];     /* the connection that the side uses */
bool resumed[SIDES];   /* the other's RESUME has come */
byte newest;           /* the source has opened it */
bool opened;           /* and the target not yet taken it */
byte said[SIDES];      /* from the first on */
byte sent[SIDES];      /* of these, on this connection */
byte kept_from[SIDES]; /* what comes after is kept */
byte heard[SIDES];
bool went_again, forgot;

inline put(s, type, n)
{
	if
	:: epoch[s] == 0 && s == 0 && up[0] -> wire_0_1!type(n)
	:: epoch[s] == 0 && s == 1 && up[0] -> wire_0_0!type(n)
	:: epoch[s] == 1 && s == 0 && up[1] -> wire_1_1!type(n)
	:: epoch[s] == 1 && s == 1 && up[1] -> wire_1_0!type(n)
	:: epoch[s] == 2 && s == 0 && up[2] -> wire_2_1!type(n)
	:: epoch[s] == 2 && s == 1 && up[2] -> wire_2_0!type(n)
	:: !up[epoch[s]] /* gone */
	fi
}

inline take(s, in)
{
	if
	:: in?MESSAGE(n) ->
		assert(n == heard[s] + 1);
		heard[s] = n
	:: in?RESUME(n) ->
		resumed[s] = true;
#ifdef BROKEN_FROM_WHAT_WAS_SENT
		skip
#else
		assert(n >= kept_from[s] && n <= said[s]);
		went_again = went_again || n < sent[s];
		sent[s] = n
#endif
	:: in?HEARD(n) ->
		forgot = true;
#ifdef BROKEN_FORGETS_ALL
		kept_from[s] = said[s]
#else
		kept_from[s] = n
#endif
	fi
}

inline begin_epoch(s, e)
{
	epoch[s] = e;
	resumed[s] = false;
	put(s, RESUME, heard[s])
}

#define free(c) (len(c) < 2)
#define my_room (!up[epoch[s]] || \
	(epoch[s] == 0 && s == 0 && free(wire_0_1)) || (epoch[s] == 0 && s == 1 && free(wire_0_0)) || \
	(epoch[s] == 1 && s == 0 && free(wire_1_1)) || (epoch[s] == 1 && s == 1 && free(wire_1_0)) || \
	(epoch[s] == 2 && s == 0 && free(wire_2_1)) || (epoch[s] == 2 && s == 1 && free(wire_2_0)))

proctype Side(byte s)
{
	byte n;

	do
	/* It has something to say, whether or not anybody hears. */
	:: d_step { said[s] < SAYS -> said[s]++ }
	:: d_step { resumed[s] && sent[s] < said[s] && my_room ->
		sent[s]++;
		put(s, MESSAGE, sent[s]) }
	:: d_step { resumed[s] && heard[s] == 2 && my_room && up[epoch[s]] ->
		put(s, HEARD, heard[s]) }
	:: d_step { s == 0 && epoch[s] == 0 && len(wire_0_0) > 0 -> take(s, wire_0_0) }
	:: d_step { s == 1 && epoch[s] == 0 && len(wire_0_1) > 0 -> take(s, wire_0_1) }
	:: d_step { s == 0 && epoch[s] == 1 && len(wire_1_0) > 0 -> take(s, wire_1_0) }
	:: d_step { s == 1 && epoch[s] == 1 && len(wire_1_1) > 0 -> take(s, wire_1_1) }
	:: d_step { s == 0 && epoch[s] == 2 && len(wire_2_0) > 0 -> take(s, wire_2_0) }
	:: d_step { s == 1 && epoch[s] == 2 && len(wire_2_1) > 0 -> take(s, wire_2_1) }
	/* The source notices a loss, whatever it has read by then. */
	:: d_step { s == 0 && !up[epoch[s]] && newest == epoch[s] && newest < BREAKS ->
		newest++;
		up[newest] = true;
		opened = true;
		begin_epoch(s, newest) }
	/* The target is at the door; it may still believe the old one alive. */
	:: d_step { s == 1 && opened && epoch[s] < newest ->
		opened = false;
		up[epoch[s]] = false;
		begin_epoch(s, newest) }
	:: said[0] == SAYS && said[1] == SAYS && heard[0] == SAYS && heard[1] == SAYS -> break
	od
}

/* Any tail of what was under way is lost: who reads on finds some of it. */
proctype World()
{
	byte breaks;

	do
	:: d_step { breaks < BREAKS && up[breaks] -> up[breaks] = false; breaks++ }
	:: break
	od
}

init {
	d_step {
		up[0] = true;
		resumed[0] = true; resumed[1] = true
	}
	atomic { run Side(0); run Side(1); run World() }
	timeout;
	assert(heard[0] == SAYS && heard[1] == SAYS);
#ifdef REACH_END
	assert(false);
#endif
#ifdef REACH_AGAIN
	assert(!went_again);
#endif
#ifdef REACH_FORGOT
	assert(!forgot);
#endif
}
