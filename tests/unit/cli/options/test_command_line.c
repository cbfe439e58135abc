/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>

#include "cli/options/command_line.h"
#include "util/log.h"

#define WORDS_MAX 32

/* Splits at blanks; the words live until the next call. */
static int parse(unsigned command, const char *text,
		 struct rj_cli_command_line *line, struct ramjet_error *err)
{
	static char copy[512];
	char *argv[WORDS_MAX + 1] = { "name" };
	char *next = copy, *word;
	int argc = 1;

	(void)snprintf(copy, sizeof(copy), "%s", text);
	while (argc < WORDS_MAX && (word = strsep(&next, " ")))
		if (*word)
			argv[argc++] = word;
	return rj_cli_command_line_parse(command, argc, argv, line, err);
}

static struct rj_cli_command_line parsed(unsigned command, const char *text)
{
	struct rj_cli_command_line line;
	struct ramjet_error err = { 0 };

	if (parse(command, text, &line, &err))
		fail_msg("%s: %s", text, err.message);
	return line;
}

static void send_wants_a_guest_and_a_uri_and_no_more(void **state)
{
	struct rj_cli_command_line line =
		parsed(RJ_CLI_SEND, "file:a --to unix:/b");

	(void)state;
	assert_string_equal(line.guest.path, "a");
	assert_string_equal(line.uri, "unix:/b");
	assert_int_equal(line.params.size, sizeof(line.params));
	assert_int_equal(line.params.channels, 0);
	assert_int_equal(line.params.downtime_limit_us, 300000);
	assert_false(line.params.verify);
	assert_int_equal(line.ready_fd, -1);
	assert_int_equal(line.log_level, RJ_LOG_WARNING);
	assert_null(line.json);
}

static void demo_wants_nothing_and_verifies(void **state)
{
	struct rj_cli_command_line line = parsed(RJ_CLI_DEMO, "");

	(void)state;
	assert_string_equal(line.guest.text,
			    "process:size=1G,write=200M,set=256M");
	assert_int_equal(line.params.channels, 2);
	assert_true(line.params.verify);
	assert_string_equal(line.uri, "tcp:127.0.0.1:0");
	assert_false(parsed(RJ_CLI_DEMO, "--no-verify").params.verify);
}

static void every_option_arrives(void **state)
{
	struct rj_cli_command_line line = parsed(
		RJ_CLI_SEND, "--to tcp:h:1 --channels 4 --bandwidth 8gbit "
			     "--downtime-limit 50ms process: --hold --verify "
			     "--strict --backend syscalls --timeout 2m");

	(void)state;
	assert_int_equal(line.params.channels, 4);
	assert_int_equal(line.params.bandwidth_bytes_per_s, 1000000000);
	assert_int_equal(line.params.downtime_limit_us, 50000);
	assert_true(line.params.hold);
	assert_true(line.params.verify);
	assert_true(line.params.strict);
	assert_int_equal(line.params.backend, RAMJET_BACKEND_SYSCALLS);
	assert_int_equal(line.timeout_us, 120000000);
	line = parsed(RJ_CLI_RECV, "process: --from tcp::0 --ready-fd 7 "
				   "--json=j --progress bar --log debug "
				   "--run 5s --backend=uring");
	assert_int_equal(line.ready_fd, 7);
	assert_string_equal(line.json, "j");
	assert_int_equal(line.progress, RJ_CLI_PROGRESS_BAR);
	assert_int_equal(line.log_level, RJ_LOG_DEBUG);
	assert_int_equal(line.run_us, 5000000);
	assert_int_equal(line.params.backend, RAMJET_BACKEND_URING);
	assert_int_equal(parsed(RJ_CLI_SEND, "file:a --to fd:3 --channels auto")
				 .params.channels,
			 0);
}

static void convergence_has_its_options(void **state)
{
	struct rj_cli_command_line line =
		parsed(RJ_CLI_SEND, "file:a --to fd:3 --throttle 30:5:80 "
				    "--on-no-convergence fail "
				    "--switchover-bandwidth 1G");

	(void)state;
	assert_true(line.params.throttle);
	assert_int_equal(line.params.throttle_initial_percent, 30);
	assert_int_equal(line.params.throttle_step_percent, 5);
	assert_int_equal(line.params.throttle_max_percent, 80);
	assert_int_equal(line.params.on_no_convergence,
			 RAMJET_NO_CONVERGENCE_FAIL);
	assert_int_equal(line.params.switchover_bandwidth_bytes_per_s,
			 1u << 30);
	line = parsed(RJ_CLI_SEND, "file:a --to fd:3 --throttle auto");
	assert_true(line.params.throttle);
	assert_int_equal(line.params.throttle_initial_percent, 20);
	assert_int_equal(line.params.on_no_convergence,
			 RAMJET_NO_CONVERGENCE_CONTINUE);
	assert_false(parsed(RJ_CLI_DEMO, "--throttle off").params.throttle);
}

