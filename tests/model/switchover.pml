/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Switchover and commit of protocol v2 (docs/protocol.md, docs/states.md):
 * from stopping the source's guest to one side running for good.
 *
 * The world does its worst: either process dies, the control link or a data
 * channel breaks, at any step; a broken connection loses any tail of what was
 * under way, and the two sides notice at different times or after a timeout.
 * Users cancel on either side; saving, loading and starting may fail.
 *
 * Claims (assertions below, and no wait that never ends):
 *   1. The guest never runs on both sides.
 *   2. The target's guest runs only with every page and the device state.
 *   3. The source never resumes once COMMIT is sent, and if it ends without
 *      having sent it, alive, its guest runs.
 *   4. Both alive and connected to the end: a guest runs, or the target could
 *      not start it, and the source reports unconfirmed with its reason.
 *      Unconfirmed means that or a loss.
 *
 * BROKEN_* leave one rule out; run.py expects each to be caught. REACH_* claim
 * that an outcome never happens, to see that it does.
 * ONE_WAY: nothing comes back, READY is implied.
 * RESUMES: a control link that broke may return, as long as the target has not given
 * up, and what was under way is said again (resume.pml).
 */
#define CHANNELS 2

mtype = { FENCE, SWITCHOVER, STATE, READY, FAILED, COMMIT, RUNNING, CANCEL };
mtype = { going, completed, failed, cancelled, unconfirmed };

/* A side that notices a break reads no further: so any tail may be lost. */
chan to_target = [8] of { mtype };
chan to_source = [4] of { mtype };
chan data[CHANNELS] = [2] of { mtype };
bool link_up = true;
bool data_up[CHANNELS] = { true, true };

bool source_alive = true, target_alive = true;
bool source_runs = true, target_runs = false;
bool commit_sent = false;
mtype source_end = going, target_end = going;
bool source_user = false, target_user = false; /* wants to cancel */
bool link_broke = false;
bool lost = false;           /* a process died or a connection broke */
bool start_failed = false;   /* the target's guest does not start */

byte fences = 0; /* data channels that delivered all their pages */
bool have_state = false;
bool have_end = false;

#ifdef RESUMES
#define is_kept(alive) (alive)
#define is_heard       (link_up)
#else
#define is_kept(alive) (link_up && (alive))
#define is_heard       (true)
#endif
#define take(from) atomic { is_heard && len(from) > 0 -> from?message }

/* What is sent into a broken connection, or to the dead, is gone. */
inline send_to_target(message)
{
	atomic {
		if
		:: is_kept(target_alive) -> to_target!message
		:: else
		fi
	}
}

inline send_to_source(message)
{
#ifdef ONE_WAY
	skip
#else
	atomic {
		if
		:: is_kept(source_alive) -> to_source!message
		:: else
		fi
	}
#endif
}

#define source_sees_loss (!link_up || !target_alive)
#define target_sees_loss (!link_up || !source_alive)

inline source_resume()
{
	atomic {
		assert(!commit_sent);  /* claim 3 */
		assert(!target_runs);  /* claim 1 */
		source_runs = true
	}
}

inline source_give_up(message, how)
{
	send_to_target(message);
	source_resume();
	source_end = how
}

proctype Source()
{
	mtype message;
	byte i = 0;
	bool called_off = false;

	{
		skip;
stop:
		source_runs = false;
		/* The last sync may show that the pause would be too long. */
		if
		:: !called_off ->
			called_off = true;
			source_resume();
			goto stop
		:: true
		fi;
		/* Last pages, each channel on its own; a dead channel fails. */
		do
#ifdef ONE_WAY
		:: i < CHANNELS -> send_to_target(FENCE); i++
#else
		:: i < CHANNELS && data_up[i] && target_alive ->
			data[i]!FENCE;
			i++
#endif
		:: i < CHANNELS && (!data_up[i] || !target_alive) ->
			source_give_up(FAILED, failed);
			goto over
		:: i == CHANNELS -> break
		:: source_user -> source_give_up(CANCEL, cancelled); goto over
		od;
		if
		:: true /* state saved */
		:: source_give_up(FAILED, failed); goto over
		fi;
		send_to_target(STATE);
		/* Nothing but COMMIT follows on the control link. */
		send_to_target(SWITCHOVER);
#ifndef ONE_WAY
		if
		:: take(to_source) ->
			if
			:: message == READY
			:: else -> source_give_up(FAILED, failed); goto over
			fi
		:: atomic { source_sees_loss ->
			source_give_up(FAILED, failed) }; goto over
		:: source_user -> source_give_up(CANCEL, cancelled); goto over
		fi;
		/* The user's last chance. */
		if
		:: !source_user
		:: source_user -> source_give_up(CANCEL, cancelled); goto over
		fi;
#else
		/* Losing the stream shows when it is closed, if at all. */
		if
		:: atomic { source_sees_loss ->
			source_give_up(FAILED, failed) }; goto over
		:: true
		fi;
#endif
		/* Whatever became of the send: it may have arrived. */
		commit_sent = true;
		send_to_target(COMMIT);
#ifdef ONE_WAY
		source_end = completed;
#else
		if
		:: take(to_source) ->
			if
			:: message == RUNNING -> source_end = completed
			:: else ->
				assert(start_failed); /* claim 4 */
				source_end = unconfirmed
			fi
		:: atomic { source_sees_loss ->
#ifdef BROKEN_RESUME_UNCONFIRMED
			source_resume();
#endif
			assert(lost); /* claim 4 */
			source_end = unconfirmed }
#ifdef BROKEN_CANCEL_AFTER_COMMIT
		:: source_user -> source_give_up(CANCEL, cancelled)
#endif
		fi;
#endif
over:
		skip
	} unless { !source_alive }
}

