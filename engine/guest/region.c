/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/region.h"

#include <errno.h>
#include <stdlib.h>

#include "dirty/lazy.h"
#include "util/cleanup.h"
#include "util/error.h"

int rj_blocks_look_lazy(const struct rj_block *blocks, unsigned count,
			const char ***ret, struct ramjet_error *err)
{
	rj_autofree struct ramjet_dirty_region *regions =
		calloc(count, sizeof(*regions));
	rj_autofree const char **reasons = calloc(count, sizeof(*reasons));

	if (!regions || !reasons)
		return rj_fail(err, -ENOMEM, "blocks: out of memory");
	for (unsigned i = 0; i < count; i++)
		regions[i] = rj_block_region(&blocks[i]);
	rj_lazy_look(regions, count, reasons);
	*ret = rj_steal(reasons);
	return 0;
}
