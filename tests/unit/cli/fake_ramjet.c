/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cli/fake_ramjet.h"

#include <errno.h>
#include <signal.h>

#include "ramjet-helper.h"
#include "ramjet-kvm.h"
#include "util/error.h"

struct fake_ramjet fake;

struct ramjet_guest {
	struct ramjet_guest_ops ops;
	void *user;
};

struct ramjet_migration {
	struct ramjet_guest *guest;
	bool outgoing;
	bool cancelled;
	enum ramjet_state state;
};

struct ramjet_dirty_source {
	int unused;
};

static const struct ramjet_round_info rounds[] = {
	{ .size = sizeof(struct ramjet_round_info),
	  .pages = 512,
	  .bytes = 2u << 20,
	  .dirtied_pages = 40,
	  .us = 1500 },
	{ .size = sizeof(struct ramjet_round_info),
	  .pages = 40,
	  .bytes = 160u << 10,
	  .dirtied_pages = 0,
	  .us = 250 },
};
static const struct ramjet_channel_info channels[] = {
	{ .size = sizeof(struct ramjet_channel_info),
	  .bytes = 1234567,
	  .state = "closed",
	  .rtt_us = 33 },
};
static const struct ramjet_term_info terms[] = {
	{ .size = sizeof(struct ramjet_term_info),
	  .name = "stop",
	  .predicted_us = 100,
	  .actual_us = 90 },
	{ .size = sizeof(struct ramjet_term_info),
	  .name = "pages",
	  .predicted_us = 11900,
	  .actual_us = 12210 },
};
static const struct ramjet_helper_info helpers[] = {
	{ .size = sizeof(struct ramjet_helper_info),
	  .id = "slirp",
	  .bytes = 4096,
	  .save_us = 1500,
	  .load_us = 900 },
};
static const struct ramjet_fast_path_info paths[] = {
	{ .size = sizeof(struct ramjet_fast_path_info),
	  .name = "io_uring",
	  .chosen = "no",
	  .reason = "EPERM" },
};

void fake_reset(void)
{
	fake = (struct fake_ramjet){
		.end = RAMJET_STATE_COMPLETED,
		.stop_guest = true,
		.info = {
			.size = sizeof(fake.info),
			.known = UINT64_MAX,
			.total_us = 812345,
			.throttled_us = 1500,
			.setup_us = 1500,
			.downtime_us = 12300,
			.downtime_limit_us = 300000,
			.downtime_p50_us = 12000,
			.downtime_p90_us = 20001,
			.ram_total_bytes = 2u << 20,
				 .ram_transferred_bytes = 2 * 1000 * 1000,
				 .ram_wire_bytes = 2100000,
				 .ram_normal_pages = 400,
				 .ram_zero_pages = 112,
				 .ram_unpopulated_pages = 7,
			.throughput_bytes_per_s = 1u << 30,
			.dirty_pages_per_s = 51200,
			.control_cpu_us = 1000,
			.workers_cpu_us = 2000,
			.verified = true,
			.verify_blocks = 1,
			.rounds = rounds,
			.round_count = RJ_ARRAY_SIZE(rounds),
			.rounds_total = RJ_ARRAY_SIZE(rounds),
			.channels = channels,
			.channel_count = RJ_ARRAY_SIZE(channels),
			.terms = terms,
			.term_count = RJ_ARRAY_SIZE(terms),
			.fast_paths = paths,
			.helpers = helpers,
			.helper_count = RJ_ARRAY_SIZE(helpers),
			.fast_path_count = RJ_ARRAY_SIZE(paths),
		},
	};
}

const char *ramjet_version(void)
{
	return "0.0.fake";
}

int ramjet_guest_new(const struct ramjet_guest_ops *ops, void *user,
		     struct ramjet_guest **ret, struct ramjet_error *err)
{
	struct ramjet_guest *guest = calloc(1, sizeof(*guest));

	(void)err;
	guest->ops = *ops;
	guest->user = user;
	*ret = guest;
	fake.alive++;
	return 0;
}

int ramjet_guest_set_paused(struct ramjet_guest *guest, bool paused)
{
	(void)guest;
	if (!fake.paused_rc)
		fake.paused = paused;
	return fake.paused_rc;
}

bool ramjet_guest_is_paused(struct ramjet_guest *guest)
{
	(void)guest;
	return fake.paused;
}

int ramjet_guest_free(struct ramjet_guest *guest)
{
	fake.alive -= guest != NULL;
	free(guest);
	return 0;
}

