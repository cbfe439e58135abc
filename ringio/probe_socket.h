/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_PROBE_SOCKET_H
#define RJ_RINGIO_PROBE_SOCKET_H
/* What sockets can do here, and how much memory may be pinned for them. */
#include "ringio/probe.h"

rj_probe_fn rj_probe_pacing, rj_probe_notsent_lowat, rj_probe_vsock,
	rj_probe_ktls, rj_probe_memlock;
#endif
