/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/source.h"
#include "engine/send/rounds.h"
#include "util/bits.h"
#include "util/error.h"
#include "util/options.h"
#include "util/utf8.h"

RAMJET_API int ramjet_guest_new(const struct ramjet_guest_ops *ops, void *user,
				struct ramjet_guest **ret,
				struct ramjet_error *err)
{
	struct ramjet_guest_ops known = { RAMJET_GUEST_OPS_INIT };
	struct ramjet_guest *guest;
	int rc;

	rj_error_clear(err);
	rc = rj_options_copy("guest ops", &known, sizeof(known), sizeof(known),
			     ops, err);
	if (rc)
		return rc;
	if (!known.stop || !known.start || !ret)
		return rj_fail(
			err, -EINVAL,
			"guest: the stop and start functions are needed");
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return rj_fail(err, -ENOMEM, "guest: out of memory");
	guest->ops = known;
	guest->user = user;
	rj_mutex_init(&guest->lock);
	rj_notifiers_init(&guest->notifiers);
	*ret = guest;
	return 0;
}

RAMJET_API void ramjet_guest_free(struct ramjet_guest *guest)
{
	if (!guest)
		return;
	for (unsigned i = 0; i < guest->source_count; i++)
		ramjet_dirty_free(guest->sources[i]);
	free(guest->sources);
	free(guest->blocks);
	rj_blockers_done(&guest->blockers);
	rj_guest_clear_helpers(guest);
	rj_notifiers_done(&guest->notifiers);
	rj_mutex_done(&guest->lock);
	free(guest);
}

static int check_block(const struct ramjet_block *block,
		       struct ramjet_error *err)
{
	const size_t length = block->name ? strlen(block->name) : 0;

	if (!length || length > RJ_BLOCK_NAME_MAX)
		return rj_fail(err, -EINVAL,
			       "block: name of %zu bytes, wanted 1 to %u",
			       length, RJ_BLOCK_NAME_MAX);
	if (!rj_utf8_is_printable(block->name, length))
		return rj_fail(err, -EINVAL,
			       "block: its name is not printable UTF-8");
	if (!rj_is_power_of_two(block->page_bytes) ||
	    block->page_bytes < RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "block %s: backing pages of %u bytes, wanted a "
			       "power of two from 4096",
			       block->name, block->page_bytes);
	if (!block->bytes || block->bytes % block->page_bytes)
		return rj_fail(err, -EINVAL,
			       "block %s: %llu bytes, wanted a multiple of "
			       "its backing page of %u",
			       block->name, (unsigned long long)block->bytes,
			       block->page_bytes);
	if (!block->host || (uintptr_t)block->host % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "block %s: host address %p is not page aligned",
			       block->name, block->host);
	if (block->bytes - 1 > UINTPTR_MAX - (uintptr_t)block->host)
		return rj_fail(err, -EINVAL,
			       "block %s: %llu bytes from %p on wrap around",
			       block->name, (unsigned long long)block->bytes,
			       block->host);
	if (block->bytes / RAMJET_PAGE_BYTES > UINT64_C(1) << RJ_RUN_PAGE_BITS)
		return rj_fail(err, -EINVAL, "block %s: larger than 4 PiB",
			       block->name);
	if (block->kind != RAMJET_BLOCK_RAM)
		return rj_fail(err, -EOPNOTSUPP,
			       "block %s: kind %u is not supported, only RAM",
			       block->name, block->kind);
	return 0;
}

/* The same memory twice would be moved twice, by workers that do not know of
 * each other. */
static int check_distinct_locked(const struct ramjet_guest *guest,
				 const struct ramjet_block *block,
				 struct ramjet_error *err)
	RJ_REQUIRES(guest->lock)
{
	const uint8_t *host = block->host;

	for (unsigned i = 0; i < guest->block_count; i++) {
		const struct rj_block *other = &guest->blocks[i];

		if (!strcmp(other->name, block->name))
			return rj_fail(err, -EEXIST,
				       "block %s: there is one of this name",
				       block->name);
		/* Neither end is reached by adding: that might wrap around. */
		if (host >= other->host
			    ? (uint64_t)(host - other->host) < other->bytes
			    : (uint64_t)(other->host - host) < block->bytes)
			return rj_fail(err, -EINVAL,
				       "block %s: %llu bytes at %p overlap "
				       "block %s, %llu bytes at %p",
				       block->name,
				       (unsigned long long)block->bytes,
				       block->host, other->name,
				       (unsigned long long)other->bytes,
				       (void *)other->host);
	}
	return 0;
}

