/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/tracking.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/attach/sharers.h"
#include "util/cleanup.h"
#include "util/error.h"

/* Parts of blocks, as one process has them. */
struct ranges {
	struct ramjet_remote_range *list;
	size_t count;
};

static int add_range(struct ranges *ranges,
		     const struct rj_attach_memory *memory, uint64_t offset,
		     uint64_t address, uint64_t bytes, struct ramjet_error *err)
{
	struct ramjet_remote_range *grown = realloc(
		ranges->list, (ranges->count + 1) * sizeof(*ranges->list));

	if (!grown)
		return rj_fail(err, -ENOMEM, "tracking: out of memory");
	ranges->list = grown;
	grown[ranges->count++] = (struct ramjet_remote_range){
		RAMJET_REMOTE_RANGE_INIT, .block = memory->name,
		.offset = offset,         .address = address,
		.bytes = bytes,
	};
	return 0;
}

static int add_source(struct rj_attach_process *process,
		      const struct ranges *ranges, struct ramjet_guest *guest,
		      struct ramjet_error *err)
{
	struct ramjet_dirty_remote remote = { RAMJET_DIRTY_REMOTE_INIT };
	struct ramjet_dirty_source *source = NULL;
	int rc;

	remote.userfaultfd = process->uffd;
	remote.pagemap_fd = process->pagemap_fd;
	remote.pid = process->pid;
	/* Without the kernel's faults a synchronous protection would be a
	 * SIGBUS in that process. */
	remote.mode = process->kernel_faults ? RAMJET_REMOTE_AUTO
					     : RAMJET_REMOTE_ASYNC;
	remote.ranges = ranges->list;
	remote.range_count = ranges->count;
	rc = ramjet_dirty_remote_new(&remote, &source, err);
	if (rc)
		return rc;
	process->uffd = -1;
	rc = ramjet_guest_add_dirty_source(guest, source, err);
	if (rc)
		ramjet_dirty_free(source);
	return rc;
}

/* What of a block's file a mapping of another process shows. */
static int add_overlap(struct ranges *ranges,
		       const struct rj_attach_memory *memory,
		       const struct rj_attach_mapping *own,
		       const struct rj_attach_mapping *other,
		       struct ramjet_error *err)
{
	const uint64_t begin = own->offset + (memory->address - own->start);
	const uint64_t end = begin + memory->bytes;
	const uint64_t other_end = other->offset + (other->end - other->start);
	const uint64_t from = begin > other->offset ? begin : other->offset;
	const uint64_t to = end < other_end ? end : other_end;

	if (!other->shared || !other->writable || from >= to ||
	    !rj_attach_mapping_same_file(own, other))
		return 0;
	return add_range(ranges, memory, from - begin,
			 other->start + (from - other->offset), to - from, err);
}

static int track_also(const struct rj_attach_tracked *tracked,
		      const struct rj_attach_maps *own,
		      struct rj_attach_process *also,
		      struct ramjet_guest *guest, struct ramjet_error *err)
{
	struct rj_attach_maps theirs = { 0 };
	struct ranges ranges = { 0 };
	int rc = rj_attach_maps_read(also->pid, &theirs, err);

	for (size_t i = 0; !rc && i < tracked->memory_count; i++) {
		const struct rj_attach_memory *memory = &tracked->memory[i];
		const struct rj_attach_mapping *at =
			rj_attach_maps_at(own, memory->address);

		for (size_t j = 0; !rc && at && j < theirs.count; j++)
			rc = add_overlap(&ranges, memory, at, &theirs.list[j],
					 err);
	}
	if (!rc && !ranges.count)
		rc = rj_fail(err, -EINVAL,
			     "also=%d: process %d (%s) has no part of the "
			     "guest's memory mapped for writing",
			     (int)also->pid, (int)also->pid, also->name);
	if (!rc)
		rc = add_source(also, &ranges, guest, err);
	free(ranges.list);
	rj_attach_maps_free(&theirs);
	return rc;
}

static bool is_named(const struct rj_attach_tracked *tracked, pid_t pid)
{
	for (size_t i = 0; i < tracked->also_count; i++)
		if (tracked->also[i].pid == pid)
			return true;
	return false;
}

static int refuse_others(const struct rj_attach_tracked *tracked,
			 const struct rj_attach_maps *own, size_t *ret_unread,
			 struct ramjet_error *err)
{
	rj_autofree struct rj_attach_mapping *blocks =
		calloc(tracked->memory_count + 1, sizeof(*blocks));
	rj_autofree size_t *memory_of =
		calloc(tracked->memory_count + 1, sizeof(*memory_of));
	struct rj_attach_sharers sharers = { 0 };
	size_t count = 0;
	int rc;

	if (!blocks || !memory_of)
		return rj_fail(err, -ENOMEM, "tracking: out of memory");
	for (size_t i = 0; i < tracked->memory_count; i++) {
		const struct rj_attach_mapping *at =
			rj_attach_maps_at(own, tracked->memory[i].address);

		if (!at)
			continue;
		memory_of[count] = i;
		blocks[count++] = *at;
	}
	rc = rj_attach_sharers_find(tracked->process->pid, blocks, count,
				    &sharers, err);
	for (size_t i = 0; !rc && i < sharers.count; i++) {
		const struct rj_attach_sharer *s = &sharers.list[i];

		if (!is_named(tracked, s->pid))
			rc = rj_fail(
				err, -EBUSY,
				"block %s: process %d (%s) has it mapped for "
				"writing, too, and what it writes is not seen; "
				"wanted also=%d",
				tracked->memory[memory_of[s->block]].name,
				(int)s->pid, s->name, (int)s->pid);
	}
	*ret_unread = sharers.unread;
	rj_attach_sharers_free(&sharers);
	return rc;
}

int rj_attach_track(const struct rj_attach_tracked *tracked,
		    struct ramjet_guest *guest, size_t *ret_unread,
		    struct ramjet_error *err)
{
	struct rj_attach_maps own = { 0 };
	struct ranges ranges = { 0 };
	int rc = rj_attach_maps_read(tracked->process->pid, &own, err);

	if (!rc)
		rc = refuse_others(tracked, &own, ret_unread, err);
	for (size_t i = 0; !rc && i < tracked->memory_count; i++)
		rc = add_range(&ranges, &tracked->memory[i], 0,
			       tracked->memory[i].address,
			       tracked->memory[i].bytes, err);
	if (!rc)
		rc = add_source(tracked->process, &ranges, guest, err);
	for (size_t i = 0; !rc && i < tracked->also_count; i++)
		rc = track_also(tracked, &own, &tracked->also[i], guest, err);
	free(ranges.list);
	rj_attach_maps_free(&own);
	return rc;
}
