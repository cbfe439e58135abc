/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "cli/attach/proc.h"
#include "util/cleanup.h"
#include "util/error.h"

/* ---- the table --------------------------------------------------------- */

/* One line; its end is a NUL already. */
static bool parse(char *line, struct rj_attach_mapping *m)
{
	char perms[5] = "";
	int path_at = 0;

	if (sscanf(line,
		   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64
		   " %n",
		   &m->start, &m->end, perms, &m->offset, &m->major, &m->minor,
		   &m->inode, &path_at) != 7 ||
	    !path_at)
		return false;
	m->readable = perms[0] == 'r';
	m->writable = perms[1] == 'w';
	m->executable = perms[2] == 'x';
	m->shared = perms[3] == 's';
	m->path = line + path_at;
	return true;
}

static size_t count_lines(const char *text)
{
	size_t lines = 0;

	for (; (text = strchr(text, '\n')); text++)
		lines++;
	return lines;
}

int rj_attach_maps_read(pid_t pid, struct rj_attach_maps *ret,
			struct ramjet_error *err)
{
	rj_autofree char *text = NULL;
	rj_autofree struct rj_attach_mapping *list = NULL;
	size_t bytes = 0;
	size_t count = 0;
	char *rest;
	int rc = rj_attach_proc_read(pid, "maps", &text, &bytes);

	if (rc)
		return rj_fail_wanted(err, rc, "to read what it has mapped",
				      "/proc/%d/maps", (int)pid);
	list = calloc(count_lines(text) + 1, sizeof(*list));
	if (!list)
		return rj_fail(err, -ENOMEM, "/proc/%d/maps: no memory",
			       (int)pid);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n")) && *line; count++)
		if (!parse(line, &list[count]))
			return rj_fail(err, -EBADMSG,
				       "/proc/%d/maps: '%s' was read, wanted "
				       "a mapping",
				       (int)pid, line);
	ret->list = rj_steal(list);
	ret->text = rj_steal(text);
	ret->count = count;
	return 0;
}

void rj_attach_maps_free(struct rj_attach_maps *maps)
{
	free(maps->list);
	free(maps->text);
	*maps = (struct rj_attach_maps){ 0 };
}

const struct rj_attach_mapping *rj_attach_maps_at(
	const struct rj_attach_maps *maps, uint64_t address)
{
	size_t low = 0;
	size_t high = maps->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct rj_attach_mapping *m = &maps->list[middle];

		if (address < m->start)
			high = middle;
		else if (address >= m->end)
			low = middle + 1;
		else
			return m;
	}
	return NULL;
}

size_t rj_attach_maps_range(const struct rj_attach_maps *maps, uint64_t address,
			    uint64_t bytes,
			    const struct rj_attach_mapping **ret_first)
{
	const struct rj_attach_mapping *first =
		rj_attach_maps_at(maps, address);
	const struct rj_attach_mapping *end = maps->list + maps->count;
	const struct rj_attach_mapping *m = first;
	size_t count = 1;

	if (!first || !bytes || address + bytes < address)
		return 0;
	for (; m->end < address + bytes; m++, count++)
		if (m + 1 == end || m[1].start != m->end)
			return 0;
	*ret_first = first;
	return count;
}

bool rj_attach_mapping_same_file(const struct rj_attach_mapping *a,
				 const struct rj_attach_mapping *b)
{
	return a->inode && a->inode == b->inode && a->major == b->major &&
	       a->minor == b->minor;
}

/* ---- the file behind one ----------------------------------------------- */

static bool is_file_of(const struct rj_attach_mapping *m, int fd)
{
	struct stat status;

	return !fstat(fd, &status) && status.st_ino == m->inode &&
	       major(status.st_dev) == m->major &&
	       minor(status.st_dev) == m->minor;
}

/* Opened anew, so that it can be mapped as asked for, whatever the owner's
 * descriptor allows. */
static int open_if_it(const char *path, const struct rj_attach_mapping *m,
		      int flags)
{
	rj_autoclose int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -errno;
	return is_file_of(m, fd) ? rj_steal_fd(&fd) : -ENOENT;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* Looked at without being opened: some devices do things when opened. */
static bool names_it(DIR *dir, const char *name,
		     const struct rj_attach_mapping *m)
{
	rj_autoclose int fd = openat(dirfd(dir), name, O_PATH | O_CLOEXEC);

	return fd >= 0 && is_file_of(m, fd);
}

static int open_by_descriptor(pid_t pid, const struct rj_attach_mapping *m,
			      int flags)
{
	char path[64];
	rj_cleanup(closedirp) DIR *dir = NULL;
	int rc = -ENOENT;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	for (struct dirent *e; (e = readdir(dir));) {
		char one[sizeof(path) + sizeof(e->d_name)];

		if (!names_it(dir, e->d_name, m))
			continue;
		(void)snprintf(one, sizeof(one), "%s/%s", path, e->d_name);
		rc = open_if_it(one, m, flags);
		if (rc >= 0)
			return rc;
	}
	return rc;
}

int rj_attach_mapping_open(pid_t pid, const struct rj_attach_mapping *mapping,
			   bool writable, struct ramjet_error *err)
{
	const int flags = writable ? O_RDWR : O_RDONLY;
	char path[96];
	int rc;

	if (!mapping->inode || !mapping->shared)
		return rj_fail(err, -ENOENT,
			       "%" PRIx64 " of process %d: it is private "
			       "memory, wanted a file's",
			       mapping->start, (int)pid);
	rc = open_by_descriptor(pid, mapping, flags);
	if (rc >= 0)
		return rc;
	/* Its descriptor may be closed by now. This way needs
	 * CAP_CHECKPOINT_RESTORE, the next one that the name still is its. */
	(void)snprintf(path, sizeof(path),
		       "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)pid,
		       mapping->start, mapping->end);
	rc = open_if_it(path, mapping, flags);
	if (rc >= 0)
		return rc;
	if (*mapping->path == '/')
		rc = open_if_it(mapping->path, mapping, flags);
	if (rc >= 0)
		return rc;
	return rj_fail_wanted(err, rc, "its file, to map it here",
			      "'%s' of process %d", mapping->path, (int)pid);
}
