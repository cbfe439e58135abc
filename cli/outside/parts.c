/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/outside/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "cli/attach/maps.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Blocks that are known and larger are never in doubt on the other side: what
 * QEMU does not say of is ROMs. Chosen. */
#define LOOKED_AT_MAX (4u << 20)

/* As qemu_ram_mmap() leaves it: a page that nobody can touch follows. */
static bool is_of_qemu(const struct rj_attach_maps *maps, uint64_t address,
		       uint64_t bytes)
{
	const struct rj_attach_mapping *at = rj_attach_maps_at(maps, address);
	const struct rj_attach_mapping *guard =
		rj_attach_maps_at(maps, address + bytes);

	return at && guard && at->start == address &&
	       at->end == address + bytes && at->writable && !at->shared &&
	       !at->inode && guard->start == at->end && !guard->readable &&
	       !guard->writable && !guard->executable && !guard->inode &&
	       guard->end - guard->start == RAMJET_PAGE_BYTES;
}

static void keep_qemus(struct rj_qemu_block *block,
		       const struct rj_attach_maps *maps)
{
	size_t kept = 0;

	for (size_t i = 0; i < block->candidates_count; i++)
		if (is_of_qemu(maps, block->candidates[i], block->bytes_max))
			block->candidates[kept++] = block->candidates[i];
	/* None looks like it: then it was made in another way. */
	if (kept)
		block->candidates_count = kept;
}

static bool is_alone(const struct rj_qemu_blocks *blocks, size_t index)
{
	for (size_t i = 0; i < blocks->count; i++)
		if (i != index && !blocks->block[i].address &&
		    blocks->block[i].bytes_max ==
			    blocks->block[index].bytes_max)
			return false;
	return true;
}

int rj_qemu_blocks_narrow(pid_t pid, struct rj_qemu_blocks *blocks,
			  struct ramjet_error *err)
{
	struct rj_attach_maps maps = { 0 };
	bool any = false;
	int rc;

	for (size_t i = 0; i < blocks->count; i++)
		any |= !blocks->block[i].address;
	if (!any)
		return 0;
	rc = rj_attach_maps_read(pid, &maps, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < blocks->count; i++)
		if (!blocks->block[i].address)
			keep_qemus(&blocks->block[i], &maps);
	for (size_t i = 0; i < blocks->count; i++) {
		struct rj_qemu_block *block = &blocks->block[i];

		if (block->address || block->candidates_count != 1 ||
		    !is_alone(blocks, i) ||
		    !is_of_qemu(&maps, block->candidates[0], block->bytes_max))
			continue;
		block->address = block->candidates[0];
		block->candidates_count = 0;
	}
	rj_attach_maps_free(&maps);
	return 0;
}

static int digest(const struct rj_attach_process *process,
		  const struct rj_qemu_block *block, uint64_t address,
		  uint8_t *scratch, struct rj_qemu_digest *ret,
		  struct ramjet_error *err)
{
	uint64_t at = 0;
	XXH128_hash_t hash;

	while (at < block->bytes) {
		const ssize_t n =
			pread(process->mem_fd, scratch + at, block->bytes - at,
			      (off_t)(address + at));

		if (n <= 0)
			return rj_fail_errno(
				err, n ? -errno : -EIO,
				"block %s: reading at 0x%llx of process %d",
				block->name, (unsigned long long)(address + at),
				(int)process->pid);
		at += (uint64_t)n;
	}
	hash = XXH3_128bits(scratch, block->bytes);
	*ret = (struct rj_qemu_digest){ hash.low64, hash.high64 };
	return 0;
}

static int look_inside(const struct rj_attach_process *process,
		       const struct rj_qemu_block *block,
		       struct rj_qemu_part *part, struct ramjet_error *err)
{
	const uint64_t *at = part->known ? &block->address : block->candidates;
	const size_t count = part->known ? 1 : block->candidates_count;
	rj_autofree uint8_t *scratch = NULL;
	int rc = 0;

	if (part->known && block->bytes > LOOKED_AT_MAX)
		return 0;
	if (!count)
		return rj_fail(err, -EINVAL,
			       "block %s (%llu bytes): this QEMU does not say "
			       "where it lies, and no mapping of its size is "
			       "found; QEMU 8 or later says it",
			       block->name, (unsigned long long)block->bytes);
	if (count > RJ_QEMU_DIGESTS_MAX)
		return rj_fail(err, -EINVAL,
			       "block %s (%llu bytes): this QEMU does not say "
			       "where it lies, and %zu mappings may be it, at "
			       "most %u are compared; QEMU 8 or later says it",
			       block->name, (unsigned long long)block->bytes,
			       count, RJ_QEMU_DIGESTS_MAX);
	scratch = malloc(block->bytes);
	if (!scratch)
		return rj_fail(err, -ENOMEM, "block %s: out of memory",
			       block->name);
	for (size_t i = 0; !rc && i < count; i++)
		rc = digest(process, block, at[i], scratch,
			    &part->digests[part->digest_count++], err);
	return rc;
}

/* ramjet's names are shorter than QEMU's may be. */
static void name_for_wire(struct rj_qemu_parts *parts, size_t index)
{
	struct rj_qemu_part *part = &parts->list[index];

	if (strlen(part->name) < sizeof(part->wire))
		(void)snprintf(part->wire, sizeof(part->wire), "%s",
			       part->name);
	else
		(void)snprintf(part->wire, sizeof(part->wire), "%zu:...%s",
			       index, part->name + strlen(part->name) - 48);
}

int rj_qemu_parts_look(const struct rj_attach_process *process,
		       const struct rj_qemu_blocks *blocks,
		       struct rj_qemu_parts *ret, struct ramjet_error *err)
{
	struct rj_qemu_parts parts = { 0 };
	int rc = 0;

	if (blocks->count > RJ_QEMU_PARTS_MAX)
		return rj_fail(err, -E2BIG,
			       "blocks: %zu, at most %u can be "
			       "moved",
			       blocks->count, RJ_QEMU_PARTS_MAX);
	parts.list = calloc(blocks->count + 1, sizeof(*parts.list));
	if (!parts.list)
		return rj_fail(err, -ENOMEM, "blocks: out of memory");
	parts.count = blocks->count;
	for (size_t i = 0; !rc && i < blocks->count; i++) {
		const struct rj_qemu_block *block = &blocks->block[i];
		struct rj_qemu_part *part = &parts.list[i];

		(void)snprintf(part->name, sizeof(part->name), "%s",
			       block->name);
		name_for_wire(&parts, i);
		part->bytes = block->bytes;
		part->bytes_max = block->bytes_max;
		part->known = block->address;
		rc = look_inside(process, block, part, err);
	}
	if (rc)
		rj_qemu_parts_done(&parts);
	else
		*ret = parts;
	return rc;
}
