/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BENCH_BUSY_GUEST_H
#define BENCH_BUSY_GUEST_H
/* A guest in populated memory whose pages are always dirty, and what the
 * benchmarks that move it have in common. Errors end the program. */
#include <ramjet.h>

struct busy_guest {
	uint64_t bytes;
	uint64_t stride; /* every stride-th page is dirty; 0: none ever is */
	int advice;      /* madvise()'s; 0: the system's default */
};

/* `busy` is borrowed until the guest is freed. */
struct ramjet_guest *busy_guest_new(const struct busy_guest *busy);

void give_up(const char *message);
void check(int rc, const struct ramjet_error *err);
void pause_ms(long ms);
/* A snapshot of a migration that is under way: anything else ends the
 * program. */
struct ramjet_info *info_of(const struct ramjet_migration *m);
#endif
