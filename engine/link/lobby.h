/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LOBBY_H
#define RJ_ENGINE_LINK_LOBBY_H
/*
 * Connections that have not sent their HELLO yet. A target listens to all of
 * them at once, so that a silent one delays nobody. When all seats are taken,
 * the connection that has been silent longest is refused to make room for the
 * next: so any number of silent ones cannot keep the source out.
 *
 * Those that the VMM has given have a seat each, and may be silent as long as it
 * says: channels are, until the session is accepted.
 */
#include "engine/link/hello.h"
#include "engine/link/intake.h"
#include "ringio/endpoint.h"
#include "util/log.h"

/* Chosen (docs/protocol.md promises them): some descriptors, which a busy
 * process can spare. With fewer, a port scanner makes an honest source wait. */
#define RJ_LOBBY_SEATS 16u
/* HELLO must be there this long after the connection. */
#define RJ_LOBBY_HELLO_NS (5 * UINT64_C(1000000000))
/* Nothing is accepted for so long after the machine had no descriptor, or no
 * memory, for a connection. */
#define RJ_LOBBY_NAP_NS (100 * UINT64_C(1000000))

struct rj_lobby {
	/* Where they come from: one of the two. Borrowed. */
	struct rj_listener *listener;
	struct rj_intake *intake;
	const char *name;             /* of it, for messages; borrowed */
	uint64_t hello_ns;            /* of those that come to the listener */
	uint64_t nap_ns;              /* until then; 0: none */
	struct ramjet_error shortage; /* the latest reason for one; code 0 */
	unsigned count, seat_count;
	struct rj_lobby_seat {
		struct rj_conn conn;
		uint64_t hello_ns, deadline_ns; /* 0: none */
		struct rj_hello_reader reader;
	} * seats;                /* in the order in which they came */
	const struct rj_log *log; /* borrowed; NULL: silent */
	bool shortage_said;       /* the shortage was logged: once is enough */
};

/* A connection that has sent its HELLO, or failed to. */
struct rj_visitor {
	struct rj_conn conn; /* the caller's to take or close */
	struct rj_hello hello;
	struct ramjet_error why; /* what was wrong; code 0: a good HELLO */
};

RJ_NODISCARD int rj_lobby_init(struct rj_lobby *lobby,
			       struct rj_listener *listener,
			       struct ramjet_error *err);
RJ_NODISCARD int rj_lobby_init_given(struct rj_lobby *lobby,
				     struct rj_intake *intake, const char *name,
				     struct ramjet_error *err);
/* Closes the connections that are left. Safe on a zeroed one. */
void rj_lobby_done(struct rj_lobby *lobby);
/* Wait for the next arrival. -ETIMEDOUT, -ECANCELED, or an error of the
 * listener; deadline_ns 0: none. Where connections could not be accepted for
 * want of descriptors or memory, -ETIMEDOUT says so. */
RJ_NODISCARD int rj_lobby_next(struct rj_lobby *lobby, uint64_t deadline_ns,
			       int wake_fd, struct rj_visitor *ret,
			       struct ramjet_error *err);
#endif
