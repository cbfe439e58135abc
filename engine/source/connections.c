/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/connections.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "ringio/given.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/options.h"

#define FIRST_BYTES \
	(offsetof(struct ramjet_connector, flags) + sizeof(uint64_t))

int rj_connector_load(const struct ramjet_connector *from,
		      struct ramjet_connector *ret, struct ramjet_error *err)
{
	int rc;

	*ret = (struct ramjet_connector){ RAMJET_CONNECTOR_INIT };
	rc = rj_options_copy("connector", ret, sizeof(*ret), FIRST_BYTES, from,
			     err);
	if (rc)
		return rc;
	if (!ret->connect)
		return rj_fail(err, -EINVAL,
			       "connector: connect is NULL, wanted a function");
	if (ret->flags & ~(uint64_t)RAMJET_CONNECTOR_SINGLE)
		return rj_fail(err, -EINVAL, "connector: unknown flags 0x%llx",
			       (unsigned long long)ret->flags);
	return 0;
}

/* Until the deadline, at least 1: 0 would be no limit. -ETIMEDOUT: it is over. */
static int time_left(uint64_t deadline_ns, uint32_t *ret_ms,
		     struct ramjet_error *err)
{
	const uint64_t now = rj_now_ns();
	uint64_t ms;

	*ret_ms = 0;
	if (!deadline_ns)
		return 0;
	if (now >= deadline_ns)
		return rj_fail(err, -ETIMEDOUT, "no time is left to connect");
	ms = (deadline_ns - now) / 1000000;
	*ret_ms = ms > UINT32_MAX ? UINT32_MAX : ms ? (uint32_t)ms : 1;
	return 0;
}

/* What the VMM has given is ours, whatever comes of it. */
static int take(const struct ramjet_connection *from, struct rj_conn *ret,
		struct ramjet_error *err)
{
	struct ramjet_connection given;
	struct ramjet_connection_ops ops;
	int rc = rj_given_load(from, &given, &ops, err);

	if (rc)
		return rc;
	rc = rj_given_open(&given, ret, err);
	if (rc)
		rj_given_close(&given);
	else
		rj_given_take(&given);
	return rc;
}

/* Ask the VMM. A newer one's connection may be longer than ours: it is loaded,
 * or refused. */
static int ask(const struct ramjet_connector *connector,
	       const struct ramjet_connect_request *request,
	       const struct rj_vmm *vmm, struct rj_conn *ret,
	       struct ramjet_error *err)
{
	union {
		struct ramjet_connection known;
		uint64_t room[64];
	} given = { .room = { 0 } };
	int rc;

	given.known = (struct ramjet_connection){ RAMJET_CONNECTION_INIT };
	rc = rj_call_connect(vmm, connector, request, &given.known, err);
	return rc ? rc : take(&given.known, ret, err);
}

static int reach_over(const struct rj_source_session *session,
		      const struct rj_reach *reach, const struct rj_vmm *vmm,
		      const struct rj_env *env, struct rj_conn *ret,
		      struct ramjet_error *err)
{
	struct ramjet_connect_request request = {
		.size = sizeof(request),
		.channel = reach->channel,
		.channel_count = reach->channel_count,
		.cancel_fd = env->wake_fd,
	};
	int rc = time_left(reach->deadline_ns, &request.timeout_ms, err);

	if (!rc)
		rc = ask(&session->connector, &request, vmm, ret, err);
	if (rc)
		rj_error_prefix(err, "connect %s", session->uri_text);
	return rc;
}

int rj_source_reach(const struct rj_source_session *session,
		    const struct rj_reach *reach, const struct rj_vmm *vmm,
		    const struct rj_env *env, struct rj_conn *ret,
		    struct ramjet_error *err)
{
	if (session->connector.connect)
		return reach_over(session, reach, vmm, env, ret, err);
	if (reach->channel < 0)
		return rj_connect(session->uri, reach->deadline_ns,
				  env->wake_fd, ret, err);
	return rj_connect_beside(&session->control, session->uri,
				 reach->deadline_ns, env->wake_fd, ret, err);
}
