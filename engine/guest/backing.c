/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/guest/backing.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "dirty/extent.h"
#include "engine/guest/region.h"
#include "util/error.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

void rj_backing_note(struct rj_block *block)
{
	const struct ramjet_dirty_region region = rj_block_region(block);

	block->is_file =
		block->host && rj_backing_of(&region) == RJ_BACKING_SHARED_FD;
}

int rj_backing_check(const struct rj_block *block, uint64_t first_page,
		     uint64_t pages, struct ramjet_error *err)
{
	const uint64_t end =
		block->fd_offset + (first_page + pages) * RAMJET_PAGE_BYTES;
	uint64_t there;
	struct stat st;

	if (rj_likely(!block->is_file || fstat(block->fd, &st) ||
		      (uint64_t)st.st_size >= end))
		return 0;
	there = (uint64_t)st.st_size;
	there = there > block->fd_offset ? there - block->fd_offset : 0;
	return rj_fail(err, -EIO,
		       "block %s, offset %llu: nothing is there: its file ends "
		       "at %llu, the block is of %llu bytes from %llu on",
		       block->name, (unsigned long long)there,
		       (unsigned long long)st.st_size,
		       (unsigned long long)block->bytes,
		       (unsigned long long)block->fd_offset);
}

int rj_backing_explain(const struct rj_block *block, uint64_t offset, int error,
		       struct ramjet_error *err)
{
	const int rc = rj_backing_check(block, 0, block->page_count, err);
	struct statfs fs;

	if (rc)
		return rc;
	if (error == EHWPOISON)
		return rj_fail(err, -EHWPOISON,
			       "block %s, offset %llu: the memory there is "
			       "broken: the machine, or whoever filled it, has "
			       "lost what it held",
			       block->name, (unsigned long long)offset);
	if (!block->is_file || fstatfs(block->fd, &fs) || fs.f_bfree)
		return rj_fail(err, -EFAULT,
			       "block %s, offset %llu: no memory can be put "
			       "there (is a limit reached? is it writable?)",
			       block->name, (unsigned long long)offset);
	if (fs.f_type == (__fsword_t)HUGETLBFS_MAGIC)
		return rj_fail(err, -ENOSPC,
			       "block %s, offset %llu: no huge page of %llu "
			       "bytes is left (see free_hugepages and "
			       "resv_hugepages below /sys/kernel/mm/hugepages)",
			       block->name, (unsigned long long)offset,
			       (unsigned long long)fs.f_bsize);
	return rj_fail(err, -ENOSPC,
		       "block %s, offset %llu: the file system its file is on "
		       "is full, %llu MiB",
		       block->name, (unsigned long long)offset,
		       (unsigned long long)fs.f_blocks *
				       (unsigned long long)fs.f_bsize >>
			       20);
}

int rj_backing_populate(const struct rj_block *block, const struct iovec *pages,
			struct ramjet_error *err)
{
	if (!madvise(pages->iov_base, pages->iov_len, MADV_POPULATE_WRITE) ||
	    errno == EINVAL)
		return 0;
	return rj_backing_blame(block, pages, 1, err);
}

/* Those of the parts that lie in the block, page by page. 0: nothing found. */
static int find_bad(const struct rj_block *block, const struct iovec *parts,
		    unsigned count, int advice, struct ramjet_error *err)
{
	int rc = rj_backing_check(block, 0, block->page_count, err);

	for (unsigned i = 0; !rc && i < count; i++) {
		uint8_t *at = parts[i].iov_base;

		if (!rj_block_holds(block, at))
			continue;
		for (size_t done = 0; !rc && done < parts[i].iov_len;
		     done += RAMJET_PAGE_BYTES)
			if (madvise(at + done, RAMJET_PAGE_BYTES, advice))
				rc = rj_backing_explain(
					block,
					(uint64_t)(at + done - block->host),
					errno, err);
	}
	return rc;
}

int rj_backing_blame(const struct rj_block *block, const struct iovec *parts,
		     unsigned count, struct ramjet_error *err)
{
	const int rc = find_bad(block, parts, count, MADV_POPULATE_WRITE, err);

	return rc ? rc
		  : rj_fail(err, -EFAULT,
			    "block %s: the kernel could not write its memory",
			    block->name);
}

int rj_backing_blame_read(const struct rj_block *block,
			  const struct iovec *parts, unsigned count,
			  struct ramjet_error *err)
{
	return find_bad(block, parts, count, MADV_POPULATE_READ, err);
}
