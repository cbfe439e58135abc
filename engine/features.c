/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_features(): what this machine offers, each thing tried. */
#include "ringio/features.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/compiler.h"

static int copy_feature(struct ramjet_feature *to,
			const struct rj_feature *from)
{
	char *result = strdup(from->result);

	if (!result)
		return -ENOMEM;
	*to = (struct ramjet_feature){
		.name = from->name,
		.available = from->available,
		.result = result,
		.enables = from->enables,
	};
	return 0;
}

RAMJET_API int ramjet_features(struct ramjet_feature **ret, size_t *ret_count)
{
	struct rj_feature found[RJ_RINGIO_FEATURES_MAX];
	const size_t count = rj_ringio_features(found);
	struct ramjet_feature *features;

	if (!ret || !ret_count)
		return -EINVAL;
	features = calloc(count ? count : 1, sizeof(*features));
	if (!features)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		if (copy_feature(&features[i], &found[i])) {
			ramjet_features_free(features, i);
			return -ENOMEM;
		}
	}
	*ret = features;
	*ret_count = count;
	return 0;
}

RAMJET_API void ramjet_features_free(struct ramjet_feature *features,
				     size_t count)
{
	for (size_t i = 0; features && i < count; i++)
		free((char *)(uintptr_t)features[i].result);
	free(features);
}
