/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/error.h"

#define IGNORE_SHARED "x-ignore-shared"

/*
 * What a side has on for a stream through a pipe; whatever else is on goes off:
 * x-ignore-shared is compared with the source's, multifd and postcopy want
 * other streams.
 */
static bool is_wanted(const char *capability, enum rj_qemu_way way)
{
	/* It tells how far it is, and leaves disks alone until `cont`. */
	return !strcmp(capability, "events") ||
	       !strcmp(capability, "late-block-activate") ||
	       (way == RJ_QEMU_BY_MIGRATE &&
		!strcmp(capability, IGNORE_SHARED));
}

static json_t *capability_list(const json_t *states)
{
	json_t *list = json_array(), *state;
	const char *name;

	json_object_foreach(
		(json_t *)states, name,
		state) if (json_array_append_new(list,
						 json_pack("{s:s, s:O}",
							   "capability", name,
							   "state", state)))
	{
		json_decref(list);
		return NULL;
	}
	return list;
}

static int set_capabilities(struct rj_qemu *q, const json_t *states,
			    struct ramjet_error *err)
{
	json_t *list = capability_list(states);

	if (!list)
		return rj_fail(err, -ENOMEM, "qemu %s: out of memory", q->path);
	return rj_qemu_call(q, "migrate-set-capabilities",
			    json_pack("{s:o}", "capabilities", list), NULL,
			    err);
}

static int set_bandwidth(struct rj_qemu *q, json_int_t bandwidth,
			 struct ramjet_error *err)
{
	return rj_qemu_call(q, "migrate-set-parameters",
			    json_pack("{s:I}", "max-bandwidth", bandwidth),
			    NULL, err);
}

static int set_tls_creds(struct rj_qemu *q, const char *creds,
			 struct ramjet_error *err)
{
	return rj_qemu_call(q, "migrate-set-parameters",
			    json_pack("{s:s}", "tls-creds", creds), NULL, err);
}

/* Of the capabilities that QEMU has, those that must change: as they are in
 * `found`, as they shall be in `ours`. */
static int compare_capabilities(struct rj_qemu *q, enum rj_qemu_way way,
				json_t *found, json_t *ours,
				struct ramjet_error *err)
{
	bool is_known = way != RJ_QEMU_BY_MIGRATE;
	json_t *answer = NULL, *one;
	size_t i;
	int rc = rj_qemu_call(q, "query-migrate-capabilities", NULL, &answer,
			      err);

	if (rc)
		return rc;
	json_array_foreach(answer, i, one)
	{
		const char *name =
			json_string_value(json_object_get(one, "capability"));
		bool is_on = json_is_true(json_object_get(one, "state"));

		is_known |= name && !strcmp(name, IGNORE_SHARED);
		if (!name || is_on == is_wanted(name, way))
			continue;
		if (json_object_set_new(found, name, json_boolean(is_on)) ||
		    json_object_set_new(ours, name, json_boolean(!is_on)))
			rc = rj_fail(err, -ENOMEM, "qemu %s: out of memory",
				     q->path);
	}
	json_decref(answer);
	if (!rc && !is_known)
		rc = rj_fail(err, -ENOSYS,
			     "qemu %s: knows no capability " IGNORE_SHARED
			     ", wanted one with it",
			     q->path);
	return rc;
}

static int change_capabilities(struct rj_qemu *q, enum rj_qemu_way way,
			       struct rj_qemu_settings *settings,
			       struct ramjet_error *err)
{
	json_t *found = json_object(), *ours = json_object();
	int rc = compare_capabilities(q, way, found, ours, err);

	if (!rc && json_object_size(ours)) {
		/* An answer that is late may be a change all the same. */
		settings->found = json_incref(found);
		rc = set_capabilities(q, ours, err);
	}
	json_decref(found);
	json_decref(ours);
	return rc;
}

/* With credentials set, it would begin with a handshake. */
static int change_tls(struct rj_qemu *q, struct rj_qemu_settings *settings,
		      struct ramjet_error *err)
{
	json_t *answer = NULL;
	const char *creds;
	int rc =
		rj_qemu_call(q, "query-migrate-parameters", NULL, &answer, err);

