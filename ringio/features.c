/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/features.h"

#include <assert.h>

#include "ringio/probe_ring.h"
#include "ringio/probe_socket.h"

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

size_t rj_ringio_features(enum ramjet_backend backend,
			  struct rj_feature *features)
{
	struct rj_probe probe;

	rj_probe_open(&probe, backend);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(table); i++) {
		struct rj_feature *feature = &features[i];

		*feature = (struct rj_feature){
			.name = table[i].name,
			.enables = table[i].enables,
		};
		feature->available = table[i].probe(&probe, feature->result,
						    sizeof(feature->result));
	}
	rj_probe_close(&probe);
	return RJ_ARRAY_SIZE(table);
}
