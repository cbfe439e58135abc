/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest's blocks and dirty sources. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/source.h"
#include "engine/guest/guest.h"
#include "util/bits.h"
#include "util/error.h"
#include "util/options.h"
#include "util/utf8.h"

/* Of the struct as it was first published. */
#define FIRST_SIZE                              \
	(offsetof(struct ramjet_block, flags) + \
	 sizeof(((struct ramjet_block *)NULL)->flags))

static int check_mapped(const struct ramjet_block *block,
			struct ramjet_error *err)
{
	if (!block->host || (uintptr_t)block->host % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "block %s: host address %p is not page aligned",
			       block->name, block->host);
	if (block->bytes - 1 > UINTPTR_MAX - (uintptr_t)block->host)
		return rj_fail(err, -EINVAL,
			       "block %s: %llu bytes from %p on wrap around",
			       block->name, (unsigned long long)block->bytes,
			       block->host);
	return 0;
}

/* Memory that is not mapped here has nothing that could be given to the kernel
 * in its place. */
static int check_foreign(const struct ramjet_block *block,
			 struct ramjet_error *err)
{
	struct ramjet_memory_ops memory = { RAMJET_MEMORY_OPS_INIT };
	int rc;

	/* The caller's stay in use: all that were ever published are there. */
	rc = rj_options_copy("memory ops", &memory, sizeof(memory),
			     sizeof(memory), block->memory, err);
	if (rc)
		return rc;
	if (!memory.name || !*memory.name)
		return rj_fail(err, -EINVAL, "block %s: memory: no name",
			       block->name);
	if (!memory.read && !memory.write)
		return rj_fail(err, -EINVAL,
			       "block %s: memory: neither read nor write",
			       block->name);
	if (block->host)
		return rj_fail(
			err, -EINVAL,
			"block %s: host is %p beside memory, wanted NULL",
			block->name, block->host);
	if (block->fd >= 0)
		return rj_fail(err, -EINVAL,
			       "block %s: fd is %d beside memory, wanted -1",
			       block->name, block->fd);
	if (block->fd_offset)
		return rj_fail(err, -EINVAL,
			       "block %s: fd_offset is %llu beside memory, "
			       "wanted 0",
			       block->name,
			       (unsigned long long)block->fd_offset);
	if (block->flags & RAMJET_BLOCK_PINNABLE)
		return rj_fail(err, -EINVAL,
			       "block %s: flags has RAMJET_BLOCK_PINNABLE "
			       "beside memory, which cannot be pinned",
			       block->name);
	return 0;
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
	if (block->bytes / RAMJET_PAGE_BYTES > UINT64_C(1) << RJ_RUN_PAGE_BITS)
		return rj_fail(err, -EINVAL, "block %s: larger than 4 PiB",
			       block->name);
	if (block->kind != RAMJET_BLOCK_RAM)
		return rj_fail(err, -EOPNOTSUPP,
			       "block %s: kind %u is not supported, only RAM",
			       block->name, block->kind);
	return block->memory ? check_foreign(block, err)
			     : check_mapped(block, err);
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
		/* Written without sums of address and size, which might wrap
		 * around. */
		if (!host || !other->host)
			continue; /* nobody knows where it lies */
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

	if (guest->busy && !guest->naming)
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
		.index = guest->block_count,
		.host = block->host,
		.bytes = block->bytes,
		.page_count = block->bytes / RAMJET_PAGE_BYTES,
		.page_bytes = block->page_bytes,
		.fd = block->fd,
		.fd_offset = block->fd_offset,
		.kind = block->kind,
		.flags = block->flags,
		.foreign = block->memory,
		.foreign_user = block->memory_user,
	};
	memcpy(added->name, block->name, strlen(block->name) + 1);
	rj_hearing_add_block(&guest->hearing, block->bytes);
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
	rc = rj_options_copy("block", &known, sizeof(known), FIRST_SIZE, block,
			     err);
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

/* Figures of migrations, and whoever is under way, go by the blocks' indexes. */
static int drop_blocks_locked(struct ramjet_guest *guest,
			      struct ramjet_error *err) RJ_REQUIRES(guest->lock)
{
	const unsigned ours = guest->naming ? 1 : 0;

	if (guest->handles > ours)
		return rj_fail(err, -EBUSY,
			       "blocks: a migration of this guest has not been "
			       "freed, wanted none");
	free(guest->blocks);
	guest->blocks = NULL;
	guest->block_count = 0;
	rj_hearing_drop_blocks(&guest->hearing);
	return 0;
}

RAMJET_API int ramjet_guest_drop_blocks(struct ramjet_guest *guest,
					struct ramjet_error *err)
{
	int rc;

	rj_error_clear(err);
	if (!guest)
		return rj_fail(err, -EINVAL, "blocks: no guest");
	rj_lock(&guest->lock);
	rc = drop_blocks_locked(guest, err);
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
	if (source->taken)
		return rj_fail(err, -EBUSY,
			       "dirty source %s: a guest has it already",
			       source->ops.name);
	grown = realloc(guest->sources,
			(guest->source_count + 1) *
				sizeof(struct ramjet_dirty_source *));
	if (!grown)
		return rj_fail(err, -ENOMEM, "dirty source: out of memory");
	guest->sources = grown;
	grown[guest->source_count++] = source;
	source->taken = true;
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
