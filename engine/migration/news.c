/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An eventfd of the VMM's, made when it is first asked for. What changed before
 * that is told by its beginning readable. Nothing gets lost in between: who
 * tells has written the change under the lock before he looks for a descriptor,
 * and it is made under that lock. So either he finds it, or its maker's thread
 * sees the change.
 */
#include "engine/migration/news.h"

#include <errno.h>

#include "engine/link/event.h"

void rj_news_tell(struct ramjet_migration *m)
{
	/* acquire: pairs with open_locked() */
	rj_event_signal(
		atomic_load_explicit(&m->news_fd, memory_order_acquire));
}

static int open_locked(struct ramjet_migration *m) RJ_REQUIRES(m->lock)
{
	/* relaxed: it is written under the lock */
	int fd = atomic_load_explicit(&m->news_fd, memory_order_relaxed);

	if (fd >= 0)
		return fd;
	fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	/* release: pairs with rj_news_tell() and ramjet_migration_ack() */
	atomic_store_explicit(&m->news_fd, fd, memory_order_release);
	return fd;
}

RAMJET_API int ramjet_migration_fd(struct ramjet_migration *migration)
{
	int fd;

	if (!migration)
		return -EINVAL;
	rj_lock(&migration->lock);
	fd = open_locked(migration);
	rj_unlock(&migration->lock);
	return fd;
}

RAMJET_API int ramjet_migration_ack(struct ramjet_migration *migration)
{
	int fd;

	if (!migration)
		return -EINVAL;
	/* acquire: pairs with open_locked() */
	fd = atomic_load_explicit(&migration->news_fd, memory_order_acquire);
	if (fd < 0)
		return -EBADF;
	rj_event_clear(fd);
	return 0;
}
