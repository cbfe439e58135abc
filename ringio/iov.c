/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/iov.h"

/* Past what is done, and past empty entries, whatever the array's end. */
static void settle(struct rj_iov *iov)
{
	while (iov->count && iov->skip >= iov->entries->iov_len) {
		iov->skip -= iov->entries->iov_len;
		iov->entries++;
		iov->count--;
	}
}

struct rj_iov rj_iov_of(struct iovec *entries, unsigned count)
{
	struct rj_iov iov = { .entries = entries, .count = count };

	for (unsigned i = 0; i < count; i++)
		iov.bytes += entries[i].iov_len;
	settle(&iov);
	return iov;
}

unsigned rj_iov_open(struct rj_iov *iov, uint64_t bytes_max)
{
	unsigned n = iov->count;
	struct iovec *first = iov->entries, *last;

	iov->first = *first;
	first->iov_base = (char *)first->iov_base + iov->skip;
	first->iov_len -= iov->skip;
	if (bytes_max < iov->bytes) {
		uint64_t left = bytes_max;

		for (n = 0; left > iov->entries[n].iov_len; n++)
			left -= iov->entries[n].iov_len;
		last = &iov->entries[n++];
		iov->last = *last;
		last->iov_len = (size_t)left;
	} else {
		iov->last = iov->entries[n - 1];
	}
	iov->opened = n;
	return n;
}

void rj_iov_close(struct rj_iov *iov, size_t done)
{
	/* In this order: they may be the same entry. */
	iov->entries[iov->opened - 1] = iov->last;
	*iov->entries = iov->first;
	iov->opened = 0;
	iov->skip += done;
	iov->bytes -= done;
	settle(iov);
}
