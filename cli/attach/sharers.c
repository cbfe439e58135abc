/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/sharers.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cli/attach/peer.h"
#include "util/cleanup.h"
#include "util/error.h"

static bool overlaps(const struct rj_attach_mapping *a,
		     const struct rj_attach_mapping *b)
{
	return a->offset < b->offset + (b->end - b->start) &&
	       b->offset < a->offset + (a->end - a->start);
}

/* The first of `blocks` that it could write to, or `count`. */
static size_t block_of(const struct rj_attach_maps *maps,
		       const struct rj_attach_mapping *blocks, size_t count)
{
	size_t block = count;

	for (size_t i = 0; i < maps->count; i++) {
		const struct rj_attach_mapping *m = &maps->list[i];

		for (size_t b = 0; m->shared && m->writable && b < block; b++)
			if (blocks[b].shared &&
			    rj_attach_mapping_same_file(m, &blocks[b]) &&
			    overlaps(m, &blocks[b]))
				block = b;
	}
	return block;
}

static int add(struct rj_attach_sharers *to, pid_t pid, size_t block)
{
	struct rj_attach_sharer *list =
		reallocarray(to->list, to->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	to->list = list;
	list[to->count].pid = pid;
	list[to->count].block = (unsigned)block;
	rj_attach_pid_name(pid, list[to->count].name,
			   sizeof(list[to->count].name));
	to->count++;
	return 0;
}

static int look_at(pid_t pid, const struct rj_attach_mapping *blocks,
		   size_t count, struct rj_attach_sharers *to)
{
	struct rj_attach_maps maps = { 0 };
	int rc = rj_attach_maps_read(pid, &maps, NULL);
	size_t block;

	if (rc == -ENOENT || rc == -ESRCH)
		return 0; /* ended */
	if (rc == -ENOMEM)
		return rc;
	if (rc) {
		to->unread++;
		to->an_unread = pid;
		return 0;
	}
	block = block_of(&maps, blocks, count);
	rj_attach_maps_free(&maps);
	return block < count ? add(to, pid, block) : 0;
}

int rj_attach_sharers_find(pid_t pid, const struct rj_attach_mapping *blocks,
			   size_t count, struct rj_attach_sharers *ret,
			   struct ramjet_error *err)
{
	struct rj_attach_sharers found = { 0 };
	DIR *dir = opendir("/proc");
	int rc = 0;

	if (!dir)
		return rj_fail_wanted(err, -errno, "all processes", "/proc");
	for (struct dirent *e; !rc && (e = readdir(dir));) {
		char *end;
		const long other = strtol(e->d_name, &end, 10);

		if (*end || other <= 0 || other == pid || other == getpid())
			continue;
		rc = look_at((pid_t)other, blocks, count, &found);
	}
	(void)closedir(dir);
	if (rc) {
		rj_attach_sharers_free(&found);
		return rj_fail_errno(err, rc, "processes that share memory");
	}
	*ret = found;
	return 0;
}

void rj_attach_sharers_free(struct rj_attach_sharers *sharers)
{
	free(sharers->list);
	*sharers = (struct rj_attach_sharers){ 0 };
}
