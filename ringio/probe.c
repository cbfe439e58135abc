/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/probe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ringio/ring.h"
#include "util/clock.h"

/* Chosen: the two ends are both ours, and what takes longer does not work. */
#define PAIR_TIMEOUT_NS UINT64_C(2000000000)

static int listen_here(const char *text, struct rj_listener *ret,
		       struct ramjet_error *err)
{
	struct rj_uri uri;
	int rc = rj_uri_parse(text, &uri, err);

	return rc ? rc : rj_listen(&uri, ret, err);
}

static int open_pair(struct rj_probe *probe)
{
	uint64_t deadline_ns = rj_now_ns() + PAIR_TIMEOUT_NS;
	struct ramjet_error *err = &probe->pair_error;
	struct rj_listener listener;
	struct rj_uri uri;
	int rc;

	rc = listen_here("tcp:127.0.0.1:0", &listener, err);
	/* There may be no IPv4 at all. */
	if (rc && listen_here("tcp:[::1]:0", &listener, NULL))
		return rc;
	rc = rj_uri_parse(listener.bound_uri, &uri, err);
	if (!rc)
		rc = rj_connect(&uri, deadline_ns, -1, &probe->source, err);
	if (!rc)
		rc = rj_accept(&listener, deadline_ns, -1, &probe->target, err);
	rj_listener_close(&listener);
	return rc;
}

void rj_probe_open(struct rj_probe *probe, enum ramjet_backend backend)
{
	*probe = (struct rj_probe){
		.source = RJ_CONN_NONE,
		.target = RJ_CONN_NONE,
	};
	if (backend == RAMJET_BACKEND_SYSCALLS) {
		probe->granted = "io_uring, by wish, not tried";
		probe->ring_rc = -EOPNOTSUPP;
	} else {
		probe->ring_rc = rj_ring_open(&probe->ring, &probe->granted);
	}
	probe->pair_rc = open_pair(probe);
}

void rj_probe_close(struct rj_probe *probe)
{
	(void)rj_conn_close(&probe->source, 0, NULL);
	(void)rj_conn_close(&probe->target, 0, NULL);
	if (!probe->ring_rc)
		rj_ring_close(&probe->ring);
}

bool rj_probe_refused(int rc, char *result, size_t size)
{
	char error[64];

	(void)snprintf(result, size, "tried it: %s",
		       strerror_r(-rc, error, sizeof(error)));
	return false;
}
