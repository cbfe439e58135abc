/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_CUT_RELAY_H
#define RJ_TESTS_CUT_RELAY_H
/*
 * Stands between the two sides of a migration on unix sockets, in a thread, and
 * cuts the control link after a given byte of one direction. Data channels pass.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define CUT_RELAY_CONNS 64u

enum cut_relay_way {
	CUT_TO_TARGET,
	CUT_TO_SOURCE,
};

struct cut_relay {
	/* set before it begins */
	enum cut_relay_way way;
	uint64_t after;  /* bytes of that direction, HELLO included */
	unsigned times;  /* of so many control links, one after the other */
	bool is_the_end; /* after the last cut nobody listens here any more */
	char listens[100], target[100]; /* paths */

	/* seen so far; read once it is done, or while it runs */
	_Atomic unsigned cuts;
	_Atomic unsigned control_links;
	_Atomic uint64_t commit_at; /* bytes up to its end, on the first link */

	/* its own */
	int listener, wake_fd;
	atomic_bool ends, cuts_now;
	pthread_t thread;
	bool started;
	struct cut_relay_pair {
		int fds[2]; /* the source's, the target's; -1: none */
		bool is_control;
		uint64_t passed[2]; /* by direction */
	} pairs[CUT_RELAY_CONNS];
	unsigned count;
};

/* With a folder whose `socket` the target listens on: `relay` is ours. */
void cut_relay_begin(struct cut_relay *relay, const char *folder);
/* Now, whatever has passed, and nobody listens here any more if it is the end;
 * once it is done. */
void cut_relay_cut(struct cut_relay *relay);
void cut_relay_end(struct cut_relay *relay);
#endif