static void helpers_have_a_bus_and_maybe_a_list(void **state)
{
	struct rj_cli_command_line line =
		parsed(RJ_CLI_RECV, "file:a --from fd:3 --helpers unix:path=/b "
				    "--id-list a,b");

	(void)state;
	assert_string_equal(line.helpers, "unix:path=/b");
	assert_string_equal(line.id_list, "a,b");
	assert_int_equal(line.helper_uid, -1);
	line = parsed(RJ_CLI_SEND, "file:a --to fd:3 --helpers unix:path=/b "
				   "--helper-uid 0");
	assert_int_equal(line.helper_uid, 0);
	assert_false(parsed(RJ_CLI_DEMO, "--hold").no_helpers);
	assert_true(parsed(RJ_CLI_DEMO, "--no-helpers").no_helpers);
}

static void times_are_rounded_up(void **state)
{
	struct rj_cli_command_line line =
		parsed(RJ_CLI_SEND, "file:a --to fd:3 --timeout 1500us "
				    "--stall-timeout 1us");

	(void)state;
	assert_int_equal(line.timeout_us, 1500);
	assert_int_equal(line.params.total_timeout_ms, 2);
	assert_int_equal(line.params.stall_timeout_ms, 1);
	line = parsed(RJ_CLI_SEND, "file:a --to fd:3 --timeout 1ns "
				   "--stall-timeout 1ns --downtime-limit 1ns");
	assert_int_equal(line.timeout_us, 1);
	assert_int_equal(line.params.total_timeout_ms, 1);
	assert_int_equal(line.params.stall_timeout_ms, 1);
	assert_int_equal(line.params.downtime_limit_us, 1);
	assert_false(line.params.uncapped_switchover);
	line = parsed(RJ_CLI_DEMO, "--uncapped-switchover");
	assert_true(line.params.uncapped_switchover);
	assert_int_equal(line.params.stall_timeout_ms, 0);
	assert_int_equal(line.params.total_timeout_ms, 0);
	assert_int_equal(line.params.switchover_timeout_us,
			 RAMJET_SWITCHOVER_TIMEOUT_AUTO);
	assert_int_equal(line.params.reply_timeout_ms, 30000);
	assert_int_equal(line.params.reconnect_ms, 10000);
	line = parsed(RJ_CLI_SEND, "file:a --to fd:3 --switchover-timeout 7us "
				   "--reply-timeout 1us --reconnect 1us");
	assert_int_equal(line.params.switchover_timeout_us, 7);
	assert_int_equal(line.params.reply_timeout_ms, 1);
	assert_int_equal(line.params.reconnect_ms, 1);
	line = parsed(RJ_CLI_SEND, "file:a --to fd:3 --switchover-timeout 0 "
				   "--reply-timeout 0 --reconnect 0");
	assert_int_equal(line.params.switchover_timeout_us, 0);
	assert_int_equal(line.params.reply_timeout_ms, 0);
	assert_int_equal(line.params.reconnect_ms, 0);
	line = parsed(RJ_CLI_RECV, "file:a --from fd:3 --reconnect 7s");
	assert_int_equal(line.params.reconnect_ms, 7000);
}

static void what_is_true_today_is_accepted(void **state)
{
	const struct rj_cli_command_line line =
		parsed(RJ_CLI_SEND, "file:a --to fd:3 --compress none "
				    "--zero-copy off --numa off");

	(void)state;
	assert_int_equal(line.params.numa, RAMJET_NUMA_OFF);
	(void)parsed(RJ_CLI_SEND, "file:a --to fd:3 --compress auto "
				  "--zero-copy auto --numa auto");
}

static struct ramjet_params less(const char *options)
{
	char text[200];

	(void)snprintf(text, sizeof(text), "file:a --to fd:3 %s", options);
	return parsed(RJ_CLI_SEND, text).params;
}

