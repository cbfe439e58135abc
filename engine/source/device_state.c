/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/device_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/params.h"
#include "util/cleanup.h"
#include "util/error.h"

/* What the VMM streams, gathered into frames. The newest bytes stay here: only
 * who knows that more come may say so. */
struct stream {
	const struct rj_state_out *out;
	uint64_t bytes, bytes_max;
	uint8_t *piece; /* RJ_CONTROL_BODY_MAX */
	size_t held;
	struct ramjet_error err; /* ours, not the VMM's */
};

bool rj_device_state_exists(const struct ramjet_guest *guest)
{
	return guest->ops.save_state || guest->ops.save_state_stream;
}

static int check_size(uint64_t bytes, uint64_t bytes_max,
		      struct ramjet_error *err)
{
	if (bytes <= bytes_max)
		return 0;
	return rj_fail(err, -EMSGSIZE,
		       "device state: %llu bytes, at most %llu allowed",
		       (unsigned long long)bytes,
		       (unsigned long long)bytes_max);
}

static int flush(struct stream *s, bool more)
{
	const int rc = rj_state_out_piece(s->out, RJ_STATE_DEVICE, s->piece,
					  s->held, more, &s->err);

	s->held = 0;
	return rc;
}

static int add(struct stream *s, const uint8_t *data, size_t bytes)
{
	int rc = 0;

	while (!rc && bytes) {
		const size_t room = RJ_CONTROL_BODY_MAX - s->held;
		const size_t some = bytes < room ? bytes : room;

		if (!room) {
			rc = flush(s, true);
			continue;
		}
		memcpy(s->piece + s->held, data, some);
		s->held += some;
		data += some;
		bytes -= some;
	}
	return rc;
}

static int write_state(void *context, const void *data, size_t bytes)
{
	struct stream *s = context;

	/* What has failed stays failed, whatever the VMM makes of it. */
	if (s->err.code)
		return s->err.code;
	if (bytes > UINT64_MAX - s->bytes)
		s->bytes = UINT64_MAX;
	else
		s->bytes += bytes;
	if (check_size(s->bytes, s->bytes_max, &s->err))
		return s->err.code;
	return add(s, data, bytes);
}

static int stream_out(const struct rj_vmm *vmm, const struct rj_state_out *out,
		      uint64_t bytes_max, struct ramjet_error *err)
{
	rj_autofree uint8_t *piece = malloc(RJ_CONTROL_BODY_MAX);
	struct stream s = { .out = out,
			    .bytes_max = bytes_max,
			    .piece = piece };
	struct ramjet_error theirs = { 0 };
	int rc;

	if (!piece)
		return rj_fail(err, -ENOMEM, "device state: out of memory");
	rc = rj_call_save_stream(vmm, write_state, &s, &theirs);
	if (s.err.code)
		return rj_fail(err, s.err.code, "%s", s.err.message);
	if (rc)
		return rj_fail(err, theirs.code, "%s", theirs.message);
	rc = flush(&s, false);
	return rc ? rj_fail(err, s.err.code, "%s", s.err.message) : 0;
}

static int save_whole(const struct rj_vmm *vmm, const struct rj_state_out *out,
		      uint64_t bytes_max, struct ramjet_error *err)
{
	rj_autofree void *data = NULL;
	size_t bytes = 0;
	int rc = rj_call_save_state(vmm, &data, &bytes, err);

	if (!rc)
		rc = check_size(bytes, bytes_max, err);
	return rc ? rc
		  : rj_state_out_send(out, RJ_STATE_DEVICE, data, bytes, err);
}

int rj_device_state_send(const struct rj_vmm *vmm,
			 const struct rj_state_out *out,
			 struct ramjet_error *err)
{
	const struct ramjet_params params = rj_env_params(out->env);
	const uint64_t bytes_max = rj_params_state_bytes_max(&params);
	/* The record begins before there is anything of it: so the target knows,
	 * and gets ready to load while this side saves. */
	int rc = rj_state_out_piece(out, RJ_STATE_DEVICE, NULL, 0, true, err);

	if (rc)
		return rc;
	return vmm->guest->ops.save_state_stream
		       ? stream_out(vmm, out, bytes_max, err)
		       : save_whole(vmm, out, bytes_max, err);
}
