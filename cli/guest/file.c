/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/guest/attach.h"
#include "cli/guest/huge_pool.h"
#include "util/beside.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/memory_limit.h"

/*
 * A target's image is made beside the one that has the name, and takes its
 * place when the guest starts. What can only be written in place (a mount
 * point of its own, a folder where nothing can be made) is cleared once a
 * source's blocks are accepted.
 */
struct file_guest {
	struct rj_cli_guest base;
	enum rj_cli_role role;
	char path[4096];
	int fd; /* target: of `beside`, whose it is */
	uint8_t *host;
	uint64_t bytes;
	uint32_t page_bytes;
	bool pinnable; /* memory of its own, not a page cache of a disk */
	struct rj_beside beside; /* target */
	/* In place: what was there before, which stays until something comes. */
	uint64_t old_bytes;
	bool resized; /* old_bytes is known, the length may be another */
	bool arrived; /* a source's blocks were accepted */
};

static int idle_stop(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

/* Target: all has arrived. Give the new file its name, or cut a file that was
 * written in place to its new size. */
static int idle_start(void *user, struct ramjet_error *err)
{
	struct rj_cli_guest *base = user;
	struct file_guest *guest =
		rj_container_of(base, struct file_guest, base);
	struct ramjet_error error = { 0 };
	int rc;

	if (guest->role == RJ_CLI_SOURCE)
		return 0;
	guest->arrived = true;
	if (guest->old_bytes > guest->bytes &&
	    ftruncate(guest->fd, (off_t)guest->bytes))
		return rj_fail_errno(
			err, -errno, "guest file %s: ftruncate to %llu bytes",
			guest->path, (unsigned long long)guest->bytes);
	rc = rj_beside_rename(&guest->beside, &error);
	if (!rc)
		return 0;
	*guest->beside.temp = '\0'; /* not removed: it is the only copy */
	return rj_fail(err, rc, "guest file %s", error.message);
}

static const struct ramjet_guest_ops file_ops = {
	RAMJET_GUEST_OPS_INIT,
	.stop = idle_stop,
	.start = idle_start,
};

static bool is_in_memory(int fd)
{
	struct statfs filesystem;

	return !fstatfs(fd, &filesystem) &&
	       (filesystem.f_type == HUGETLBFS_MAGIC ||
		filesystem.f_type == TMPFS_MAGIC);
}

/* Open for reading. For writing too where that is possible, since memory can
 * then be pinned; not if the image is read-only, or would be copied as a whole
 * by an overlay file system. */
static int open_source(const char *path)
{
	rj_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat read_only, writable;
	rj_autoclose int better = -1;

	if (fd < 0)
		return -errno;
	if (is_in_memory(fd))
		better = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (better < 0 || fstat(fd, &read_only) || fstat(better, &writable) ||
	    read_only.st_dev != writable.st_dev ||
	    read_only.st_ino != writable.st_ino)
		return rj_steal_fd(&fd);
	return rj_steal_fd(&better);
}

static int open_target(struct file_guest *guest, struct ramjet_error *err)
{
	struct ramjet_error error = { 0 };
	int rc = rj_beside_open(guest->path, O_RDWR, 0600, &guest->beside,
				&error);

	if (rc < 0)
		return rj_fail(err, rc, "guest file %s", error.message);
	guest->fd = guest->beside.fd;
	return 0;
}

static int lock(const struct file_guest *guest, int fd,
		struct ramjet_error *err)
{
	const bool source = guest->role == RJ_CLI_SOURCE;

	if (fd < 0 || !flock(fd, (source ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	if (errno == EWOULDBLOCK)
		return rj_fail_errno(err, -errno,
				     "guest file %s: in use by another ramjet",
				     guest->path);
	return rj_fail_errno(
		err, -errno,
		"guest file %s: its file system gave no lock to keep another "
		"ramjet from it; lock=off does without",
		guest->path);
}

/* A lock keeps two ramjets from using the same file. */
static int open_locked(struct file_guest *guest, bool unlocked,
		       struct ramjet_error *err)
{
	int rc;

	if (guest->role == RJ_CLI_SOURCE) {
		guest->fd = open_source(guest->path);
		rc = guest->fd < 0
			     ? rj_fail_wanted(err, guest->fd, "a RAM image",
					      "guest file %s: open",
					      guest->path)
			     : 0;
	} else {
		rc = open_target(guest, err);
	}
	if (rc < 0 || unlocked)
		return rc;
	rc = lock(guest, guest->fd, err);
	return rc < 0 ? rc : lock(guest, guest->beside.old_fd, err);
}

static int check_size(const struct file_guest *guest, struct ramjet_error *err)
{
	if (!guest->bytes)
		return rj_fail(err, -EINVAL,
			       "guest file %s: the size is 0, wanted a "
			       "multiple of %u bytes",
			       guest->path, guest->page_bytes);
	if (guest->bytes % guest->page_bytes)
		return rj_fail(err, -EINVAL,
			       "guest file %s: %llu bytes are not a multiple "
			       "of the page size, %u bytes",
			       guest->path, (unsigned long long)guest->bytes,
			       guest->page_bytes);
	return 0;
}

static int source_size(struct file_guest *guest, const struct stat *status,
		       const struct rj_cli_guest_spec *spec,
		       struct ramjet_error *err)
{
	guest->bytes = (uint64_t)status->st_size;
	if (spec->bytes && spec->bytes != guest->bytes)
		return rj_fail(err, -EINVAL,
			       "guest file %s: it has %llu bytes, size= says "
			       "%llu",
			       guest->path, (unsigned long long)guest->bytes,
			       (unsigned long long)spec->bytes);
	return check_size(guest, err);
}

/* Long enough to be mapped. An old image in this very file stays as it is: the
 * engine clears it once a source's blocks are accepted. */
static int target_size(struct file_guest *guest, const struct stat *status,
		       const struct rj_cli_guest_spec *spec,
		       struct ramjet_error *err)
{
	int rc;

	if (!spec->bytes)
		return rj_fail(err, -EINVAL,
			       "guest file %s: the target needs a size, wanted "
			       "file:%s,size=BYTES",
			       guest->path, guest->path);
	guest->bytes = spec->bytes;
	rc = check_size(guest, err);
	if (rc)
		return rc;
	guest->old_bytes = (uint64_t)status->st_size;
	guest->resized = true;
	if (guest->old_bytes < guest->bytes &&
	    ftruncate(guest->fd, (off_t)guest->bytes))
		return rj_fail_errno(
			err, -errno, "guest file %s: ftruncate to %llu bytes",
			guest->path, (unsigned long long)guest->bytes);
	return 0;
}

static int inspect(struct file_guest *guest,
		   const struct rj_cli_guest_spec *spec,
		   struct ramjet_error *err)
{
	struct statfs filesystem;
	struct stat status;

	if (fstat(guest->fd, &status) || fstatfs(guest->fd, &filesystem))
		return rj_fail_errno(err, -errno, "guest file %s: fstat",
				     guest->path);
	if (S_ISDIR(status.st_mode))
		return rj_fail_errno(err, -EISDIR, "guest file %s",
				     guest->path);
	if (!S_ISREG(status.st_mode))
		return rj_fail(err, -EINVAL,
			       "guest file %s: not a regular file",
			       guest->path);
	guest->page_bytes = RAMJET_PAGE_BYTES;
	if (filesystem.f_type == HUGETLBFS_MAGIC)
		guest->page_bytes = (uint32_t)filesystem.f_bsize;
	guest->pinnable = filesystem.f_type == HUGETLBFS_MAGIC ||
			  filesystem.f_type == TMPFS_MAGIC;
	return guest->role == RJ_CLI_SOURCE
		       ? source_size(guest, &status, spec, err)
		       : target_size(guest, &status, spec, err);
}

static bool is_writable(int fd)
{
	return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

/* On tmpfs, all that is populated is memory. */
static int has_room(const struct file_guest *guest, struct ramjet_error *err)
{
	struct rj_memory_limit limit;
	struct statfs filesystem;
	struct stat status;
	uint64_t there, more;

	if (fstatfs(guest->fd, &filesystem) || fstat(guest->fd, &status) ||
	    filesystem.f_type != TMPFS_MAGIC)
		return 0;
	there = (uint64_t)status.st_blocks * 512;
	more = guest->bytes > there ? guest->bytes - there : 0;
	rj_memory_limit_read(&limit);
	if (more <= limit.available)
		return 0;
	return rj_fail(err, -ENOMEM,
		       "guest file %s: prealloc=1 would take %llu MiB of "
		       "memory, %llu MiB are to be had (%s has %llu MiB, %llu "
		       "in use); wanted a smaller file, or no prealloc=1",
		       guest->path, (unsigned long long)(more >> 20),
		       (unsigned long long)(limit.available >> 20), limit.by,
		       (unsigned long long)(limit.limit >> 20),
		       (unsigned long long)(limit.used >> 20));
}

static int populate(const struct file_guest *guest, struct ramjet_error *err)
{
	const bool source = guest->role == RJ_CLI_SOURCE;
	int rc = has_room(guest, err);

	if (rc)
		return rc;
	if (madvise(guest->host, guest->bytes,
		    source ? MADV_POPULATE_READ : MADV_POPULATE_WRITE))
		rc = -errno;
	/* EFAULT stands for what a write would end as, a SIGBUS: the file
	 * system has no page left. */
	if (rc == -EFAULT && !source)
		rc = -ENOSPC;
	return rc ? rj_fail_errno(err, rc,
				  "guest file %s: prealloc=1 of %llu bytes",
				  guest->path, (unsigned long long)guest->bytes)
		  : 0;
}

/* On hugetlbfs a mapping reserves what the file does not have yet. */
static int map_failed(const struct file_guest *guest, int code,
		      struct ramjet_error *err)
{
	struct rj_huge_pool pool;
	char what[256] = "";

	if (code == -ENOMEM && guest->page_bytes > RAMJET_PAGE_BYTES) {
		rj_huge_pool_read("", guest->page_bytes, &pool);
		rj_huge_pool_describe(&pool, guest->page_bytes, what,
				      sizeof(what));
		return rj_fail(
			err, code,
			"guest file %s: of the pool of huge pages, %s; "
			"the file is to have %llu",
			guest->path, what,
			(unsigned long long)(guest->bytes / guest->page_bytes));
	}
	return rj_fail_errno(err, code, "guest file %s: mmap of %llu bytes",
			     guest->path, (unsigned long long)guest->bytes);
}

static int map(struct file_guest *guest, bool prealloc,
	       struct ramjet_error *err)
{
	int protection = PROT_READ | (is_writable(guest->fd) ? PROT_WRITE : 0);
	void *host =
		mmap(NULL, guest->bytes, protection, MAP_SHARED, guest->fd, 0);

	if (host == MAP_FAILED)
		return map_failed(guest, -errno, err);
	guest->host = host;
	guest->pinnable = guest->pinnable && (protection & PROT_WRITE);
	return prealloc ? populate(guest, err) : 0;
}

/* Nothing arrived, so the file has not changed. */
static void undo(struct file_guest *guest)
{
	if (guest->beside.in_place && guest->resized &&
	    guest->old_bytes < guest->bytes)
		(void)!ftruncate(guest->fd, (off_t)guest->old_bytes);
}

static void file_free(struct rj_cli_guest *base)
{
	struct file_guest *guest =
		rj_container_of(base, struct file_guest, base);

	if (guest->host)
		(void)munmap(guest->host, guest->bytes);
	if (guest->fd >= 0 && guest->role == RJ_CLI_TARGET && !guest->arrived)
		undo(guest);
	if (guest->role == RJ_CLI_SOURCE)
		rj_close_fd(&guest->fd);
	rj_beside_abandon(&guest->beside);
	free(guest);
}

static int file_create(const struct rj_cli_guest_spec *spec,
		       enum rj_cli_role role, struct rj_cli_guest **ret,
		       struct ramjet_error *err)
{
	struct file_guest *guest = calloc(1, sizeof(*guest));
	int rc;

	if (!guest)
		return rj_fail(err, -ENOMEM, "guest file: out of memory");
	guest->base.kind = &rj_cli_guest_file;
	guest->role = role;
	guest->fd = -1;
	guest->beside = (struct rj_beside)RJ_BESIDE_NONE;
	(void)snprintf(guest->path, sizeof(guest->path), "%s", spec->path);
	rc = open_locked(guest, spec->unlocked, err);
	if (!rc)
		rc = inspect(guest, spec, err);
	if (!rc)
		rc = map(guest, spec->prealloc, err);
	if (rc) {
		file_free(&guest->base);
		return rc;
	}
	*ret = &guest->base;
	return 0;
}

/* After setup pages may have arrived in it. */
static void on_state(void *user, enum ramjet_state old_state,
		     enum ramjet_state new_state,
		     const struct ramjet_error *err,
		     struct ramjet_migration *migration)
{
	struct file_guest *guest = user;

	(void)old_state;
	(void)migration;
	(void)err;
	if (new_state == RAMJET_STATE_ACTIVE)
		guest->arrived = true;
}

static int file_attach(struct rj_cli_guest *base, struct ramjet_guest *handle,
		       struct ramjet_error *err)
{
	struct file_guest *guest =
		rj_container_of(base, struct file_guest, base);
	struct ramjet_block block = {
		RAMJET_BLOCK_INIT,
		.host = guest->host,
		.bytes = guest->bytes,
		.page_bytes = guest->page_bytes,
		.flags = guest->pinnable ? RAMJET_BLOCK_PINNABLE : 0,
	};
	int rc;

	block.fd = guest->fd;
	if (guest->role == RJ_CLI_SOURCE)
		return rj_cli_attach_ram(handle, &block, false, err);
	rc = ramjet_notify(handle, on_state, guest, err);
	return rc < 0 ? rc
		      : rj_cli_attach_ram(handle, &block, !guest->old_bytes,
					  err);
}

/* Target: the guest has started. */
static int file_settle(struct rj_cli_guest *base, struct ramjet_error *err)
{
	struct file_guest *guest =
		rj_container_of(base, struct file_guest, base);
	struct ramjet_error error = { 0 };
	int rc = rj_beside_commit(&guest->beside, &error);

	if (rc < 0)
		return rj_fail(err, rc, "guest file %s", error.message);
	guest->fd = -1;
	return 0;
}

static void file_describe(const struct rj_cli_guest *base, char *text,
			  size_t bytes)
{
	const struct file_guest *guest =
		rj_container_of(base, const struct file_guest, base);

	(void)snprintf(text, bytes, "file %s, idle", guest->path);
}

const struct rj_cli_guest_kind rj_cli_guest_file = {
	.name = "file",
	.live = false,
	.ops = &file_ops,
	.create = file_create,
	.attach = file_attach,
	.describe = file_describe,
	.settle = file_settle,
	.free = file_free,
};
