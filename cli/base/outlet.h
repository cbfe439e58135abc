/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_BASE_OUTLET_H
#define RJ_CLI_BASE_OUTLET_H
/*
 * Text on its way to a log or a terminal: a bounded queue, and a thread that
 * writes it. Putting lines in never waits for a slow reader: lines that don't
 * fit are dropped and counted, and a line in their place says so. The
 * descriptor's flags are not changed, since other processes may share it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "util/compiler.h"

#define RJ_CLI_OUTLET_ROOM 65536u

struct rj_cli_outlet;

/* `fd` is borrowed. No thread is made before there is something to write.
 * NULL when out of memory. */
struct rj_cli_outlet *rj_cli_outlet_new(int fd);
/* One or more lines; all of it, or nothing. Any thread. NULL: dropped. */
void rj_cli_outlet_put(struct rj_cli_outlet *outlet, const char *text,
		       size_t bytes);
/* Wait until all is written. False: nothing could be written for `patience_ms`,
 * so the reader doesn't read. */
bool rj_cli_outlet_drain(struct rj_cli_outlet *outlet, unsigned patience_ms);
/* Drain, and free; a thread that is stuck in a write is left behind, for the
 * process's end. No thread may use it any more. Returns how many lines were
 * dropped. NULL ok. */
uint64_t rj_cli_outlet_close(struct rj_cli_outlet *outlet,
			     unsigned patience_ms);
/* A stream into it: each flush is one put. Close it before the outlet. */
FILE *rj_cli_outlet_stream(struct rj_cli_outlet *outlet);
#endif
