/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/option.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "cli/options/cpu_list.h"
#include "cli/options/fewer_bytes.h"
#include "cli/options/helper_limits.h"
#include "cli/options/uri.h"
#include "util/error.h"
#include "util/log.h"
#include "util/parse.h"

#define MOVERS     (RJ_CLI_DEMO | RJ_CLI_SEND)
#define PEERS      (RJ_CLI_SEND | RJ_CLI_RECV)
#define ALL        (RJ_CLI_DEMO | RJ_CLI_SEND | RJ_CLI_RECV)
#define EVERYWHERE (ALL | RJ_CLI_FEATURES)

static int set_channels(const struct rj_cli_setting *s,
			struct ramjet_error *err)
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

static int set_bandwidth(const struct rj_cli_setting *s,
			 struct ramjet_error *err)
{
	return rj_parse_rate(s->what, s->value,
			     &s->line->params.bandwidth_bytes_per_s, err);
}

static int set_downtime(const struct rj_cli_setting *s,
			struct ramjet_error *err)
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

static int set_switchover_bandwidth(const struct rj_cli_setting *s,
				    struct ramjet_error *err)
{
	return rj_parse_rate(s->what, s->value,
			     &s->line->params.switchover_bandwidth_bytes_per_s,
			     err);
}

static int set_helpers(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->helpers = s->value;
	return 0;
}

static int set_id_list(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->id_list = s->value;
	return 0;
}

static int set_helper_uid(const struct rj_cli_setting *s,
			  struct ramjet_error *err)
{
	uint64_t uid;
	int rc = rj_parse_uint(s->what, s->value, 0, UINT32_MAX - 1, &uid, err);

	if (!rc)
		s->line->helper_uid = (int64_t)uid;
	return rc;
}

static int set_helper_state_max(const struct rj_cli_setting *s,
				struct ramjet_error *err)
{
	s->line->helper_limit = "--helper-state-max";
	return rj_cli_helper_state_max(s->what, s->value,
				       &s->line->helper_limits, err);
}

static int set_helper_timeout(const struct rj_cli_setting *s,
			      struct ramjet_error *err)
{
	s->line->helper_limit = "--helper-timeout";
	return rj_cli_helper_timeout(s->what, s->value, &s->line->helper_limits,
				     err);
}

static int set_quit_source(const struct rj_cli_setting *s,
			   struct ramjet_error *err)
{
	(void)err;
	s->line->quit_source = true;
	return 0;
}

/* `features`: could this one be moved? */
static int set_guest(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	s->line->has_guest = true;
	return rj_cli_guest_spec_parse(s->value, &s->line->guest, err);
}

static int set_no_helpers(const struct rj_cli_setting *s,
			  struct ramjet_error *err)
{
	(void)err;
	s->line->no_helpers = true;
	return 0;
}

/* INITIAL:STEP:MAX, percentages of time taken away. */
static int set_throttle_steps(const struct rj_cli_setting *s,
			      struct ramjet_error *err)
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
	if (params->throttle_max_percent < params->throttle_initial_percent)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' begins above its end, wanted INITIAL "
			       "of at most MAX",
			       s->what, s->value);
	params->throttle = true;
	return 0;
}

static int set_throttle(const struct rj_cli_setting *s,
			struct ramjet_error *err)
{
	s->line->params.throttle = !strcmp(s->value, "auto");
	if (s->line->params.throttle || !strcmp(s->value, "off"))
		return 0;
	return set_throttle_steps(s, err);
}

/* In whole milliseconds, as the library counts them; never shorter. */
static int parse_ms(const struct rj_cli_setting *s, uint64_t *ret_us,
		    uint32_t *ret_ms, struct ramjet_error *err)
{
	int rc = rj_parse_duration_us(s->what, s->value, ret_us, err);

	if (!rc && *ret_us > UINT64_C(1000) * UINT32_MAX)
		return rj_fail(err, -ERANGE,
			       "%s: '%s' is too long, wanted 49 days or less",
			       s->what, s->value);
	if (!rc)
		*ret_ms = (uint32_t)((*ret_us + 999) / 1000);
	return rc;
}

static int set_timeout(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	return parse_ms(s, &s->line->timeout_us,
			&s->line->params.total_timeout_ms, err);
}

static int set_stall_timeout(const struct rj_cli_setting *s,
			     struct ramjet_error *err)
{
	uint64_t us;

	return parse_ms(s, &us, &s->line->params.stall_timeout_ms, err);
}

static int set_reply_timeout(const struct rj_cli_setting *s,
			     struct ramjet_error *err)
{
	uint64_t us;

	return parse_ms(s, &us, &s->line->params.reply_timeout_ms, err);
}

static int set_reconnect(const struct rj_cli_setting *s,
			 struct ramjet_error *err)
{
	uint64_t us;

	return parse_ms(s, &us, &s->line->params.reconnect_ms, err);
}

static int set_switchover_timeout(const struct rj_cli_setting *s,
				  struct ramjet_error *err)
{
	return rj_parse_duration_us(
		s->what, s->value, &s->line->params.switchover_timeout_us, err);
}