static void fewer_bytes_are_sent_by_many_means(void **state)
{
	struct ramjet_params params = less("");

	(void)state;
	assert_int_equal(params.compression, RAMJET_COMPRESSION_AUTO);
	assert_int_equal(params.compression_level_max, 3);
	assert_int_equal(params.compression_cpu_percent, 0);
	assert_int_equal(params.deltas, RAMJET_DELTAS_AUTO);
	assert_true(params.delta_cache_bytes == RAMJET_DELTA_CACHE_AUTO);
	assert_int_equal(params.hot_pages, RAMJET_HOT_PAGES_LAST);
	params = less("--compress zstd");
	assert_int_equal(params.compression, RAMJET_COMPRESSION_ZSTD);
	assert_int_equal(params.compression_level, 1);
	assert_int_equal(less("--compress zstd:19").compression_level, 19);
	assert_int_equal(less("--compress zstd:-7").compression_level, -7);
	assert_int_equal(less("--compress zstd:0").compression_level, 0);
	assert_int_equal(less("--compress none").compression,
			 RAMJET_COMPRESSION_NONE);
	params = less("--compress-level-max -1 --compress-cpu 30%");
	assert_int_equal(params.compression, RAMJET_COMPRESSION_AUTO);
	assert_int_equal(params.compression_level_max, -1);
	assert_int_equal(params.compression_cpu_percent, 30);
	params = less("--delta-cache 64M --hot-pages in-turn");
	assert_int_equal(params.deltas, RAMJET_DELTAS_AUTO);
	assert_true(params.delta_cache_bytes == 64u << 20);
	assert_int_equal(params.hot_pages, RAMJET_HOT_PAGES_IN_TURN);
	assert_int_equal(less("--delta-cache off").deltas, RAMJET_DELTAS_OFF);
	params = less("--delta-cache off --delta-cache auto");
	assert_int_equal(params.deltas, RAMJET_DELTAS_AUTO);
	assert_int_equal(parsed(RJ_CLI_RECV, "file:a --from fd:3 "
					     "--compress none")
				 .params.compression,
			 RAMJET_COMPRESSION_NONE);
}

static void cpus_are_listed_as_for_taskset(void **state)
{
	struct rj_cli_command_line line =
		parsed(RJ_CLI_SEND, "file:a --to fd:3");
	static const uint32_t wanted[] = { 0, 2, 3, 4, 8191 };

	(void)state;
	assert_null(line.params.cpus);
	assert_int_equal(line.params.cpu_count, 0);
	line = parsed(RJ_CLI_RECV, "file:a --from fd:3 --cpus 8191,2-4,0,3-3");
	assert_int_equal(line.params.cpu_count, RJ_ARRAY_SIZE(wanted));
	assert_memory_equal(line.params.cpus, wanted, sizeof(wanted));
	assert_string_equal(line.cpus, "8191,2-4,0,3-3");
	line = parsed(RJ_CLI_DEMO, "--cpus 1");
	assert_int_equal(line.params.cpu_count, 1);
	assert_int_equal(line.params.cpus[0], 1);
}

static void help_needs_nothing_else(void **state)
{
	(void)state;
	assert_true(parsed(RJ_CLI_SEND, "--help").help);
	assert_true(parsed(RJ_CLI_RECV, "-h").help);
	assert_true(parsed(RJ_CLI_FEATURES, "--help").help);
}

