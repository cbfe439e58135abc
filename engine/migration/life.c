/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/migration.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/guest/params.h"
#include "engine/link/event.h"
#include "engine/migration/confine.h"
#include "engine/migration/news.h"
#include "engine/migration/transitions.h"
#include "ramjet-connect.h"
#include "util/bits.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/thread.h"

static int init_parts(struct ramjet_migration *m, struct ramjet_error *err)
{
	m->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	m->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (m->wake_fd < 0 || m->event_fd < 0)
		return rj_fail_errno(err, -errno, "migration: eventfd");
	if (rj_statistics_init(&m->stats))
		return rj_fail(err, -ENOMEM, "migration: out of memory");
	return 0;
}

static int check_blockers(struct ramjet_guest *guest, struct ramjet_error *err)
{
	int rc;

	rj_lock(&guest->lock);
	rc = rj_blockers_check(&guest->blockers, err);
	rj_unlock(&guest->lock);
	return rc;
}

static void free_parts(struct ramjet_migration *m)
{
	int news_fd;

	m->side->free(m);
	rj_statistics_done(&m->stats);
	rj_confine_done(m);
	free(m->counters);
	free(m->block_counters);
	free((void *)m->untouched_pages);
	rj_close_fd(&m->wake_fd);
	rj_close_fd(&m->event_fd);
	news_fd = atomic_load(&m->news_fd);
	rj_close_fd(&news_fd);
	(void)pthread_cond_destroy(&m->changed);
	rj_mutex_done(&m->lock);
	free(m);
}

static void free_migration(struct ramjet_migration *m)
{
	rj_migration_abandon(m);
	if (m->has_control)
		(void)pthread_join(m->control, NULL);
	else
		rj_guest_release(m->guest);
	rj_guest_forget(m->guest);
	free_parts(m);
}

static void warned(void *m)
{
	rj_news_tell(m);
}

void rj_migration_count_blocks(struct ramjet_migration *m)
{
	/* release: pairs with the acquire in ramjet_block_figures() */
	atomic_store_explicit(&m->block_count, m->guest->block_count,
			      memory_order_release);
}

/* Where the VMM names its blocks later, their number is not known yet. */
static int alloc_figures(struct ramjet_migration *m, struct ramjet_error *err)
{
	const bool later = !m->outgoing && m->guest->ops.accept;
	const unsigned count = later ? RJ_BLOCKS_MAX : m->guest->block_count;

	m->untouched_pages = calloc(count, sizeof(*m->untouched_pages));
	if (!later)
		rj_migration_count_blocks(m);
	if (m->untouched_pages)
		return 0;
	rj_guest_release(m->guest);
	rj_guest_forget(m->guest);
	return rj_fail(err, -ENOMEM, "migration: out of memory");
}

/* Of ramjet-connect.h. */
#define NAME_BYTES_MAX 200u

static int name_vmm(struct ramjet_migration *m, const struct rj_where *where,
		    struct ramjet_error *err)
{
	const char *name = where->name ? where->name : "";

	if (strlen(name) > NAME_BYTES_MAX)
		return rj_fail(err, -EINVAL,
			       "vmm: a name of %zu bytes, wanted at most %u",
			       strlen(name), NAME_BYTES_MAX);
	(void)snprintf(m->uri_text, sizeof(m->uri_text), "vmm:%s", name);
	m->uri.scheme = RJ_URI_VMM;
	m->uri.fd = -1;
	m->uri.single = where->connector &&
			where->connector->flags & RAMJET_CONNECTOR_SINGLE;
	(void)snprintf(m->uri.path, sizeof(m->uri.path), "%s", name);
	return 0;
}

static int take_where(struct ramjet_migration *m, const struct rj_where *where,
		      struct ramjet_error *err)
{
	if (where->vmm)
		return name_vmm(m, where, err);
	(void)snprintf(m->uri_text, sizeof(m->uri_text), "%s",
		       where->uri ? where->uri : "");
	return rj_uri_parse(where->uri, &m->uri, err);
}

static int new_migration(const struct rj_side *side, struct ramjet_guest *guest,
			 const struct rj_where *where,
			 const struct ramjet_params *params,
			 struct ramjet_migration **ret,
			 struct ramjet_error *err)
{
	struct ramjet_migration *m;
	int rc;

