/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/command_line.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "util/error.h"
#include "util/log.h"
#include "util/parse.h"

#define MOVERS        (RJ_CLI_DEMO | RJ_CLI_SEND)
#define BOTH          (RJ_CLI_DEMO | RJ_CLI_SEND | RJ_CLI_RECV)
#define EVERYWHERE    (BOTH | RJ_CLI_FEATURES)
#define RUN_US        300000
#define DEMO_CHANNELS 2
#define DEMO_GUEST    "process:size=1G,write=200M,set=256M"

typedef struct rj_cli_command_line line_t;

/* What a setter works on. */
struct setting {
	struct rj_cli_command_line *line;
	const char *what; /* "--channels" */
	const char *value;
	const struct option_row *row;
};

struct option_row {
	const char *name;
	const char *argument; /* NULL: a plain flag; choices as "a|b" */
	unsigned commands;
	int (*set)(const struct setting *setting, struct ramjet_error *err);
	const char *help; /* NULL: not shown */
};

static int set_channels(const struct setting *s, struct ramjet_error *err)
{
	uint64_t count;
	int rc;

	if (!strcmp(s->value, "auto")) {
		s->line->params.channels = 0;
		return 0;
	}
	rc = rj_parse_uint(s->what, s->value, 1, RAMJET_CHANNELS_MAX, &count,
			   err);
	if (!rc)
		s->line->params.channels = (uint32_t)count;
	return rc;
}

static int set_bandwidth(const struct setting *s, struct ramjet_error *err)
{
	return rj_parse_rate(s->what, s->value,
			     &s->line->params.bandwidth_bytes_per_s, err);
}

static int set_downtime(const struct setting *s, struct ramjet_error *err)
{
	uint64_t us;
	int rc = rj_parse_duration_us(s->what, s->value, &us, err);

	if (!rc && !us)
		return rj_fail(err, -ERANGE,
			       "%s: '%s' is too short, wanted 1us or more",
			       s->what, s->value);
	if (!rc)
		s->line->params.downtime_limit_us = us;
	return rc;
}

static int set_switchover_bandwidth(const struct setting *s,
				    struct ramjet_error *err)
{
	return rj_parse_rate(s->what, s->value,
			     &s->line->params.switchover_bandwidth_bytes_per_s,
			     err);
}

static int set_helpers(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->helpers = s->value;
	return 0;
}

static int set_id_list(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->id_list = s->value;
	return 0;
}

/* INITIAL:STEP:MAX, percentages of time taken away. */
static int set_throttle_steps(const struct setting *s, struct ramjet_error *err)
{
	struct ramjet_params *params = &s->line->params;
	uint32_t *const fields[] = { &params->throttle_initial_percent,
				     &params->throttle_step_percent,
				     &params->throttle_max_percent };
	char copy[64];
	char *next = copy;
	uint64_t value;

	(void)snprintf(copy, sizeof(copy), "%s", s->value);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(fields); i++) {
		const char *item = strsep(&next, ":");

		if (!item || rj_parse_uint(s->what, item, 1, 99, &value, NULL))
			return rj_fail(err, -EINVAL,
				       "%s: '%s' is unknown, wanted auto, off "
				       "or INITIAL:STEP:MAX, 1 to 99 %%",
				       s->what, s->value);
		*fields[i] = (uint32_t)value;
	}
	if (next)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' has more than INITIAL:STEP:MAX",
			       s->what, s->value);
	params->throttle = true;
	return 0;
}

static int set_throttle(const struct setting *s, struct ramjet_error *err)
{
	s->line->params.throttle = !strcmp(s->value, "auto");
	if (s->line->params.throttle || !strcmp(s->value, "off"))
		return 0;
	return set_throttle_steps(s, err);
}

static int set_timeout(const struct setting *s, struct ramjet_error *err)
{
	return rj_parse_duration_us(s->what, s->value, &s->line->timeout_us,
				    err);
}

static int set_run(const struct setting *s, struct ramjet_error *err)
{
	return rj_parse_duration_us(s->what, s->value, &s->line->run_us, err);
}

static int set_hold(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->params.hold = true;
	return 0;
}

static int set_verify(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->params.verify = true;
	return 0;
}

static int set_no_verify(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->params.verify = false;
	return 0;
}

static int set_strict(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->params.strict = true;
	return 0;
}

