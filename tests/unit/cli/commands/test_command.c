/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands/dispatch.h"
#include "cli/guest/program.h"
#include "tests/unit/cli/fake_ramjet.h"
#include "util/compiler.h"

/*
 * Whole subcommands, from the words of the command line to exit status, text
 * and report; only the library is a fake.
 */

#define WORDS_MAX 32

struct world {
	char json[64]; /* a path */
	char file[64]; /* a RAM image of 8 KiB */
	char text[16384];
	json_t *report;
};

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int fd;

	fake_reset();
	(void)snprintf(w->json, sizeof(w->json), "/tmp/rj-cli-json-XXXXXX");
	(void)snprintf(w->file, sizeof(w->file), "/tmp/rj-cli-file-XXXXXX");
	fd = mkstemp(w->json);
	(void)close(fd);
	fd = mkstemp(w->file);
	assert_int_equal(ftruncate(fd, 8192), 0);
	(void)close(fd);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	json_decref(w->report);
	(void)unlink(w->json);
	(void)unlink(w->file);
	free(w);
	return 0;
}

/* Both streams of the program into one text. */
static int run_caught(struct world *w, int argc, char **argv)
{
	int saved[2] = { dup(1), dup(2) };
	int caught = memfd_create("caught", MFD_CLOEXEC);
	ssize_t length;
	int status;

	(void)fflush(stdout);
	(void)fflush(stderr);
	(void)dup2(caught, 1);
	(void)dup2(caught, 2);
	status = rj_cli_main(argc, argv);
	(void)fflush(stdout);
	(void)fflush(stderr);
	(void)dup2(saved[0], 1);
	(void)dup2(saved[1], 2);
	length = pread(caught, w->text, sizeof(w->text) - 1, 0);
	w->text[length > 0 ? length : 0] = '\0';
	(void)close(saved[0]);
	(void)close(saved[1]);
	(void)close(caught);
	return status;
}

/* Of the words, JSON stands for the report's path. */
static int run(struct world *w, const char *words)
{
	char *argv[WORDS_MAX + 1] = { "ramjet" };
	char copy[512];
	char *next = copy, *word;
	int argc = 1, status;

	(void)snprintf(copy, sizeof(copy), "%s", words);
	while (argc < WORDS_MAX && (word = strsep(&next, " ")))
		argv[argc++] = !strcmp(word, "JSON") ? w->json : word;
	status = run_caught(w, argc, argv);
	json_decref(w->report);
	w->report = json_load_file(w->json, 0, NULL);
	assert_int_equal(fake.alive, 0);
	return status;
}

static void assert_says(const struct world *w, const char *wanted)
{
	if (!strstr(w->text, wanted))
		fail_msg("wanted '%s' in: %s", wanted, w->text);
}

static const char *text_of(const struct world *w, const char *name)
{
	const json_t *value = json_object_get(w->report, name);

	assert_true(json_is_string(value));
	return json_string_value(value);
}

static double number_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_number(value))
		fail_msg("%s is not a number", name);
	return json_number_value(value);
}

/* Every field of THE REPORT in ramjet.1, with its type; '.' goes into an object, and
 * '[' into the first of an array when it has one. */
