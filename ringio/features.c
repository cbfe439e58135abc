/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/features.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ringio/probe.h"
#include "ringio/ring.h"
#include "util/clock.h"

#define PAIR_TIMEOUT_NS UINT64_C(2000000000)

static const struct {
	const char *name;
	const char *enables;
	rj_probe_fn *probe;
} table[] = {
	{ "io_uring", "the uring backend", rj_probe_ring },
	{ "io_uring_single_issuer", "cheaper rings, one a worker",
	  rj_probe_single_issuer },
	{ "io_uring_defer_taskrun", "fewer wake-ups of a worker",
	  rj_probe_defer_taskrun },
	{ "io_uring_sendmsg", "gathered sends from guest memory",
	  rj_probe_sendmsg },
	{ "io_uring_recvmsg", "scattered receives into guest memory",
	  rj_probe_recvmsg },
	{ "io_uring_send_zc", "zero-copy sends", rj_probe_send_zc },
	{ "io_uring_sendmsg_zc", "gathered zero-copy sends",
	  rj_probe_sendmsg_zc },
	{ "io_uring_registered_zc", "zero-copy sends of pinned huge pages",
	  rj_probe_registered_zc },
	{ "io_uring_bundles", "several frames in flight in order",
	  rj_probe_bundles },
	{ "tcp_pacing", "bandwidth caps kept by the kernel", rj_probe_pacing },
	{ "tcp_notsent_lowat", "short queues under a bandwidth cap",
	  rj_probe_notsent_lowat },
	{ "vsock", "vsock: addresses", rj_probe_vsock },
	{ "ktls", "encryption by the kernel", rj_probe_ktls },
	{ "memlock", "registered buffers of any size", rj_probe_memlock },
};
static_assert(RJ_ARRAY_SIZE(table) <= RJ_RINGIO_FEATURES_MAX,
	      "callers have no room for the new one");

bool rj_probe_refused(int rc, char *result, size_t size)
{
	char error[64];

	(void)snprintf(result, size, "tried it: %s",
		       strerror_r(-rc, error, sizeof(error)));
	return false;
}

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

size_t rj_ringio_features(enum ramjet_backend backend,
			  struct rj_feature *features)
{
	struct rj_probe probe = {
		.source = RJ_CONN_NONE,
		.target = RJ_CONN_NONE,
	};

	if (backend == RAMJET_BACKEND_SYSCALLS) {
		probe.granted = "io_uring, by wish, not tried";
		probe.ring_rc = -EOPNOTSUPP;
	} else {
		probe.ring_rc = rj_ring_open(&probe.ring, &probe.granted);
	}
	probe.pair_rc = open_pair(&probe);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(table); i++) {
		struct rj_feature *feature = &features[i];

		*feature = (struct rj_feature){
			.name = table[i].name,
			.enables = table[i].enables,
		};
		feature->available = table[i].probe(&probe, feature->result,
						    sizeof(feature->result));
	}
	(void)rj_conn_close(&probe.source, 0, NULL);
	(void)rj_conn_close(&probe.target, 0, NULL);
	if (!probe.ring_rc)
		rj_ring_close(&probe.ring);
	return RJ_ARRAY_SIZE(table);
}