static int set_json(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->json = s->value;
	return 0;
}

static int set_help(const struct setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->help = true;
	return 0;
}

static int set_ready_fd(const struct setting *s, struct ramjet_error *err)
{
	uint64_t fd;
	int rc = rj_parse_uint(s->what, s->value, 0, 1 << 20, &fd, err);

	if (!rc)
		s->line->ready_fd = (int)fd;
	return rc;
}

static bool is_one_of(const char *choices, const char *value)
{
	size_t length = strlen(value);

	for (const char *p = choices; p && *p;) {
		size_t span = strcspn(p, "|");

		if (span == length && !strncmp(p, value, span))
			return true;
		p += span + (p[span] == '|');
	}
	return false;
}

/* The value that is true of this version is the only one accepted: nothing
 * is taken and then not done. */
static int set_choice(const struct setting *s, struct ramjet_error *err)
{
	if (is_one_of(s->row->argument, s->value))
		return 0;
	return rj_fail(err, -EINVAL,
		       "%s: '%s' is not offered by this version, wanted %s",
		       s->what, s->value, s->row->argument);
}

static int refuse(const struct setting *s, struct ramjet_error *err)
{
	return rj_fail(err, -EINVAL, "%s: not offered by this version",
		       s->what);
}

/* Where in "a|b|c" the value stands, or -1. */
static int index_of(const char *choices, const char *value)
{
	int index = 0;

	if (!is_one_of(choices, value))
		return -1;
	for (; !(strlen(value) == strcspn(choices, "|") &&
		 !strncmp(choices, value, strlen(value)));
	     index++)
		choices += strcspn(choices, "|") + 1;
	return index;
}

static int choose(const struct setting *s, int *ret, struct ramjet_error *err)
{
	*ret = index_of(s->row->argument, s->value);
	if (*ret >= 0)
		return 0;
	return rj_fail(err, -EINVAL, "%s: '%s' is unknown, wanted %s", s->what,
		       s->value, s->row->argument);
}

static int set_backend(const struct setting *s, struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->params.backend = (uint32_t)chosen;
	return rc;
}

static int set_no_convergence(const struct setting *s, struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->params.on_no_convergence = (uint32_t)chosen;
	return rc;
}

static int set_progress(const struct setting *s, struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->progress = (enum rj_cli_progress_style)chosen;
	return rc;
}

static int set_log(const struct setting *s, struct ramjet_error *err)
{
	static const int levels[] = { RJ_LOG_ERROR, RJ_LOG_WARNING, RJ_LOG_INFO,
				      RJ_LOG_DEBUG };
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->log_level = levels[chosen];
	return rc;
}

static int set_uri(const struct setting *s, struct ramjet_error *err)
{
	static const char *const schemes[] = { "tcp:", "unix:", "vsock:",
					       "fd:",  "exec:", "file:" };

	if (s->line->command == RJ_CLI_RECV && !strcmp(s->value, "defer"))
		return rj_fail(err, -EINVAL,
			       "%s: 'defer' is not offered by this version",
			       s->what);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(schemes); i++) {
		size_t length = strlen(schemes[i]);

		if (strncmp(s->value, schemes[i], length) || !s->value[length])
			continue;
		s->line->uri = s->value;
		return 0;
	}
	return rj_fail(err, -EINVAL,
		       "%s: '%s' is not a URI, wanted tcp:HOST:PORT, "
		       "unix:PATH, vsock:CID:PORT, fd:N, exec:COMMAND or "
		       "file:PATH",
		       s->what, s->value);
}

/* The enums follow the order of the choices they are parsed from. */
static_assert(RAMJET_BACKEND_AUTO == 0 && RAMJET_BACKEND_URING == 1 &&
		      RAMJET_BACKEND_SYSCALLS == 2,
	      "--backend names them in this order");
static_assert(RAMJET_NO_CONVERGENCE_CONTINUE == 0 &&
		      RAMJET_NO_CONVERGENCE_SWITCH == 1 &&
		      RAMJET_NO_CONVERGENCE_FAIL == 2,
	      "--on-no-convergence names them in this order");
static_assert(RJ_CLI_PROGRESS_AUTO == 0 && RJ_CLI_PROGRESS_BAR == 1 &&
		      RJ_CLI_PROGRESS_PLAIN == 2 && RJ_CLI_PROGRESS_NONE == 3,
	      "--progress names them in this order");