	if (!guest)
		return rj_fail(err, -EINVAL, "migration: no guest, wanted one");
	m = calloc(1, sizeof(*m));
	if (!m)
		return rj_fail(err, -ENOMEM, "migration: out of memory");
	m->guest = guest;
	m->side = side;
	m->outgoing = side->outgoing;
	m->wake_fd = m->event_fd = -1;
	atomic_init(&m->news_fd, -1);
	rj_mutex_init(&m->lock);
	rj_cond_init(&m->changed);
	rc = rj_params_load(params, &m->params, err);
	if (!rc)
		rc = take_where(m, where, err);
	if (!rc)
		rc = init_parts(m, err);
	if (!rc)
		rc = rj_confine_prepare(m, err);
	/* The caller's, until return. */
	m->params.cpus = NULL;
	m->params.cpu_count = 0;
	if (!rc && side->outgoing)
		rc = check_blockers(guest, err);
	if (!rc)
		rc = rj_guest_check_memory(guest, side->outgoing, err);
	if (!rc)
		rc = rj_guest_acquire(guest, side->outgoing, err);
	if (!rc)
		rc = alloc_figures(m, err);
	if (rc) {
		free_parts(m);
		return rc;
	}
	m->log.fn = m->params.log;
	m->log.user = m->params.log_user;
	m->log.warned = warned;
	m->log.warned_at = m;
	atomic_init(&m->cap_bytes_per_s, m->params.bandwidth_bytes_per_s);
	atomic_init(&m->downtime_limit_us,
		    rj_params_downtime_limit_us(&m->params));
	atomic_init(&m->switch_now, !m->params.hold);
	m->stats.started_us = rj_now_us();
	*ret = m;
	return 0;
}

static void *run_side(void *arg)
{
	struct ramjet_migration *m = arg;

	/* Others may free the handle once a callback has shown it to them: so
	 * the thread starts calling only when the caller that made it is
	 * through with it. */
	rj_lock(&m->lock);
	rj_unlock(&m->lock);
	rj_thread_give_to(m);
	rj_confine_enter(m->confinement);
	m->side->run(m);
	return NULL;
}

static int start(struct ramjet_migration *m, struct ramjet_error *err)
{
	static const struct rj_thread_options options = {
		.name = "rj/ctl",
		.stack_bytes = RJ_THREAD_CALLBACK_STACK_BYTES,
	};
	int rc;

	(void)pthread_sigmask(SIG_BLOCK, NULL, &m->caller_mask);
	rj_lock(&m->lock);
	rc = rj_thread_start_as(&m->control, &options, run_side, m);
	m->has_control = !rc;
	rj_unlock(&m->lock);
	if (rc)
		return rj_thread_fail(err, rc, "migration: control thread");
	return 0;
}

int rj_migration_begin(const struct rj_side *side, struct ramjet_guest *guest,
		       const struct rj_where *where,
		       const struct ramjet_params *params,
		       struct ramjet_migration **ret, struct ramjet_error *err)
{
	struct ramjet_migration *m = NULL;
	int rc;

	rj_error_clear(err);
	if (!ret)
		return rj_fail(err, -EINVAL,
			       "%s: ret is NULL, wanted a place for the handle",
			       side->name);
	rc = new_migration(side, guest, where, params, &m, err);
	if (!rc)
		rc = side->prepare(m, where, err);
	if (rc) {
		if (m)
			free_migration(m);
		return rc;
	}
	*ret = m;
	rc = start(m, err);
	/* From here on, m is no longer ours alone. */
	if (!rc)
		return 0;
	*ret = NULL;
	free_migration(m);
	return rc;
}

int rj_migration_alloc_counters(struct ramjet_migration *m, unsigned channels,
				struct ramjet_error *err)
{
	/* relaxed: this thread wrote it, or saw it written */
	const unsigned blocks =
		atomic_load_explicit(&m->block_count, memory_order_relaxed);
	const size_t row = rj_div_round_up(blocks, RJ_BLOCK_COUNTERS_STEP) *
			   RJ_BLOCK_COUNTERS_STEP;
	const size_t bytes = channels * row * sizeof(*m->block_counters);

	m->counters = aligned_alloc(64, channels * sizeof(*m->counters));
	m->block_counters = aligned_alloc(64, bytes);
	if (!m->counters || !m->block_counters)
		return rj_fail(err, -ENOMEM, "migration: out of memory");
	memset(m->counters, 0, channels * sizeof(*m->counters));
	memset(m->block_counters, 0, bytes);
	for (unsigned i = 0; i < channels; i++)
		m->counters[i].by_block = &m->block_counters[i * row];
	/* release: pairs with the acquire in ramjet_info() */
	atomic_store_explicit(&m->counter_count, channels,
			      memory_order_release);
	return 0;
}

RAMJET_API const char *ramjet_listen_uri(
	const struct ramjet_migration *migration)
{
	return migration ? migration->listen_uri : NULL;
}

RAMJET_API const char *ramjet_listen_uri_at(
	const struct ramjet_migration *migration, size_t index)
{
	const char *more;

	if (!index)
		return ramjet_listen_uri(migration);
	if (!migration || index > RJ_ARRAY_SIZE(migration->more_listen_uris))
		return NULL;
	more = migration->more_listen_uris[index - 1];
	return *more ? more : NULL;
}

bool rj_migration_is_inside(const struct ramjet_migration *m)
{
	return rj_thread_owner() == m;
}

RAMJET_API int ramjet_migration_free(struct ramjet_migration *migration)
{
	if (!migration)
		return 0;
	if (rj_migration_is_inside(migration))
		return -EDEADLK;
	free_migration(migration);
	return 0;
}

RAMJET_API const char *ramjet_version(void)
{
	return RAMJET_VERSION;
}