int ramjet_guest_add_block(struct ramjet_guest *guest,
			   const struct ramjet_block *block,
			   struct ramjet_error *err)
{
	(void)guest;
	(void)err;
	fake.block = *block;
	return 0;
}

int ramjet_dirty_pagemap_new(struct ramjet_dirty_source **ret,
			     struct ramjet_error *err)
{
	static struct ramjet_dirty_source source;

	(void)err;
	*ret = &source;
	return 0;
}

int ramjet_dirty_kvm_log_new(const struct ramjet_dirty_kvm_log *log,
			     struct ramjet_dirty_source **ret,
			     struct ramjet_error *err)
{
	fake.kvm_slots = log->slot_count;
	return ramjet_dirty_pagemap_new(ret, err);
}

int ramjet_dirty_kvm_ring_new(const struct ramjet_dirty_kvm_ring *ring,
			      struct ramjet_dirty_source **ret,
			      struct ramjet_error *err)
{
	fake.kvm_slots = ring->slot_count;
	fake.kvm_rings = ring->vcpu_count;
	return ramjet_dirty_pagemap_new(ret, err);
}

int ramjet_dirty_kvm_ring_full(struct ramjet_dirty_source *source, size_t vcpu,
			       struct ramjet_error *err)
{
	(void)source;
	(void)vcpu;
	(void)err;
	return 0;
}

int ramjet_dirty_free(struct ramjet_dirty_source *source)
{
	(void)source;
	return 0;
}

int ramjet_guest_add_dirty_source(struct ramjet_guest *guest,
				  struct ramjet_dirty_source *source,
				  struct ramjet_error *err)
{
	(void)guest;
	(void)source;
	(void)err;
	fake.dirty_sources++;
	return 0;
}

static int begin(struct ramjet_guest *guest, const char *uri, bool outgoing,
		 const struct ramjet_params *params,
		 struct ramjet_migration **ret, struct ramjet_error *err)
{
	struct ramjet_migration *migration;

	if (fake.begin_rc)
		return rj_fail(err, fake.begin_rc, "%s", fake.message);
	migration = calloc(1, sizeof(*migration));
	migration->guest = guest;
	migration->outgoing = outgoing;
	migration->state = RAMJET_STATE_ACTIVE;
	fake.params = *params;
	(void)snprintf(fake.uri, sizeof(fake.uri), "%s", uri);
	(void)snprintf(fake.info.uri, sizeof(fake.info.uri), "%s", uri);
	fake.info.outgoing = outgoing;
	*ret = migration;
	fake.alive++;
	return 0;
}

int ramjet_migrate(struct ramjet_guest *guest, const char *uri,
		   const struct ramjet_params *params,
		   struct ramjet_migration **ret, struct ramjet_error *err)
{
	return begin(guest, uri, true, params, ret, err);
}

int ramjet_incoming(struct ramjet_guest *guest, const char *uri,
		    const struct ramjet_params *params,
		    struct ramjet_migration **ret, struct ramjet_error *err)
{
	return begin(guest, uri, false, params, ret, err);
}

const char *ramjet_listen_uri_at(const struct ramjet_migration *migration,
				 size_t index)
{
	return index ? NULL : ramjet_listen_uri(migration);
}

const char *ramjet_listen_uri(const struct ramjet_migration *migration)
{
	(void)migration;
	return "tcp:127.0.0.1:4711";
}

static int arrive(struct ramjet_migration *m, struct ramjet_error *err)
{
	int rc = 0;

	if (fake.ram)
		memcpy(fake.block.host, fake.ram, fake.block.bytes);
	if (fake.state && m->guest->ops.load_state)
		rc = m->guest->ops.load_state(m->guest->user, fake.state,
					      fake.state_bytes, err);
	if (!rc && fake.end == RAMJET_STATE_COMPLETED)
		rc = m->guest->ops.start(m->guest->user, err);
	return rc;
}

static int leave(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest_ops *ops = &m->guest->ops;
	size_t bytes;
	void *data;
	int rc = 0;

	if (fake.stop_guest)
		rc = ops->stop(m->guest->user, err);
	if (!rc && fake.stop_guest && ops->save_state) {
		rc = ops->save_state(m->guest->user, &data, &bytes, err);
		if (!rc)
			free(data);
	}
	if (!rc && (fake.restart_guest || fake.leave_running))
		rc = ops->start(m->guest->user, err);
	return rc;
}