/* clang-format off */
static const struct option_row rows[] = {
	{ "to", "URI", MOVERS, set_uri,
	  "where the target listens, or what to write to" },
	{ "from", "URI", RJ_CLI_RECV, set_uri,
	  "where to listen or read from (tcp port 0: a free one)" },
	{ "channels", "N|auto", BOTH, set_channels,
	  "data connections, 1 to 256 (recv: as the source likes)" },
	{ "bandwidth", "RATE", MOVERS, set_bandwidth,
	  "most that may be sent, over all channels; 0: no limit" },
	{ "downtime-limit", "TIME", MOVERS, set_downtime,
	  "longest pause of the guest wanted (300ms)" },
	{ "switchover-bandwidth", "RATE", MOVERS, set_switchover_bandwidth,
	  "count on this for the pause, not on what is measured" },
	{ "throttle", "auto|off|INITIAL:STEP:MAX", MOVERS, set_throttle,
	  "slow the guest down if nothing else helps, in % (off)" },
	{ "on-no-convergence", "continue|switch|fail", MOVERS,
	  set_no_convergence,
	  "when the pause will never fit: keep trying, go, give up" },
	{ "hold", NULL, MOVERS, set_hold,
	  "converge, then stay ready until SIGUSR1 says switch" },
	{ "verify", NULL, MOVERS, set_verify,
	  "prove all memory equal before the target starts" },
	{ "no-verify", NULL, RJ_CLI_DEMO, set_no_verify,
	  "do without that proof" },
	{ "strict", NULL, BOTH, set_strict,
	  "fail rather than fall back to a slower path" },
	{ "backend", "auto|uring|syscalls", BOTH, set_backend,
	  "how data is sent and received" },
	/* One way so far, so there is nothing to tell. */
	{ "compress", "auto|none", MOVERS, set_choice, NULL },
	{ "zero-copy", "auto|off", BOTH, set_choice, NULL },
	{ "numa", "off", BOTH, set_choice, NULL },
	{ "helpers", "BUS", RJ_CLI_SEND | RJ_CLI_RECV, set_helpers,
	  "D-Bus address of the guest's helpers, used as it stands" },
	{ "id-list", "A,B", RJ_CLI_SEND | RJ_CLI_RECV, set_id_list,
	  "exactly these helpers (all)" },
	{ "timeout", "TIME", BOTH, set_timeout,
	  "cancel when it takes longer" },
	{ "run", "TIME", RJ_CLI_DEMO | RJ_CLI_RECV, set_run,
	  "how long the guest runs before its self-check (300ms)" },
	{ "json", "FILE", EVERYWHERE, set_json,
	  "write the whole report to FILE, whatever happens" },
	{ "progress", "auto|bar|plain|none", BOTH, set_progress,
	  "to standard error" },
	{ "log", "error|warning|info|debug", BOTH, set_log,
	  "messages of the library (warning)" },
	{ "ready-fd", "N", RJ_CLI_RECV, set_ready_fd,
	  "for scripts: write the URI bound to this descriptor" },
	{ "help", NULL, EVERYWHERE, set_help, NULL },
	{ "monitor", "unix:PATH", BOTH, refuse, NULL },
};

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
	{ RJ_CLI_FEATURES, "features", "[--json FILE]",
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

static int set_option(line_t *line, const struct option_row *row,
		      const char *value, struct ramjet_error *err)
{
	char what[40];
	struct setting setting = {
		.line = line, .what = what, .value = value, .row = row
	};

	(void)snprintf(what, sizeof(what), "--%s", row->name);
	if (row->commands & line->command)
		return row->set(&setting, err);
	return rj_fail(err, -EINVAL, "%s: not an option of 'ramjet %s'", what,
		       rj_cli_command_name(line->command));
}

/* What getopt_long() stumbled over, with its name. */
static int bad_option(int code, char **argv, struct ramjet_error *err)
{
	/* Short options have no word of their own: optind may not have moved
	 * past theirs. */
	const char *word = optopt && optopt < 0x100 ? NULL : argv[optind - 1];

	if (code == ':')
		return rj_fail(err, -EINVAL,
			       "%s: a value is missing, wanted %s",
			       argv[optind - 1], rows[optopt - 0x100].argument);
	if (!word)
		return rj_fail(err, -EINVAL, "-%c: unknown option", optopt);
	if (optopt)
		return rj_fail(err, -EINVAL, "%s: takes no value", word);
	return rj_fail(err, -EINVAL, "%s: unknown option", word);
}

static int parse_options(line_t *line, int argc, char **argv,
			 struct ramjet_error *err)
{
	struct option options[RJ_ARRAY_SIZE(rows) + 1] = { 0 };
	int rc = 0;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++)
		options[i] = (struct option){
			.name = rows[i].name,
			.has_arg = rows[i].argument ? required_argument
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
			rc = set_option(line, &rows[code - 0x100], optarg, err);
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
			       "already",
			       argv[optind + 1], text);
	if (!text && line->command == RJ_CLI_DEMO)
		text = DEMO_GUEST;
	if (!text)
		return rj_fail(err, -EINVAL,
			       "no guest is given, wanted file:PATH, "
			       "process:KEY=VALUE,... or kvm:KEY=VALUE,...");
	line->has_guest = true;
	return rj_cli_guest_spec_parse(text, &line->guest, err);
}