static int add_block_locked(struct ramjet_guest *guest,
			    const struct ramjet_block *block,
			    struct ramjet_error *err) RJ_REQUIRES(guest->lock)
{
	struct rj_block *grown, *added;
	int rc;

	if (guest->busy)
		return rj_fail(err, -EBUSY,
			       "block %s: the guest is being migrated",
			       block->name);
	if (guest->block_count == RJ_BLOCKS_MAX)
		return rj_fail(err, -ENOSPC, "block %s: at most %u blocks",
			       block->name, RJ_BLOCKS_MAX);
	rc = check_distinct_locked(guest, block, err);
	if (rc)
		return rc;
	grown = realloc(guest->blocks,
			(guest->block_count + 1) * sizeof(*grown));
	if (!grown)
		return rj_fail(err, -ENOMEM, "block %s: out of memory",
			       block->name);
	guest->blocks = grown;
	added = &grown[guest->block_count];
	*added = (struct rj_block){
		.host = block->host,
		.bytes = block->bytes,
		.page_count = block->bytes / RAMJET_PAGE_BYTES,
		.page_bytes = block->page_bytes,
		.fd = block->fd,
		.fd_offset = block->fd_offset,
		.kind = block->kind,
		.flags = block->flags,
	};
	memcpy(added->name, block->name, strlen(block->name) + 1);
	return (int)guest->block_count++;
}

RAMJET_API int ramjet_guest_add_block(struct ramjet_guest *guest,
				      const struct ramjet_block *block,
				      struct ramjet_error *err)
{
	struct ramjet_block known = { RAMJET_BLOCK_INIT };
	int rc;

	rj_error_clear(err);
	if (!guest)
		return rj_fail(err, -EINVAL, "block: no guest");
	rc = rj_options_copy("block", &known, sizeof(known), sizeof(known),
			     block, err);
	if (rc)
		return rc;
	if (!known.page_bytes)
		known.page_bytes = RAMJET_PAGE_BYTES;
	rc = check_block(&known, err);
	if (rc)
		return rc;
	rj_lock(&guest->lock);
	rc = add_block_locked(guest, &known, err);
	rj_unlock(&guest->lock);
	return rc;
}

static int add_source_locked(struct ramjet_guest *guest,
			     struct ramjet_dirty_source *source,
			     struct ramjet_error *err) RJ_REQUIRES(guest->lock)
{
	struct ramjet_dirty_source **grown;

	if (guest->busy)
		return rj_fail(err, -EBUSY,
			       "dirty source: the guest is being migrated");
	grown = realloc(guest->sources,
			(guest->source_count + 1) *
				sizeof(struct ramjet_dirty_source *));
	if (!grown)
		return rj_fail(err, -ENOMEM, "dirty source: out of memory");
	guest->sources = grown;
	grown[guest->source_count++] = source;
	return 0;
}

RAMJET_API int ramjet_guest_add_dirty_source(struct ramjet_guest *guest,
					     struct ramjet_dirty_source *source,
					     struct ramjet_error *err)
{
	int rc;

	rj_error_clear(err);
	if (!guest || !source)
		return rj_fail(err, -EINVAL, "dirty source: none given");
	rj_lock(&guest->lock);
	rc = add_source_locked(guest, source, err);
	rj_unlock(&guest->lock);
	return rc;
}

/* Bytes [offset, offset + bytes) of a block. */
struct range {
	const char *block;
	uint64_t offset, bytes;
};

/* What a call about a range of a block is to do with the pages. */
typedef void note_fn(struct rj_rounds *rounds, unsigned block,
		     uint64_t first_page, uint64_t pages);

static int note_locked(struct ramjet_guest *guest, const char *what,
		       note_fn *note, const struct range *range,
		       struct ramjet_error *err) RJ_REQUIRES(guest->lock)
{
	const uint64_t offset = range->offset, bytes = range->bytes;

