/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/options/clash.h"
#include "cli/options/option.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/log.h"

#define RUN_US        300000
#define DEMO_CHANNELS 2
#define DEMO_GUEST    "process:size=1G,write=200M,set=256M"

typedef struct rj_cli_command_line line_t;

/* clang-format off */
static const struct command_row {
	unsigned bit;
	const char *name;
	const char *usage;
	const char *about;
} commands[] = {
	{ RJ_CLI_DEMO, "demo", "[GUEST] [options]",
	  "A guest under load moves between two processes on this machine, "
	  "and it is\nproven that nothing got lost. GUEST is " DEMO_GUEST
	  "\nunless given." },
	{ RJ_CLI_SEND, "send", "GUEST --to URI [options]",
	  "Moves a running guest, or a RAM image, to a waiting 'ramjet recv'."
	},
	{ RJ_CLI_RECV, "recv", "GUEST --from URI [options]",
	  "Waits for a guest and runs it once it has arrived." },
	{ RJ_CLI_FEATURES, "features", "[--json FILE] [--guest GUEST]",
	  "What this kernel and this build offer; everything is tried, not "
	  "guessed." },
};
/* clang-format on */

static const struct command_row *command_of(unsigned command)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(commands); i++)
		if (commands[i].bit == command)
			return &commands[i];
	return NULL;
}

const char *rj_cli_command_name(unsigned command)
{
	const struct command_row *row = command_of(command);

	return row ? row->name : "invalid";
}

/* Takes effect before anything can go wrong, so that it is reported. */
static const char *find_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
		if (!strcmp(argv[i], "--json") && i + 1 < argc)
			return argv[i + 1];
		if (!strncmp(argv[i], "--json=", 7))
			return argv[i] + 7;
	}
	return NULL;
}

static int set_option(line_t *line, const struct rj_cli_option *row,
		      const char *value, struct ramjet_error *err)
{
	char what[40];
	struct rj_cli_setting setting = {
		.line = line, .what = what, .value = value, .option = row
	};

	(void)snprintf(what, sizeof(what), "--%s", row->name);
	if (row->commands & line->command)
		return row->set(&setting, err);
	return rj_fail(err, -EINVAL, "%s: not an option of 'ramjet %s'", what,
		       rj_cli_command_name(line->command));
}

/* The option that getopt_long() did not accept, with its name. */
static int bad_option(int code, char **argv, struct ramjet_error *err)
{
	/* Short options have no word of their own: optind may not have moved
	 * past theirs. */
	const char *word = optopt && optopt < 0x100 ? NULL : argv[optind - 1];

	if (code == ':')
		return rj_fail(err, -EINVAL,
			       "%s: a value is missing, wanted %s",
			       argv[optind - 1],
			       rj_cli_options[optopt - 0x100].argument);
	if (!word)
		return rj_fail(err, -EINVAL,
			       "-%c: unknown option, wanted -h or one of "
			       "those in words",
			       optopt);
	if (optopt)
		return rj_fail(err, -EINVAL, "%s: takes no value", word);
	return rj_fail(err, -EINVAL,
		       "%s: unknown option, wanted one of the help's", word);
}

static int parse_options(line_t *line, int argc, char **argv,
			 struct ramjet_error *err)
{
	struct option options[RJ_CLI_OPTION_COUNT + 1] = { 0 };
	int rc = 0;

	for (size_t i = 0; i < RJ_CLI_OPTION_COUNT; i++)
		options[i] = (struct option){
			.name = rj_cli_options[i].name,
			.has_arg = rj_cli_options[i].argument
					   ? required_argument
					   : no_argument,
			.val = 0x100 + (int)i,
		};
	opterr = 0;
	optind = 0; /* glibc: begin anew, with all its state */
	while (!rc) {
		int code = getopt_long(argc, argv, ":h", options, NULL);

		if (code == -1)
			break;
		if (code == 'h')
			line->help = true;
		else if (code >= 0x100)
			rc = set_option(line, &rj_cli_options[code - 0x100],
					optarg, err);
		else
			rc = bad_option(code, argv, err);
	}
	return rc;
}

/* What isn't an option: the guest. */
static int parse_guest(line_t *line, int argc, char **argv,
		       struct ramjet_error *err)
{
	const char *text = optind < argc ? argv[optind] : NULL;

	if (line->command == RJ_CLI_FEATURES)
		return text ? rj_fail(err, -EINVAL,
				      "'%s': 'ramjet features' takes no "
				      "arguments",
				      text)
			    : 0;
	if (optind + 1 < argc)
		return rj_fail(err, -EINVAL,
			       "'%s': one guest is enough, there is '%s' "
			       "already%s",
			       argv[optind + 1], text,
			       line->command == RJ_CLI_SEND
				       ? "; a URI goes after --to"
			       : line->command == RJ_CLI_RECV
				       ? "; a URI goes after --from"
				       : "");
	if (!text && line->command == RJ_CLI_DEMO)
		text = DEMO_GUEST;
	if (!text)
		return rj_fail(err, -EINVAL,
			       "no guest is given, wanted file:PATH, "
			       "process:KEY=VALUE,..., kvm:KEY=VALUE,... or "
			       "qemu:QMP_SOCKET");
	line->has_guest = true;
	return rj_cli_guest_spec_parse(text, &line->guest, err);
}

