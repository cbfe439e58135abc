/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_TALK_H
#define RJ_ENGINE_LINK_TALK_H
/*
 * The control conversation: how far it has come, and which frame may come from
 * whom then. One table says so for both sides; a frame out of turn is refused
 * here and nowhere else. What is in a frame is its handler's business.
 */
#include <stdbool.h>
#include <stdint.h>

#include "engine/wire/wire.h"
#include "ramjet.h"
#include "util/compiler.h"

/* In order. Frames sent and frames received move a side from one phase to the
 * next. */
enum rj_talk_phase {
	RJ_TALK_OFFER,     /* the source names its blocks */
	RJ_TALK_ROUNDS,    /* accepted: the guest runs there, pages arrive */
	RJ_TALK_RECORD,    /* inside a record of state: MORE follows */
	RJ_TALK_RECORDS,   /* between records */
	RJ_TALK_ANNOUNCED, /* nothing comes any more but the last pages */
	RJ_TALK_READY,     /* READY is said: only the source moves on */
	RJ_TALK_COMMITTED, /* the guest is the target's */
	RJ_TALK_RUNNING,   /* and runs there; nothing more is said */
};

enum rj_talk_side {
	RJ_TALK_SOURCE = 1 << 0,
	RJ_TALK_TARGET = 1 << 1,
};

struct rj_talk {
	enum rj_talk_phase phase;
	bool one_way; /* nothing ever comes back: no phase waits for it */
	/* LOST, BACK, JOINED and TAKEN are agreed upon. */
	bool lanes_may_be_lost;
	uint32_t kind; /* of the record we are inside */
	/* What may come once only, and has come: talk.c's own. */
	uint64_t come;
};

/* Is it legal that side `from` sends this frame now? 0, or -EPROTO, naming the
 * frame and the phase. */
RJ_NODISCARD int rj_talk_check(const struct rj_talk *talk,
			       enum rj_talk_side from,
			       const struct rj_frame *frame,
			       struct ramjet_error *err);
/* The frame was sent, or has arrived and was handled: go on to the phase that
 * it leads to. */
void rj_talk_move(struct rj_talk *talk, const struct rj_frame *frame);
/* The same for a frame that we have sent, whose flags do not matter. */
void rj_talk_said(struct rj_talk *talk, enum rj_frame_type type);

static inline bool rj_talk_has(const struct rj_talk *talk,
			       enum rj_talk_phase phase)
{
	return talk->phase >= phase;
}
#endif
