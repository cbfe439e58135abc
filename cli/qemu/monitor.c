/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/monitor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/error.h"

/* A QEMU greets as soon as its main loop comes round, which a slow disk may
 * delay. Chosen: what a person waits before looking. */
#define GREETING_MS 5000
/* More than QEMU can have; what is more is no answer of a QEMU. */
#define VCPUS_MAX 65536u

bool rj_qemu_is_from(const struct rj_qemu *q, unsigned major, unsigned minor)
{
	return q->version[0] > major ||
	       (q->version[0] == major && q->version[1] >= minor);
}

bool rj_qemu_knows(const struct rj_qemu *q, const char *command)
{
	return json_object_get(q->commands, command);
}

int rj_qemu_call_within(struct rj_qemu *q, const char *command,
			json_t *arguments, int fd, int timeout_ms, json_t **ret,
			struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc;

	if (!timeout_ms)
		timeout_ms = q->answer_ms ? q->answer_ms : RJ_QMP_ANSWER_MS;
	rc = rj_qmp_caller_call_within(&q->monitor, command, arguments, fd,
				       timeout_ms, ret, &why);

	return rc ? rj_fail(err, rc, "qemu %s: %s: %s", q->path, command,
			    why.message)
		  : 0;
}

int rj_qemu_call(struct rj_qemu *q, const char *command, json_t *arguments,
		 json_t **ret, struct ramjet_error *err)
{
	return rj_qemu_call_within(q, command, arguments, -1, 0, ret, err);
}

void rj_qemu_tell(struct rj_qemu *q, const char *command, json_t *arguments)
{
	/* What can't be told any more has lost its meaning as well. */
	if (rj_qemu_call(q, command, arguments, NULL, NULL) == -EPIPE)
		rj_qmp_caller_close(&q->monitor);
}

static int not_understood(const struct rj_qemu *q, const char *command,
			  struct ramjet_error *err)
{
	return rj_fail(err, -EPROTO,
		       "qemu %s: %s: an answer that is not understood, wanted "
		       "one of a QEMU's",
		       q->path, command);
}

int rj_qemu_human(struct rj_qemu *q, const char *line, char **ret,
		  struct ramjet_error *err)
{
	const char *command = "human-monitor-command";
	json_t *answer = NULL;
	char *text;
	int rc = rj_qemu_call(q, command,
			      json_pack("{s:s}", "command-line", line), &answer,
			      err);

	if (rc)
		return rc;
	if (!json_is_string(answer)) {
		json_decref(answer);
		return not_understood(q, command, err);
	}
	text = strdup(json_string_value(answer));
	json_decref(answer);
	if (!text)
		return rj_fail(err, -ENOMEM, "qemu %s: out of memory", q->path);
	*ret = text;
	return 0;
}

int rj_qemu_property(struct rj_qemu *q, const char *object, const char *name,
		     json_t **ret, struct ramjet_error *err)
{
	return rj_qemu_call(
		q, "qom-get",
		json_pack("{s:s, s:s}", "path", object, "property", name), ret,
		err);
}

static int learn_version(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL;
	int v[3] = { 0 };
	int rc = rj_qemu_call(q, "query-version", NULL, &answer, err);

	if (rc)
		return rc;
	if (json_unpack(answer, "{s:{s:i, s:i, s:i}}", "qemu", "major", &v[0],
			"minor", &v[1], "micro", &v[2]) ||
	    v[0] < 0 || v[1] < 0 || v[2] < 0)
		rc = not_understood(q, "query-version", err);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(v); i++)
		q->version[i] = (unsigned)v[i];
	json_decref(answer);
	return rc;
}

/* "pc-q35-7.2-machine" is what QEMU calls the type of "pc-q35-7.2". */
static int take_machine(struct rj_qemu *q, const char *type)
{
	const char *suffix = "-machine";
	const char *end = type ? strstr(type, suffix) : NULL;

	if (!end || end == type || end[strlen(suffix)] ||
	    (size_t)(end - type) >= sizeof(q->machine))
		return -EPROTO;
	(void)snprintf(q->machine, sizeof(q->machine), "%.*s",
		       (int)(end - type), type);
	return 0;
}

static int learn_machine(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *type = NULL;
	int rc = rj_qemu_property(q, "/machine", "type", &type, err);

	if (!rc && take_machine(q, json_string_value(type)))
		rc = not_understood(q, "qom-get", err);
	json_decref(type);
	return rc;
}

static int learn_commands(struct rj_qemu *q, struct ramjet_error *err)
{
	json_t *answer = NULL, *one;
	size_t i;
	int rc = rj_qemu_call(q, "query-commands", NULL, &answer, err);

	if (rc)
		return rc;
	q->commands = json_object();
	json_array_foreach(answer, i, one)
	{
		const char *name =
			json_string_value(json_object_get(one, "name"));

		if (name &&
		    json_object_set_new_nocheck(q->commands, name, json_true()))
			rc = rj_fail(err, -ENOMEM, "qemu %s: out of memory",
				     q->path);
	}
	json_decref(answer);
	return rc;
}