static const struct {
	const char *path;
	char type;
} fields[] = {
	{ "status", 's' },
	{ "error", '?' },
	{ "uri", '?' },
	{ "role", 's' },
	{ "total_ms", 'n' },
	{ "setup_ms", 'n' },
	{ "downtime_ms", '0' },
	{ "downtime_limit_ms", 'n' },
	{ "downtime_predicted_ms.p50", '0' },
	{ "downtime_predicted_ms.p90", '0' },
	{ "downtime_terms", 'a' },
	{ "downtime_terms[name", 's' },
	{ "downtime_terms[predicted_ms", '0' },
	{ "downtime_terms[actual_ms", '0' },
	{ "ram.total_bytes", 'n' },
	{ "ram.transferred_bytes", 'n' },
	{ "ram.wire_bytes", 'n' },
	{ "ram.remaining_bytes", '0' },
	{ "ram.page_bytes", 'n' },
	{ "ram.normal_pages", 'n' },
	{ "ram.zero_pages", 'n' },
	{ "ram.unpopulated_pages", 'n' },
	{ "ram.compressed_pages", 'n' },
	{ "ram.delta_pages", 'n' },
	{ "ram.resent_pages", 'n' },
	{ "rounds", 'a' },
	{ "rounds[pages", 'n' },
	{ "rounds[bytes", 'n' },
	{ "rounds[ms", 'n' },
	{ "rounds[dirtied_pages", 'n' },
	{ "channels", 'a' },
	{ "channels[bytes", 'n' },
	{ "channels[state", 's' },
	{ "throughput_bytes_per_s", '0' },
	{ "dirty_pages_per_s", '0' },
	{ "throttle_percent", 'n' },
	{ "helpers", 'a' },
	{ "helpers[id", 's' },
	{ "helpers[bytes", 'n' },
	{ "helpers[save_ms", 'n' },
	{ "helpers[load_ms", 'n' },
	{ "helpers[left_alone", 'b' },
	{ "fast_paths", 'a' },
	{ "fast_paths[name", 's' },
	{ "fast_paths[chosen", 's' },
	{ "fast_paths[reason", 's' },
	{ "cpu_s.control", 'n' },
	{ "cpu_s.workers", 'n' },
	{ "verify.blocks", 'n' },
	{ "verify.identical", 'b' },
	{ "rounds_total", 'n' },
	{ "known", 'a' },
	{ "capacity_bytes_per_s.mean", '0' },
	{ "capacity_bytes_per_s.spread", '0' },
	{ "convergence_ms", '0' },
	{ "called_off", 'n' },
	{ "guest_stall_ms", 'n' },
	{ "throttled_ms", 'n' },
};

static bool has_type(const json_t *value, char type)
{
	switch (type) {
	case 's':
		return json_is_string(value);
	case 'n':
		return json_is_number(value);
	case 'a':
		return json_is_array(value);
	case '0':
		return json_is_number(value) || json_is_null(value);
	case 'b':
		return json_is_boolean(value) || json_is_null(value);
	default:
		return json_is_string(value) || json_is_null(value);
	}
}

static void assert_complete(const struct world *w)
{
	assert_non_null(w->report);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(fields); i++) {
		const char *path = fields[i].path;
		size_t span = strcspn(path, ".[");
		const json_t *value = w->report;
		char name[64];

		if (path[span]) {
			(void)snprintf(name, sizeof(name), "%.*s", (int)span,
				       path);
			value = json_object_get(value, name);
			if (path[span] == '[' && !json_array_size(value))
				continue;
			if (path[span] == '[')
				value = json_array_get(value, 0);
			path += span + 1;
		}
		if (!has_type(json_object_get(value, path), fields[i].type))
			fail_msg("%s is missing or of another type",
				 fields[i].path);
	}
}

static void a_completed_send_reports_and_exits_with_0(void **state)
{
	struct world *w = *state;
	int status = run(w, "send process:size=2M,write=max --to tcp:h:1 "
			    "--progress none --json JSON --verify "
			    "--helpers unix:path=/b");
	const json_t *ram;

	assert_int_equal(status, 0);
	assert_says(w, "completed: tcp:h:1\n");
	assert_says(w, "2.0 MiB of guest RAM in 812.3 ms: 1.9 MiB sent");
	assert_says(w, "400 normal, 112 zero, 7 never touched; 2 rounds");
	assert_says(w, "12.3 ms (predicted 12.0 ms, limit 300.0 ms)");
	assert_says(w, "memory proven equal: 1 block, 2.0 MiB");
	assert_complete(w);
	assert_string_equal(text_of(w, "status"), "completed");
	assert_string_equal(text_of(w, "uri"), "tcp:h:1");
	assert_string_equal(text_of(w, "role"), "source");
	assert_true(json_is_null(json_object_get(w->report, "error")));
	assert_true(number_of(w->report, "downtime_ms") == 12.3);
	assert_true(number_of(w->report, "total_ms") == 812.345);
	assert_true(number_of(w->report, "throttled_ms") == 1.5);
	ram = json_object_get(w->report, "ram");
	assert_int_equal(number_of(ram, "wire_bytes"), 2100000);
	assert_int_equal(json_array_size(json_object_get(w->report, "rounds")),
			 2);
	assert_int_equal(
		json_array_size(json_object_get(w->report, "downtime_terms")),
		2);
	assert_true(fake.params.verify);
	assert_string_equal(fake.bus, "unix:path=/b");
	assert_int_equal(fake.dirty_sources, 1);
}

