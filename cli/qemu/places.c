/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/places.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/attach/maps.h"
#include "util/cleanup.h"
#include "util/error.h"

#define PAGE_BYTES UINT64_C(4096)

/* A piece of the guest's address space that shows RAM. */
struct shown {
	uint64_t start; /* guest physical */
	uint64_t bytes;
	uint64_t offset; /* in the block */
	const char *name;
};

/*
 * A RAM line of `info mtree -f`:
 *   00100000-03ffffff (prio 0, ram): pc.ram @00100000 KVM
 * The offset is left out where it is 0, the accelerator where there is none.
 */
static bool take_line(char *line, struct shown *ret)
{
	struct shown s = { 0 };
	uint64_t last;
	char kind[16], *name, *at;

	if (sscanf(line, " %" SCNx64 "-%" SCNx64 " (prio %*d, %15[^)])",
		   &s.start, &last, kind) != 3 ||
	    last < s.start)
		return false;
	if (!strstr(kind, "ram") && !strstr(kind, "rom"))
		return false;
	name = strstr(line, "): ");
	if (!name)
		return false;
	name += strlen("): ");
	name[strcspn(name, "\r")] = '\0';
	at = strstr(name, " @");
	if (at) {
		if (sscanf(at, " @%" SCNx64, &s.offset) != 1)
			return false;
		*at = '\0';
	}
	s.name = name;
	s.bytes = last - s.start + 1;
	*ret = s;
	return true;
}

/* A block's name is that of its memory region, with the device's place or
 * "/objects" before it. */
static bool is_called(const struct rj_qemu_block *block, const char *name)
{
	size_t whole = strlen(block->name), end = strlen(name);

	if (end > whole || strcmp(block->name + whole - end, name))
		return false;
	return end == whole || block->name[whole - end - 1] == '/';
}

/* NULL unless there is exactly one. */
static struct rj_qemu_block *only_block(const struct rj_qemu_blocks *blocks,
					const char *name)
{
	struct rj_qemu_block *found = NULL;

	for (size_t i = 0; i < blocks->count; i++) {
		if (!is_called(&blocks->block[i], name))
			continue;
		if (found)
			return NULL;
		found = &blocks->block[i];
	}
	return found;
}

static struct rj_qemu_block *block_of(const struct rj_qemu_blocks *blocks,
				      struct shown *s, char *name)
{
	struct rj_qemu_block *block = only_block(blocks, name);
	char *accelerator = strrchr(name, ' ');

	if (!block && accelerator) {
		*accelerator = '\0';
		block = only_block(blocks, name);
	}
	s->name = name;
	if (block && (s->offset > block->bytes_max ||
		      s->bytes > block->bytes_max - s->offset))
		return NULL;
	return block;
}

/* "Host virtual address for 0x100000 (pc.ram) is 0x7f82b7f00000": 0 unless it
 * is of that region. A guest that runs may have moved it meanwhile. */
static uint64_t address_in(const char *text, const char *name)
{
	const char *open = strchr(text, '(');
	const size_t bytes = strlen(name);
	uint64_t address;

	if (!open || strncmp(open + 1, name, bytes) ||
	    sscanf(open + 1 + bytes, ") is 0x%" SCNx64, &address) != 1)
		return 0;
	return address;
}

static int ask_address(struct rj_qemu *q, const struct shown *s, uint64_t *ret,
		       struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	char line[64];
	int rc;

	(void)snprintf(line, sizeof(line), "gpa2hva 0x%" PRIx64, s->start);
	rc = rj_qemu_human(q, line, &text, err);
	if (!rc)
		*ret = address_in(text, s->name);
	return rc;
}

/* What QEMU maps for a block, of its own or shared. */
static bool is_ram_like(const struct rj_attach_mapping *m)
{
	return m->readable && m->writable && !m->executable &&
	       (m->shared ||
		(!m->inode && (!*m->path || !strncmp(m->path, "[anon", 5))));
}

/* QEMU has named it, so it may be a file's private mapping too (-mem-path,
 * share=off), as the data of programs are. */
static bool is_ram(const struct rj_attach_mapping *m)
{
	return m->readable && m->writable && !m->executable;
}

