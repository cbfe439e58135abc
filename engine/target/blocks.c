/* SPDX-License-Identifier: BSD-3-Clause */
/* Compares the blocks of both guests, and has our VMM compare the rest. */
#include <errno.h>
#include <stdlib.h>

#include "engine/guest/backing.h"
#include "engine/migration/callback.h"
#include "engine/target/incoming.h"
#include "util/cleanup.h"
#include "util/error.h"

static const struct rj_block *find_block(const struct ramjet_guest *guest,
					 const char *name)
{
	for (unsigned i = 0; i < guest->block_count; i++)
		if (!strcmp(guest->blocks[i].name, name))
			return &guest->blocks[i];
	return NULL;
}

static int compare(const struct rj_wire_block *theirs,
		   const struct rj_block *ours, struct ramjet_error *err)
{
	if (!ours)
		return rj_fail(err, -EINVAL,
			       "block %s: the source has it (%llu bytes), the "
			       "target has none of this name",
			       theirs->name, (unsigned long long)theirs->bytes);
	if (theirs->bytes != ours->bytes)
		return rj_fail(err, -EINVAL,
			       "block %s: %llu bytes on the source, %llu on "
			       "the target, wanted the same",
			       theirs->name, (unsigned long long)theirs->bytes,
			       (unsigned long long)ours->bytes);
	if (theirs->kind != ours->kind)
		return rj_fail(err, -EINVAL,
			       "block %s: kind %u on the source, %u on the "
			       "target, wanted the same",
			       theirs->name, theirs->kind, ours->kind);
	return 0;
}

static int find_missing(const struct ramjet_guest *guest,
			const struct rj_wire_block *theirs, uint32_t count,
			struct ramjet_error *err)
{
	for (unsigned i = 0; i < guest->block_count; i++) {
		uint32_t j = 0;

		while (j < count &&
		       strcmp(theirs[j].name, guest->blocks[i].name))
			j++;
		if (j == count)
			return rj_fail(
				err, -EINVAL,
				"block %s: the target has it (%llu "
				"bytes), the source does not",
				guest->blocks[i].name,
				(unsigned long long)guest->blocks[i].bytes);
	}
	return 0;
}

static int match_blocks(struct ramjet_migration *m,
			const struct rj_wire_block *theirs, uint32_t count,
			struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc;

	in->blocks = calloc(count, sizeof(*in->blocks));
	if (!in->blocks)
		return rj_fail(err, -ENOMEM, "blocks: out of memory");
	in->block_count = count;
	for (uint32_t i = 0; i < count; i++) {
		const struct rj_block *ours =
			find_block(m->guest, theirs[i].name);

		rc = compare(&theirs[i], ours, err);
		if (rc)
			return rc;
		in->blocks[i] = *ours;
		rj_backing_note(&in->blocks[i]);
		rc = rj_backing_check(&in->blocks[i], 0, ours->page_count, err);
		if (rc)
			return rc;
		if (theirs[i].page_bytes != ours->page_bytes)
			rj_log(&m->log, RJ_LOG_INFO,
			       "block %s: backing pages of %u bytes on the "
			       "source, %u here",
			       ours->name, theirs[i].page_bytes,
			       ours->page_bytes);
	}
	return find_missing(m->guest, theirs, count, err);
}

int rj_target_take_guest(struct ramjet_migration *m, struct rj_message *message,
			 struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;

	if (!m->guest->ops.accept)
		return rj_fail(err, -EOPNOTSUPP,
			       "guest: the source's VMM describes it (%u "
			       "bytes), the target's takes no description: "
			       "wanted the same kind of guest on both sides",
			       message->frame.payload_bytes);
	in->description = message->payload;
	in->description_bytes = message->frame.payload_bytes;
	message->payload = NULL;
	return 0;
}

static int ask_vmm(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct rj_vmm vmm = rj_vmm_of(m);
	struct rj_incoming *in = m->in;
	int rc;

	if (!m->guest->ops.accept)
		return 0;
	rc = rj_call_accept(&vmm, in->description, in->description_bytes, err);
	rj_migration_count_blocks(m);
	return rc;
}

int rj_target_take_blocks(struct ramjet_migration *m,
			  struct rj_message *message, struct ramjet_error *err)
{
	rj_autofree struct rj_wire_block *blocks = NULL;
	uint32_t count = 0;
	int rc =
		rj_blocks_decode(message->payload, message->frame.payload_bytes,
				 &blocks, &count, err);

	if (rc) {
		rj_link_blame(message, err);
		return rc;
	}
	/* A sound BLOCKS counts as heard, even if our guest differs from it. */
	rc = ask_vmm(m, err);
	/* Also of blocks that were named just now. */
	if (!rc)
		rc = rj_guest_check_memory(m->guest, false, err);
	return rc ? rc : match_blocks(m, blocks, count, err);
}