static void a_source_that_writes_after_the_handover_fails(void **state)
{
	struct world *w = *state;
	int status;

	fake.leave_running = true;
	status = run(w, "send process:size=2M,write=max --to tcp:h:1 "
			"--progress none --json JSON");
	assert_int_equal(status, 1);
	assert_says(w, "memory changed after the guest had been handed over");
	assert_complete(w);
	assert_string_equal(text_of(w, "status"), "completed");
	assert_non_null(strstr(text_of(w, "error"), "memory changed"));
}

static void a_failed_send_lets_its_guest_run_on(void **state)
{
	struct world *w = *state;
	int status;

	fake.end = RAMJET_STATE_FAILED;
	fake.wait_rc = -ECONNRESET;
	fake.message = "channel 1: the peer is gone";
	fake.restart_guest = true;
	status = run(w, "send process:size=2M,write=100M --to tcp:h:1 "
			"--progress none --json JSON");
	assert_int_equal(status, 1);
	assert_says(w, "ramjet send: channel 1: the peer is gone\n");
	assert_says(w, "the source guest runs on: ");
	assert_says(w, " writes since, 512 pages clean");
	assert_complete(w);
	assert_string_equal(text_of(w, "status"), "failed");
	assert_string_equal(text_of(w, "error"), "channel 1: the peer is gone");
	assert_true(number_of(json_object_get(w->report, "self_check"),
			      "trial_writes") > 0);
}

static void a_send_that_never_began_is_reported_too(void **state)
{
	struct world *w = *state;

	fake.begin_rc = -ECONNREFUSED;
	fake.message = "tcp:h:1: refused";
	assert_int_equal(run(w, "send file:/nowhere/at/all --to tcp:h:1 "
				"--json JSON"),
			 1);
	assert_says(w, "guest file /nowhere/at/all: open: No such file or "
		       "directory, wanted a RAM image");
	assert_complete(w);
	assert_string_equal(text_of(w, "status"), "failed");
	assert_string_equal(text_of(w, "uri"), "tcp:h:1");
	assert_int_equal(run(w, "send process:size=1M --to tcp:h:1 "
				"--progress none --json JSON"),
			 1);
	assert_says(w, "ramjet send: tcp:h:1: refused");
	assert_says(w, "the source guest runs on");
	assert_complete(w);
	assert_int_equal(number_of(w->report, "total_ms"), 0);
}

static void a_uri_the_library_refuses_is_wrong_usage(void **state)
{
	struct world *w = *state;

	fake.begin_rc = -EINVAL;
	fake.message = "tcp:h: no port, wanted tcp:HOST:PORT";
	assert_int_equal(run(w, "send process:size=1M --to tcp:h --progress "
				"none --json JSON"),
			 2);
	assert_complete(w);
	assert_int_equal(number_of(w->report, "exit_status"), 2);
}

static void an_unconfirmed_handover_exits_with_3(void **state)
{
	struct world *w = *state;
	int status;

	fake.end = RAMJET_STATE_UNCONFIRMED;
	fake.wait_rc = -ETIMEDOUT;
	fake.message = "no RUNNING within 30 s";
	status = run(w, "send process:size=2M,write=max --to tcp:h:1 "
			"--progress none --json JSON");
	assert_int_equal(status, 3);
	assert_says(w, "no RUNNING within 30 s");
	assert_says(w, "the guest stays stopped on this side");
	assert_complete(w);
	assert_string_equal(text_of(w, "status"), "unconfirmed");
}

static void a_migration_that_takes_too_long_is_cancelled(void **state)
{
	struct world *w = *state;
	int status;

	fake.endless = true;
	fake.stop_guest = false;
	status = run(w, "send process:size=1M --to tcp:h:1 --progress plain "
			"--timeout 1us --json JSON");
	assert_int_equal(status, 1);
	assert_says(w, "--timeout: not completed within 1 us");
	assert_int_equal(fake.cancels, 1);
	assert_complete(w);
	assert_string_equal(text_of(w, "status"), "cancelled");
}

static void a_signal_cancels(void **state)
{
	struct world *w = *state;
	int status;

	fake.endless = true;
	fake.stop_guest = false;
	fake.raise_signal = SIGTERM;
	status = run(w, "send process:size=1M --to tcp:h:1 --progress none "
			"--json JSON");
	assert_int_equal(status, 1);
	assert_says(w, "ramjet send: cancelled by signal 15\n");
	assert_says(w, "the source guest runs on");
	assert_int_equal(fake.cancels, 1);
	assert_complete(w);
	assert_string_equal(text_of(w, "status"), "cancelled");
}

