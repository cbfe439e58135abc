/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_TALK_H
#define RJ_ENGINE_LINK_TALK_H
/*
 * The control conversation: how far it has come, and which frame may come from
 * whom then. One table says so for both sides; a frame out of turn is refused
 * here and nowhere else. What is in a frame is its handler's business.
 */
#include <stdbool.h>

#include "engine/wire/wire.h"
#include "ramjet.h"
#include "util/compiler.h"

/* In the order in which they come; what is sent and what is heard move a side
 * from one to the next. */
enum rj_talk_phase {
	RJ_TALK_OFFER,     /* the source names its blocks */
	RJ_TALK_ROUNDS,    /* accepted: the guest runs there, pages arrive */
	RJ_TALK_RECORD,    /* amid a record of state */
	RJ_TALK_RECORDS,   /* between records */
	RJ_TALK_ANNOUNCED, /* nothing comes any more but the last pages */
	RJ_TALK_READY,     /* the source decides */
	RJ_TALK_COMMITTED, /* the guest is the target's */
	RJ_TALK_RUNNING,   /* and runs there; nothing more is said */
};

enum rj_talk_side {
	RJ_TALK_SOURCE = 1 << 0,
	RJ_TALK_TARGET = 1 << 1,
};

struct rj_talk {
	enum rj_talk_phase phase;
	bool one_way; /* nobody answers: nothing waits for an answer */
};

/* May `from` say this now? -EPROTO, naming the frame and the moment. */
RJ_NODISCARD int rj_talk_check(const struct rj_talk *talk,
			       enum rj_talk_side from,
			       const struct rj_frame *frame,
			       struct ramjet_error *err);
/* It was said, or heard and taken: what that leads to. */
void rj_talk_move(struct rj_talk *talk, const struct rj_frame *frame);
/* Said by us, a frame that has no flags that matter. */
void rj_talk_said(struct rj_talk *talk, enum rj_frame_type type);

static inline bool rj_talk_has(const struct rj_talk *talk,
			       enum rj_talk_phase phase)
{
	return talk->phase >= phase;
}
#endif
