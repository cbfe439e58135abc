/* SPDX-License-Identifier: BSD-3-Clause */
/* `ramjet helpers list|save|load`: a guest's bus looked at, states moved by
 * hand. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/base/exit_status.h"
#include "cli/base/state_file.h"
#include "cli/base/terminal.h"
#include "cli/commands/command.h"
#include "cli/options/helper_limits.h"
#include "cli/options/plain_options.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/parse.h"

/* Ids and lengths beside the states themselves. */
#define BLOB_OVERHEAD_MAX (1u << 20)

enum verb {
	LIST,
	SAVE,
	LOAD,
	VERBS
};
static const char *const verbs[VERBS] = { "list", "save", "load" };

struct order {
	struct ramjet_helper_options options;
	enum verb verb;
	const char *file;
	bool help;
};

static const char usage[] =
	"usage: ramjet helpers list|save|load --bus ADDRESS [options]\n\n"
	"  list  who is on the bus, who would take part, and what is wrong\n"
	"  save  ask all for their state, and write it to FILE\n"
	"  load  give all their state from FILE; refused as a whole when one's\n"
	"        helper is missing\n\n"
	"  --bus ADDRESS     the guest's bus: unix:path=... or "
	"unix:abstract=...\n"
	"  --id-list A,B     exactly these helpers (default: all)\n"
	"  --file FILE       where the states are; '-' or nothing: standard "
	"output\n"
	"                    (save) or input (load)\n"
	"  --helper-uid UID  refuse helpers that run as another user\n"
	"  --limit SIZE      most bytes of one helper's state (1M), at most "
	"64M\n"
	"  --timeout TIME    for all of them to answer (500ms)\n";

/* ---- the command line ------------------------------------------------ */

static int take_option(int option, const char *text, void *user,
		       struct ramjet_error *err)
{
	struct order *order = user;
	uint64_t value = 0;
	int rc = 0;

	switch (option) {
	case 'b':
		order->options.bus_address = text;
		break;
	case 'i':
		order->options.id_list = text;
		break;
	case 'f':
		order->file = text;
		break;
	case 'h':
		order->help = true;
		break;
	case 'u':
		rc = rj_parse_uint("--helper-uid", text, 0, UINT32_MAX - 1,
				   &value, err);
		order->options.helper_uid = (int64_t)value;
		break;
	case 'l':
		rc = rj_cli_helper_state_max("--limit", text, &order->options,
					     err);
		break;
	case 't':
		rc = rj_cli_helper_timeout("--timeout", text, &order->options,
					   err);
		break;
	}
	return rc;
}

static int never(void *user, struct ramjet_error *err)
{
	(void)user;
	return rj_fail(err, -ENOSYS, "no guest here");
}

/* By the library itself, which would find out only once it connects. */
static int check(const struct ramjet_helper_options *options,
		 struct ramjet_error *err)
{
	struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT, .stop = never,
					.start = never };
	struct ramjet_guest *guest;
	int rc = ramjet_guest_new(&ops, NULL, &guest, err);

	if (rc)
		return rc;
	rc = ramjet_guest_set_helpers(guest, options, err);
	ramjet_guest_free(guest);
	return rc;
}