static int set_uncapped_switchover(const struct rj_cli_setting *s,
				   struct ramjet_error *err)
{
	(void)err;
	s->line->params.uncapped_switchover = true;
	return 0;
}

static int set_run(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	return rj_parse_duration_us(s->what, s->value, &s->line->run_us, err);
}

static int set_hold(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->params.hold = true;
	return 0;
}

static int set_verify(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->params.verify = true;
	return 0;
}

static int set_verify_all(const struct rj_cli_setting *s,
			  struct ramjet_error *err)
{
	(void)err;
	s->line->params.verify = s->line->params.verify_all = true;
	return 0;
}

static int set_no_verify(const struct rj_cli_setting *s,
			 struct ramjet_error *err)
{
	(void)err;
	s->line->params.verify = false;
	return 0;
}

static int set_strict(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->params.strict = true;
	return 0;
}

static int set_monitor(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	if (strncmp(s->value, "unix:", 5) || !s->value[5])
		return rj_fail(err, -EINVAL,
			       "%s: '%s' is unknown, wanted unix:PATH", s->what,
			       s->value);
	s->line->monitor = s->value + 5;
	return rj_cli_check_unix(s->what, s->value, err);
}

static int set_json(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->json = s->value;
	return 0;
}

static int set_help(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	(void)err;
	s->line->help = true;
	return 0;
}

static int set_ready_fd(const struct rj_cli_setting *s,
			struct ramjet_error *err)
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

static int choose(const struct rj_cli_setting *s, int *ret,
		  struct ramjet_error *err)
{
	*ret = index_of(s->option->argument, s->value);
	if (*ret >= 0)
		return 0;
	return rj_fail(err, -EINVAL, "%s: '%s' is unknown, wanted %s", s->what,
		       s->value, s->option->argument);
}

static_assert(RAMJET_ZERO_COPY_AUTO == 0 && RAMJET_ZERO_COPY_ON == 1 &&
		      RAMJET_ZERO_COPY_OFF == 2,
	      "--zero-copy names them in this order");

static int set_zero_copy(const struct rj_cli_setting *s,
			 struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->params.zero_copy = (uint32_t)chosen;
	return rc;
}

static_assert(RAMJET_NUMA_AUTO == 0 && RAMJET_NUMA_OFF == 1,
	      "--numa names them in this order");

static int set_numa(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->params.numa = (uint32_t)chosen;
	return rc;
}

static int set_cpus(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	s->line->cpus = s->value;
	return rj_cli_cpu_list(s->what, s->value, &s->line->params, err);
}

static int set_compress(const struct rj_cli_setting *s,
			struct ramjet_error *err)
{
	return rj_cli_compress(s->what, s->value,
			       s->line->command == RJ_CLI_RECV,
			       &s->line->params, err);
}

static int set_compress_level_max(const struct rj_cli_setting *s,
				  struct ramjet_error *err)
{
	return rj_cli_compress_level(
		s->what, s->value, &s->line->params.compression_level_max, err);
}

static int set_compress_cpu(const struct rj_cli_setting *s,
			    struct ramjet_error *err)
{
	return rj_cli_compress_cpu(s->what, s->value, &s->line->params, err);
}

static int set_delta_cache(const struct rj_cli_setting *s,
			   struct ramjet_error *err)
{
	return rj_cli_delta_cache(s->what, s->value, &s->line->params, err);
}

static_assert(RAMJET_HOT_PAGES_LAST == 0 && RAMJET_HOT_PAGES_IN_TURN == 1,
	      "--hot-pages names them in this order");

static int set_hot_pages(const struct rj_cli_setting *s,
			 struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->params.hot_pages = (uint32_t)chosen;
	return rc;
}

static int set_backend(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->params.backend = (uint32_t)chosen;
	return rc;
}

static int set_no_convergence(const struct rj_cli_setting *s,
			      struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->params.on_no_convergence = (uint32_t)chosen;
	return rc;
}

static int set_progress(const struct rj_cli_setting *s,
			struct ramjet_error *err)
{
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->progress = (enum rj_cli_progress_style)chosen;
	return rc;
}

static int set_log(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	static const int levels[] = { RJ_LOG_ERROR, RJ_LOG_WARNING, RJ_LOG_INFO,
				      RJ_LOG_DEBUG };
	int chosen, rc = choose(s, &chosen, err);

	if (!rc)
		s->line->log_level = levels[chosen];
	return rc;
}

