/* SPDX-License-Identifier: BSD-3-Clause */
/* The helper's side: one object on the bus, one place in the queue of its
 * name. */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus.h"
#include "dbus/id.h"
#include "ramjet-helper.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

#define START_NS         (UINT64_C(5000) * 1000000)
#define FLUSH_NS         (UINT64_C(100) * 1000000)
#define LIMIT_DEFAULT    (UINT64_C(1) << 20)
#define LIMIT_MAX        (UINT64_C(64) << 20)
#define NAME_IS_PRIMARY  1u
#define NAME_IS_IN_QUEUE 2u

struct ramjet_helper {
	struct rj_bus bus;
	char id[RJ_ID_BYTES_MAX + 1];
	ramjet_helper_save_fn *save;
	ramjet_helper_load_fn *load;
	void *user;
	uint64_t limit;
	const char *bus_name;
	bool calling; /* save or load is under way */
	/* RequestName: 0 not answered, 1 granted, or the failure */
	int named;
	struct ramjet_error named_error;
};

RJ_DEFINE_CLEANUP(struct ramjet_helper *, ramjet_helper_free);

/* ---- the object ------------------------------------------------------ */

/* D-Bus carries UTF-8 only, and the callback's message may be anything. */
static int answer_errno(sd_bus_error *ret, int rc,
			const struct ramjet_error *err)
{
	struct rj_text text;

	rj_text_print(text.s, sizeof(text.s), err->message);
	return sd_bus_error_set_errnof(ret, -rc, "%s", text.s);
}

static int refuse_size(sd_bus_error *ret, uint64_t bytes, uint64_t limit)
{
	return sd_bus_error_setf(ret, SD_BUS_ERROR_LIMITS_EXCEEDED,
				 "%" PRIu64
				 " bytes of state, the limit is %" PRIu64,
				 bytes, limit);
}