static void recv_runs_the_guest_and_looks_at_it(void **state)
{
	static const char spec_text[] = "process:size=1M,write=max,set=64K";
	struct world *w = *state;
	struct rj_cli_guest_spec spec;
	struct rj_cli_program program;
	void *ram = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const json_t *check;
	void *data;
	int status;

	assert_int_equal(rj_cli_guest_spec_parse(spec_text, &spec, NULL), 0);
	assert_int_equal(rj_cli_program_create(&program, ram, &spec, NULL), 0);
	for (unsigned i = 0; i < 77; i++)
		assert_int_equal(rj_cli_program_step(&program, 0, NULL), 0);
	assert_int_equal(
		rj_cli_program_save(&program, &data, &fake.state_bytes, NULL),
		0);
	fake.ram = ram;
	fake.state = data;
	status = run(w, "recv process:size=1M --from tcp:127.0.0.1:0 --json "
			"JSON --progress plain --run 20ms");
	assert_int_equal(status, 0);
	assert_says(w, "listening on tcp:127.0.0.1:4711\n");
	assert_says(w, "completed: tcp:127.0.0.1:4711\n");
	assert_says(w, "went on at page write 78, made ");
	assert_complete(w);
	assert_string_equal(text_of(w, "role"), "target");
	assert_string_equal(text_of(w, "uri"), "tcp:127.0.0.1:4711");
	check = json_object_get(w->report, "self_check");
	assert_true(json_is_true(json_object_get(check, "clean")));
	assert_int_equal(number_of(check, "first_write"), 77);
	assert_true(number_of(check, "own_writes") > 0);

	/* The same with one lost page. */
	memset((uint8_t *)ram + 200 * RAMJET_PAGE_BYTES, 0x55, 8);
	status = run(w, "recv process:size=1M --from tcp:127.0.0.1:0 --json "
			"JSON --progress none --run 1ms");
	assert_int_equal(status, 1);
	assert_says(w, "self-check: page 200 (static)");
	check = json_object_get(w->report, "self_check");
	assert_false(json_is_true(json_object_get(check, "clean")));
	assert_complete(w);
	free(data);
	(void)munmap(ram, 1 << 20);
}

static void recv_tells_a_script_where_it_listens(void **state)
{
	struct world *w = *state;
	char words[128], got[64] = "";
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fake.end = RAMJET_STATE_FAILED;
	fake.wait_rc = -EPROTO;
	fake.message = "bad";
	(void)snprintf(words, sizeof(words),
		       "recv process:size=1M --from tcp:127.0.0.1:0 "
		       "--progress none --ready-fd %d",
		       ends[1]);
	assert_int_equal(run(w, words), 1);
	assert_int_equal(read(ends[0], got, sizeof(got)), 19);
	assert_string_equal(got, "tcp:127.0.0.1:4711\n");
	assert_null(strstr(w->text, "listening"));
	(void)close(ends[0]);
}

static void a_file_moves_as_an_idle_guest(void **state)
{
	struct world *w = *state;
	char words[256];

	(void)snprintf(words, sizeof(words),
		       "send file:%s --to unix:/x --progress none", w->file);
	assert_int_equal(run(w, words), 0);
	assert_int_equal(fake.block.bytes, 8192);
	assert_string_equal(fake.block.name, "ram0");
	assert_true(fake.block.fd >= 0);
	assert_int_equal(fake.dirty_sources, 0);
	assert_false(fake.block.flags & RAMJET_BLOCK_FRESH);
}

static void a_target_file_is_made_anew(void **state)
{
	struct world *w = *state;
	char words[256];
	struct stat status;

	(void)snprintf(words, sizeof(words),
		       "recv file:%s,size=16K --from unix:/x --progress none",
		       w->file);
	assert_int_equal(run(w, words), 0);
	assert_true(fake.block.flags & RAMJET_BLOCK_FRESH);
	assert_int_equal(fake.block.bytes, 16384);
	assert_int_equal(stat(w->file, &status), 0);
	assert_int_equal(status.st_size, 16384);
}

