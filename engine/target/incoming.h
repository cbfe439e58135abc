/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_TARGET_INCOMING_H
#define RJ_ENGINE_TARGET_INCOMING_H
/* The target's side of a migration: what its control thread owns. */
#include "engine/link/heartbeat.h"
#include "engine/link/intake.h"
#include "engine/link/link.h"
#include "engine/link/link_keeper.h"
#include "engine/link/mailbox.h"
#include "engine/link/talk.h"
#include "engine/migration/env.h"
#include "engine/migration/migration.h"
#include "engine/page/digest.h"
#include "engine/placement/numa.h"
#include "engine/receive/fences.h"
#include "engine/receive/receiver.h"
#include "engine/receive/target_memory.h"
#include "engine/target/control_return.h"
#include "engine/target/door.h"
#include "engine/target/lanes.h"
#include "engine/wire/resume.h"
#include "ringio/endpoint.h"

struct rj_helpers;

/* A record of the switchover, arriving in pieces. */
struct rj_record {
	uint8_t *data;
	size_t bytes;
	bool begun, complete;
};

struct rj_incoming {
	/* set up by ramjet_incoming() */
	struct rj_listener listener; /* fd -1: none */
	struct rj_intake intake;     /* instead; fd -1: none */
	struct rj_conn single; /* fd:, exec:, file:, until a receiver has it */

	/* set up by session.c */
	struct rj_conn control; /* fd -1 when in band */
	struct rj_link link;
	struct rj_talk talk;           /* how far the conversation has come */
	struct rj_link_keeper keeper;  /* of a control link of its own */
	struct rj_control_return back; /* the keeper's */
	struct rj_heartbeat heartbeat;
	/* Where reconnect_ms: who returns. Until the door is opened the lobby is
	 * kept, and what the session's first HELLO said. */
	struct rj_door door;
	struct rj_lobby lobby;
	struct rj_hello session;
	struct rj_mailbox inbox;
	bool has_inbox; /* control frames travel on channel 0 */
	bool one_way;   /* nothing can be answered */
	struct rj_receiver *receivers;
	unsigned channel_count;
	uint64_t hello_bytes; /* read from each data connection so far */
	bool was_offered;     /* kinds of runs, beside RAW and ZERO */
	uint32_t takes;       /* of them */
	/* Both sides go on without a lane that is lost, and a connection that
	 * was lost may be made anew for so long; 0: never. */
	bool lanes_may_be_lost;
	bool control_may_return;
	uint32_t reconnect_ms;
	struct rj_keeps their_keeps; /* what the source has said of that */
	bool keeps_asked;
	uint8_t *description; /* of the source's guest, or NULL */
	size_t description_bytes;
	struct rj_block *blocks; /* the guest's, in the source's order */
	unsigned block_count;

	unsigned cpus; /* that this process may use, when the session began */
	struct rj_target_memory memory;
	struct rj_numa numa;
	struct rj_fences fences;
	struct rj_lost_lanes lost; /* of use only where lanes_may_be_lost */

	/* what has arrived (pump.c) */
	uint32_t reported; /* rounds told to the source as applied */
	struct ramjet_round_info so_far; /* sums at the last applied round */
	struct rj_record device, helper_states;
	struct rj_record parts; /* of digests, of all blocks; or none */
	uint8_t *digests;       /* block_count of them, or NULL */
	enum rj_digest_of digest_of;
	struct rj_helpers *helpers; /* ours, or NULL */
	uint32_t final_round;
	uint64_t announced_us; /* when */
	/* its guest was paused on the source, COMMIT says */
	bool arrives_paused;
	uint64_t committed_us; /* when */
	uint64_t commit_token;
	uint64_t pause_began_us;
	uint64_t term_began_us;
	struct rj_env env; /* whom all of these tell */
};

/* session.c: take the control link and all channels of one session, compare
 * blocks, answer ACCEPT. */
RJ_NODISCARD int rj_target_open_session(struct ramjet_migration *m,
					struct ramjet_error *err);
/* Once receivers have what they need: hear who returns. */
void rj_target_open_door(struct ramjet_migration *m);
/* There will be no session: tell connections that wait to be accepted why. */
void rj_target_turn_away(struct ramjet_migration *m,
			 const struct ramjet_error *why);
/* blocks.c: keep what the source's VMM says of its guest. */
RJ_NODISCARD int rj_target_take_guest(struct ramjet_migration *m,
				      struct rj_message *message,
				      struct ramjet_error *err);
/* Show that to our VMM, which may name its blocks now; fill in->blocks from the source's BLOCKS, or say how the two
 * differ. */
RJ_NODISCARD int rj_target_take_blocks(struct ramjet_migration *m,
				       struct rj_message *message,
				       struct ramjet_error *err);
/* keeps.c: what the source would go on without; and our answer, before ACCEPT,
 * from which on it is in force. */
RJ_NODISCARD int rj_target_take_keeps(struct ramjet_migration *m,
				      struct rj_message *message,
				      struct ramjet_error *err);
RJ_NODISCARD int rj_target_answer_keeps(struct ramjet_migration *m,
					struct ramjet_error *err);
/* helpers.c: our own helpers, when the guest has any: refuse at start what
 * cannot work. */
RJ_NODISCARD int rj_target_open_helpers(struct ramjet_migration *m,
					struct ramjet_error *err);
/* Most bytes of helper states this side takes. */
uint64_t rj_target_helper_bytes_max(struct ramjet_migration *m);
/* switchover.c: digests, device state, and last the helpers: one may resume on
 * Load. Fills in of `ready` what it does, and how long that takes. */
RJ_NODISCARD int rj_target_load(struct ramjet_migration *m,
				struct rj_ready *ready,
				struct ramjet_error *err);
#endif