static int parse(int argc, char **argv, struct order *order,
		 struct ramjet_error *err)
{
	static const struct option options[] = {
		{ "bus", required_argument, NULL, 'b' },
		{ "id-list", required_argument, NULL, 'i' },
		{ "file", required_argument, NULL, 'f' },
		{ "helper-uid", required_argument, NULL, 'u' },
		{ "limit", required_argument, NULL, 'l' },
		{ "timeout", required_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int rc = rj_cli_plain_options(argc, argv, options, take_option, order,
				      err);

	if (rc < 0 || order->help)
		return rc;
	order->verb = VERBS;
	for (enum verb v = 0; argc - optind == 1 && v < VERBS; v++) {
		if (!strcmp(argv[optind], verbs[v]))
			order->verb = v;
	}
	if (order->verb == VERBS)
		return rj_fail(err, -EINVAL,
			       "wanted: ramjet helpers list|save|load --bus "
			       "ADDRESS [options]");
	if (!order->options.bus_address)
		return rj_fail(err, -EINVAL, "--bus ADDRESS is wanted");
	if (!order->file)
		order->file = "-";
	if (order->verb == SAVE && !strcmp(order->file, "-") &&
	    isatty(STDOUT_FILENO))
		return rj_fail(err, -EINVAL,
			       "--file FILE is wanted: states "
			       "are not for a terminal");
	return check(&order->options, err);
}

/* ---- what is shown --------------------------------------------------- */

static void print_time(FILE *out, const char *what, uint64_t us)
{
	(void)fprintf(out, ", %s in %" PRIu64 ".%03" PRIu64 " ms", what,
		      us / 1000, us % 1000);
}

static void print_helper(FILE *out, const struct ramjet_helper_info *info,
			 enum verb verb)
{
	rj_cli_print_harmless(out, info->id[0] ? info->id : "(no Id)");
	if (info->bus_name[0])
		(void)fprintf(out, "  %s", info->bus_name);
	if (info->has_uid)
		(void)fprintf(out, "  uid %" PRIu32, info->uid);
	if (verb != LIST && info->takes_part)
		(void)fprintf(out, "  %" PRIu64 " bytes", info->bytes);
	if (verb == SAVE && info->takes_part)
		print_time(out, "saved", info->save_us);
	if (verb == LOAD && info->loaded)
		print_time(out, "loaded", info->load_us);
	else if (verb == LOAD && info->takes_part)
		(void)fputs(", nothing for it", out);
	if (info->problem[0])
		(void)fprintf(out, "  PROBLEM: %s", info->problem);
	else if (!info->takes_part)
		(void)fputs("  not listed, left alone", out);
	(void)fputc('\n', out);
}

/* Returns how many have a problem. */
static size_t print_helpers(FILE *out, const struct ramjet_helper_info *infos,
			    size_t count, enum verb verb)
{
	size_t problems = 0;

	for (size_t i = 0; i < count; i++) {
		const struct ramjet_helper_info *info = RAMJET_AT(infos, i);

		print_helper(out, info, verb);
		problems += info->problem[0] != '\0';
	}
	if (!count)
		(void)fputs("no helpers\n", out);
	return problems;
}

/* ---- the work -------------------------------------------------------- */

static int list(const struct order *order, struct ramjet_error *err)
{
	struct ramjet_helper_info *infos = NULL;
	size_t count = 0, problems;
	int rc = ramjet_helpers_list(&order->options, &infos, &count, err);

	if (rc < 0)
		return rc;
	problems = print_helpers(stdout, infos, count, LIST);
	ramjet_helpers_free(infos);
	if (problems)
		return rj_fail(err, -EINVAL,
			       "a migration would be refused for %zu of them",
			       problems);
	return 0;
}

static int save(const struct order *order, struct ramjet_error *err)
{
	struct ramjet_helper_info *infos = NULL;
	rj_autofree void *data = NULL;
	size_t bytes, count = 0;
	int rc = ramjet_helpers_save(&order->options, &data, &bytes, &infos,
				     &count, err);

	if (rc < 0)
		return rc;
	rc = rj_cli_state_file_write(order->file, data, bytes, err);
	if (rc >= 0)
		(void)print_helpers(strcmp(order->file, "-") ? stdout : stderr,
				    infos, count, SAVE);
	ramjet_helpers_free(infos);
	return rc;
}

static int load(const struct order *order, struct ramjet_error *err)
{
	struct ramjet_helper_info *infos = NULL;
	rj_autofree void *data = NULL;
	size_t bytes, count = 0;
	int rc = rj_cli_state_file_read(
		order->file, order->options.total_bytes_max + BLOB_OVERHEAD_MAX,
		&data, &bytes, err);

	/* The library takes no bytes as no helpers; a save writes their
	 * number at least, so a file without any is not one. */
	if (rc >= 0 && !bytes)
		rc = rj_fail(err, -ENODATA, "%s: empty, wanted helpers' state",
			     strcmp(order->file, "-") ? order->file
						      : "standard input");
	if (rc >= 0)
		rc = ramjet_helpers_load(&order->options, data, bytes, &infos,
					 &count, err);
	if (rc >= 0)
		(void)print_helpers(stdout, infos, count, LOAD);
	ramjet_helpers_free(infos);
	return rc;
}

int rj_cli_helpers(int argc, char **argv)
{
	static int (*const work[VERBS])(
		const struct order *order,
		struct ramjet_error *err) = { list, save, load };
	struct order order = { .options = { RAMJET_HELPER_OPTIONS_INIT } };
	struct ramjet_error err = { 0 };

	if (parse(argc, argv, &order, &err) < 0) {
		rj_cli_say(stderr,
			   "ramjet helpers: %s; see 'ramjet helpers --help'",
			   err.message);
		return RJ_CLI_EXIT_USAGE;
	}
	if (order.help) {
		(void)fputs(usage, stdout);
		return RJ_CLI_EXIT_COMPLETED;
	}
	if (work[order.verb](&order, &err) < 0) {
		(void)fflush(stdout);
		rj_cli_say(stderr, "ramjet helpers %s: %s", verbs[order.verb],
			   err.message);
		return RJ_CLI_EXIT_FAILED;
	}
	return RJ_CLI_EXIT_COMPLETED;
}
