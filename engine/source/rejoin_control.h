/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_REJOIN_CONTROL_H
#define RJ_ENGINE_SOURCE_REJOIN_CONTROL_H
/* The source's way to a new connection for its control link: it connects again,
 * and proves by the session's id who it is. The keeper's thread does. */
#include <sys/socket.h>

#include "engine/link/link_return.h"
#include "engine/migration/env.h"
#include "ringio/endpoint.h"

struct rj_rejoin_control {
	struct rj_link_way way;
	struct rj_resume resume;
	bool begun;
	const struct rj_uri *uri;
	struct sockaddr_storage peer; /* tcp: where the first one went */
	socklen_t peer_bytes;
	struct rj_hello hello; /* of the latest one */
	const struct rj_env *env;
	uint64_t back_ns;    /* when it came back last */
	uint64_t backoff_ns; /* between the latest try and the next */
	uint64_t next_ns;    /* that */
	uint64_t refused_ns; /* nobody has listened there since; 0: somebody */
};

/* `first`: the session's, with `hello`, and what is not ours is borrowed. False:
 * it can't be made again. */
bool rj_rejoin_control_begin(struct rj_rejoin_control *rejoin,
			     const struct rj_uri *uri,
			     const struct rj_conn *first,
			     const struct rj_hello *hello,
			     uint32_t reconnect_ms, const struct rj_env *env);
/* Once nobody reads or writes the link. Safe on a zeroed one. */
void rj_rejoin_control_done(struct rj_rejoin_control *rejoin);
#endif
