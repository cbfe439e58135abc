/* SPDX-License-Identifier: BSD-3-Clause */
/* Bodies of what is agreed, and said once pages flow, most of it by the
 * target. */
#include "engine/wire/wire.h"

#include <errno.h>
#include <string.h>

#include "engine/wire/bytes.h"
#include "util/error.h"

static bool all_zero(const uint8_t *bytes, size_t count)
{
	uint8_t seen = 0;

	for (size_t i = 0; i < count; i++)
		seen |= bytes[i];
	return !seen;
}

/* ACCEPT: 0 channel_count u16, 2 reserved[14]. */
void rj_accept_encode(uint16_t channel_count, uint8_t out[RJ_ACCEPT_BYTES])
{
	memset(out, 0, RJ_ACCEPT_BYTES);
	rj_put16(out, channel_count);
}

int rj_accept_decode(const uint8_t *in, size_t bytes, uint16_t wished,
		     uint16_t *ret_channel_count, struct ramjet_error *err)
{
	uint16_t count;

	if (bytes != RJ_ACCEPT_BYTES || !all_zero(in + 2, RJ_ACCEPT_BYTES - 2))
		return rj_fail(err, -EPROTO, "ACCEPT: malformed");
	count = rj_get16(in);
	if (!count || count > wished)
		return rj_fail(err, -EPROTO,
			       "ACCEPT: %u channels, wanted 1 to %u", count,
			       wished);
	*ret_channel_count = count;
	return 0;
}

/* OFFER and TAKES: 0 kinds u32, 4 reserved[12]. */
void rj_kinds_encode(uint32_t kinds, uint8_t out[RJ_KINDS_BYTES])
{
	memset(out, 0, RJ_KINDS_BYTES);
	rj_put32(out, kinds);
}

int rj_kinds_decode(enum rj_frame_type type, const uint8_t *in, size_t bytes,
		    uint32_t *ret, struct ramjet_error *err)
{
	const char *name = rj_frame_type_name((uint8_t)type);

	if (bytes != RJ_KINDS_BYTES || !all_zero(in + 4, RJ_KINDS_BYTES - 4))
		return rj_fail(err, -EPROTO, "%s: malformed", name);
	if (rj_get32(in) & ~RJ_KINDS_MASK)
		return rj_fail(err, -EPROTO,
			       "%s: kinds of runs 0x%08x, wanted some of "
			       "0x%08x",
			       name, rj_get32(in), RJ_KINDS_MASK);
	*ret = rj_get32(in);
	return 0;
}

void rj_digest_encode(const struct rj_digest *digest,
		      uint8_t out[RJ_DIGEST_BYTES])
{
	rj_put64(out, digest->low);
	rj_put64(out + 8, digest->high);
}

void rj_digest_decode(const uint8_t in[RJ_DIGEST_BYTES], struct rj_digest *ret)
{
	ret->low = rj_get64(in);
	ret->high = rj_get64(in + 8);
}

/* READY: 0 verified_blocks u32, 4 reserved u32, 8 apply_us u64,
 * 16 digests_us u64, 24 load_us u64, 32 helpers_us u64, 40 reserved[8]. */
void rj_ready_encode(const struct rj_ready *ready, uint8_t out[RJ_READY_BYTES])
{
	memset(out, 0, RJ_READY_BYTES);
	rj_put32(out, ready->verified_blocks);
	rj_put64(out + 8, ready->apply_us);
	rj_put64(out + 16, ready->digests_us);
	rj_put64(out + 24, ready->load_us);
	rj_put64(out + 32, ready->helpers_us);
}

int rj_ready_decode(const uint8_t *in, size_t bytes, struct rj_ready *ret,
		    struct ramjet_error *err)
{
	if (bytes != RJ_READY_BYTES || rj_get32(in + 4) ||
	    !all_zero(in + 40, 8))
		return rj_fail(err, -EPROTO, "READY: malformed");
	*ret = (struct rj_ready){
		.verified_blocks = rj_get32(in),
		.apply_us = rj_get64(in + 8),
		.digests_us = rj_get64(in + 16),
		.load_us = rj_get64(in + 24),
		.helpers_us = rj_get64(in + 32),
	};
	return 0;
}

/* RUNNING: 0 start_us u64, 8 token u64. */
void rj_running_encode(const struct rj_running *running,
		       uint8_t out[RJ_RUNNING_BYTES])
{
	rj_put64(out, running->start_us);
	rj_put64(out + 8, running->token);
}

int rj_running_decode(const uint8_t *in, size_t bytes, struct rj_running *ret,
		      struct ramjet_error *err)
{
	if (bytes != RJ_RUNNING_BYTES)
		return rj_fail(err, -EPROTO, "RUNNING: malformed");
	*ret = (struct rj_running){
		.start_us = rj_get64(in),
		.token = rj_get64(in + 8),
	};
	return 0;
}
