/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_RESUME_H
#define RJ_ENGINE_LINK_RESUME_H
/*
 * What this side has said on the control link and the other may not have heard:
 * kept, byte for byte, so that it can be said again on another connection. Frames
 * are counted from the beginning of the conversation, without those that belong
 * to a connection: HELLO, RESUME, HEARD, PING and PONG.
 *
 * Knows nothing of connections. Any thread; one of them says frames, and each
 * frame is written by one at a time (struct rj_link has the lock for that).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/wire/wire.h"
#include "ramjet.h"
#include "util/compiler.h"
#include "util/mutex.h"

/* More is not kept: who says it waits, as for a socket that is full. Chosen: as
 * much device state as most guests have; the other side tells what it has heard
 * every 64 KiB. */
#define RJ_RESUME_KEPT_MAX (UINT64_C(64) << 20)
/* A connection that has lasted so long was no mere try. Chosen. */
#define RJ_RESUME_LASTED_NS (1 * UINT64_C(1000000000))
/* HEARD is said after so many frames, or so many bytes. Chosen: 40 bytes for
 * them, and little is kept. */
#define RJ_RESUME_HEARD_FRAMES 64u
#define RJ_RESUME_HEARD_BYTES  (64u << 10)

struct rj_said;

struct rj_resume {
	struct rj_mutex lock; /* lock order: 13, innermost */
	/* guarded by lock */
	struct rj_said *first, *last; /* kept, in order */
	uint64_t said;                /* frames */
	uint64_t begun;               /* of them, to whatever connection */
	uint64_t written;             /* whole, to the present connection */
	uint64_t known; /* of them, heard by the other side: no more kept */
	uint64_t bytes; /* kept */
	bool lost;      /* the connection: what is said waits for another */
	bool over; /* nothing more is to be said: no connection is needed */
	uint64_t returns;        /* connections that took another's place */
	struct ramjet_error why; /* it was given up; code 0: it was not */
	uint64_t returned_ns;    /* the latest of them; 0: none */
	uint64_t since_ns;       /* lost, and nothing was heard since */
	uint64_t progress;       /* then: frames heard on either side */
};

/* Is it counted, and kept? */
static inline bool rj_resume_counts(uint8_t type)
{
	return type != RJ_FRAME_HELLO && type != RJ_FRAME_RESUME &&
	       type != RJ_FRAME_HEARD && type != RJ_FRAME_PING &&
	       type != RJ_FRAME_PONG;
}

/* `said`: frames so far, all of which the other side has heard. */
void rj_resume_init(struct rj_resume *resume, uint64_t said);
void rj_resume_done(struct rj_resume *resume);
/* Is there room for so many bytes more? True also where nothing is kept. */
bool rj_resume_has_room(struct rj_resume *resume, size_t bytes);
/* Keep a frame that is said now: its number, from 1 on, to *ret_number. 1: write
 * it to the connection; 0: that is lost, it is written later; -ENOMEM. */
RJ_NODISCARD int rj_resume_say(struct rj_resume *resume,
			       const uint8_t header[RJ_HEADER_BYTES],
			       const void *payload, size_t payload_bytes,
			       uint64_t *ret_number, struct ramjet_error *err);
/* Who is about to write it: has nobody done so, and is there a connection? If
 * so, it counts as begun. */
bool rj_resume_begin(struct rj_resume *resume, uint64_t number);
/* It is in the connection, whole, as are all before it. */
void rj_resume_wrote(struct rj_resume *resume, uint64_t number);
/* The other side has heard so many. -EPROTO: more than it can have, or fewer
 * than it has said before. What they take is freed. */
RJ_NODISCARD int rj_resume_heard(struct rj_resume *resume, uint64_t heard,
				 struct ramjet_error *err);
/* There is a new connection, and the other side has heard so many: what comes
 * after is to be written. -EPROTO as above. Still lost, until
 * rj_resume_next() finds nothing. */
RJ_NODISCARD int rj_resume_return(struct rj_resume *resume, uint64_t heard,
				  struct ramjet_error *err);
/* The frame to write next, or NULL: all are written, and from here on who says
 * one writes it. Stays until it is heard. */
const uint8_t *rj_resume_next(struct rj_resume *resume, size_t *ret_bytes,
			      uint64_t *ret_number);

/* `why` NULL: as the connection says; else, unless it is lost already, this. */
void rj_resume_lose(struct rj_resume *resume, const struct ramjet_error *why);
/* Why it was given up, if it was: code 0 when not. */
struct ramjet_error rj_resume_why(struct rj_resume *resume);
uint64_t rj_resume_returns(struct rj_resume *resume);
/* It was lost at `now_ns`, with so many frames heard by this side: since when has
 * there been none that was of use? One that is lost before anything was heard on
 * it, or it lasted, was not. */
uint64_t rj_resume_lost_since(struct rj_resume *resume, uint64_t heard,
			      uint64_t now_ns);
bool rj_resume_is_lost(struct rj_resume *resume);
void rj_resume_end(struct rj_resume *resume);
bool rj_resume_is_over(struct rj_resume *resume);
/* Has the other side heard all that was said? */
bool rj_resume_is_all_known(struct rj_resume *resume);
#endif