static void files_that_cannot_be_guests_are_refused(void **state)
{
	struct world *w = *state;
	char words[256];

	(void)snprintf(words, sizeof(words), "recv file:%s --from fd:0",
		       w->file);
	assert_int_equal(run(w, words), 2);
	assert_says(w, "the target needs a size, wanted file:");
	(void)snprintf(words, sizeof(words), "send file:%s,size=4K --to fd:0",
		       w->file);
	assert_int_equal(run(w, words), 2);
	assert_says(w, "it has 8192 bytes, size= says 4096");
	assert_int_equal(truncate(w->file, 5000), 0);
	(void)snprintf(words, sizeof(words), "send file:%s --to fd:0", w->file);
	assert_int_equal(run(w, words), 2);
	assert_says(w, "5000 bytes are not a multiple of the page size");
	assert_int_equal(truncate(w->file, 0), 0);
	assert_int_equal(run(w, words), 2);
	assert_says(w, "the size is 0");
	assert_int_equal(run(w, "send file:/dev/null --to fd:0"), 2);
	assert_says(w, "not a regular file");
}

static void wrong_usage_exits_with_2_and_is_reported(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "send file:a --to fd:0 --channels 0 "
				"--json JSON"),
			 2);
	assert_says(w, "ramjet send: --channels: 0 is out of range");
	assert_says(w, "; see 'ramjet send --help'\n");
	assert_null(strchr(strchr(w->text, '\n') + 1, '\n'));
	assert_complete(w);
	assert_int_equal(run(w, "send file:a --to fd:999 --json JSON"), 2);
	assert_says(w, "ramjet send: fd:999: not open in this process");
	assert_complete(w);
	assert_int_equal(run(w, "send file:a --to fd:0 --json /no/such/x"), 2);
	assert_says(w, "--json /no/such/x: making a file beside it: No such "
		       "file or directory, wanted a folder to write to");
	assert_int_equal(run(w, "fly"), 2);
	assert_says(w, "'fly' is not a command");
	assert_int_equal(run(w, "demo --bogus"), 2);
	assert_says(w, "ramjet demo: --bogus: unknown option");
	assert_int_equal(run(w, "helpers list"), 2);
	assert_string_equal(w->text, "ramjet helpers: --bus ADDRESS is wanted; "
				     "see 'ramjet helpers --help'\n");
	assert_int_equal(run(w, "helper"), 2);
	assert_string_equal(w->text, "ramjet helper: wanted: ramjet helper run "
				     "--bus ADDRESS --id ID --file FILE; see "
				     "'ramjet helper --help'\n");
}

static void help_goes_to_standard_output(void **state)
{
	struct world *w = *state;

	assert_int_equal(run(w, "help"), 0);
	assert_says(w, "usage: ramjet COMMAND");
	assert_int_equal(run(w, "recv --help"), 0);
	assert_says(w, "usage: ramjet recv GUEST --from URI");
	assert_int_equal(run(w, "helpers --help"), 0);
	assert_says(w, "usage: ramjet helpers ");
	assert_int_equal(run(w, "--version"), 0);
	assert_says(w, "ramjet 0.0.fake");
}

static void features_come_as_table_and_json(void **state)
{
	struct world *w = *state;
	const json_t *all;

	assert_int_equal(run(w, "features --json JSON"), 0);
	assert_says(w, "yes pagemap_scan               works\n");
	assert_says(w, "no  io_uring                   EPERM\n");
	all = json_object_get(w->report, "features");
	assert_int_equal(json_array_size(all), 2);
	assert_true(json_is_true(
		json_object_get(json_array_get(all, 0), "available")));
	assert_string_equal(text_of(w, "version"), "0.0.fake");
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_WORLD(a_completed_send_reports_and_exits_with_0),
		WITH_WORLD(a_source_that_writes_after_the_handover_fails),
		WITH_WORLD(a_failed_send_lets_its_guest_run_on),
		WITH_WORLD(a_send_that_never_began_is_reported_too),
		WITH_WORLD(a_uri_the_library_refuses_is_wrong_usage),
		WITH_WORLD(an_unconfirmed_handover_exits_with_3),
		WITH_WORLD(a_migration_that_takes_too_long_is_cancelled),
		WITH_WORLD(recv_runs_the_guest_and_looks_at_it),
		WITH_WORLD(recv_tells_a_script_where_it_listens),
		WITH_WORLD(a_file_moves_as_an_idle_guest),
		WITH_WORLD(a_target_file_is_made_anew),
		WITH_WORLD(files_that_cannot_be_guests_are_refused),
		WITH_WORLD(wrong_usage_exits_with_2_and_is_reported),
		WITH_WORLD(help_goes_to_standard_output),
		WITH_WORLD(features_come_as_table_and_json),
		/* Last: the signal stays known. */
		WITH_WORLD(a_signal_cancels),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