	for (unsigned i = 0; i < guest->block_count; i++) {
		const struct rj_block *block = &guest->blocks[i];
		const uint64_t first = offset / RAMJET_PAGE_BYTES;

		if (strcmp(block->name, range->block))
			continue;
		if (offset > block->bytes || bytes > block->bytes - offset)
			return rj_fail(err, -ERANGE,
				       "%s: %llu + %llu bytes, block %s "
				       "has %llu",
				       what, (unsigned long long)offset,
				       (unsigned long long)bytes, range->block,
				       (unsigned long long)block->bytes);
		if (guest->sealed)
			return rj_fail(err, -EALREADY,
				       "%s: %llu + %llu bytes of block %s: too "
				       "late, the guest was handed over",
				       what, (unsigned long long)offset,
				       (unsigned long long)bytes, range->block);
		if (guest->rounds && bytes)
			note(guest->rounds, i, first,
			     rj_div_round_up(offset + bytes,
					     RAMJET_PAGE_BYTES) -
				     first);
		return 0;
	}
	return rj_fail(err, -ENOENT, "%s: no block named %s", what,
		       range->block);
}

static int note(struct ramjet_guest *guest, const char *what, note_fn *fn,
		const struct range *range, struct ramjet_error *err)
{
	int rc;

	rj_error_clear(err);
	if (!guest || !range->block)
		return rj_fail(err, -EINVAL, "%s: no guest or block", what);
	rj_lock(&guest->lock);
	rc = note_locked(guest, what, fn, range, err);
	rj_unlock(&guest->lock);
	return rc;
}

RAMJET_API int ramjet_guest_discard(struct ramjet_guest *guest,
				    const char *block, uint64_t offset,
				    uint64_t bytes, struct ramjet_error *err)
{
	const struct range range = { block, offset, bytes };

	if (offset % RAMJET_PAGE_BYTES || bytes % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "discard: %llu + %llu bytes, wanted whole pages",
			       (unsigned long long)offset,
			       (unsigned long long)bytes);
	return note(guest, "discard", rj_rounds_discard, &range, err);
}

RAMJET_API int ramjet_guest_mark(struct ramjet_guest *guest, const char *block,
				 uint64_t offset, uint64_t bytes,
				 struct ramjet_error *err)
{
	const struct range range = { block, offset, bytes };

	return note(guest, "mark", rj_rounds_mark, &range, err);
}

int rj_guest_acquire(struct ramjet_guest *guest, struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&guest->lock);
	if (guest->busy)
		rc = rj_fail(err, -EBUSY,
			     "guest: another migration of it is under way");
	else if (!guest->block_count)
		rc = rj_fail(err, -EINVAL, "guest: has no memory block");
	else
		guest->busy = true;
	if (!rc)
		guest->sealed = false;
	rj_unlock(&guest->lock);
	return rc;
}

bool rj_guest_settle_paused(struct ramjet_guest *guest)
{
	bool paused;

	rj_lock(&guest->lock);
	guest->paused_told = true;
	paused = guest->paused;
	rj_unlock(&guest->lock);
	return paused;
}

void rj_guest_arrive_paused(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	guest->paused = true;
	rj_unlock(&guest->lock);
}

RAMJET_API int ramjet_guest_set_paused(struct ramjet_guest *guest, bool paused)
{
	int rc = 0;

	if (!guest)
		return -EINVAL;
	rj_lock(&guest->lock);
	if (guest->paused_told && paused != guest->paused)
		rc = -EALREADY;
	else
		guest->paused = paused;
	rj_unlock(&guest->lock);
	return rc;
}

RAMJET_API bool ramjet_guest_is_paused(struct ramjet_guest *guest)
{
	bool paused;

	if (!guest)
		return false;
	rj_lock(&guest->lock);
	paused = guest->paused;
	rj_unlock(&guest->lock);
	return paused;
}

void rj_guest_release(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	guest->busy = guest->paused_told = false;
	rj_unlock(&guest->lock);
}

void rj_guest_set_rounds(struct ramjet_guest *guest, struct rj_rounds *rounds)
{
	rj_lock(&guest->lock);
	guest->rounds = rounds;
	rj_unlock(&guest->lock);
}

int rj_guest_seal(struct ramjet_guest *guest, struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&guest->lock);
	if (rj_rounds_remaining(guest->rounds) ||
	    rj_rounds_has_marks(guest->rounds))
		rc = rj_fail(err, -EBUSY,
			     "switchover: pages were marked or discarded after "
			     "the target was told that all is sent; the guest "
			     "runs on, try again");
	else
		guest->sealed = true;
	rj_unlock(&guest->lock);
	return rc;
}

void rj_guest_unseal(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	guest->sealed = false;
	rj_unlock(&guest->lock);
}