int rj_cli_command_line_parse(unsigned command, int argc, char **argv,
			      line_t *ret, struct ramjet_error *err)
{
	int rc;

	*ret = (line_t){
		.command = command,
		.params = { RAMJET_PARAMS_INIT },
		.run_us = RUN_US,
		.json = find_json(argc, argv),
		.log_level = RJ_LOG_WARNING,
		.ready_fd = -1,
	};
	if (command == RJ_CLI_DEMO) {
		ret->params.channels = DEMO_CHANNELS;
		ret->params.verify = true;
		ret->uri = "tcp:127.0.0.1:0";
	}
	rc = parse_options(ret, argc, argv, err);
	if (rc || ret->help)
		return rc;
	rc = parse_guest(ret, argc, argv, err);
	if (!rc && ret->id_list && !ret->helpers)
		rc = rj_fail(err, -EINVAL,
			     "--id-list: means nothing without --helpers BUS");
	if (rc || command == RJ_CLI_FEATURES || ret->uri)
		return rc;
	return rj_fail(err, -EINVAL, "%s is missing, wanted %s URI",
		       command == RJ_CLI_RECV ? "--from" : "--to",
		       command == RJ_CLI_RECV ? "--from" : "--to");
}

static void print_option(const struct option_row *row, FILE *out)
{
	char left[48];

	(void)snprintf(left, sizeof(left), "--%s%s%s", row->name,
		       row->argument ? " " : "",
		       row->argument ? row->argument : "");
	if (strlen(left) > 22)
		(void)fprintf(out, "  %s\n  %-22s %s\n", left, "", row->help);
	else
		(void)fprintf(out, "  %-22s %s\n", left, row->help);
}

static const char guest_help[] =
	"GUEST  file:PATH[,size=4G]   a RAM image, idle (recv: size= needed)\n"
	"       process:size=1G[,write=200M|max][,set=256M][,threads=1]"
	"[,seed=1]\n"
	"          [,pattern=sequential|random|hot][,zero=30%]"
	"[,compressible=50%]\n"
	"          [,pages=4K|thp|2M]   threads that write their memory\n"
#ifdef RJ_CLI_KVM
	"       kvm: the same keys and [,dirty=log|ring]   a KVM virtual machine\n"
#endif
	"       all: prealloc=1 populates the memory before the clock starts\n"
	"URI    tcp:HOST:PORT unix:PATH vsock:CID:PORT fd:N exec:COMMAND "
	"file:PATH\n"
	"Sizes K M G T are powers of 1024; rates also 10gbit; times 300ms "
	"1.5s 2m.\n"
	"Exit status: 0 completed; 1 failed or cancelled, the source guest runs "
	"on;\n2 usage; 3 handed over, unconfirmed.\n";

void rj_cli_command_line_help(unsigned command, FILE *out)
{
	const struct command_row *row = command_of(command);

	(void)fprintf(out, "usage: ramjet %s %s\n\n%s\n\n", row->name,
		      row->usage, row->about);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++)
		if (rows[i].commands & command && rows[i].help)
			print_option(&rows[i], out);
	if (command != RJ_CLI_FEATURES)
		(void)fprintf(out, "\n%s", guest_help);
}
