/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/process/copy.h"

#include <errno.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include "util/error.h"

/* What a call takes of ranges: the kernel has no more of an iovec. */
#define RANGES_MAX ((size_t)IOV_MAX)

/* One direction. */
struct way {
	const char *name;
	ssize_t (*at_once)(pid_t pid, const struct iovec *local,
			   unsigned long local_count,
			   const struct iovec *remote,
			   unsigned long remote_count, unsigned long flags);
	ssize_t (*by_file)(int fd, void *data, size_t bytes, off_t offset);
};

static ssize_t write_file(int fd, void *data, size_t bytes, off_t offset)
{
	return pwrite(fd, data, bytes, offset);
}

static const struct way reading = { "reading", process_vm_readv, pread };
static const struct way writing = { "writing", process_vm_writev, write_file };

int rj_process_gone(const struct rj_process_place *place,
		    struct ramjet_error *err)
{
	return place->pid > 0
		       ? rj_fail(err, -ESRCH, "process %d is gone", place->pid)
		       : rj_fail(err, -ESRCH, "the process is gone");
}

/* What went wrong there, at `address`. */
static int failed(const struct rj_process_place *place, const struct way *way,
		  int rc, uint64_t address, struct ramjet_error *err)
{
	const unsigned long long at = address,
				 offset = address - place->address;

	switch (rc) {
	case -ESRCH:
		return rj_process_gone(place, err);
	case -EPERM:
	case -EACCES:
		return rj_fail(err, -EPERM,
			       "%s memory of process %d: not allowed, wanted "
			       "the same user and kernel.yama.ptrace_scope 0, "
			       "or CAP_SYS_PTRACE",
			       way->name, place->pid);
	case -EFAULT:
	case -EIO: /* of /proc/PID/mem */
		return rj_fail(err, -EFAULT,
			       "%s memory of process %d: nothing to be had at "
			       "%#llx, offset %llu (was it unmapped?)",
			       way->name, place->pid, at, offset);
	default:
		return rj_fail_errno(err, rc,
				     "%s memory of process %d at %#llx",
				     way->name, place->pid, at);
	}
}

/* ---- /proc/PID/mem ------------------------------------------------------- */

static int by_file(const struct rj_process_place *place, const struct way *way,
		   const struct ramjet_memory_range *range, uint8_t *data,
		   struct ramjet_error *err)
{
	uint64_t done = 0;

	while (done < range->bytes) {
		const uint64_t at = place->address + range->offset + done;
		const ssize_t n = way->by_file(place->mem_fd, data + done,
					       range->bytes - done, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		/* Its end: of a process that has no memory any more. */
		if (n <= 0)
			return failed(place, way, n ? -errno : -ESRCH, at, err);
		done += (uint64_t)n;
	}
	return 0;
}

/* ---- process_vm_readv(), process_vm_writev() ------------------------------ */

/* Where a call goes on: in the middle of a range, after one that came no
 * further. */
struct position {
	size_t index;
	uint64_t skip;
};

static size_t fill(const struct rj_process_place *place,
		   const struct ramjet_memory_range *ranges, size_t count,
		   const struct position *at, struct iovec *remote,
		   uint64_t *ret_bytes)
{
	uint64_t skip = at->skip;
	size_t filled = 0;

	*ret_bytes = 0;
	for (size_t i = at->index; i < count && filled < RANGES_MAX; i++) {
		const uint64_t bytes = ranges[i].bytes - skip;

		remote[filled++] = (struct iovec){
			.iov_base =
				(void *)(uintptr_t)(place->address +
						    ranges[i].offset + skip),
			.iov_len = bytes,
		};
		*ret_bytes += bytes;
		skip = 0;
	}
	return filled;
}

static void advance(const struct ramjet_memory_range *ranges, uint64_t bytes,
		    struct position *at)
{
	at->skip += bytes;
	while (at->skip && at->skip >= ranges[at->index].bytes)
		at->skip -= ranges[at->index++].bytes;
}

static int at_once(const struct rj_process_place *place, const struct way *way,
		   const struct ramjet_memory_range *ranges, size_t count,
		   uint8_t *data, struct ramjet_error *err)
{
	struct iovec remote[RANGES_MAX];
	struct position at = { 0 };

	while (at.index < count) {
		struct iovec local = { .iov_base = data };
		uint64_t bytes;
		const size_t filled =
			fill(place, ranges, count, &at, remote, &bytes);
		ssize_t n;

		local.iov_len = bytes;
		n = way->at_once(place->pid, &local, 1, remote, filled, 0);
		if (n < 0 && errno == EINTR)
			continue;
		/* Less than all: the next call begins with what it is for. */
		if (n <= 0)
			return failed(place, way, n ? -errno : -EFAULT,
				      (uintptr_t)remote[0].iov_base, err);
		data += n;
		advance(ranges, (uint64_t)n, &at);
	}
	return 0;
}

/* ---- both ----------------------------------------------------------------- */

static int copy(const struct rj_process_place *place, const struct way *way,
		const struct ramjet_memory_range *ranges, size_t count,
		uint8_t *data, struct ramjet_error *err)
{
	int rc = 0;

	if (place->mem_fd < 0)
		return at_once(place, way, ranges, count, data, err);
	for (size_t i = 0; !rc && i < count; i++) {
		rc = by_file(place, way, &ranges[i], data, err);
		data += ranges[i].bytes;
	}
	return rc;
}

int rj_process_read(const struct rj_process_place *place,
		    const struct ramjet_memory_range *ranges, size_t count,
		    void *data, struct ramjet_error *err)
{
	return copy(place, &reading, ranges, count, data, err);
}

int rj_process_write(const struct rj_process_place *place,
		     const struct ramjet_memory_range *ranges, size_t count,
		     const void *data, struct ramjet_error *err)
{
	return copy(place, &writing, ranges, count, (uint8_t *)(uintptr_t)data,
		    err);
}

int rj_process_try(const struct rj_process_place *place,
		   struct ramjet_error *err)
{
	char byte;
	struct iovec local = { &byte, 1 };
	/* Nobody maps the first page: it is an error of its own, after the
	 * question of rights. */
	const struct iovec nothing = { NULL, 1 };

	if (place->mem_fd >= 0 ||
	    process_vm_readv(place->pid, &local, 1, &nothing, 1, 0) >= 0 ||
	    errno == EFAULT)
		return 0;
	return failed(place, &reading, -errno, place->address, err);
}
