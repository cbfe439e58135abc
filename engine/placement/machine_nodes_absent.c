/* SPDX-License-Identifier: BSD-3-Clause */
/* Built without libnuma. */
#include "engine/placement/machine_nodes.h"

#include <pthread.h>

static struct rj_topology machine;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fill_in(void)
{
	rj_topology_single(&machine, "built without libnuma");
}

const struct rj_topology *rj_machine_topology(void)
{
	(void)pthread_once(&once, fill_in);
	return &machine;
}

void rj_machine_query(void *user, const struct rj_block *block,
		      const uint64_t *pages, size_t count,
		      struct rj_page_place *ret)
{
	(void)user, (void)block, (void)pages;
	for (size_t i = 0; i < count; i++)
		ret[i] = (struct rj_page_place){ .node = RJ_NODE_ANY };
}
