/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_FORECAST_OUTLOOK_H
#define RJ_ENGINE_FORECAST_OUTLOOK_H
/*
 * Is the limit of the pause in reach at all? When for some seconds no round has
 * met it or come nearer, whoever set it must be told what would do: at once, and
 * again each time twice as much time has gone by. Pure decisions on what each
 * round has shown; whoever feeds it owns it.
 */
#include <stdbool.h>
#include <stdint.h>

struct rj_outlook {
	uint64_t since_us; /* last nearer to it, or in reach */
	uint64_t nearest_us;
	/* Shortest p90 of these seconds, and of the ones before; 0: none. */
	uint64_t window_us, lately_us[2];
	uint64_t say_us, wait_us; /* when to say it next */
	uint64_t needed_us;       /* the limit that would do; 0: in reach */
};

/* A round has ended: the pause's p90, and whether it fits. True: it is time to
 * tell needed_us. */
bool rj_outlook_look(struct rj_outlook *outlook, uint64_t p90_us, bool fits,
		     uint64_t now_us);
#endif