/* clang-format off */
static const struct {
	unsigned command;
	const char *text;
	const char *says;
} bad[] = {
	{ RJ_CLI_SEND, "", "no guest is given, wanted file:PATH" },
	{ RJ_CLI_SEND, "file:a", "--to is missing, wanted --to URI" },
	{ RJ_CLI_RECV, "file:a", "--from is missing, wanted --from URI" },
	{ RJ_CLI_RECV, "file:a --from defer", "--from defer: --monitor "
	  "unix:PATH is missing" },
	{ RJ_CLI_SEND, "file:a file:b --to fd:1", "'file:b': one guest is" },
	{ RJ_CLI_SEND, "file:a tcp:b:1", "already; a URI goes after --to" },
	{ RJ_CLI_RECV, "file:a tcp:b:1", "already; a URI goes after --from" },
	{ RJ_CLI_FEATURES, "file:a", "'file:a': 'ramjet features' takes no" },
	{ RJ_CLI_FEATURES, "--channels 1", "--channels: not an option of "
	  "'ramjet features'" },
	{ RJ_CLI_SEND, "nothing --to fd:1", "guest 'nothing': unknown kind" },
	{ RJ_CLI_SEND, "file:a --to", "--to: a value is missing, wanted URI" },
	{ RJ_CLI_SEND, "file:a --to somewhere", "--to: 'somewhere' is not a "
	  "URI, wanted tcp:HOST:PORT" },
	{ RJ_CLI_SEND, "file:a --to tcp:", "--to: 'tcp:' is not a URI" },
	{ RJ_CLI_SEND, "file:a --from fd:1", "--from: not an option of "
	  "'ramjet send'" },
	{ RJ_CLI_RECV, "file:a --from defer", "--monitor unix:PATH" },
	{ RJ_CLI_RECV, "file:a --from fd:1 --verify", "--verify: not an option "
	  "of 'ramjet recv'" },
	{ RJ_CLI_SEND, "--channels 0", "--channels: 0 is out of range" },
	{ RJ_CLI_SEND, "--channels 257", "--channels: 257 is out of range, "
	  "wanted 1 to 256" },
	{ RJ_CLI_SEND, "--channels many", "--channels: 'many' is not a whole" },
	{ RJ_CLI_SEND, "--bandwidth quick", "--bandwidth: 'quick' is not a "
	  "rate" },
	{ RJ_CLI_SEND, "--downtime-limit 1x", "--downtime-limit: '1x' is not a "
	  "duration" },
	{ RJ_CLI_SEND, "--downtime-limit 0", "--downtime-limit: '0' is too "
	  "short" },
	{ RJ_CLI_SEND, "--timeout soon", "--timeout: 'soon' is not" },
	{ RJ_CLI_SEND, "--backend epoll", "--backend: 'epoll' is unknown, "
	  "wanted auto|uring|syscalls" },
	{ RJ_CLI_SEND, "--progress loud", "--progress: 'loud' is unknown, "
	  "wanted auto|bar|plain|none" },
	{ RJ_CLI_SEND, "--log all", "--log: 'all' is unknown" },
	{ RJ_CLI_RECV, "--ready-fd x", "--ready-fd: 'x' is not a whole" },
	{ RJ_CLI_SEND, "--compress lz4", "--compress: 'lz4' is unknown, wanted "
	  "auto, none, zstd or zstd:LEVEL" },
	{ RJ_CLI_SEND, "--compress zstandard", "'zstandard' is unknown" },
	{ RJ_CLI_SEND, "--compress zstd:", "--compress: '' is not a level of "
	  "zstd's, wanted -7 to 19" },
	{ RJ_CLI_SEND, "--compress zstd:20", "'20' is not a level of zstd's" },
	{ RJ_CLI_SEND, "--compress zstd:-8", "'-8' is not a level of zstd's" },
	{ RJ_CLI_SEND, "--compress zstd:--1", "'--1' is not a level of" },
	{ RJ_CLI_SEND, "--compress zstd:3x", "'3x' is not a level of zstd's" },
	{ RJ_CLI_RECV, "file:a --from fd:1 --compress zstd", "--compress: "
	  "'zstd' is for the source to say, wanted auto or none" },
	{ RJ_CLI_SEND, "--compress-level-max 20", "--compress-level-max: '20' "
	  "is not a level of zstd's, wanted -7 to 19" },
	{ RJ_CLI_SEND, "--compress-cpu 0", "--compress-cpu: '0' is too little, "
	  "wanted 1 to 100, or --compress none" },
	{ RJ_CLI_SEND, "--compress-cpu 101", "--compress-cpu: " },
	{ RJ_CLI_RECV, "file:a --from fd:1 --compress-cpu 5", "--compress-cpu: "
	  "not an option of 'ramjet recv'" },
	{ RJ_CLI_SEND, "--delta-cache 0", "--delta-cache: '0' is unknown, "
	  "wanted a size above 0, auto or off" },
	{ RJ_CLI_SEND, "--delta-cache on", "--delta-cache: 'on' is unknown" },
	{ RJ_CLI_SEND, "--hot-pages first", "--hot-pages: 'first' is unknown, "
	  "wanted last|in-turn" },
	{ RJ_CLI_SEND, "--zero-copy yes", "--zero-copy: " },
	{ RJ_CLI_SEND, "--throttle 20:10", "--throttle: '20:10' is unknown, "
	  "wanted auto, off or INITIAL:STEP:MAX" },
	{ RJ_CLI_SEND, "--throttle 20:10:100", "'20:10:100' is unknown" },
	{ RJ_CLI_SEND, "--throttle 20:10:99:1", "'20:10:99:1' has more than" },
	{ RJ_CLI_SEND, "file:a --to fd:1 --id-list a", "--id-list: means "
	  "nothing without --helpers BUS" },
	{ RJ_CLI_SEND, "file:a --to fd:1 --helper-uid 7", "--helper-uid: "
	  "means nothing without --helpers BUS" },
	{ RJ_CLI_SEND, "--stall-timeout 50000h", "--stall-timeout: '50000h' "
	  "is too long" },
	{ RJ_CLI_SEND, "--timeout 80000m", "wanted 49 days or less" },
	{ RJ_CLI_DEMO, "--helpers unix:x", "--helpers: not an option of" },
	{ RJ_CLI_SEND, "--cpus a", "--cpus: 'a' is not a list of CPUs, wanted "
	  "numbers and ranges such as 0-3,8" },
	{ RJ_CLI_SEND, "--cpus 1,", "'1,' is not a list of CPUs" },
	{ RJ_CLI_SEND, "--cpus 3-1", "'3-1' is not a list of CPUs" },
	{ RJ_CLI_SEND, "--cpus -1", "--cpus" },
	{ RJ_CLI_SEND, "--cpus 1-2-3", "'1-2-3' is not a list of CPUs" },
	{ RJ_CLI_SEND, "--cpus 0-8192", "no machine has, wanted 0 to 8191" },
	{ RJ_CLI_SEND, "--cpus 99999999999999999999", "that no machine has" },
	{ RJ_CLI_SEND, "--numa on", "--numa: 'on' is unknown, wanted "
	  "auto|off" },
	{ RJ_CLI_SEND, "--on-no-convergence hope", "'hope' is unknown, wanted "
	  "continue|switch|fail" },
	{ RJ_CLI_SEND, "--switchover-bandwidth x",
	  "--switchover-bandwidth: 'x' is not a rate" },
	{ RJ_CLI_SEND, "--monitor x", "--monitor: 'x' is unknown, wanted unix:PATH" },
	{ RJ_CLI_SEND, "--chanels 3", "--chanels: unknown option, wanted "
	  "one of the help's" },
	{ RJ_CLI_SEND, "-x", "-x: unknown option, wanted -h or" },
	{ RJ_CLI_SEND, "-xy", "-x: unknown option" },
	{ RJ_CLI_SEND, "--hold=1", "--hold=1: takes no value" },
	{ RJ_CLI_SEND, "--h", "--h: unknown option" },
};
/* clang-format on */