	if (rc)
		return rc;
	creds = json_string_value(json_object_get(answer, "tls-creds"));
	if (creds && *creds) {
		settings->tls_creds = strdup(creds);
		rc = settings->tls_creds
			     ? set_tls_creds(q, "", err)
			     : rj_fail(err, -ENOMEM, "qemu %s: out of memory",
				       q->path);
	}
	json_decref(answer);
	return rc;
}

/* What QEMU's own memory has left to send would wait for it. */
static int change_bandwidth(struct rj_qemu *q,
			    struct rj_qemu_settings *settings,
			    struct ramjet_error *err)
{
	json_t *answer = NULL;
	int rc =
		rj_qemu_call(q, "query-migrate-parameters", NULL, &answer, err);

	if (rc)
		return rc;
	settings->bandwidth =
		json_integer_value(json_object_get(answer, "max-bandwidth"));
	json_decref(answer);
	return settings->bandwidth > 0 ? set_bandwidth(q, 0, err) : 0;
}

static int put_back(struct rj_qemu *q, struct rj_qemu_settings *settings,
		    struct ramjet_error *err)
{
	int rc = 0, tls_rc = 0, bandwidth_rc = 0;

	if (settings->found)
		rc = set_capabilities(q, settings->found, err);
	if (settings->tls_creds)
		tls_rc = set_tls_creds(q, settings->tls_creds, err);
	if (settings->bandwidth > 0)
		bandwidth_rc = set_bandwidth(q, settings->bandwidth, err);
	rj_qemu_settings_done(settings);
	if (!rc)
		rc = tls_rc;
	return rc ? rc : bandwidth_rc;
}

int rj_qemu_settings_set(struct rj_qemu *q, enum rj_qemu_way way,
			 struct rj_qemu_settings *ret, struct ramjet_error *err)
{
	struct rj_qemu_settings settings = { 0 };
	int rc = change_capabilities(q, way, &settings, err);

	if (!rc)
		rc = change_tls(q, &settings, err);
	if (!rc)
		*ret = settings;
	else
		(void)put_back(q, &settings, NULL);
	return rc;
}

int rj_qemu_settings_set_source(struct rj_qemu *q, struct rj_qemu_settings *ret,
				struct ramjet_error *err)
{
	int rc = rj_qemu_settings_set(q, RJ_QEMU_BY_MIGRATE, ret, err);

	if (rc)
		return rc;
	rc = change_bandwidth(q, ret, err);
	if (rc)
		(void)put_back(q, ret, NULL);
	return rc;
}

/* `text` grows by a line; arguments are *taken*. */
static int add_call(char **text, const char *command, json_t *arguments)
{
	json_t *call = json_pack("{s:s, s:o}", "execute", command, "arguments",
				 arguments);
	char *line = call ? json_dumps(call, JSON_COMPACT) : NULL;
	char *longer = NULL;
	int rc = line ? asprintf(&longer, "%s%s\n", *text ? *text : "", line)
		      : -1;

	free(line);
	json_decref(call);
	if (rc < 0)
		return -ENOMEM;
	free(*text);
	*text = longer;
	return 0;
}

int rj_qemu_settings_undo(const struct rj_qemu_settings *s, char **ret,
			  struct ramjet_error *err)
{
	char *text = strdup("");
	int rc = text ? 0 : -ENOMEM;

	if (!rc && s->found)
		rc = add_call(&text, "migrate-set-capabilities",
			      json_pack("{s:o}", "capabilities",
					capability_list(s->found)));
	if (!rc && s->tls_creds)
		rc = add_call(&text, "migrate-set-parameters",
			      json_pack("{s:s}", "tls-creds", s->tls_creds));
	if (!rc && s->bandwidth > 0)
		rc = add_call(
			&text, "migrate-set-parameters",
			json_pack("{s:I}", "max-bandwidth", s->bandwidth));
	if (rc) {
		free(text);
		return rj_fail(err, rc, "qemu: out of memory");
	}
	*ret = text;
	return 0;
}

int rj_qemu_settings_put_back(struct rj_qemu *q,
			      struct rj_qemu_settings *settings,
			      struct ramjet_error *err)
{
	return put_back(q, settings, err);
}

void rj_qemu_settings_done(struct rj_qemu_settings *settings)
{
	json_decref(settings->found);
	free(settings->tls_creds);
	*settings = (struct rj_qemu_settings){ 0 };
}
