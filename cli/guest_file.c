/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/guest_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "cli/guest_attach.h"
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
};

static int idle_stop(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static int idle_start(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static const struct ramjet_guest_ops file_ops = {
	RAMJET_GUEST_OPS_INIT,
	.stop = idle_stop,
	.start = idle_start,
};

/* Two ramjets on one file would eat each other's image; a lock prevents it. */
static int open_locked(struct file_guest *guest, struct ramjet_error *err)
{
	bool source = guest->role == RJ_CLI_SOURCE;
	int flags = O_RDWR | O_CLOEXEC | (source ? 0 : O_CREAT);

	guest->fd = open(guest->path, flags, 0600);
	if (guest->fd < 0 && source && (errno == EACCES || errno == EROFS))
		guest->fd = open(guest->path, O_RDONLY | O_CLOEXEC);
	if (guest->fd < 0)
		return rj_fail_errno(err, -errno, "guest file %s: open",
				     guest->path);
	if (flock(guest->fd, (source ? LOCK_SH : LOCK_EX) | LOCK_NB))
		return rj_fail_errno(err, -errno,
				     "guest file %s: in use by another ramjet",
				     guest->path);
	return 0;
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

/* To nothing first: then what isn't received reads as zero. */
static int target_size(struct file_guest *guest,
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
	if (ftruncate(guest->fd, 0) ||
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
		       : target_size(guest, spec, err);
}

static bool is_writable(int fd)
{
	return (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
}

static int map(struct file_guest *guest, bool prealloc,
	       struct ramjet_error *err)
{
	int protection = PROT_READ | (is_writable(guest->fd) ? PROT_WRITE : 0);
	void *host =
		mmap(NULL, guest->bytes, protection, MAP_SHARED, guest->fd, 0);

	if (host == MAP_FAILED)
		return rj_fail_errno(
			err, -errno, "guest file %s: mmap of %llu bytes",
			guest->path, (unsigned long long)guest->bytes);
	guest->host = host;
	guest->pinnable = guest->pinnable && (protection & PROT_WRITE);
	if (!prealloc)
		return 0;
	if (madvise(host, guest->bytes,
		    guest->role == RJ_CLI_SOURCE ? MADV_POPULATE_READ
						 : MADV_POPULATE_WRITE))
		return rj_fail_errno(
			err, -errno, "guest file %s: prealloc=1 of %llu bytes",
			guest->path, (unsigned long long)guest->bytes);
	return 0;
}

static void file_free(struct rj_cli_guest *base)
{
	struct file_guest *guest =
		rj_container_of(base, struct file_guest, base);

	if (guest->host)
		(void)munmap(guest->host, guest->bytes);
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

	block.fd = guest->fd;
	return rj_cli_attach_ram(handle, guest->role, &block, err);
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
