/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_BENCH_RAW_MEMORY_H
#define RJ_BENCH_RAW_MEMORY_H
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "bench/raw/config.h"

/* All exit with a message when the system refuses. */

/* Untouched memory of a kind, aligned to 2 MiB. */
void *raw_memory_new(enum raw_memory kind, size_t bytes);
/* The first bytes of a file, made that long, shared. */
void *raw_memory_from_file(const char *path, size_t bytes);
void raw_memory_free(void *memory, size_t bytes);
void raw_memory_populate(void *memory, size_t bytes);
/* Random content; leaves the memory to this process alone, so that forking
 * does not make every page a shared one. */
void raw_memory_fill(void *memory, size_t bytes);

/* The n-th send of a channel: its pieces (payload / page size at most) in
 * iov, whose number is returned. */
unsigned raw_piece(const struct raw_config *config, void *memory,
		   size_t channel, size_t n, struct iovec *iov);
size_t raw_piece_count(const struct raw_config *config);
/* Of all that a run moves. */
uint64_t raw_digest(const struct raw_config *config, void *memory);

_Noreturn void raw_die(const char *what);
#endif