static int learn(struct rj_qemu *q, struct ramjet_error *err)
{
	int rc = rj_qmp_caller_peer(&q->monitor, &q->pid, err);

	if (!rc)
		rc = learn_version(q, err);
	if (!rc)
		rc = learn_commands(q, err);
	return rc ? rc : learn_machine(q, err);
}

static int connect_to(struct rj_qemu *q, struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc = rj_qmp_caller_open_within(q->path, GREETING_MS, &q->monitor,
					   &why);

	if (rc == -ECONNREFUSED || rc == -ENOENT)
		return rj_fail(err, rc,
			       "qemu %s: nobody listens there, wanted the "
			       "socket of a QEMU's -qmp unix:PATH,server=on",
			       q->path);
	return rc ? rj_fail(err, rc, "qemu: %s", why.message) : 0;
}

int rj_qemu_open(const char *path, struct rj_qemu *ret,
		 struct ramjet_error *err)
{
	struct rj_qemu q = RJ_QEMU_NONE;
	int rc = 0;

	q.path = strdup(path);
	if (!q.path)
		rc = rj_fail(err, -ENOMEM, "qemu %s: out of memory", path);
	if (!rc)
		rc = connect_to(&q, err);
	if (!rc)
		rc = learn(&q, err);
	if (rc) {
		rj_qemu_close(&q);
		return rc;
	}
	*ret = q;
	return 0;
}

void rj_qemu_close(struct rj_qemu *q)
{
	rj_qmp_caller_close(&q->monitor);
	json_decref(q->commands);
	free(q->path);
	*q = RJ_QEMU_NONE;
}

static enum rj_qemu_run run_of(const char *word)
{
	static const struct {
		const char *word;
		enum rj_qemu_run run;
	} known[] = {
		{ "running", RJ_QEMU_RUNNING },
		{ "paused", RJ_QEMU_PAUSED },
		{ "inmigrate", RJ_QEMU_INCOMING },
		{ "prelaunch", RJ_QEMU_PRELAUNCH },
	};

	for (size_t i = 0; i < RJ_ARRAY_SIZE(known); i++)
		if (!strcmp(word, known[i].word))
			return known[i].run;
	return RJ_QEMU_OTHER;
}

int rj_qemu_status(struct rj_qemu *q, struct rj_qemu_status *ret,
		   struct ramjet_error *err)
{
	json_t *answer = NULL;
	const char *word;
	int rc = rj_qemu_call(q, "query-status", NULL, &answer, err);

	if (rc)
		return rc;
	word = json_string_value(json_object_get(answer, "status"));
	if (word) {
		(void)snprintf(ret->text, sizeof(ret->text), "%s", word);
		ret->run = run_of(word);
	} else {
		rc = not_understood(q, "query-status", err);
	}
	json_decref(answer);
	return rc;
}

static int timed(struct rj_qemu *q, const char *command, uint64_t *ret_us,
		 struct ramjet_error *err)
{
	const uint64_t begin_us = rj_now_us();
	int rc = rj_qemu_call(q, command, NULL, NULL, err);

	if (!rc && ret_us)
		*ret_us = rj_now_us() - begin_us;
	return rc;
}

int rj_qemu_stop(struct rj_qemu *q, uint64_t *ret_us, struct ramjet_error *err)
{
	return timed(q, "stop", ret_us, err);
}

int rj_qemu_cont(struct rj_qemu *q, uint64_t *ret_us, struct ramjet_error *err)
{
	return timed(q, "cont", ret_us, err);
}

int rj_qemu_quit(struct rj_qemu *q, struct ramjet_error *err)
{
	struct ramjet_error why = { 0 };
	int rc = rj_qemu_call(q, "quit", NULL, NULL, &why);

	if (!rc || rc == -EPIPE)
		return 0;
	return rj_fail(err, rc, "%s", why.message);
}

/* The figures of QEMU's own announcements after a migration. */
int rj_qemu_announce(struct rj_qemu *q, struct ramjet_error *err)
{
	return rj_qemu_call(q, "announce-self",
			    json_pack("{s:i, s:i, s:i, s:i}", "initial", 50,
				      "max", 550, "rounds", 5, "step", 100),
			    NULL, err);
}

int rj_qemu_vcpus(struct rj_qemu *q, pid_t **ret, size_t *ret_count,
		  struct ramjet_error *err)
{
	const char *command = "query-cpus-fast";
	json_t *answer = NULL, *one;
	size_t i, count;
	pid_t *threads;
	int rc = rj_qemu_call(q, command, NULL, &answer, err);

	if (rc)
		return rc;
	count = json_array_size(answer);
	threads = count && count <= VCPUS_MAX ? calloc(count, sizeof(*threads))
					      : NULL;
	if (!threads) {
		json_decref(answer);
		return not_understood(q, command, err);
	}
	json_array_foreach(answer, i, one) threads[i] =
		(pid_t)json_integer_value(json_object_get(one, "thread-id"));
	json_decref(answer);
	*ret = threads;
	*ret_count = count;
	return 0;
}