/* An option that says something about helpers, or NULL. */
static const char *of_helpers(const line_t *line)
{
	if (line->id_list)
		return "--id-list";
	return line->helper_uid >= 0 ? "--helper-uid" : line->helper_limit;
}

/* A port of this machine itself; there may be no IPv4 at all. */
static const char *own_address(void)
{
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	rj_autoclose int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && !bind(fd, (const struct sockaddr *)&address,
				sizeof(address))
		       ? "tcp:127.0.0.1:0"
		       : "tcp:[::1]:0";
}

static int parse_line(unsigned command, int argc, char **argv, line_t *ret,
		      struct ramjet_error *err)
{
	int rc;

	*ret = (line_t){
		.command = command,
		.params = { RAMJET_PARAMS_INIT },
		.run_us = RUN_US,
		.helper_uid = -1,
		.helper_limits = { RAMJET_HELPER_OPTIONS_INIT },
		.json = find_json(argc, argv),
		.log_level = RJ_LOG_WARNING,
		.ready_fd = -1,
	};
	if (command == RJ_CLI_DEMO) {
		ret->params.channels = DEMO_CHANNELS;
		ret->params.verify = true;
		ret->uri = own_address();
	}
	rc = parse_options(ret, argc, argv, err);
	if (rc || ret->help)
		return rc;
	rc = parse_guest(ret, argc, argv, err);
	if (!rc && !ret->helpers && of_helpers(ret))
		rc = rj_fail(err, -EINVAL,
			     "%s: means nothing without --helpers BUS",
			     of_helpers(ret));
	if (rc || command == RJ_CLI_FEATURES || ret->uri)
		return rc;
	if (ret->monitor)
		return 0;
	if (ret->defer)
		return rj_fail(err, -EINVAL,
			       "--from defer: --monitor unix:PATH is missing, "
			       "for a manager to say where from");
	return rj_fail(err, -EINVAL,
		       "%s is missing, wanted %s URI, or --monitor unix:PATH "
		       "for a manager to say",
		       command == RJ_CLI_RECV ? "--from" : "--to",
		       command == RJ_CLI_RECV ? "--from" : "--to");
}

int rj_cli_command_line_parse(unsigned command, int argc, char **argv,
			      line_t *ret, struct ramjet_error *err)
{
	const int rc = parse_line(command, argc, argv, ret, err);

	/* A word that was not understood may be the guest: see that it isn't
	 * overwritten. */
	if (rc && rj_cli_clash_among(argc, argv, ret->json))
		ret->json = NULL;
	return rc;
}

/* demo makes its target itself. */
static const char *help_of(const struct rj_cli_option *row, unsigned command)
{
	if (command == RJ_CLI_DEMO && !strcmp(row->name, "to"))
		return "its target listens there "
		       "(tcp:127.0.0.1:0 or [::1])";
	return row->help;
}

static void print_option(const struct rj_cli_option *row, unsigned command,
			 FILE *out)
{
	const char *help = help_of(row, command);
	char left[48];

	(void)snprintf(left, sizeof(left), "--%s%s%s", row->name,
		       row->argument ? " " : "",
		       row->argument ? row->argument : "");
	/* "  LEFT  HELP" */
	if (strlen(left) > 22 && strlen(left) + strlen(help) > 76)
		(void)fprintf(out, "  %s\n  %-22s %s\n", left, "", help);
	else if (strlen(left) > 22)
		(void)fprintf(out, "  %s  %s\n", left, help);
	else
		(void)fprintf(out, "  %-22s %s\n", left, help);
}

static const char guest_help[] =
	"GUEST  file:PATH[,size=4G][,lock=off]   a RAM image, idle (recv: size= "
	"needed)\n"
	"       process:size=1G[,used=1G][,write=200M|max][,set=256M]\n"
	"          [,threads=1][,seed=1]"
	"[,pattern=sequential|random|hot][,zero=30%]\n"
	"          [,compressible=50%]"
	"[,pages=4K|thp|2M]   threads that write it\n"
#ifdef RJ_CLI_KVM
	"       kvm: the same keys and [,dirty=log|ring]   a KVM virtual machine\n"
#endif
	"       qemu:QMP_SOCKET[,pid=N][,via=][,also=PID][,state=]   a running "
	"QEMU\n"
	"       also prealloc=1 (not qemu); for tests burst= bursts= storm= calm=\n"
	"URI    tcp:HOST:PORT unix:PATH vsock:CID:PORT";
static const char closing_help[] =
	"\n"
	"Sizes K M G T are powers of 1024; rates also 10gbit; times, with unit: "
	"300ms 2m.\n"
	"Exit: 0 completed; 1 failed, the source guest runs on; 2 usage; "
	"3 unconfirmed.\n";

void rj_cli_command_line_help(unsigned command, FILE *out)
{
	const struct command_row *row = command_of(command);

	(void)fprintf(out, "usage: ramjet %s %s\n%s\n\n", row->name, row->usage,
		      row->about);
	for (size_t i = 0; i < RJ_CLI_OPTION_COUNT; i++)
		if (rj_cli_options[i].commands & command &&
		    rj_cli_options[i].help)
			print_option(&rj_cli_options[i], command, out);
	if (command != RJ_CLI_FEATURES)
		(void)fprintf(out, "\n%s%s%s", guest_help,
			      command == RJ_CLI_DEMO
				      ? ""
				      : " fd:N exec:COMMAND file:PATH",
			      closing_help);
}
