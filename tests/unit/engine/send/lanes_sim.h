/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_UNIT_ENGINE_SEND_LANES_SIM_H
#define RJ_TESTS_UNIT_ENGINE_SEND_LANES_SIM_H
/*
 * Lanes that share a link and CPUs, as a fluid: each builds a frame, which takes
 * CPU time, waits until its socket has room, and goes on with the next while the
 * link drains what the sockets hold. CPUs and link are shared evenly by those who
 * want them at the moment.
 */
#include <stdbool.h>
#include <stdint.h>

#define SIM_LANES_MAX 16u
#define SIM_AUTO      1000 /* a policy beside the levels: the ladder */

/* What zstd makes of pages: bytes out a byte in, and ns a byte in. */
struct sim_level {
	int32_t level;
	double ratio, cost;
};
struct sim_pages {
	const char *name;
	struct sim_level levels[4]; /* -5, -1, 1, 3 */
};

struct sim {
	/* the place */
	unsigned lanes;
	double cpus;
	double link; /* bytes/s, of all lanes */
	/* CPU time at the other end: a byte of the wire, and one that comes out
	 * of zstd; it is one thread a lane, and on the same CPUs or not. */
	double receive_ns, decode_ns;
	bool same_machine;
	double guest_cpus; /* taken by others, where there are enough */
	double zstd_share; /* allowed; 0: all */
	/* changes: at these times, in ns; 0: no (more) */
	uint64_t change_ns[3];
	double change_link[3];
	uint64_t stretch_bytes; /* then come the `other` pages; 0: never */
	const struct sim_pages *pages, *other;
};

struct sim_result {
	double bytes; /* of pages, that were sent */
	double zstd_ns;
	int32_t level; /* of lane 0, at the end */
	/* AUTO: bytes by the time of each change; and how long until lane 0 was
	 * first anything but off */
	double bytes_at[3];
	uint64_t first_ns;
	unsigned duels, duels_lost;
};

/* `level`: a level, RJ_LEVEL_OFF or SIM_AUTO; seeded. */
struct sim_result sim_run(const struct sim *sim, int32_t level, uint64_t ns);
extern bool sim_talks;
#endif
