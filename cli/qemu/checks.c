/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/checks.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"

/* Since then query-migrate lists devices that can't migrate. */
#define BLOCKERS_SINCE 6

/* A migration that isn't there, or is over. */
static bool is_at_rest(const char *status)
{
	static const char *const resting[] = { "none", "completed", "failed",
					       "cancelled" };

	for (size_t i = 0; i < RJ_ARRAY_SIZE(resting); i++)
		if (!strcmp(status, resting[i]))
			return true;
	return false;
}

/* "a; b; and 3 more" */
static void list_reasons(const json_t *reasons, char *text, size_t bytes)
{
	size_t i, used = 0;
	json_t *one;

	text[0] = '\0';
	json_array_foreach(reasons, i, one)
	{
		const char *reason = json_string_value(one);
		int wrote = snprintf(text + used, bytes - used, "%s%s",
				     i ? "; " : "", reason ? reason : "?");

		if (wrote < 0 || (size_t)wrote >= bytes - used)
			return;
		used += (size_t)wrote;
	}
}

static int judge_migration(const struct rj_qemu *q, const json_t *answer,
			   struct ramjet_error *err)
{
	const json_t *reasons = json_object_get(answer, "blocked-reasons");
	const char *status =
		json_string_value(json_object_get(answer, "status"));
	char text[384];

	if (json_array_size(reasons)) {
		list_reasons(reasons, text, sizeof(text));
		return rj_fail(err, -EPERM,
			       "qemu %s: can't be moved as it is: %s", q->path,
			       text);
	}
	if (status && !is_at_rest(status))
		return rj_fail(err, -EBUSY,
			       "qemu %s: a migration of its own is '%s', "
			       "wanted none",
			       q->path, status);
	return 0;
}

static int check_migration(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL;
	int rc = rj_qemu_call(q, "query-migrate", NULL, &answer, err);

	if (!rc && !json_is_object(answer))
		rc = rj_fail(err, -EPROTO,
			     "qemu %s: query-migrate: wanted an object",
			     q->path);
	if (!rc)
		rc = judge_migration(q, answer, err);
	json_decref(answer);
	return rc;
}

static int judge_jobs(const struct rj_qemu *q, const json_t *jobs,
		      struct ramjet_error *err)
{
	json_t *one;
	size_t i;

	json_array_foreach(jobs, i, one)
	{
		const char *id = json_string_value(json_object_get(one, "id"));
		const char *type =
			json_string_value(json_object_get(one, "type"));
		const char *status =
			json_string_value(json_object_get(one, "status"));

		if (status &&
		    (!strcmp(status, "concluded") || !strcmp(status, "null")))
			continue;
		return rj_fail(err, -EBUSY,
			       "qemu %s: job '%s' (%s) is '%s', wanted none: "
			       "it writes to images that change hands",
			       q->path, id ? id : "?", type ? type : "?",
			       status ? status : "?");
	}
	return 0;
}

/* Block jobs, snapshots. */
static int check_jobs(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL;
	int rc = rj_qemu_call(q, "query-jobs", NULL, &answer, err);

	if (!rc)
		rc = judge_jobs(q, answer, err);
	json_decref(answer);
	return rc;
}

/* `stop` is refused while guest memory is being dumped. */
static int check_dump(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL;
	const char *status;
	int rc;

	if (!rj_qemu_knows(q, "query-dump"))
		return 0;
	rc = rj_qemu_call(q, "query-dump", NULL, &answer, err);
	status = json_string_value(json_object_get(answer, "status"));
	if (!rc && status && !strcmp(status, "active"))
		rc = rj_fail(err, -EBUSY,
			     "qemu %s: a dump of its memory is going on, "
			     "wanted none",
			     q->path);
	json_decref(answer);
	return rc;
}

static int check_status(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_status now;
	int rc = rj_qemu_status(q, &now, err);

	if (rc)
		return rc;
	if (now.run == RJ_QEMU_INCOMING)
		return rj_fail(err, -EINVAL,
			       "qemu %s: waits for a migration itself, wanted "
			       "a guest",
			       q->path);
	if (now.run == RJ_QEMU_OTHER)
		return rj_fail(err, -EINVAL,
			       "qemu %s: its guest is '%s', wanted one that "
			       "is running or paused",
			       q->path, now.text);
	return 0;
}

/* Elsewhere QEMU's stream also says how large a page is. */
static int check_architecture(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL;
	const char *arch;
	int rc = rj_qemu_call(q, "query-target", NULL, &answer, err);

	arch = json_string_value(json_object_get(answer, "arch"));
	if (!rc && (!arch || (strcmp(arch, "x86_64") && strcmp(arch, "i386"))))
		rc = rj_fail(err, -ENOSYS,
			     "qemu %s: emulates %s, wanted an x86 machine",
			     q->path, arch ? arch : "?");
	json_decref(answer);
	return rc;
}

static int check_version(const struct rj_qemu *q, struct ramjet_error *err)
{
	if (rj_qemu_is_from(q, BLOCKERS_SINCE, 0))
		return 0;
	return rj_fail(err, -ENOSYS,
		       "qemu %s: is version %u.%u, wanted %d.0 or later, which "
		       "lists the devices that can't migrate",
		       q->path, q->version[0], q->version[1], BLOCKERS_SINCE);
}

int rj_qemu_check_source(struct rj_qemu *q, struct ramjet_error *err)
{
	int rc = check_version(q, err);

	if (!rc)
		rc = check_architecture(q, err);
	if (!rc)
		rc = check_status(q, err);
	if (!rc)
		rc = check_migration(q, err);
	if (!rc)
		rc = check_jobs(q, err);
	return rc ? rc : check_dump(q, err);
}

int rj_qemu_check_stopped(struct rj_qemu *q, struct ramjet_error *err)
{
	return check_migration(q, err);
}

/* `-incoming URI` and migrate-incoming listen; such a thing can be yanked. */
static int check_deferred(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL, *one;
	size_t i;
	int rc = rj_qemu_call(q, "query-yank", NULL, &answer, err);

	json_array_foreach(answer, i, one)
	{
		const char *type =
			json_string_value(json_object_get(one, "type"));

		if (!rc && type && !strcmp(type, "migration"))
			rc = rj_fail(err, -EINVAL,
				     "qemu %s: an incoming migration has been "
				     "begun, wanted -incoming defer",
				     q->path);
	}
	json_decref(answer);
	return rc;
}

int rj_qemu_check_target(struct rj_qemu *q, struct ramjet_error *err)
{
	struct rj_qemu_status now;
	int rc = check_version(q, err);

	if (!rc)
		rc = check_architecture(q, err);
	if (!rc)
		rc = rj_qemu_status(q, &now, err);
	if (rc)
		return rc;
	if (now.run != RJ_QEMU_INCOMING)
		return rj_fail(err, -EINVAL,
			       "qemu %s: is '%s', wanted a QEMU started with "
			       "-S -incoming defer",
			       q->path, now.text);
	rc = check_migration(q, err);
	return rc ? rc : check_deferred(q, err);
}
