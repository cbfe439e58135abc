/* SPDX-License-Identifier: BSD-3-Clause */
/* What the target does between the last page and READY. */
#include <errno.h>
#include <string.h>

#include "engine/digest.h"
#include "engine/incoming.h"
#include "util/error.h"

static int verify_block(const struct rj_block *block, const uint8_t *wire,
			struct ramjet_error *err)
{
	struct rj_digest theirs, ours = { 0 };
	int rc = rj_digest_block(block, &ours, err);

	if (rc)
		return rc;
	rj_digest_decode(wire, &theirs);
	if (theirs.low != ours.low || theirs.high != ours.high)
		return rj_fail(err, -EBADMSG,
			       "verify: block %s differs: XXH3 digest "
			       "%016llx%016llx on the source, %016llx%016llx "
			       "on the target",
			       block->name, (unsigned long long)theirs.high,
			       (unsigned long long)theirs.low,
			       (unsigned long long)ours.high,
			       (unsigned long long)ours.low);
	return 0;
}

static int load_device(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest_ops *ops = &m->guest->ops;
	const struct rj_record *device = &m->in->device;
	int rc;

	if (!device->begun && !ops->load_state)
		return 0;
	if (!device->begun)
		return rj_fail(err, -EPROTO,
			       "device state: the source sent none");
	if (!ops->load_state)
		return rj_fail(err, -EOPNOTSUPP,
			       "device state: %zu bytes came, this guest "
			       "cannot load any",
			       device->bytes);
	rc = ops->load_state(m->guest->user, device->data, device->bytes, err);
	if (rc)
		(void)rj_fail_errno(err, rc, "device state: loading");
	return rc;
}

int rj_target_load(struct ramjet_migration *m, uint32_t *ret_verified,
		   struct ramjet_error *err)
{
	struct rj_incoming *in = m->in;
	int rc = 0;

	/* Before load_state: devices may touch memory. */
	for (unsigned i = 0; !rc && in->digests && i < in->block_count; i++)
		rc = verify_block(&in->blocks[i],
				  in->digests + (size_t)i * RJ_DIGEST_BYTES,
				  err);
	if (!rc)
		rc = load_device(m, err);
	if (!rc)
		*ret_verified = in->digests ? in->block_count : 0;
	return rc;
}
