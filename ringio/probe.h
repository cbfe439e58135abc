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

rj_probe_fn rj_probe_ring, rj_probe_single_issuer, rj_probe_defer_taskrun,
	rj_probe_sendmsg, rj_probe_recvmsg, rj_probe_send_zc,
	rj_probe_sendmsg_zc, rj_probe_registered_zc, rj_probe_bundles;
rj_probe_fn rj_probe_pacing, rj_probe_notsent_lowat, rj_probe_vsock,
	rj_probe_ktls, rj_probe_memlock;

/* "tried it: Invalid argument". Returns false. */
bool rj_probe_refused(int rc, char *result, size_t size);
#endif
