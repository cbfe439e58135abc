/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_MIGRATION_NEWS_H
#define RJ_ENGINE_MIGRATION_NEWS_H
/* The descriptor that tells a VMM's main loop that something has changed. */
#include "engine/migration/migration.h"

/* Something that ramjet_info() or ramjet_wait() tell has changed, and is
 * written. Any thread. */
void rj_news_tell(struct ramjet_migration *m);
#endif
