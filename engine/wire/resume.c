/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/wire/resume.h"

#include <errno.h>

#include "util/error.h"

/* KEEPS: 0 reconnect_ms u32, 4 features u32, 8 reserved[8]. */
void rj_keeps_encode(const struct rj_keeps *keeps, uint8_t out[RJ_KEEPS_BYTES])
{
	rj_put32(out, keeps->reconnect_ms);
	rj_put32(out + 4, keeps->features);
	rj_put64(out + 8, 0);
}

int rj_keeps_decode(const uint8_t *in, size_t bytes, struct rj_keeps *ret,
		    struct ramjet_error *err)
{
	if (bytes != RJ_KEEPS_BYTES || rj_get64(in + 8))
		return rj_fail(err, -EPROTO, "KEEPS: malformed");
	*ret = (struct rj_keeps){
		.reconnect_ms = rj_get32(in),
		.features = rj_get32(in + 4),
	};
	return 0;
}

/* RESUME: 0 heard u64, 8 reserved[8]. */
void rj_resume_encode(uint64_t heard, uint8_t out[RJ_RESUME_BYTES])
{
	rj_put64(out, heard);
	rj_put64(out + 8, 0);
}

int rj_resume_decode(const uint8_t *in, size_t bytes, uint64_t *ret_heard,
		     struct ramjet_error *err)
{
	if (bytes != RJ_RESUME_BYTES || rj_get64(in + 8))
		return rj_fail(err, -EPROTO, "RESUME: malformed");
	*ret_heard = rj_get64(in);
	return 0;
}
