/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/migration/callback.h"

#include "engine/migration/confine.h"
#include "ramjet-connect.h"
#include "util/error.h"

struct rj_vmm rj_vmm_of(const struct ramjet_migration *m)
{
	return (struct rj_vmm){
		.guest = m->guest,
		.mask = &m->caller_mask,
		.confinement = m->confinement,
	};
}

/* One call under way. */
struct call {
	const struct rj_vmm *vmm;
	sigset_t ours;
	struct ramjet_error err; /* what the VMM makes of it */
};

static struct call begin(const struct rj_vmm *vmm)
{
	struct call call = { .vmm = vmm };

	rj_confine_leave(vmm->confinement);
	(void)pthread_sigmask(SIG_SETMASK, vmm->mask, &call.ours);
	return call;
}

static int end(struct call *call, const char *what, int rc,
	       struct ramjet_error *err)
{
	(void)pthread_sigmask(SIG_SETMASK, &call->ours, NULL);
	rj_confine_enter(call->vmm->confinement);
	rc = rj_callback_result(&call->err, what, rc);
	if (rc && !err->code)
		*err = call->err;
	return rc;
}

int rj_call_stop(const struct rj_vmm *vmm, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);

	return end(&call, "guest: stop",
		   guest->ops.stop(guest->user, &call.err), err);
}

int rj_call_start(const struct rj_vmm *vmm, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);

	return end(&call, "guest: start",
		   guest->ops.start(guest->user, &call.err), err);
}

int rj_call_throttle(const struct rj_vmm *vmm, unsigned percent,
		     struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);

	return end(&call, "guest: throttle",
		   guest->ops.throttle(guest->user, percent, &call.err), err);
}

int rj_call_save_state(const struct rj_vmm *vmm, void **ret_data,
		       size_t *ret_bytes, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);

	return end(&call, "guest: save_state",
		   guest->ops.save_state(guest->user, ret_data, ret_bytes,
					 &call.err),
		   err);
}

int rj_call_describe(const struct rj_vmm *vmm, void **ret_data,
		     size_t *ret_bytes, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);

	return end(&call, "guest: describe",
		   guest->ops.describe(guest->user, ret_data, ret_bytes,
				       &call.err),
		   err);
}

int rj_call_accept(const struct rj_vmm *vmm, const void *data, size_t bytes,
		   struct ramjet_error *err)
{
	struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);
	int rc;

	rj_guest_open_blocks(guest, true);
	rc = guest->ops.accept(guest->user, data, bytes, &call.err);
	rj_guest_open_blocks(guest, false);
	return end(&call, "guest: accept", rc, err);
}

int rj_call_load_state(const struct rj_vmm *vmm, const void *data, size_t bytes,
		       struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);

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
	const struct rj_vmm *vmm = out->call->vmm;
	int rc;

	(void)pthread_sigmask(SIG_SETMASK, &out->call->ours, NULL);
	rj_confine_enter(vmm->confinement);
	rc = out->write(out->context, data, bytes);
	rj_confine_leave(vmm->confinement);
	(void)pthread_sigmask(SIG_SETMASK, vmm->mask, NULL);
	return rc;
}

int rj_call_save_stream(const struct rj_vmm *vmm, ramjet_write_fn *write,
			void *context, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);
	struct out_of_call out = { &call, write, context };

	return end(&call, "guest: save_state_stream",
		   guest->ops.save_state_stream(guest->user, write_out, &out,
						&call.err),
		   err);
}

int rj_call_load_stream(const struct rj_vmm *vmm, ramjet_read_fn *read,
			void *context, struct ramjet_error *err)
{
	const struct ramjet_guest *guest = vmm->guest;
	struct call call = begin(vmm);

	return end(&call, "guest: load_state_stream",
		   guest->ops.load_state_stream(guest->user, read, context,
						&call.err),
		   err);
}

int rj_call_connect(const struct rj_vmm *vmm,
		    const struct ramjet_connector *connector,
		    const struct ramjet_connect_request *request,
		    struct ramjet_connection *ret, struct ramjet_error *err)
{
	struct call call = begin(vmm);

	return end(&call, "connector",
		   connector->connect(connector->user, request, ret, &call.err),
		   err);
}

void rj_call_notifiers(struct ramjet_migration *m, enum ramjet_state old_state,
		       enum ramjet_state new_state,
		       const struct ramjet_error *err)
{
	const struct rj_vmm vmm = rj_vmm_of(m);
	const struct call call = begin(&vmm);

	rj_notifiers_call(&m->guest->notifiers, old_state, new_state, err, m);
	(void)pthread_sigmask(SIG_SETMASK, &call.ours, NULL);
	rj_confine_enter(m->confinement);
}
