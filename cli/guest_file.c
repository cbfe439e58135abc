/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cli/guest_attach.h"
#include "cli/huge_pool.h"
#include "util/cleanup.h"
#include "util/error.h"

struct file_guest {
	struct rj_cli_guest base;
	enum rj_cli_role role;
	char path[4096];
	int fd;
	uint8_t *host;
	uint64_t bytes;
	uint32_t page_bytes;
	bool pinnable; /* memory of its own, not a page cache of a disk */
	/* Target: what was there before, which stays until something comes. */
	uint64_t old_bytes;
	bool made;    /* there was no such file */
	bool resized; /* old_bytes is known, the length may be another */
	bool arrived; /* a source's blocks were accepted */
};

static int idle_stop(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

/* Target: all is there. What the file had beyond that goes. */
static int idle_start(void *user, struct ramjet_error *err)
{
	struct rj_cli_guest *base = user;
	struct file_guest *guest =
		rj_container_of(base, struct file_guest, base);

	if (guest->role == RJ_CLI_SOURCE)
		return 0;
	guest->arrived = true;
	if (guest->old_bytes > guest->bytes &&
	    ftruncate(guest->fd, (off_t)guest->bytes))
		return rj_fail_errno(
			err, -errno, "guest file %s: ftruncate to %llu bytes",
			guest->path, (unsigned long long)guest->bytes);
	return 0;
}

static const struct ramjet_guest_ops file_ops = {
	RAMJET_GUEST_OPS_INIT,
	.stop = idle_stop,
	.start = idle_start,
};

static int open_source(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0 && (errno == EACCES || errno == EROFS))
		fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd;
}

static int open_target(const char *path, bool *ret_made)
{
	const int flags = O_RDWR | O_CLOEXEC | O_CREAT;
	int fd = open(path, flags | O_EXCL, 0600);

	*ret_made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, flags, 0600);
	return fd;
}

/* Two ramjets on one file would eat each other's image; a lock prevents it. */
static int open_locked(struct file_guest *guest, struct ramjet_error *err)
{
	bool source = guest->role == RJ_CLI_SOURCE;

	guest->fd = source ? open_source(guest->path)
			   : open_target(guest->path, &guest->made);
	if (guest->fd < 0)
		return rj_fail_errno(err, -errno, "guest file %s: open",
				     guest->path);
	if (!flock(guest->fd, (source ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return 0;
	guest->made = false; /* whoever was faster has it */
	return rj_fail_errno(err, -errno,
			     "guest file %s: in use by another ramjet",
			     guest->path);
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

/* Long enough to be mapped. An old image stays as it is: the engine clears it
 * once a source's blocks are accepted. */
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

static int populate(const struct file_guest *guest, struct ramjet_error *err)
{
	const bool source = guest->role == RJ_CLI_SOURCE;
	int rc = 0;

	if (madvise(guest->host, guest->bytes,
		    source ? MADV_POPULATE_READ : MADV_POPULATE_WRITE))
		rc = -errno;
	/* So it puts what a write would end as, a SIGBUS: the file system has
	 * no page left. */
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

/* Nothing came, so nothing has changed. */
static void undo(const struct file_guest *guest)
{
	struct stat ours, named;

	if (guest->resized && guest->old_bytes < guest->bytes)
		(void)!ftruncate(guest->fd, (off_t)guest->old_bytes);
	/* It may have been renamed meanwhile. */
	if (guest->made && !fstat(guest->fd, &ours) &&
	    !lstat(guest->path, &named) && ours.st_dev == named.st_dev &&
	    ours.st_ino == named.st_ino)
		(void)unlink(guest->path);
}

static void file_free(struct rj_cli_guest *base)
{
	struct file_guest *guest =
		rj_container_of(base, struct file_guest, base);

	if (guest->host)
		(void)munmap(guest->host, guest->bytes);
	if (guest->fd >= 0 && guest->role == RJ_CLI_TARGET && !guest->arrived)
		undo(guest);
	rj_close_fd(&guest->fd);
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
	(void)snprintf(guest->path, sizeof(guest->path), "%s", spec->path);
	rc = open_locked(guest, err);
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

/* Past setup the memory is the source's. */
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
	.free = file_free,
};