static void wrong_usage_names_itself_and_what_was_wanted(void **state)
{
	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		struct rj_cli_command_line line;
		struct ramjet_error err = { 0 };
		int rc = parse(bad[i].command, bad[i].text, &line, &err);

		if (rc >= 0 || !strstr(err.message, bad[i].says))
			fail_msg("'%s': rc %d, message '%s', wanted '%s'",
				 bad[i].text, rc, err.message, bad[i].says);
	}
}

static void the_report_is_known_even_when_usage_is_wrong(void **state)
{
	struct rj_cli_command_line line;

	(void)state;
	assert_true(parse(RJ_CLI_SEND, "--nonsense --json out", &line, NULL) <
		    0);
	assert_string_equal(line.json, "out");
	assert_true(parse(RJ_CLI_SEND, "--json=out --nonsense", &line, NULL) <
		    0);
	assert_string_equal(line.json, "out");
}

static void help_fits_one_screen(void **state)
{
	static const unsigned commands[] = { RJ_CLI_DEMO, RJ_CLI_SEND,
					     RJ_CLI_RECV, RJ_CLI_FEATURES };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(commands); i++) {
		unsigned lines = 0;
		size_t bytes, column = 0;
		char *text;
		FILE *out = open_memstream(&text, &bytes);

		rj_cli_command_line_help(commands[i], out);
		(void)fclose(out);
		for (size_t at = 0; at < bytes; at++) {
			column = text[at] == '\n' ? 0 : column + 1;
			lines += text[at] == '\n';
			if (column > 80)
				fail_msg("line %u is too wide", lines + 1);
		}
		if (lines > 50)
			fail_msg("%u lines are no screen", lines);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(send_wants_a_guest_and_a_uri_and_no_more),
		cmocka_unit_test(demo_wants_nothing_and_verifies),
		cmocka_unit_test(every_option_arrives),
		cmocka_unit_test(convergence_has_its_options),
		cmocka_unit_test(helpers_have_a_bus_and_maybe_a_list),
		cmocka_unit_test(times_are_rounded_up),
		cmocka_unit_test(what_is_true_today_is_accepted),
		cmocka_unit_test(fewer_bytes_are_sent_by_many_means),
		cmocka_unit_test(cpus_are_listed_as_for_taskset),
		cmocka_unit_test(help_needs_nothing_else),
		cmocka_unit_test(wrong_usage_names_itself_and_what_was_wanted),
		cmocka_unit_test(the_report_is_known_even_when_usage_is_wrong),
		cmocka_unit_test(help_fits_one_screen),
	};

	return cmocka_run_group_tests_name("command_line", tests, NULL, NULL);
}