int ramjet_wait(struct ramjet_migration *migration, int timeout_ms,
		struct ramjet_error *err)
{
	int rc;

	(void)timeout_ms;
	if (fake.raise_signal)
		(void)raise(fake.raise_signal);
	fake.raise_signal = 0;
	if (fake.endless && !migration->cancelled)
		return rj_fail(err, -ETIMEDOUT, "not yet");
	rc = migration->outgoing ? leave(migration, err)
				 : arrive(migration, err);
	migration->state = rc                     ? RAMJET_STATE_FAILED
			   : migration->cancelled ? RAMJET_STATE_CANCELLED
						  : fake.end;
	fake.info.state = migration->state;
	if (rc)
		return rc;
	if (migration->cancelled)
		return rj_fail(err, -ECANCELED, "cancelled");
	return fake.wait_rc ? rj_fail(err, fake.wait_rc, "%s", fake.message)
			    : 0;
}

int ramjet_cancel(struct ramjet_migration *migration)
{
	migration->cancelled = true;
	fake.cancels++;
	return 0;
}

int ramjet_set_params(struct ramjet_migration *migration,
		      const struct ramjet_params *params,
		      struct ramjet_error *err)
{
	(void)migration;
	(void)err;
	fake.params = *params;
	return 0;
}

/* Nothing changes but in ramjet_wait(), and nobody asks for that here. */
int ramjet_notify(struct ramjet_guest *guest, ramjet_notify_fn *fn, void *user,
		  struct ramjet_error *err)
{
	(void)guest;
	(void)fn;
	(void)user;
	(void)err;
	return 1;
}

int ramjet_unnotify(struct ramjet_guest *guest, int id)
{
	(void)guest;
	(void)id;
	return 0;
}

int ramjet_switchover(struct ramjet_migration *migration)
{
	(void)migration;
	return 0;
}

enum ramjet_state ramjet_migration_state(
	const struct ramjet_migration *migration)
{
	return migration->state;
}

bool ramjet_state_is_final(enum ramjet_state state)
{
	return state == RAMJET_STATE_COMPLETED ||
	       state == RAMJET_STATE_FAILED ||
	       state == RAMJET_STATE_CANCELLED ||
	       state == RAMJET_STATE_UNCONFIRMED;
}

const char *ramjet_state_name(enum ramjet_state state)
{
	static const char *const names[RAMJET_STATE_COUNT_] = {
		"none",       "setup",     "active",     "held",
		"switchover", "committed", "completed",  "failed",
		"cancelling", "cancelled", "unconfirmed"
	};

	return state < RAMJET_STATE_COUNT_ ? names[state] : "invalid";
}

int ramjet_migration_free(struct ramjet_migration *migration)
{
	fake.alive -= migration != NULL;
	free(migration);
	return 0;
}

int ramjet_info(const struct ramjet_migration *migration,
		struct ramjet_info **ret)
{
	struct ramjet_info *info = malloc(sizeof(*info));

	*info = fake.info;
	info->state = migration->state;
	*ret = info;
	fake.alive++;
	return 0;
}

void ramjet_info_free(struct ramjet_info *info)
{
	fake.alive -= info != NULL;
	free(info);
}

int ramjet_savings(const struct ramjet_migration *migration,
		   struct ramjet_savings **ret)
{
	struct ramjet_savings *savings = malloc(sizeof(*savings));

	(void)migration;
	*savings = fake.savings;
	*ret = savings;
	fake.alive++;
	return 0;
}

void ramjet_savings_free(struct ramjet_savings *savings)
{
	fake.alive -= savings != NULL;
	free(savings);
}

int ramjet_features_with(uint32_t backend, struct ramjet_feature **ret,
			 size_t *ret_count)
{
	(void)backend;
	static const struct ramjet_feature all[] = {
		{ sizeof(struct ramjet_feature), "pagemap_scan", true, "works",
		  "dirty pages of processes" },
		{ sizeof(struct ramjet_feature), "io_uring", false, "EPERM",
		  "rings" },
	};
	struct ramjet_feature *copy = malloc(sizeof(all));

	memcpy(copy, all, sizeof(all));
	*ret = copy;
	*ret_count = RJ_ARRAY_SIZE(all);
	fake.alive++;
	return 0;
}

void ramjet_features_free(struct ramjet_feature *features, size_t count)
{
	(void)count;
	fake.alive -= features != NULL;
	free(features);
}

bool ramjet_sigbus(const void *siginfo)
{
	(void)siginfo;
	return false;
}
