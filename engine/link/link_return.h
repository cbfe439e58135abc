/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_LINK_RETURN_H
#define RJ_ENGINE_LINK_LINK_RETURN_H
/*
 * A control link whose connection is lost goes on with another one: what both
 * sides do once there is one, and how long they wait for it. How they come by it,
 * one by connecting, the other by listening, is theirs. By the thread that reads
 * the link.
 */
#include "engine/link/link.h"

struct rj_link_way {
	uint64_t window_ns; /* from the loss on */
	/* Readable: the other side may have come with a new connection, whatever
	 * became of the one before; and whether it has. -1: it never does. */
	int visitor_fd;
	bool (*has_come)(void *user);
	/* A new one, on which HELLO was said both ways. -ETIMEDOUT,
	 * -ECANCELED (stop_fd), or an error with which it is hopeless. */
	int (*connect)(void *user, uint64_t deadline_ns, int stop_fd,
		       struct rj_conn *ret, struct ramjet_error *err);
	/* It was lost (`why`), or is back (NULL). */
	void (*tell)(void *user, const struct ramjet_error *why);
	void *user;
};

/* The connection that `reader` reads for `link` is lost, for the reason in `err`.
 * 0: both go on with another one, under the same descriptor; 1: stop_fd; or the
 * error with which it began, and why there is no other. */
RJ_NODISCARD int rj_link_return(struct rj_link *link, struct rj_link *reader,
				const struct rj_link_way *way, int stop_fd,
				struct ramjet_error *err);
#endif