static int on_save(sd_bus_message *call, void *user, sd_bus_error *ret_error)
{
	rj_cleanup(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct ramjet_helper *helper = user;
	struct ramjet_error err = { 0 };
	rj_autofree void *data = NULL;
	size_t bytes = 0;
	int rc;

	helper->calling = true;
	rc = helper->save(helper->user, &data, &bytes, &err);
	helper->calling = false;
	rc = rj_callback_result(&err, "save", rc);
	if (rc)
		return answer_errno(ret_error, rc, &err);
	if (bytes > helper->limit)
		return refuse_size(ret_error, bytes, helper->limit);
	rc = sd_bus_message_new_method_return(call, &reply);
	if (rc >= 0)
		rc = sd_bus_message_append_array(reply, 'y', data, bytes);
	if (rc >= 0)
		rc = sd_bus_send(NULL, reply, NULL);
	return rc;
}

static int on_load(sd_bus_message *call, void *user, sd_bus_error *ret_error)
{
	struct ramjet_helper *helper = user;
	struct ramjet_error err = { 0 };
	const void *data = NULL;
	size_t bytes = 0;
	int rc = sd_bus_message_read_array(call, 'y', &data, &bytes);

	if (rc < 0)
		return rc;
	if (bytes > helper->limit)
		return refuse_size(ret_error, bytes, helper->limit);
	helper->calling = true;
	rc = helper->load(helper->user, data, bytes, &err);
	helper->calling = false;
	rc = rj_callback_result(&err, "load", rc);
	if (rc)
		return answer_errno(ret_error, rc, &err);
	return sd_bus_reply_method_return(call, NULL);
}

static int get_id(RJ_UNUSED sd_bus *sd, RJ_UNUSED const char *path,
		  RJ_UNUSED const char *interface,
		  RJ_UNUSED const char *property, sd_bus_message *reply,
		  void *user, RJ_UNUSED sd_bus_error *ret_error)
{
	const struct ramjet_helper *helper = user;

	return sd_bus_message_append(reply, "s", helper->id);
}

/* Unprivileged: who may call is the bus policy's decision. */
static const sd_bus_vtable vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("Id", "s", get_id, 0, SD_BUS_VTABLE_PROPERTY_CONST),
	SD_BUS_METHOD_WITH_ARGS("Save", SD_BUS_NO_ARGS,
				SD_BUS_RESULT("ay", data), on_save,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_METHOD_WITH_ARGS("Load", SD_BUS_ARGS("ay", data),
				SD_BUS_NO_RESULT, on_load,
				SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

/* ---- coming up ------------------------------------------------------- */

static int on_named(sd_bus_message *reply, void *user,
		    RJ_UNUSED sd_bus_error *error)
{
	struct ramjet_helper *helper = user;
	struct rj_text text;
	const char *problem =
		rj_bus_reply_problem(reply, RJ_BUS_DRIVER_NAME, &text);
	uint32_t answer = 0;

	if (!problem && sd_bus_message_read(reply, "u", &answer) >= 0 &&
	    (answer == NAME_IS_PRIMARY || answer == NAME_IS_IN_QUEUE))
		helper->named = 1;
	else
		helper->named = rj_fail(
			&helper->named_error, -EACCES,
			"helper: the bus does not give the name %s: %s",
			RJ_VMSTATE_NAME, problem ? problem : "unknown answer");
	return 0;
}

/* The object is made before the name is requested: so whoever finds the name
 * finds the object. */
static int offer(struct ramjet_helper *helper, struct ramjet_error *err)
{
	sd_bus *sd = helper->bus.sd;
	int rc = sd_bus_add_object_vtable(sd, NULL, RJ_VMSTATE_PATH,
					  RJ_VMSTATE_INTERFACE, vtable, helper);

	if (rc >= 0)
		rc = sd_bus_request_name_async(sd, NULL, RJ_VMSTATE_NAME,
					       SD_BUS_NAME_QUEUE, on_named,
					       helper);
	if (rc < 0)
		return rj_fail_errno(err, rc, "helper: offering its object");
	return 0;
}

static int await_name(struct ramjet_helper *helper, struct ramjet_error *err)
{
	const uint64_t deadline = rj_now_ns() + START_NS;
	int rc = 0;

	while (rc >= 0 && !helper->named) {
		rc = rj_bus_dispatch(&helper->bus, err);
		if (rc >= 0 && !helper->named)
			rc = rj_bus_wait(&helper->bus, deadline, -1);
	}
	if (rc == -ETIMEDOUT)
		return rj_fail(err, rc,
			       "helper: the bus '%s' did not answer within "
			       "5000 ms",
			       helper->bus.address);
	if (rc >= 0 && helper->named < 0)
		return rj_fail(err, helper->named, "%s",
			       helper->named_error.message);
	return rc;
}

static int check_arguments(const char *id, ramjet_helper_save_fn *save,
			   ramjet_helper_load_fn *load,
			   struct ramjet_error *err)
{
	const char *problem = id ? rj_id_problem(id, strlen(id)) : "is NULL";

	if (problem)
		return rj_fail(err, -EINVAL, "helper: its Id %s", problem);
	if (!save || !load)
		return rj_fail(err, -EINVAL,
			       "helper: save and load are both wanted");
	return 0;
}

RAMJET_API int ramjet_helper_new(const char *bus_address, const char *id,
				 ramjet_helper_save_fn *save,
				 ramjet_helper_load_fn *load, void *user,
				 struct ramjet_helper **ret,
				 struct ramjet_error *err)
{
	rj_cleanup(ramjet_helper_freep) struct ramjet_helper *helper = NULL;
	int rc = check_arguments(id, save, load, err);

	if (rc < 0)
		return rc;
	helper = calloc(1, sizeof(*helper));
	if (!helper)
		return rj_fail(err, -ENOMEM, "helper: out of memory");
	memcpy(helper->id, id, strlen(id) + 1);
	helper->save = save;
	helper->load = load;
	helper->user = user;
	helper->limit = LIMIT_DEFAULT;
	rc = rj_bus_open(&helper->bus, bus_address, err);
	if (rc >= 0)
		rc = offer(helper, err);
	if (rc >= 0)
		rc = await_name(helper, err);
	if (rc >= 0)
		rc = sd_bus_get_unique_name(helper->bus.sd, &helper->bus_name);
	if (rc < 0)
		return rj_fail_errno(err, rc, "helper");
	*ret = rj_steal(helper);
	return 0;
}

/* The last reply may still be in our buffers. */
static void flush(struct ramjet_helper *helper)
{
	const uint64_t deadline = rj_now_ns() + FLUSH_NS;
	struct pollfd waiting;

	while (helper->named > 0 && !rj_bus_dispatch(&helper->bus, NULL) &&
	       !rj_bus_poll(&helper->bus, &waiting) &&
	       waiting.events & POLLOUT &&
	       !rj_bus_wait(&helper->bus, deadline, -1))
		;
}

RAMJET_API int ramjet_helper_free(struct ramjet_helper *helper)
{
	if (!helper)
		return 0;
	if (helper->calling)
		return -EDEADLK;
	flush(helper);
	rj_bus_close(&helper->bus);
	free(helper);
	return 0;
}

RAMJET_API int ramjet_helper_set_limit(struct ramjet_helper *helper,
				       uint64_t bytes)
{
	if (!helper || bytes > LIMIT_MAX)
		return -EINVAL;
	helper->limit = bytes ? bytes : LIMIT_MAX;
	return 0;
}

RAMJET_API const char *ramjet_helper_bus_name(
	const struct ramjet_helper *helper)
{
	return helper->bus_name;
}

/* ---- serving --------------------------------------------------------- */

RAMJET_API int ramjet_helper_process(struct ramjet_helper *helper,
				     struct ramjet_error *err)
{
	if (!helper)
		return rj_fail(err, -EINVAL, "helper: is NULL");
	return rj_bus_dispatch(&helper->bus, err);
}

RAMJET_API int ramjet_helper_run(struct ramjet_helper *helper, int stop_fd,
				 struct ramjet_error *err)
{
	int rc;

	do {
		rc = ramjet_helper_process(helper, err);
		if (rc >= 0)
			rc = rj_bus_wait(&helper->bus, 0, stop_fd);
	} while (rc >= 0);
	return rc == -ECANCELED ? 0 : rc;
}

RAMJET_API int ramjet_helper_fd(struct ramjet_helper *helper)
{
	struct pollfd poll_fd;
	int rc = rj_bus_poll(&helper->bus, &poll_fd);

	return rc < 0 ? rc : poll_fd.fd;
}

RAMJET_API int ramjet_helper_events(struct ramjet_helper *helper)
{
	struct pollfd poll_fd;
	int rc = rj_bus_poll(&helper->bus, &poll_fd);

	return rc < 0 ? rc : poll_fd.events;
}

RAMJET_API int ramjet_helper_timeout_ms(struct ramjet_helper *helper)
{
	uint64_t now_us = rj_now_us(), us;

	if (!helper->bus.sd || sd_bus_get_timeout(helper->bus.sd, &us) < 0)
		return 0;
	if (us == UINT64_MAX)
		return -1;
	us = us > now_us ? (us - now_us + 999) / 1000 : 0;
	return us > INT_MAX ? INT_MAX : (int)us;
}
