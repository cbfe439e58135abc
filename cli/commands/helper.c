/* SPDX-License-Identifier: BSD-3-Clause */
/* `ramjet helper run`: a helper whose state is the contents of a file. */
#include "cli/commands/command.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cli/base/exit_status.h"
#include "cli/base/outlet.h"
#include "cli/base/state_file.h"
#include "cli/base/terminal.h"
#include "cli/options/plain_options.h"
#include "ramjet-helper.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/parse.h"

#define LIMIT_DEFAULT (UINT64_C(1) << 20)
#define LIMIT_MAX     (UINT64_C(64) << 20)

struct plan {
	const char *bus;
	const char *id;
	const char *file;
	uint64_t limit;
	bool help;
	/* Log lines go through an outlet: a guest stands still until the helper
	 * answers, so it must not wait for a slow reader of its log. */
	struct rj_cli_outlet *outlet;
	FILE *log;
};

/* For the log's reader, at the end. */
#define PATIENCE_MS 1000u

static const char usage[] =
	"usage: ramjet helper run --bus ADDRESS --id ID --file FILE [--limit "
	"SIZE]\n\n"
	"Serves a guest's private bus as one of its helpers: Save returns what "
	"FILE\n"
	"holds, Load replaces it. Says 'ready ID NAME' on standard output when "
	"it can\n"
	"be found, and serves until SIGTERM, SIGINT or SIGHUP.\n\n"
	"  --bus ADDRESS  the guest's bus: unix:path=... or unix:abstract=...\n"
	"  --id ID        1 to 255 bytes, unique among the guest's helpers\n"
	"  --file FILE    the state; need not be there before a Load\n"
	"  --limit SIZE   most bytes of state (1M), at most 64M\n";

static int parse_limit(const char *text, struct plan *plan,
		       struct ramjet_error *err)
{
	int rc = rj_parse_size("--limit", text, &plan->limit, err);

	if (rc >= 0 && (!plan->limit || plan->limit > LIMIT_MAX))
		rc = rj_fail(err, -ERANGE, "--limit: '%s', wanted 1 to 64M",
			     text);
	return rc;
}

static int take_option(int option, const char *text, void *user,
		       struct ramjet_error *err)
{
	struct plan *plan = user;

	switch (option) {
	case 'b':
		plan->bus = text;
		break;
	case 'i':
		plan->id = text;
		break;
	case 'f':
		plan->file = text;
		break;
	case 'l':
		return parse_limit(text, plan, err);
	case 'h':
		plan->help = true;
		break;
	}
	return 0;
}

static int parse(int argc, char **argv, struct plan *plan,
		 struct ramjet_error *err)
{
	static const struct option options[] = {
		{ "bus", required_argument, NULL, 'b' },
		{ "id", required_argument, NULL, 'i' },
		{ "file", required_argument, NULL, 'f' },
		{ "limit", required_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int rc = rj_cli_plain_options(argc, argv, options, take_option, plan,
				      err);

	if (rc < 0 || plan->help)
		return rc;
	if (argc - optind != 1 || strcmp(argv[optind], "run"))
		return rj_fail(err, -EINVAL,
			       "wanted: ramjet helper run --bus ADDRESS --id "
			       "ID --file FILE");
	if (!plan->bus || !plan->id || !plan->file)
		return rj_fail(err, -EINVAL, "%s is wanted",
			       !plan->bus  ? "--bus ADDRESS"
			       : !plan->id ? "--id ID"
					   : "--file FILE");
	if (!strcmp(plan->file, "-"))
		return rj_fail(err, -EINVAL, "--file: wanted a file");
	return 0;
}

RJ_PRINTF(2, 3)
static void say(const struct plan *plan, const char *format, ...)
{
	va_list args;

	if (!plan->log)
		return;
	va_start(args, format);
	rj_cli_vsay(plan->log, format, args);
	va_end(args);
	(void)fflush(plan->log);
}

static int save(void *user, void **ret_data, size_t *ret_bytes,
		struct ramjet_error *err)
{
	const struct plan *plan = user;
	int rc = rj_cli_state_file_read(plan->file, plan->limit, ret_data,
					ret_bytes, err);

	if (rc < 0)
		say(plan, "ramjet: save: %s", err->message);
	else
		say(plan, "saved %zu bytes", *ret_bytes);
	return rc;
}

static int load(void *user, const void *data, size_t bytes,
		struct ramjet_error *err)
{
	const struct plan *plan = user;
	int rc = rj_cli_state_file_write(plan->file, data, bytes, err);

	if (rc < 0)
		say(plan, "ramjet: load: %s", err->message);
	else
		say(plan, "loaded %zu bytes", bytes);
	return rc;
}

/* SIGTERM, SIGINT and SIGHUP end the serving, not a Load in the middle of it. */
static int open_stop_fd(struct ramjet_error *err)
{
	sigset_t signals;
	int fd;

	(void)sigemptyset(&signals);
	(void)sigaddset(&signals, SIGTERM);
	(void)sigaddset(&signals, SIGINT);
	(void)sigaddset(&signals, SIGHUP);
	(void)sigprocmask(SIG_BLOCK, &signals, NULL);
	fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? rj_fail_errno(err, -errno, "signalfd") : fd;
}

static enum rj_cli_exit fail(const struct ramjet_error *err, bool usage_error)
{
	rj_cli_say(stderr, "ramjet helper: %s%s", err->message,
		   usage_error ? "; see 'ramjet helper --help'" : "");
	return usage_error ? RJ_CLI_EXIT_USAGE : RJ_CLI_EXIT_FAILED;
}

static enum rj_cli_exit serve(struct plan *plan)
{
	struct ramjet_error err = { 0 };
	struct ramjet_helper *helper;
	rj_autoclose int stop_fd = open_stop_fd(&err);
	int rc;

	if (stop_fd < 0)
		return fail(&err, false);
	rc = ramjet_helper_new(plan->bus, plan->id, save, load, plan, &helper,
			       &err);
	/* Its words say what is wrong with an Id or an address. */
	if (rc < 0)
		return fail(&err, rc == -EINVAL);
	plan->outlet = rj_cli_outlet_new(STDERR_FILENO);
	plan->log = rj_cli_outlet_stream(plan->outlet);
	rc = ramjet_helper_set_limit(helper, plan->limit);
	(void)printf("ready %s %s\n", plan->id, ramjet_helper_bus_name(helper));
	(void)fflush(stdout);
	if (rc >= 0)
		rc = ramjet_helper_run(helper, stop_fd, &err);
	ramjet_helper_free(helper);
	if (plan->log)
		(void)fclose(plan->log);
	(void)rj_cli_outlet_close(plan->outlet, PATIENCE_MS);
	return rc < 0 ? fail(&err, false) : RJ_CLI_EXIT_COMPLETED;
}

int rj_cli_helper(int argc, char **argv)
{
	struct plan plan = { .limit = LIMIT_DEFAULT };
	struct ramjet_error err = { 0 };

	if (parse(argc, argv, &plan, &err) < 0)
		return fail(&err, true);
	if (plan.help) {
		(void)fputs(usage, stdout);
		return RJ_CLI_EXIT_COMPLETED;
	}
	return serve(&plan);
}
