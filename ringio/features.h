/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_FEATURES_H
#define RJ_RINGIO_FEATURES_H
/* Probes of io_uring and socket features, each tried for real. */
#include <stddef.h>

#include "ramjet.h"

/* Room for all there are; asserted where they are listed. */
#define RJ_RINGIO_FEATURES_MAX 24u
struct rj_feature {
	const char *name;    /* static */
	const char *enables; /* static */
	bool available;
	char result[240];
};
/* Fills features[0..RJ_RINGIO_FEATURES_MAX), returns how many. With the backend
 * SYSCALLS nothing of io_uring is called. */
size_t rj_ringio_features(enum ramjet_backend backend,
			  struct rj_feature *features);
#endif
