/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LOBBY_H
#define RJ_ENGINE_LINK_LOBBY_H
/*
 * Connections that have not said yet who they are. A target waits for all of
 * them at once, so that one which says nothing keeps nobody waiting. When all
 * seats are taken, whoever has been silent longest makes room for the next: so
 * no number of them keeps out one who speaks.
 */
#include "engine/link/hello.h"
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
	struct rj_listener *listener; /* borrowed */
	uint64_t hello_ns;
	uint64_t nap_ns;              /* until then; 0: none */
	struct ramjet_error shortage; /* the latest reason for one; code 0 */
	unsigned count;
	struct rj_lobby_seat {
		struct rj_conn conn;
		uint64_t deadline_ns;
		struct rj_hello_reader reader;
	} seats[RJ_LOBBY_SEATS];  /* the longest there first */
	const struct rj_log *log; /* borrowed; NULL: silent */
	bool shortage_said;       /* once is enough */
};

/* Somebody who has spoken, or failed to. */
struct rj_arrival {
	struct rj_conn conn; /* the caller's to take or close */
	struct rj_hello hello;
	struct ramjet_error why; /* what was wrong; code 0: a good HELLO */
};

void rj_lobby_init(struct rj_lobby *lobby, struct rj_listener *listener);
/* Closes whoever is left. */
void rj_lobby_done(struct rj_lobby *lobby);
/* Wait for the next arrival. -ETIMEDOUT, -ECANCELED, or an error of the
 * listener; deadline_ns 0: none. Where connections could not be accepted for
 * want of descriptors or memory, -ETIMEDOUT says so. */
RJ_NODISCARD int rj_lobby_next(struct rj_lobby *lobby, uint64_t deadline_ns,
			       int wake_fd, struct rj_arrival *ret,
			       struct ramjet_error *err);
#endif
