/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_PROBE_RING_H
#define RJ_RINGIO_PROBE_RING_H
/* What io_uring can do here. */
#include "ringio/probe.h"

rj_probe_fn rj_probe_ring, rj_probe_single_issuer, rj_probe_defer_taskrun,
	rj_probe_sendmsg, rj_probe_recvmsg, rj_probe_send_zc,
	rj_probe_sendmsg_zc, rj_probe_registered_zc, rj_probe_bundles;
#endif
