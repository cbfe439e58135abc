/* SPDX-License-Identifier: BSD-3-Clause */
/* Marks and discards of the VMM while its guest is moved; they end with the
 * seal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/guest/guest.h"
#include "util/error.h"

/* What is told: bytes [offset, offset + bytes) of a block. */
struct saying {
	const char *what;
	enum rj_note note;
	uint64_t offset, bytes;
};

static int check(const struct ramjet_guest *guest, const struct saying *saying,
		 struct ramjet_error *err)
{
	rj_error_clear(err);
	if (!guest)
		return rj_fail(err, -EINVAL, "%s: no guest", saying->what);
	if (saying->note == RJ_NOTE_DISCARD &&
	    (saying->offset % RAMJET_PAGE_BYTES ||
	     saying->bytes % RAMJET_PAGE_BYTES))
		return rj_fail(err, -EINVAL,
			       "discard: %llu + %llu bytes, wanted whole pages",
			       (unsigned long long)saying->offset,
			       (unsigned long long)saying->bytes);
	return 0;
}

/* Takes no lock. `name` is the block's in errors. */
static int tell(struct ramjet_guest *guest, const struct saying *saying,
		unsigned block, const char *name, struct ramjet_error *err)
{
	uint64_t block_bytes = 0;
	const int rc =
		rj_hearing_tell(&guest->hearing, saying->note, block,
				saying->offset, saying->bytes, &block_bytes);

	switch (rc) {
	case -ENOENT:
		return rj_fail(err, rc, "%s: no block %s", saying->what, name);
	case -ERANGE:
		return rj_fail(err, rc,
			       "%s: %llu + %llu bytes, block %s has %llu",
			       saying->what, (unsigned long long)saying->offset,
			       (unsigned long long)saying->bytes, name,
			       (unsigned long long)block_bytes);
	case -EALREADY:
		return rj_fail(err, rc,
			       "%s: %llu + %llu bytes of block %s: too late, "
			       "the guest was handed over",
			       saying->what, (unsigned long long)saying->offset,
			       (unsigned long long)saying->bytes, name);
	default:
		return rc;
	}
}

static int tell_at(struct ramjet_guest *guest, const struct saying *saying,
		   unsigned block, struct ramjet_error *err)
{
	char name[24];
	const int rc = check(guest, saying, err);

	if (rc)
		return rc;
	(void)snprintf(name, sizeof(name), "number %u", block);
	return tell(guest, saying, block, name, err);
}

/* The block's index, which it keeps; -1: none. */
static int find(struct ramjet_guest *guest, const char *name)
{
	int found = -1;

	rj_lock(&guest->lock);
	for (unsigned i = 0; found < 0 && i < guest->block_count; i++)
		if (!strcmp(guest->blocks[i].name, name))
			found = (int)i;
	rj_unlock(&guest->lock);
	return found;
}

static int tell_by_name(struct ramjet_guest *guest, const struct saying *saying,
			const char *name, struct ramjet_error *err)
{
	int rc = check(guest, saying, err);

	if (rc)
		return rc;
	if (!name)
		return rj_fail(err, -EINVAL, "%s: no block", saying->what);
	rc = find(guest, name);
	if (rc < 0)
		return rj_fail(err, -ENOENT, "%s: no block named %s",
			       saying->what, name);
	return tell(guest, saying, (unsigned)rc, name, err);
}

static struct saying discarded(uint64_t offset, uint64_t bytes)
{
	return (struct saying){ "discard", RJ_NOTE_DISCARD, offset, bytes };
}

static struct saying marked(uint64_t offset, uint64_t bytes)
{
	return (struct saying){ "mark", RJ_NOTE_MARK, offset, bytes };
}

RAMJET_API int ramjet_guest_discard(struct ramjet_guest *guest,
				    const char *block, uint64_t offset,
				    uint64_t bytes, struct ramjet_error *err)
{
	const struct saying saying = discarded(offset, bytes);

	return tell_by_name(guest, &saying, block, err);
}

RAMJET_API int ramjet_guest_discard_at(struct ramjet_guest *guest,
				       unsigned block, uint64_t offset,
				       uint64_t bytes, struct ramjet_error *err)
{
	const struct saying saying = discarded(offset, bytes);

	return tell_at(guest, &saying, block, err);
}

RAMJET_API int ramjet_guest_mark(struct ramjet_guest *guest, const char *block,
				 uint64_t offset, uint64_t bytes,
				 struct ramjet_error *err)
{
	const struct saying saying = marked(offset, bytes);

	return tell_by_name(guest, &saying, block, err);
}

RAMJET_API int ramjet_guest_mark_at(struct ramjet_guest *guest, unsigned block,
				    uint64_t offset, uint64_t bytes,
				    struct ramjet_error *err)
{
	const struct saying saying = marked(offset, bytes);

	return tell_at(guest, &saying, block, err);
}

void rj_guest_listen(struct ramjet_guest *guest,
		     const struct rj_page_listener *listener, void *user)
{
	rj_hearing_listen(&guest->hearing, listener, user);
}

int rj_guest_seal(struct ramjet_guest *guest, struct ramjet_error *err)
{
	if (rj_hearing_seal(&guest->hearing))
		return 0;
	return rj_fail(err, -EBUSY,
		       "switchover: pages were marked or discarded after the "
		       "target was told that all is sent; the guest runs on, "
		       "try again");
}

void rj_guest_unseal(struct ramjet_guest *guest)
{
	rj_hearing_unseal(&guest->hearing);
}
