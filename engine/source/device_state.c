/* SPDX-License-Identifier: BSD-3-Clause */
/* The devices' state: the VMM saves it, in one piece or in a stream. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/migration/callback.h"
#include "engine/source/outgoing.h"
#include "util/cleanup.h"
#include "util/error.h"

/* What the VMM streams, gathered into frames. The newest bytes stay here: only
 * who knows that more come may say so. */
struct stream {
	struct ramjet_migration *m;
	uint64_t bytes, bytes_max;
	uint8_t *piece; /* RJ_CONTROL_BODY_MAX */
	size_t held;
	struct ramjet_error err; /* ours, not the VMM's */
};

bool rj_source_has_device_state(const struct ramjet_migration *m)
{
	return m->guest->ops.save_state || m->guest->ops.save_state_stream;
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
	const int rc = rj_source_send_piece(s->m, RJ_STATE_DEVICE, s->piece,
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

static int stream_out(struct ramjet_migration *m, uint64_t bytes_max,
		      struct ramjet_error *err)
{
	rj_autofree uint8_t *piece = malloc(RJ_CONTROL_BODY_MAX);
	struct stream s = { .m = m, .bytes_max = bytes_max, .piece = piece };
	struct ramjet_error theirs = { 0 };
	int rc;

	if (!piece)
		return rj_fail(err, -ENOMEM, "device state: out of memory");
	rc = rj_call_save_stream(&m->out->vmm, write_state, &s, &theirs);
	if (s.err.code)
		return rj_fail(err, s.err.code, "%s", s.err.message);
	if (rc)
		return rj_fail(err, theirs.code, "%s", theirs.message);
	rc = flush(&s, false);
	return rc ? rj_fail(err, s.err.code, "%s", s.err.message) : 0;
}

static int save_whole(struct ramjet_migration *m, uint64_t bytes_max,
		      struct ramjet_error *err)
{
	rj_autofree void *data = NULL;
	size_t bytes = 0;
	int rc = rj_call_save_state(&m->out->vmm, &data, &bytes, err);

	if (!rc)
		rc = check_size(bytes, bytes_max, err);
	return rc ? rc
		  : rj_source_send_state(m, RJ_STATE_DEVICE, data, bytes, err);
}

int rj_source_device_state(struct ramjet_migration *m, struct ramjet_error *err)
{
	const uint64_t bytes_max = rj_migration_params(m).state_bytes_max;

	return m->guest->ops.save_state_stream ? stream_out(m, bytes_max, err)
					       : save_whole(m, bytes_max, err);
}
