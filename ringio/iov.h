/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_IOV_H
#define RJ_RINGIO_IOV_H
/*
 * A place in an array of iovecs, for transfers that come up short or may only
 * go so far. Between open and close the array is bent to show just what the
 * system call shall see; outside of that it is as the caller made it.
 */
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct rj_iov {
	struct iovec *entries; /* the first not done */
	unsigned count;
	size_t skip;    /* done bytes of entries[0] */
	uint64_t bytes; /* left */
	/* between open and close */
	struct iovec first, last; /* as they were */
	unsigned opened;          /* entries shown; 0: not open */
};

struct rj_iov rj_iov_of(struct iovec *entries, unsigned count);
/* Show at most `bytes_max` bytes from here on in iov->entries[0..return).
 * Something must be left, bytes_max not 0. */
unsigned rj_iov_open(struct rj_iov *iov, uint64_t bytes_max);
/* `done` bytes of what was shown are done. */
void rj_iov_close(struct rj_iov *iov, size_t done);
#endif
