/* SPDX-License-Identifier: BSD-3-Clause */
/* ramjet_block_figures(): what the workers have counted of one block. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/migration/migration.h"

static void name_block(struct ramjet_guest *guest, unsigned index,
		       struct ramjet_block_figures *figures)
{
	rj_lock(&guest->lock);
	(void)snprintf(figures->name, sizeof(figures->name), "%s",
		       guest->blocks[index].name);
	figures->bytes = guest->blocks[index].bytes;
	rj_unlock(&guest->lock);
}

static void add_workers(const struct ramjet_migration *m, unsigned index,
			struct ramjet_block_figures *figures)
{
	const unsigned count = rj_migration_counted(m);

	figures->untouched_pages = rj_counter(&m->untouched_pages[index]);
	for (unsigned i = 0; i < count; i++) {
		const struct rj_block_counters *b =
			&m->counters[i].by_block[index];

		figures->normal_pages += rj_counter(&b->normal_pages);
		figures->zero_pages += rj_counter(&b->zero_pages);
	}
}

RAMJET_API int ramjet_block_figures(const struct ramjet_migration *migration,
				    unsigned index,
				    struct ramjet_block_figures *ret)
{
	struct ramjet_block_figures figures = { .size = sizeof(figures) };
	size_t size;

	if (!migration || !ret || ret->size < sizeof(ret->size))
		return -EINVAL;
	/* Blocks stay as long as the migration; later ones were not moved. */
	/* acquire: pairs with rj_migration_count_blocks() */
	if (index >=
	    atomic_load_explicit(&migration->block_count, memory_order_acquire))
		return -ENOENT;
	name_block(migration->guest, index, &figures);
	add_workers(migration, index, &figures);
	/* As much as the caller knows; what we do not know, is 0. */
	size = ret->size;
	memset(ret, 0, size);
	memcpy(ret, &figures, size < sizeof(figures) ? size : sizeof(figures));
	ret->size = size;
	return 0;
}
