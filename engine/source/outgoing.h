/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_OUTGOING_H
#define RJ_ENGINE_SOURCE_OUTGOING_H
/*
 * The source's side of a migration: the parts that its control thread owns.
 *
 * A function takes the part it works on, and the environment (struct rj_env):
 * whom to tell, the parameters, where figures go. What calls the VMM takes a
 * struct rj_vmm. So a part can be tried without a migration, and whoever reads
 * one need not know the others.
 *
 * Some do nothing but lead the parts together: they take all of them.
 * Conductors: run, precopy, switchover, commit, pump, watch, helpers, memory,
 * lost_lanes.
 * Of these, memory does so while rounds and lanes are prepared, and helpers
 * while it waits and pages go on. They move the migration through
 * engine/migration/course.h; run.c alone, where it begins and ends, knows
 * struct ramjet_migration. tests/house/parts.py holds this.
 */
#include "dirty/source.h"
#include "engine/forecast/forecast.h"
#include "engine/link/heartbeat.h"
#include "engine/link/link.h"
#include "engine/link/link_keeper.h"
#include "engine/link/mailbox.h"
#include "engine/link/talk.h"
#include "engine/migration/callback.h"
#include "engine/migration/env.h"
#include "engine/migration/migration.h"
#include "engine/page/digest.h"
#include "engine/placement/cpu_pressure.h"
#include "engine/placement/numa.h"
#include "engine/send/governor.h"
#include "engine/send/lane_stall.h"
#include "engine/send/rounds.h"
#include "engine/send/sender.h"
#include "engine/source/channel_plan.h"
#include "engine/source/first_look.h"
#include "engine/source/rejoin.h"
#include "engine/source/rejoin_control.h"
#include "engine/source/throttle.h"
#include "engine/wire/resume.h"
#include "ramjet-connect.h"
#include "ramjet-dirty.h"
#include "ringio/endpoint.h"

struct rj_helpers;

/* The control conversation. */
struct rj_source_session {
	const struct rj_uri *uri;          /* the migration's */
	const char *uri_text;              /* as it was given */
	struct ramjet_connector connector; /* connect NULL: there is a URI */
	struct rj_conn given;              /* fd:, until it becomes a channel */
	struct rj_conn control;            /* fd -1 when in band */
	struct rj_link link;
	struct rj_talk talk; /* how far the conversation has come */
	struct rj_link_keeper keeper;
	struct rj_rejoin_control rejoin; /* the keeper's */
	struct rj_heartbeat heartbeat;
	struct rj_mailbox outbox;
	bool has_outbox;       /* control frames travel on channel 0 */
	bool one_way;          /* nothing ever comes back */
	struct rj_hello hello; /* what the control link began with */
	/* Sent with COMMIT; RUNNING must return it, which proves that it
	 * answers this COMMIT. */
	uint8_t commit_token[RJ_COMMIT_BYTES];
	uint32_t offered; /* kinds of runs (offer.h); 0: nothing was said */
	/* what the target has said */
	uint32_t taken; /* of them */
	uint16_t accepted_channels;
	/* Both sides go on without a lane that is lost, and a connection that
	 * was lost may be made anew for so long; 0: never. */
	bool lanes_may_be_lost;
	bool control_may_return;
	uint32_t reconnect_ms;
	struct rj_keeps keeps, their_keeps; /* what was said of that */
	bool keeps_asked, keeps_answered;
	struct rj_ready ready_says; /* with what took the target so long */
	struct rj_running running_says;
};

/* The channels and their workers. */
struct rj_source_lanes {
	struct rj_sender *senders;
	const struct rj_counters *counters; /* the senders', once they begin */
	unsigned channel_count;
	bool may_be_lost; /* the migration goes on without them: lost_lanes.h */
	struct rj_channel_plan plan;
	struct rj_governor governor; /* any thread's */
	_Atomic int zero_copy; /* enum rj_verdict: the senders', not ours */
	struct rj_numa numa;
	/* What the lanes may make of pages; as settled before they begin. */
	struct rj_reduction reduction;
	struct rj_level_room room;
	struct rj_cpu_pressure pressure;
};

