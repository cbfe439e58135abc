/* SPDX-License-Identifier: BSD-3-Clause */
/* Marks and discards of the VMM while its guest is moved; they end with the
 * seal. */
#include <errno.h>
#include <string.h>

#include "engine/guest/guest.h"
#include "util/bits.h"
#include "util/error.h"

/* Bytes [offset, offset + bytes) of a block. */
struct range {
	const char *block;
	uint64_t offset, bytes;
};

enum note {
	NOTE_MARK,
	NOTE_DISCARD,
};

static void tell_locked(const struct ramjet_guest *guest, enum note note,
			unsigned block, uint64_t first_page, uint64_t pages)
	RJ_REQUIRES(guest->lock)
{
	const struct rj_page_listener *listener = guest->listener;

	if (!listener)
		return;
	if (note == NOTE_MARK)
		listener->mark(guest->listener_user, block, first_page, pages);
	else
		listener->discard(guest->listener_user, block, first_page,
				  pages);
}

static int note_locked(struct ramjet_guest *guest, enum note note,
		       const char *what, const struct range *range,
		       struct ramjet_error *err) RJ_REQUIRES(guest->lock)
{
	const uint64_t offset = range->offset, bytes = range->bytes;

	for (unsigned i = 0; i < guest->block_count; i++) {
		const struct rj_block *block = &guest->blocks[i];
		const uint64_t first = offset / RAMJET_PAGE_BYTES;

		if (strcmp(block->name, range->block))
			continue;
		if (offset > block->bytes || bytes > block->bytes - offset)
			return rj_fail(err, -ERANGE,
				       "%s: %llu + %llu bytes, block %s "
				       "has %llu",
				       what, (unsigned long long)offset,
				       (unsigned long long)bytes, range->block,
				       (unsigned long long)block->bytes);
		if (guest->sealed)
			return rj_fail(err, -EALREADY,
				       "%s: %llu + %llu bytes of block %s: too "
				       "late, the guest was handed over",
				       what, (unsigned long long)offset,
				       (unsigned long long)bytes, range->block);
		if (bytes)
			tell_locked(guest, note, i, first,
				    rj_div_round_up(offset + bytes,
						    RAMJET_PAGE_BYTES) -
					    first);
		return 0;
	}
	return rj_fail(err, -ENOENT, "%s: no block named %s", what,
		       range->block);
}

static int take_note(struct ramjet_guest *guest, enum note note,
		     const char *what, const struct range *range,
		     struct ramjet_error *err)
{
	int rc;

	rj_error_clear(err);
	if (!guest || !range->block)
		return rj_fail(err, -EINVAL, "%s: no guest or block", what);
	rj_lock(&guest->lock);
	rc = note_locked(guest, note, what, range, err);
	rj_unlock(&guest->lock);
	return rc;
}

RAMJET_API int ramjet_guest_discard(struct ramjet_guest *guest,
				    const char *block, uint64_t offset,
				    uint64_t bytes, struct ramjet_error *err)
{
	const struct range range = { block, offset, bytes };

	if (offset % RAMJET_PAGE_BYTES || bytes % RAMJET_PAGE_BYTES)
		return rj_fail(err, -EINVAL,
			       "discard: %llu + %llu bytes, wanted whole pages",
			       (unsigned long long)offset,
			       (unsigned long long)bytes);
	return take_note(guest, NOTE_DISCARD, "discard", &range, err);
}

RAMJET_API int ramjet_guest_mark(struct ramjet_guest *guest, const char *block,
				 uint64_t offset, uint64_t bytes,
				 struct ramjet_error *err)
{
	const struct range range = { block, offset, bytes };

	return take_note(guest, NOTE_MARK, "mark", &range, err);
}

void rj_guest_listen(struct ramjet_guest *guest,
		     const struct rj_page_listener *listener, void *user)
{
	rj_lock(&guest->lock);
	guest->listener = listener;
	guest->listener_user = user;
	rj_unlock(&guest->lock);
}

int rj_guest_seal(struct ramjet_guest *guest, struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&guest->lock);
	if (guest->listener->has_more(guest->listener_user))
		rc = rj_fail(err, -EBUSY,
			     "switchover: pages were marked or discarded after "
			     "the target was told that all is sent; the guest "
			     "runs on, try again");
	else
		guest->sealed = true;
	rj_unlock(&guest->lock);
	return rc;
}

void rj_guest_unseal(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	guest->sealed = false;
	rj_unlock(&guest->lock);
}
