/* SPDX-License-Identifier: BSD-3-Clause */
/* What the target does between the last page and READY. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/vmstate.h"
#include "engine/guest/region.h"
#include "engine/migration/callback.h"
#include "engine/migration/helper_report.h"
#include "engine/page/digest.h"
#include "engine/target/incoming.h"
#include "engine/target/pump.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* Text: where in the block the copies differ, if the source has sent parts. */
static void describe_place(const struct rj_incoming *in, unsigned block,
			   const struct rj_digest_parts *ours, char *text,
			   size_t size)
{
	struct rj_digest_parts theirs;
	char places[188];

	text[0] = '\0';
	if (!in->parts.complete ||
	    in->parts.bytes != (size_t)in->block_count * RJ_DIGEST_PARTS_BYTES)
		return;
	rj_digest_parts_decode(in->parts.data +
				       (size_t)block * RJ_DIGEST_PARTS_BYTES,
			       &theirs);
	rj_digest_parts_compare(&theirs, ours, in->blocks[block].page_count,
				places, sizeof(places));
	if (*places)
		(void)snprintf(text, size, " in %s", places);
}

static int compare(const struct rj_incoming *in, unsigned index,
		   const struct rj_block_digest *ours, struct ramjet_error *err)
{
	struct rj_digest theirs;
	char place[192];

	rj_digest_decode(in->digests + (size_t)index * RJ_DIGEST_BYTES,
			 &theirs);
	if (theirs.low == ours->whole.low && theirs.high == ours->whole.high)
		return 0;
	describe_place(in, index, &ours->parts, place, sizeof(place));
	return rj_fail(err, -EBADMSG,
		       "verify: block %s differs%s; a dirty source may miss "
		       "writes (XXH3 digest %016llx%016llx on the source, "
		       "%016llx%016llx on the target)",
		       in->blocks[index].name, place,
		       (unsigned long long)theirs.high,
		       (unsigned long long)theirs.low,
		       (unsigned long long)ours->whole.high,
		       (unsigned long long)ours->whole.low);
}

/* Blocks of which absent pages say nothing (dirty/lazy.h) are read as a
 * whole. */
static int choose_pages(const struct rj_incoming *in,
			struct rj_block_digest *ret, struct ramjet_error *err)
{
	rj_autofree const char **lazy = NULL;
	int rc = rj_blocks_look_lazy(in->blocks, in->block_count, &lazy, err);

	for (unsigned i = 0; !rc && i < in->block_count; i++)
		ret[i].of = lazy[i] ? RJ_DIGEST_OF_ALL : in->digest_of;
	return rc;
}

/* What the source says meanwhile: that it gives up, perhaps. */
static int look_meanwhile(void *user, struct ramjet_error *err)
{
	return rj_target_look(user, err);
}

static int verify(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct rj_incoming *in = m->in;
	const struct rj_digest_ask ask = {
		.blocks = in->blocks,
		.block_count = in->block_count,
		.threads = in->cpus,
		.wake_fd = m->wake_fd,
		.look = look_meanwhile,
		.user = m,
	};
	rj_autofree struct rj_block_digest *ours =
		calloc(in->block_count, sizeof(*ours));
	int rc;

	if (!ours)
		return rj_fail(err, -ENOMEM, "verify: out of memory");
	rc = choose_pages(in, ours, err);
	if (!rc)
		rc = rj_digest_blocks(&ask, ours, err);
	for (unsigned i = 0; !rc && i < in->block_count; i++)
		rc = compare(in, i, &ours[i], err);
	return rc;
}

/* How far a streaming VMM has read. */
struct reader {
	const struct rj_record *record;
	size_t at;
};

static size_t read_state(void *context, void *data, size_t bytes)
{
	struct reader *r = context;
	const size_t left = r->record->bytes - r->at;
	const size_t some = bytes < left ? bytes : left;

	if (some)
		memcpy(data, r->record->data + r->at, some);
	r->at += some;
	return some;
}

static int load_device(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest_ops *ops = &m->guest->ops;
	const struct rj_record *device = &m->in->device;
	const bool can_load = ops->load_state || ops->load_state_stream;
	struct reader reader = { .record = device };
	const struct rj_vmm vmm = rj_vmm_of(m);

	if (!device->begun && !can_load)
		return 0;
	if (!device->begun)
		return rj_fail(err, -EPROTO,
			       "device state: the source sent none");
	if (!can_load)
		return rj_fail(err, -EOPNOTSUPP,
			       "device state: %zu bytes came, this guest "
			       "cannot load any",
			       device->bytes);
	if (ops->load_state_stream)
		return rj_call_load_stream(&vmm, read_state, &reader, err);
	return rj_call_load_state(&vmm, device->data, device->bytes, err);
}

static int load_helpers(struct ramjet_migration *m, struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	const struct rj_record *states = &in->helper_states;
	int rc;

	if (!in->helpers)
		return 0;
	rc = rj_helpers_load_all(in->helpers, states->data, states->bytes, 0,
				 err);
	rj_report_helpers(&in->env, in->helpers);
	return rc;
}

/* Since `*since_us`, which moves on to now. */
static uint64_t lap(uint64_t *since_us)
{
	const uint64_t began_us = *since_us;

	*since_us = rj_now_us();
	return *since_us - began_us;
}

int rj_target_load(struct ramjet_migration *m, struct rj_ready *ready,
		   struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	uint64_t since_us = rj_now_us();
	int rc = 0;

	/* Before load_state: devices may touch memory. */
	if (in->digests)
		rc = verify(m, err);
	ready->digests_us = in->digests ? lap(&since_us) : 0;
	if (!rc && (in->helpers || in->helper_states.bytes))
		rc = rj_helpers_check_arriving(in->helpers,
					       in->helper_states.data,
					       in->helper_states.bytes, err);
	ready->helpers_us = lap(&since_us);
	if (!rc)
		rc = load_device(m, err);
	ready->load_us = lap(&since_us);
	if (!rc)
		rc = load_helpers(m, err);
	ready->helpers_us += lap(&since_us);
	ready->verified_blocks = in->digests ? in->block_count : 0;
	return rc;
}