static int set_uri(const struct rj_cli_setting *s, struct ramjet_error *err)
{
	return rj_cli_uri(s->what, s->value, s->line, err);
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
static const struct rj_cli_option options[] = {
	{ "to", "URI", MOVERS, set_uri,
	  "where the target listens, or what to write to" },
	{ "from", "URI", RJ_CLI_RECV, set_uri,
	  "where to listen (port 0: any) or read from; or defer" },
	{ "channels", "N|auto", ALL, set_channels,
	  "data connections, 1 to 256 (recv: as the source likes)" },
	{ "bandwidth", "RATE", MOVERS, set_bandwidth,
	  "most that may be sent, over all channels; 0: no limit" },
	{ "uncapped-switchover", NULL, MOVERS, set_uncapped_switchover,
	  "lift the cap while the guest is stopped" },
	{ "downtime-limit", "TIME", MOVERS, set_downtime,
	  "longest pause of the guest wanted (300ms)" },
	{ "switchover-bandwidth", "RATE", MOVERS, set_switchover_bandwidth,
	  "count on this for the pause, not on measurement" },
	{ "throttle", "auto|off|INITIAL:STEP:MAX", MOVERS, set_throttle,
	  "slow the guest down if need be, % (off)" },
	{ "on-no-convergence", "continue|switch|fail", MOVERS,
	  set_no_convergence,
	  "when the pause never fits (continue)" },
	{ "hold", NULL, MOVERS, set_hold,
	  "converge, then stay ready until SIGUSR1 says switch" },
	{ "verify", NULL, MOVERS, set_verify,
	  "prove all memory equal before the target starts" },
	{ "verify-all", NULL, RJ_CLI_SEND, set_verify_all,
	  "as --verify, reading even what was never touched" },
	{ "no-verify", NULL, RJ_CLI_DEMO, set_no_verify,
	  "do without that proof" },
	{ "strict", NULL, ALL, set_strict,
	  "fail rather than fall back to a slower path" },
	{ "backend", "auto|uring|syscalls", EVERYWHERE, set_backend,
	  "how data is sent and received" },
	{ "compress", "auto|none|zstd[:LEVEL]", ALL, set_compress,
	  "by zstd, -7 to 19 (auto: where it pays)" },
	{ "compress-level-max", "LEVEL", MOVERS, set_compress_level_max,
	  "the highest that auto comes to (3)" },
	{ "compress-cpu", "PERCENT", MOVERS, set_compress_cpu,
	  "most of each channel's CPU time that auto takes" },
	{ "delta-cache", "SIZE|auto|off", MOVERS, set_delta_cache,
	  "for what was sent, to send only what has changed" },
	{ "hot-pages", "last|in-turn", MOVERS, set_hot_pages,
	  "those written all the time wait until they cool" },
	{ "zero-copy", "auto|on|off", ALL, set_zero_copy,
	  "send from pinned memory (auto: if cheaper)" },
	{ "numa", "auto|off", ALL, set_numa,
	  "run where the memory lies (auto: if nodes are several)" },
	{ "cpus", "LIST", ALL, set_cpus,
	  "the CPUs to work on, such as 0-3,8 (any)" },
	{ "helpers", "BUS", PEERS, set_helpers,
	  "D-Bus address of the guest's helpers, used as it stands" },
	{ "id-list", "A,B", PEERS, set_id_list,
	  "exactly these helpers (all)" },
	{ "helper-uid", "UID", PEERS, set_helper_uid,
	  "refuse helpers that run as another user" },
	{ "helper-state-max", "SIZE", PEERS, set_helper_state_max,
	  "most bytes of one helper's state (1M)" },
	{ "helper-timeout", "TIME", PEERS, set_helper_timeout,
	  "for all helpers to save, or load (500ms)" },
	{ "no-helpers", NULL, RJ_CLI_DEMO, set_no_helpers,
	  "without helpers (else two, on a D-Bus on each side)" },
	{ "timeout", "TIME", ALL, set_timeout,
	  "give up when it takes longer" },
	{ "stall-timeout", "TIME", MOVERS, set_stall_timeout,
	  "give up when nothing moves for this long" },
	{ "switchover-timeout", "TIME", MOVERS, set_switchover_timeout,
	  "then the guest runs on (10 limits, 5s)" },
	{ "reply-timeout", "TIME", ALL, set_reply_timeout,
	  "give up when the peer owes an answer for so long (30s)" },
	{ "reconnect", "TIME", ALL, set_reconnect,
	  "a lost connection may return for so long (10s)" },
	{ "run", "TIME", RJ_CLI_DEMO | RJ_CLI_RECV, set_run,
	  "how long the guest runs before its self-check (300ms)" },
	{ "monitor", "unix:PATH", ALL, set_monitor,
	  "let managers have a say there (QMP)" },
	{ "json", "FILE", EVERYWHERE, set_json,
	  "write the whole report to FILE, whatever happens" },
	{ "progress", "auto|bar|plain|none", ALL, set_progress,
	  "to standard error" },
	{ "log", "error|warning|info|debug", ALL, set_log,
	  "messages of the library (warning)" },
	{ "ready-fd", "N", RJ_CLI_RECV, set_ready_fd,
	  "for scripts: write the URI bound to this descriptor" },
	{ "quit-source", NULL, RJ_CLI_SEND, set_quit_source,
	  "qemu: end the source QEMU once its guest has moved" },
	{ "guest", "GUEST", RJ_CLI_FEATURES, set_guest,
	  "qemu: could it be moved, and what is missing?" },
	{ "help", NULL, EVERYWHERE, set_help, NULL },
};
/* clang-format on */

static_assert(RJ_ARRAY_SIZE(options) == RJ_CLI_OPTION_COUNT,
	      "RJ_CLI_OPTION_COUNT says how many there are");
const struct rj_cli_option *const rj_cli_options = options;