inline target_give_up(message, how)
{
	atomic {
		send_to_source(message);
		target_end = how
	}
}

inline target_start()
{
	atomic {
		assert(!source_runs);                         /* claim 1 */
		assert(fences == CHANNELS && have_state);     /* claim 2 */
		target_runs = true
	}
}

/* The receive workers of all channels, as one. */
inline receive_fence(n)
{
	data[n]?FENCE;
	fences++
}

proctype Target()
{
	mtype message;

	{
		/* Everything must be in memory before READY. */
		do
		:: receive_fence(0)
		:: receive_fence(1)
		:: take(to_target) ->
			if
			:: message == FENCE -> fences++
			:: message == SWITCHOVER -> have_end = true
			:: message == STATE -> have_state = true
			:: message == FAILED || message == CANCEL ->
				target_end = failed;
				goto over
#ifdef ONE_WAY
			/* In band: never before the fences and the state. */
			:: message == COMMIT -> break
#else
			:: message == COMMIT ->
				assert(false)
#endif
			fi
#ifdef BROKEN_READY_WITHOUT_FENCES
		:: have_end -> break
#endif
#ifndef ONE_WAY
		:: have_end && fences == CHANNELS -> break
#endif
		:: atomic { target_sees_loss ->
			target_give_up(FAILED, failed) }; goto over
		:: !data_up[1] ->
			target_give_up(FAILED, failed); goto over
		:: target_user -> target_give_up(CANCEL, cancelled); goto over
		od;
		if
		:: true /* state loaded, digests equal */
		:: target_give_up(FAILED, failed); goto over
		fi;
#ifndef ONE_WAY
		send_to_source(READY);
#ifdef BROKEN_START_ON_READY
		target_start();
#endif
		if
		:: take(to_target) ->
			if
			:: message == COMMIT
			:: else -> target_end = failed; goto over
			fi
#ifndef BROKEN_DEAF_AFTER_READY
		:: atomic { target_sees_loss -> target_end = failed }; goto over
#endif
#ifdef BROKEN_START_WHEN_LOST
		:: target_sees_loss -> target_start()
#endif
#ifdef BROKEN_CANCEL_AFTER_READY
		:: target_user -> target_give_up(CANCEL, cancelled); goto over
#endif
		fi;
#endif
		if
		:: target_start();
			send_to_source(RUNNING);
			target_end = completed
		:: start_failed = true;
			target_give_up(FAILED, failed)
		fi;
over:
		skip
	} unless { !target_alive }
}

/* A dead process's guest does not run; its connections close. */
proctype World()
{
	byte resumed = 0;

	do
	:: atomic { source_alive ->
		source_alive = false;
		source_runs = false;
		lost = true }
	:: atomic { target_alive ->
		target_alive = false;
		target_runs = false;
		lost = true }
	:: atomic { link_up -> link_up = false; lost = true; link_broke = true }
#ifdef RESUMES
	:: atomic { !link_up && resumed < 2 && source_alive && target_alive &&
		target_end == going ->
		link_up = true;
		resumed++;
		lost = !data_up[1] }
#endif
	/* The channels are alike: losing the one sent last is enough. */
	:: atomic { data_up[1] -> data_up[1] = false; lost = true }
	:: !source_user -> source_user = true
	:: !target_user -> target_user = true
	:: break
	od
}

init {
	atomic {
		run Source();
		run Target();
		run World()
	}
	/* When nothing can happen any more. */
	timeout;
	assert(!source_alive || source_end != going);
	assert(!target_alive || target_end != going);
	assert(!source_alive || commit_sent || source_runs); /* claim 3 */
#ifndef ONE_WAY
#ifdef REACH_COMPLETED
	assert(!(source_end == completed && target_runs));
#endif
#ifdef REACH_RESUMED
	assert(!(source_end == completed && link_broke));
#endif
#ifdef REACH_UNCONFIRMED
	assert(start_failed || source_end != unconfirmed);
#endif
#ifdef REACH_REFUSED
	assert(lost || source_end != unconfirmed);
#endif
#ifdef REACH_CANCELLED
	assert(!(source_end == cancelled && source_runs));
#endif
	/* claim 4 */
	assert(lost || source_runs || target_runs ||
	       (start_failed && source_end == unconfirmed));
	assert(source_end != completed || !target_alive || target_runs);
#endif
}
