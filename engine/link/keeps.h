/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_KEEPS_H
#define RJ_ENGINE_LINK_KEEPS_H
/* What the two sides agree on about lost connections (KEEPS): the same on both. */
#include <stdbool.h>
#include <stdint.h>

#include "engine/wire/resume.h"
#include "ramjet.h"

/* How a session is connected: what could come back. */
enum rj_keeps_way {
	RJ_KEEPS_NONE,   /* by one connection that is all there is */
	RJ_KEEPS_GIVEN,  /* by connections that somebody else makes */
	RJ_KEEPS_LISTENS /* to a listener: again, if need be */
};

struct rj_kept {
	bool lanes_may_be_lost;
	bool control_may_return;
	uint32_t reconnect_ms; /* 0: a lost connection ends the session */
};

/* What this side says. Nothing to be said: reconnect_ms or features are 0. */
struct rj_keeps rj_keeps_ours(const struct ramjet_params *params,
			      enum rj_keeps_way way);
/* What is in force; `theirs` NULL: they have said nothing. */
struct rj_kept rj_keeps_settle(const struct rj_keeps *ours,
			       const struct rj_keeps *theirs);

/* For a fast path: "10 s" and for what, or "none" and why. */
struct rj_keeps_text {
	char chosen[24];
	char reason[80];
};
/* `peer`: "source" or "target". */
struct rj_keeps_text rj_keeps_describe(const struct rj_keeps *ours,
				       const struct rj_keeps *theirs,
				       enum rj_keeps_way way, const char *peer);
#endif