/* All of the block is mapped there, as memory. */
static bool is_sound(const struct rj_attach_maps *maps, uint64_t address,
		     const struct rj_qemu_block *block)
{
	const struct rj_attach_mapping *first;
	size_t count =
		rj_attach_maps_range(maps, address, block->bytes_max, &first);

	for (size_t i = 0; i < count; i++)
		if (!is_ram(first + i))
			return false;
	return count && address % PAGE_BYTES == 0;
}

static int place_one(struct rj_qemu *q, struct rj_qemu_blocks *blocks,
		     const struct rj_attach_maps *maps, char *line,
		     struct ramjet_error *err)
{
	struct rj_qemu_block *block;
	struct shown s;
	uint64_t address = 0;
	int rc;

	if (!take_line(line, &s))
		return 0;
	block = block_of(blocks, &s, (char *)s.name);
	if (!block || block->address)
		return 0;
	rc = ask_address(q, &s, &address, err);
	if (!rc && address > s.offset &&
	    is_sound(maps, address - s.offset, block))
		block->address = address - s.offset;
	return rc;
}

/* The view of the vCPUs begins with a line that names it and its root. */
static char *system_view(char *text)
{
	char *view = strstr(text, " AS \"memory\", root: system");
	char *end = view ? strstr(view, "\n\n") : NULL;

	if (end)
		*end = '\0';
	return view;
}

static int place_shown(struct rj_qemu *q, struct rj_qemu_blocks *blocks,
		       const struct rj_attach_maps *maps,
		       struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	char *rest, *line;
	int rc = rj_qemu_human(q, "info mtree -f", &text, err);

	if (rc)
		return rc;
	rest = system_view(text);
	if (!rest)
		return rj_fail(err, -EPROTO,
			       "qemu %s: info mtree: not understood, wanted "
			       "the view 'memory'",
			       q->path);
	while (!rc && (line = strsep(&rest, "\n")))
		rc = place_one(q, blocks, maps, line, err);
	return rc;
}

static bool is_taken(const struct rj_qemu_blocks *blocks, uint64_t start,
		     uint64_t end)
{
	for (size_t i = 0; i < blocks->count; i++) {
		const struct rj_qemu_block *b = &blocks->block[i];

		if (b->address && start < b->address + b->bytes_max &&
		    b->address < end)
			return true;
	}
	return false;
}

static int add_candidate(struct rj_qemu_block *block, uint64_t address)
{
	uint64_t *more = reallocarray(
		block->candidates, block->candidates_count + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	block->candidates = more;
	more[block->candidates_count++] = address;
	return 0;
}

/* Advice about a part of it splits a mapping. How many from `at` on, beginning
 * with that one, are exactly so long together; 0: none. */
static size_t run_of(const struct rj_attach_maps *maps, size_t at,
		     uint64_t bytes)
{
	const struct rj_attach_mapping *m = maps->list + at;
	size_t count = 0;

	while (at + count < maps->count && is_ram_like(m + count) &&
	       (!count || m[count].start == m[count - 1].end)) {
		count++;
		if (m[count - 1].end - m->start >= bytes)
			return m[count - 1].end - m->start == bytes ? count : 0;
	}
	return 0;
}

static int find_candidates(const struct rj_attach_maps *maps,
			   const struct rj_qemu_blocks *blocks,
			   struct rj_qemu_block *block)
{
	const uint64_t bytes =
		(block->bytes_max + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	int rc = 0;

	for (size_t i = 0; !rc && i < maps->count; i++) {
		const struct rj_attach_mapping *m = maps->list + i;

		if (run_of(maps, i, bytes) &&
		    !is_taken(blocks, m->start, m->start + bytes))
			rc = add_candidate(block, m->start);
	}
	return rc;
}

int rj_qemu_places_find(struct rj_qemu *q, struct rj_qemu_blocks *blocks,
			struct ramjet_error *err)
{
	struct rj_attach_maps maps = { 0 };
	int rc = rj_attach_maps_read(q->pid, &maps, err);

	if (!rc)
		rc = place_shown(q, blocks, &maps, err);
	for (size_t i = 0; !rc && i < blocks->count; i++) {
		if (blocks->block[i].address)
			continue;
		rc = find_candidates(&maps, blocks, &blocks->block[i]);
		if (rc)
			(void)rj_fail(err, rc, "qemu %s: out of memory",
				      q->path);
	}
	rj_attach_maps_free(&maps);
	return rc;
}
