/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/source/helpers.h"

#include <errno.h>
#include <poll.h>

#include "engine/guest/helpers.h"
#include "engine/migration/helper_report.h"
#include "engine/source/outgoing.h"
#include "engine/source/pump.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

int rj_source_open_helpers(struct ramjet_guest *guest, struct rj_helpers **ret,
			   struct rj_estimate *estimate,
			   const struct rj_env *env, struct ramjet_error *err)
{
	struct ramjet_helper_options options;
	uint64_t whole_us, slowest_us;
	int rc;

	if (!rj_guest_helper_options(guest, &options))
		return 0;
	rc = rj_helpers_open(&options, env->log, env->wake_fd, ret, err);
	if (!rc && options.rehearse) {
		rc = rj_helpers_rehearse(*ret, 0, err);
		rj_helpers_times(*ret, &whole_us, &slowest_us);
		estimate->helpers_us = (double)whole_us;
	}
	if (!rc)
		rj_report_helpers(env, *ret);
	return rc;
}

int rj_source_check_helpers(struct rj_helpers *helpers,
			    struct ramjet_error *err)
{
	return helpers ? rj_helpers_check(helpers, err) : 0;
}

int rj_source_begin_helpers(struct rj_helpers *helpers,
			    struct ramjet_error *err)
{
	return helpers ? rj_helpers_begin_save(helpers, 0, err) : 0;
}

static int await_helpers(struct rj_outgoing *out, struct ramjet_error *err)
{
	struct rj_helpers *helpers = out->helpers;
	int rc;

	while (!(rc = rj_helpers_process(helpers, err))) {
		struct pollfd fds[2] = { { .fd = -1 },
					 { .fd = out->env.wake_fd,
					   .events = POLLIN } };
		uint64_t deadline_ns = 0;
		const uint64_t now = rj_now_ns();
		int timeout_ms = -1;

		rc = rj_helpers_poll(helpers, &fds[0], &deadline_ns);
		if (rc)
			return rj_fail_errno(err, rc, "helpers");
		if (deadline_ns)
			timeout_ms =
				deadline_ns > now
					? (int)((deadline_ns - now) / 1000000) +
						  1
					: 0;
		if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
			return rj_fail_errno(err, -errno, "helpers: poll");
		if (fds[1].revents)
			return -ECANCELED;
		/* Pages are being sent meanwhile: handle what workers and
		 * target report. */
		rc = rj_source_pump(out, 0, err);
		if (rc)
			return rc;
	}
	return rc < 0 ? rc : 0;
}

int rj_source_finish_helpers(struct rj_outgoing *out,
			     const struct rj_state_out *to,
			     struct ramjet_error *err)
{
	rj_autofree void *blob = NULL;
	size_t bytes = 0;
	int rc;

	rc = await_helpers(out, err);
	if (!rc)
		rc = rj_helpers_finish_save(out->helpers, &blob, &bytes, err);
	rj_report_helpers(&out->env, out->helpers);
	if (!rc)
		rc = rj_state_out_send(to, RJ_STATE_HELPERS, blob, bytes, err);
	return rc;
}
