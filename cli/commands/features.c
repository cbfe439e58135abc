/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <sys/utsname.h>

#include "cli/base/json_text.h"
#include "cli/base/terminal.h"
#include "cli/commands/command.h"
#include "cli/guest_kinds.h"
#include "cli/options/command_line.h"
#include "cli/report/file.h"
#include "cli/session/end.h"
#include "util/error.h"

static void print_table(const struct ramjet_feature *features, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct ramjet_feature *f = RAMJET_AT(features, i);

		(void)printf("%s%-3s%s %-26s %s\n",
			     rj_cli_ink(stdout, f->available ? RJ_CLI_GOOD
							     : RJ_CLI_BAD),
			     f->available ? "yes" : "no",
			     rj_cli_ink(stdout, RJ_CLI_PLAIN), f->name,
			     f->result);
		(void)printf("    %-26s for: %s\n", "", f->enables);
	}
}

static json_t *features_object(const struct ramjet_feature *features,
			       size_t count)
{
	json_t *array = json_array();
	struct utsname machine = { 0 };

	(void)uname(&machine);
	for (size_t i = 0; i < count; i++) {
		const struct ramjet_feature *f = RAMJET_AT(features, i);

		(void)json_array_append_new(
			array,
			json_pack("{s:s, s:b, s:s, s:s}", "name", f->name,
				  "available", f->available, "result",
				  f->result, "enables", f->enables));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "version", ramjet_version(),
			 "kernel", machine.release, "machine", machine.machine,
			 "features", array);
}

static int write_json(struct rj_cli_report_file *file,
		      const struct ramjet_feature *features, size_t count,
		      struct ramjet_error *err)
{
	json_t *object = features_object(features, count);
	int rc = rj_cli_report_write(file, object, err);

	json_decref(object);
	return rc;
}

static void print_finding(void *user, bool ok, const char *line)
{
	json_t *array = user;

	(void)printf("%s%-3s%s ",
		     rj_cli_ink(stdout, ok ? RJ_CLI_GOOD : RJ_CLI_BAD),
		     ok ? "yes" : "no", rj_cli_ink(stdout, RJ_CLI_PLAIN));
	rj_cli_say(stdout, "%s", line);
	(void)json_array_append_new(array,
				    json_pack("{s:b, s:o}", "ok", ok, "finding",
					      rj_json_text(line)));
}

static int probe_guest(const struct rj_cli_command_line *line,
		       struct ramjet_error *err)
{
	struct rj_cli_report_file json = RJ_CLI_REPORT_FILE_NONE;
	json_t *array = json_array(), *object;
	int rc = line->json ? rj_cli_report_open(line->json, &json, err) : 0;
	bool ok = false;

	if (rc >= 0)
		ok = rj_cli_guest_findings(&line->guest, print_finding, array);
	object = json_pack("{s:o, s:b, s:o}", "guest",
			   rj_json_text(line->guest.text), "movable", ok,
			   "findings", array);
	if (rc >= 0 && line->json)
		rc = rj_cli_report_write(&json, object, err);
	json_decref(object);
	rj_cli_report_close(&json);
	if (rc < 0)
		return rc;
	return ok ? 0
		  : rj_fail(err, -EPERM,
			    "this guest could not be moved as things are");
}

static int probe(const struct rj_cli_command_line *line,
		 struct ramjet_error *err)
{
	struct rj_cli_report_file json = RJ_CLI_REPORT_FILE_NONE;
	struct ramjet_feature *features;
	size_t count;
	int rc = line->json ? rj_cli_report_open(line->json, &json, err) : 0;

	if (rc < 0)
		return rc;
	rc = ramjet_features_with(line->params.backend, &features, &count);
	if (rc < 0) {
		(void)rj_fail_errno(err, rc, "probing");
	} else {
		print_table(features, count);
		if (line->json)
			rc = write_json(&json, features, count, err);
		ramjet_features_free(features, count);
	}
	rj_cli_report_close(&json);
	return rc;
}

int rj_cli_features(int argc, char **argv)
{
	struct ramjet_error error = { 0 };
	struct rj_cli_command_line line;

	if (rj_cli_command_line_parse(RJ_CLI_FEATURES, argc, argv, &line,
				      &error))
		return rj_cli_session_usage(&line, &error);
	if (line.help) {
		rj_cli_command_line_help(RJ_CLI_FEATURES, stdout);
		return RJ_CLI_EXIT_COMPLETED;
	}
	if ((line.has_guest ? probe_guest(&line, &error)
			    : probe(&line, &error)) >= 0)
		return RJ_CLI_EXIT_COMPLETED;
	rj_cli_say(stderr, "ramjet features: %s", error.message);
	return RJ_CLI_EXIT_FAILED;
}
