/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_PROBE_H
#define RJ_RINGIO_PROBE_H
/* What the probes of ringio/features.h share: a ring and a TCP connection of
 * this host with itself, to be thrown away. */
#include <liburing.h>
#include <stdbool.h>
#include <stddef.h>

#include "ringio/endpoint.h"

struct rj_probe {
	int ring_rc; /* not 0: no ring */
	const char *granted;
	struct io_uring ring;
	int pair_rc; /* not 0: no connection, and why */
	struct ramjet_error pair_error;
	struct rj_conn source, target;
};

/* True when the feature is there; `result` always says what was seen. */
typedef bool rj_probe_fn(struct rj_probe *probe, char *result, size_t size);

/* Never fails: what is not to be had, the probes say. */
void rj_probe_open(struct rj_probe *probe, enum ramjet_backend backend);
void rj_probe_close(struct rj_probe *probe);
/* "tried it: Invalid argument". Returns false. */
bool rj_probe_refused(int rc, char *result, size_t size);
#endif