/* Who asks the dirty sources: collect.h. */
struct rj_collects {
	struct rj_crew crew;
	unsigned running; /* of it, while the guest runs */
	uint64_t rehearsal_us, rehearsal_took_us; /* the latest */
	uint64_t rehearsed_ns; /* what it said, until that is learnt */
};

/* The guest's memory, round by round. */
struct rj_source_pages {
	struct rj_rounds rounds;
	uint32_t round;           /* the open one */
	_Atomic uint32_t applied; /* rounds in the target's memory */
	uint64_t round_began_us;
	struct rj_dirty_set dirty;
	struct rj_collects collects;
	bool tracking;
	bool idle;                 /* the latest collect found nothing */
	uint64_t synced_us;        /* the latest collect */
	uint64_t sync_interval_us; /* between the latest two */
	uint64_t collect_cost_us;  /* of the latest, the guest's faults too */
	/* So many pages may be held back: hot pages last. */
	uint64_t room_pages;
	/* What the collects since the open round began have found. */
	struct rj_found {
		uint64_t written; /* pages, by each of them */
		uint64_t due;     /* pages that go with the next round */
		uint64_t over_us; /* in so long */
	} found;
	struct ramjet_dirty_region *regions;
	/* Why a block's absent pages mean nothing, or NULL: as region.h has
	 * it. */
	const char **lazy;
	/* A block; the migration's, for its figures. */
	_Atomic uint64_t *untouched;
	struct rj_first_look first_look; /* until the workers have ended */
	struct rj_sent {
		uint64_t wire_bytes, payload_bytes, raw_pages, zero_pages;
	} sent; /* accounted to rounds so far */
};

/* The guest slowed down, stopped, and given away. */
struct rj_handover {
	struct rj_throttle throttle;
	bool forced;          /* the switchover ignores the limit */
	uint64_t expected_us; /* then: how long it would be; else 0 */
	bool guest_stopped;
	uint64_t pause_began_us;
	uint64_t term_began_us;
	uint64_t term_us;    /* the latest one measured */
	uint64_t hashed_us;  /* of the pause, for `verify`, on this side */
	uint64_t digests_us; /* predicted, on either side; 0: not wanted */
	bool last_opened;    /* the final round; */
	uint32_t final_round;
	/* COMMIT is written already: the file gets its name only at the
	 * commit. */
	bool commit_held_back;
};

/* Lanes that were lost: lost_lanes.h. */
struct rj_losses {
	struct rj_lane_loss {
		enum {
			RJ_LANE_WORKS,
			RJ_LANE_ASKED, /* what does the target have of it? */
			RJ_LANE_AWAY,  /* what it has not, goes again */
		} course;
		uint32_t epoch;
		bool counts;      /* in rounds; others wait for it */
		uint64_t lost_ns; /* when that was seen */
		unsigned tries;   /* to connect it anew */
		struct rj_lane_stall stall;
		struct ramjet_error why;
	} * lanes;      /* NULL: a lane that is lost ends the migration */
	unsigned asked; /* lanes */
	/* The final round was open when pages came back: another one follows. */
	bool another_round;
	uint64_t looked_ns; /* at all lanes, for stalls */
	struct rj_rejoin rejoin;
	unsigned rejoining; /* which lane */
};

struct rj_outgoing {
	struct rj_source_session session;
	struct rj_source_lanes lanes;
	struct rj_source_pages pages;
	struct rj_losses losses;
	struct rj_forecast forecast;
	struct rj_handover handover;
	struct rj_helpers *helpers; /* helpers.c; or NULL */
	struct rj_env env;          /* whom all of them tell */
	struct rj_vmm vmm;          /* whose guest it is */
};

#endif
