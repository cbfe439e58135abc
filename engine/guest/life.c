/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest begins and ends, and is taken by one migration at a time. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "dirty/source.h"
#include "engine/guest/guest.h"
#include "engine/guest/helpers.h"
#include "util/error.h"
#include "util/options.h"

/* Of the struct as it was first published. */
#define FIRST_SIZE                                       \
	(offsetof(struct ramjet_guest_ops, load_state) + \
	 sizeof(((struct ramjet_guest_ops *)NULL)->load_state))

RAMJET_API int ramjet_guest_new(const struct ramjet_guest_ops *ops, void *user,
				struct ramjet_guest **ret,
				struct ramjet_error *err)
{
	struct ramjet_guest_ops known = { RAMJET_GUEST_OPS_INIT };
	struct ramjet_guest *guest;
	int rc;

	rj_error_clear(err);
	rc = rj_options_copy("guest ops", &known, sizeof(known), FIRST_SIZE,
			     ops, err);
	if (rc)
		return rc;
	if (!known.stop || !known.start || !ret)
		return rj_fail(
			err, -EINVAL,
			"guest: the stop and start functions are needed");
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return rj_fail(err, -ENOMEM, "guest: out of memory");
	guest->ops = known;
	guest->user = user;
	rj_mutex_init(&guest->lock);
	rj_notifiers_init(&guest->notifiers);
	*ret = guest;
	return 0;
}

RAMJET_API int ramjet_guest_free(struct ramjet_guest *guest)
{
	unsigned handles;

	if (!guest)
		return 0;
	rj_lock(&guest->lock);
	handles = guest->handles;
	rj_unlock(&guest->lock);
	if (handles)
		return -EBUSY;
	for (unsigned i = 0; i < guest->source_count; i++)
		rj_dirty_destroy(guest->sources[i]);
	free(guest->sources);
	free(guest->blocks);
	rj_blockers_done(&guest->blockers);
	rj_guest_clear_helpers(guest);
	rj_notifiers_done(&guest->notifiers);
	rj_mutex_done(&guest->lock);
	free(guest);
	return 0;
}

int rj_guest_acquire(struct ramjet_guest *guest, bool is_source,
		     struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&guest->lock);
	if (guest->busy)
		rc = rj_fail(err, -EBUSY,
			     "guest: another migration of it is under way");
	else if (!guest->block_count && (is_source || !guest->ops.accept))
		rc = rj_fail(err, -EINVAL, "guest: has no memory block");
	else
		guest->busy = true;
	if (!rc) {
		rj_hearing_unseal(&guest->hearing);
		guest->handles++;
	}
	rj_unlock(&guest->lock);
	return rc;
}

void rj_guest_open_blocks(struct ramjet_guest *guest, bool open)
{
	rj_lock(&guest->lock);
	guest->naming = open;
	rj_unlock(&guest->lock);
}

int rj_guest_check_memory(struct ramjet_guest *guest, bool outgoing,
			  struct ramjet_error *err)
{
	int rc = 0;

	rj_lock(&guest->lock);
	for (unsigned i = 0; !rc && i < guest->block_count; i++) {
		const struct rj_block *block = &guest->blocks[i];
		const struct ramjet_memory_ops *memory = block->foreign;

		if (memory && (outgoing ? !memory->read : !memory->write))
			rc = rj_fail(err, -EINVAL,
				     "block %s: its memory (%s) has no "
				     "operation `%s`",
				     block->name, memory->name,
				     outgoing ? "read" : "write");
	}
	rj_unlock(&guest->lock);
	return rc;
}

void rj_guest_release(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	guest->busy = guest->paused_told = false;
	rj_unlock(&guest->lock);
}

void rj_guest_forget(struct ramjet_guest *guest)
{
	rj_lock(&guest->lock);
	guest->handles--;
	rj_unlock(&guest->lock);
}
