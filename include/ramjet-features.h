/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RAMJET_FEATURES_H
#define RAMJET_FEATURES_H
/* What this machine offers. Part of ramjet.h, which includes it; the rules are
 * ramjet.h's. */
#include "ramjet.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ramjet_feature {
	size_t size;
	const char *name; /* e.g. "io_uring", "pagemap_scan" */
	bool available;
	const char *result;  /* what the probe saw */
	const char *enables; /* what ramjet does with it */
};
/* Probes for real (takes some ms). The array is *returned*:
 * ramjet_features_free(). */
int ramjet_features(struct ramjet_feature **ret, size_t *ret_count);
/* As a migration with this enum ramjet_backend would find it: with SYSCALLS,
 * no system call of io_uring is made. */
int ramjet_features_with(uint32_t backend, struct ramjet_feature **ret,
			 size_t *ret_count);
void ramjet_features_free(struct ramjet_feature *features, size_t count);

#ifdef __cplusplus
}
#endif
#endif
