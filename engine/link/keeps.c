/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/keeps.h"

#include <stdio.h>

#include "engine/link/keeps_built.h"

struct rj_keeps rj_keeps_ours(const struct ramjet_params *params,
			      enum rj_keeps_way way)
{
	struct rj_keeps keeps = { .reconnect_ms = params->reconnect_ms };

	if (way == RJ_KEEPS_NONE)
		return (struct rj_keeps){ 0 };
	keeps.features = rj_keeps_built();
	if (way != RJ_KEEPS_LISTENS)
		keeps.features &= ~RJ_KEEPS_CONTROL;
	return keeps;
}

struct rj_kept rj_keeps_settle(const struct rj_keeps *ours,
			       const struct rj_keeps *theirs)
{
	const uint32_t common = theirs ? ours->features & theirs->features : 0;
	uint32_t ms = ours->reconnect_ms;

	if (!common)
		return (struct rj_kept){ 0 };
	if (theirs->reconnect_ms < ms)
		ms = theirs->reconnect_ms;
	return (struct rj_kept){
		.lanes_may_be_lost = ms && common & RJ_KEEPS_LANES,
		.control_may_return = ms && common & RJ_KEEPS_CONTROL,
		.reconnect_ms = ms,
	};
}

static const char *what(const struct rj_kept *kept)
{
	if (kept->lanes_may_be_lost && kept->control_may_return)
		return "for channels and control link";
	return kept->lanes_may_be_lost ? "for channels"
				       : "for the control link";
}

static void say_none(const struct rj_keeps *ours, const struct rj_keeps *theirs,
		     enum rj_keeps_way way, const char *peer,
		     struct rj_keeps_text *text)
{
	const char *why = NULL;

	if (way == RJ_KEEPS_NONE)
		why = "there is one connection, which comes but once";
	else if (!ours->reconnect_ms)
		why = "as asked for";
	(void)snprintf(text->chosen, sizeof(text->chosen), "none");
	if (why)
		(void)snprintf(text->reason, sizeof(text->reason), "%s", why);
	else
		(void)snprintf(text->reason, sizeof(text->reason), "the %s %s",
			       peer,
			       !theirs                 ? "did not say so"
			       : !theirs->reconnect_ms ? "does not want it"
						       : "cannot");
}

struct rj_keeps_text rj_keeps_describe(const struct rj_keeps *ours,
				       const struct rj_keeps *theirs,
				       enum rj_keeps_way way, const char *peer)
{
	const struct rj_kept kept = rj_keeps_settle(ours, theirs);
	struct rj_keeps_text text;

	if (!kept.reconnect_ms) {
		say_none(ours, theirs, way, peer, &text);
		return text;
	}
	(void)snprintf(text.chosen, sizeof(text.chosen), "%g s",
		       (double)kept.reconnect_ms / 1000.0);
	(void)snprintf(text.reason, sizeof(text.reason), "%s", what(&kept));
	return text;
}
