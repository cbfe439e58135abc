/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/callback.h"

#include "engine/migration/confine.h"
#include "util/error.h"

/* One call under way. */
struct call {
	struct ramjet_migration *m;
	sigset_t ours;
	struct ramjet_error err; /* what the VMM makes of it */
};

static struct call begin(struct ramjet_migration *m)
{
	struct call call = { .m = m };

	rj_confine_leave(m);
	(void)pthread_sigmask(SIG_SETMASK, &m->caller_mask, &call.ours);
	return call;
}

static int end(struct call *call, const char *what, int rc,
	       struct ramjet_error *err)
{
	(void)pthread_sigmask(SIG_SETMASK, &call->ours, NULL);
	rj_confine_enter(call->m);
	rc = rj_callback_result(&call->err, what, rc);
	if (rc && !err->code)
		*err = call->err;
	return rc;
}

int rj_call_stop(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct call call = begin(m);

	return end(&call, "guest: stop",
		   guest->ops.stop(guest->user, &call.err), err);
}

int rj_call_start(struct ramjet_migration *m, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct call call = begin(m);

	return end(&call, "guest: start",
		   guest->ops.start(guest->user, &call.err), err);
}

int rj_call_throttle(struct ramjet_migration *m, unsigned percent,
		     struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct call call = begin(m);

	return end(&call, "guest: throttle",
		   guest->ops.throttle(guest->user, percent, &call.err), err);
}

int rj_call_save_state(struct ramjet_migration *m, void **ret_data,
		       size_t *ret_bytes, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct call call = begin(m);

	return end(&call, "guest: save_state",
		   guest->ops.save_state(guest->user, ret_data, ret_bytes,
					 &call.err),
		   err);
}

int rj_call_load_state(struct ramjet_migration *m, const void *data,
		       size_t bytes, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct call call = begin(m);

	return end(&call, "guest: load_state",
		   guest->ops.load_state(guest->user, data, bytes, &call.err),
		   err);
}

/* Out of a callback for a moment. */
struct out_of_call {
	struct call *call;
	ramjet_write_fn *write;
	void *context;
};

static int write_out(void *context, const void *data, size_t bytes)
{
	const struct out_of_call *out = context;
	struct ramjet_migration *m = out->call->m;
	int rc;

	(void)pthread_sigmask(SIG_SETMASK, &out->call->ours, NULL);
	rj_confine_enter(m);
	rc = out->write(out->context, data, bytes);
	rj_confine_leave(m);
	(void)pthread_sigmask(SIG_SETMASK, &m->caller_mask, NULL);
	return rc;
}

int rj_call_save_stream(struct ramjet_migration *m, ramjet_write_fn *write,
			void *context, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct call call = begin(m);
	struct out_of_call out = { &call, write, context };

	return end(&call, "guest: save_state_stream",
		   guest->ops.save_state_stream(guest->user, write_out, &out,
						&call.err),
		   err);
}

int rj_call_load_stream(struct ramjet_migration *m, ramjet_read_fn *read,
			void *context, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = m->guest;
	struct call call = begin(m);

	return end(&call, "guest: load_state_stream",
		   guest->ops.load_state_stream(guest->user, read, context,
						&call.err),
		   err);
}

void rj_call_notifiers(struct ramjet_migration *m, enum ramjet_state old_state,
		       enum ramjet_state new_state,
		       const struct ramjet_error *err)
{
	const struct call call = begin(m);

	rj_notifiers_call(&m->guest->notifiers, old_state, new_state, err, m);
	(void)pthread_sigmask(SIG_SETMASK, &call.ours, NULL);
	rj_confine_enter(m);
}
