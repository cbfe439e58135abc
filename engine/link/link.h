/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LINK_H
#define RJ_ENGINE_LINK_LINK_H
/*
 * The control link: control frames in both directions, used by the control
 * thread alone. It has a connection of its own, or shares the only data
 * channel (in band): then what the source sends goes through an outbox that
 * the send worker empties between its frames, and what arrives at the target
 * comes out of an inbox that the receive worker fills.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/link/mailbox.h"
#include "engine/link/ping.h"
#include "engine/link/resume.h"
#include "engine/wire/wire.h"
#include "ramjet.h"
#include "ringio/endpoint.h"
#include "util/compiler.h"
#include "util/mutex.h"

struct rj_link {
	struct rj_conn conn; /* borrowed; closed: nothing can be received */
	int wake_fd;         /* ends waits with -ECANCELED; -1: none */
	struct rj_mailbox *outbox; /* send through this, or NULL: on conn */
	struct rj_mailbox *inbox;  /* receive from this, or NULL: from conn */
	/* Called after something was put into the outbox; or NULL. */
	void (*nudge)(void *user);
	void *nudge_user;
	struct rj_mutex sending; /* lock order: 12; a frame at a time */
	/* relaxed: for statistics, and to tell that something came */
	_Atomic uint64_t bytes; /* both directions */
	_Atomic uint64_t heard; /* frames that came */
	uint64_t received; /* offset in the incoming stream, HELLO included */
	/* the frame being received */
	uint8_t header[RJ_HEADER_BYTES];
	size_t header_have;
	size_t payload_have;
	size_t skip; /* bytes left of an optional frame of unknown type */
	struct rj_message message;
	/* the thread that fills the inbox has reported its end */
	bool ended;
	struct rj_message unread; /* type 0: none */
	bool answers; /* both sides may ask, and must answer: from ACCEPT on */
	struct rj_ping ping;
	/* Frames that count (engine/link/resume.h), in each direction. */
	uint64_t frames_in, frames_out;
	/* Borrowed. A connection that is lost is no error: what is said waits
	 * for another one (link_return.h). NULL: it is one. */
	struct rj_resume *resume;
	uint64_t ping_returns; /* connections when it was asked last */
};

/* conn NULL: it has none yet. */
void rj_link_init(struct rj_link *link, const struct rj_conn *conn,
		  int wake_fd);
void rj_link_done(struct rj_link *link);

/* It is gone, whatever it says: nobody sends or receives on it any more. `why` as
 * in rj_resume_lose(). Any thread. */
void rj_link_lose(struct rj_link *link, const struct ramjet_error *why);
/* The other side is silent, `err` says: what cannot return ends with that, what
 * can is lost (0). */
RJ_NODISCARD int rj_link_give_up(struct rj_link *link,
				 struct ramjet_error *err);
/* It is lost, and may return. */
static inline bool rj_link_is_lost(const struct rj_link *link)
{
	return link->resume && rj_resume_is_lost(link->resume);
}

/* Send one control frame; blocks until deadline_ns (0: none). */
RJ_NODISCARD int rj_link_send(struct rj_link *link,
			      const struct rj_frame *frame, const void *payload,
			      uint64_t deadline_ns, struct ramjet_error *err);
/* A frame without fields or payload. */
RJ_NODISCARD int rj_link_send_type(struct rj_link *link,
				   enum rj_frame_type type,
				   uint64_t deadline_ns,
				   struct ramjet_error *err);

/* Answer a PING. Any thread, beside the owner; `wake_fd` ends it. A peer that is
 * gone is no error here: what it said last is still to be read. */
RJ_NODISCARD int rj_link_answer(struct rj_link *link,
				const struct rj_message *ping, int wake_fd,
				struct ramjet_error *err);
/* HEARD: so many frames have come. As rj_link_answer(). */
RJ_NODISCARD int rj_link_say_heard(struct rj_link *link, uint64_t heard,
				   int wake_fd, struct ramjet_error *err);
/* It has come: what the other side has heard is not kept. Any thread. */
RJ_NODISCARD int rj_link_heard(struct rj_link *link,
			       const struct rj_message *message,
			       struct ramjet_error *err);
/* `to`, a fresh link, reads on where `from` is in the incoming stream. */
void rj_link_hand_over(struct rj_link *from, struct rj_link *to);
/* What `reader` has received since the last time counts as link's. */
void rj_link_count(struct rj_link *link, struct rj_link *reader);

/* Never blocks. 1: *ret is a message (release with rj_message_done); 0:
 * nothing whole has arrived; -ENODATA: the peer closed; other errors. Optional
 * frames of unknown type are skipped; PING is answered and PONG accounted here,
 * once link->answers. */
RJ_NODISCARD int rj_link_poll(struct rj_link *link, struct rj_message *ret,
			      struct ramjet_error *err);
/* What to poll() before that, as rj_conn_pollfd(). fd -1 when another thread
 * reads the connection. */
struct pollfd rj_link_pollfd(const struct rj_link *link, int *timeout_ms);
/* The next poll gives this message again, which it gave last. */
void rj_link_unread(struct rj_link *link, struct rj_message *message);
/* Prefix an error that refuses this message with its place in the stream. */
void rj_link_blame(const struct rj_message *message, struct ramjet_error *err);

/*
 * Ask the peer for an answer, unless one is awaited still or it was asked
 * less than interval_ns ago, or nobody may ask yet (before ACCEPT, one way).
 * `laden`: bytes of ours are before it. The answer is accounted by whatever polls
 * the link.
 */
RJ_NODISCARD int rj_link_ping(struct rj_link *link, bool laden,
			      uint64_t interval_ns, struct ramjet_error *err);
/*
 * The time from a question to its answer, in microseconds: the median of the
 * latest ones; 0 when none was answered yet. It is the path's from end to end,
 * relays and proxies included; a thread of the peer's that does nothing else
 * answers. In band it waits behind the pages that
 * are queued.
 */
static inline uint32_t rj_link_rtt_us(const struct rj_link *link)
{
	return rj_ping_rtt_us(&link->ping);
}
#endif
