/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/monitor/human.h"
#include "cli/monitor/query.h"
#include "util/compiler.h"
#include "util/error.h"

static struct {
	struct ramjet_info info;
	bool has_info;
	char name[64];
	uint64_t value;
	int rc;
	char called[256];
	const char *answer; /* JSON */
} world;

static int set_up(void **state)
{
	(void)state;
	memset(&world, 0, sizeof(world));
	world.info.size = sizeof(world.info);
	return 0;
}

static json_t *migration(void *user)
{
	(void)user;
	return world.has_info ? rj_cli_migration_object(&world.info, NULL)
			      : json_object();
}

static int set(void *user, const char *name, uint64_t value,
	       struct ramjet_error *err)
{
	(void)user;
	(void)snprintf(world.name, sizeof(world.name), "%s", name);
	world.value = value;
	return world.rc ? rj_fail(err, world.rc, "it can't be") : 0;
}

/* Remembers what it was called with; returns what the world has. */
static int execute(void *user, const char *name, json_t *arguments,
		   json_t **ret, struct ramjet_error *err)
{
	char *text = arguments ? json_dumps(arguments, 0) : NULL;

	(void)user;
	(void)snprintf(world.called, sizeof(world.called), "%s %s", name,
		       text ? text : "-");
	free(text);
	json_decref(arguments);
	if (ret)
		*ret = json_loads(world.answer, 0, NULL);
	return world.rc ? rj_fail(err, world.rc, "it can't be") : 0;
}

static void assert_says(const char *line, const char *wanted)
{
	const struct rj_cli_human_ops ops = { migration, set, execute, NULL };
	char *text = rj_cli_human_run(line, &ops);

	assert_non_null(text);
	if (strcmp(text, wanted) != 0)
		fail_msg("%s says\n%s, wanted\n%s", line, text, wanted);
	free(text);
}

static void speed_has_qemus_suffixes(void **state)
{
	static const struct {
		const char *line;
		uint64_t bytes;
	} rows[] = {
		{ "migrate_set_speed 32", 32u << 20 },
		{ "migrate_set_speed 1.5", 3u << 19 },
		{ "migrate_set_speed 100B", 100 },
		{ "migrate_set_speed 10K", 10u << 10 },
		{ "migrate_set_speed 10M", 10u << 20 },
		{ "migrate_set_speed 1.5G", UINT64_C(3) << 29 },
		{ "migrate_set_speed 2T", UINT64_C(2) << 40 },
		{ "migrate_set_speed 0", 0 },
		{ "  migrate_set_speed \t 3  ", 3u << 20 },
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		assert_says(rows[i].line, "");
		assert_string_equal(world.name, "max-bandwidth");
		assert_int_equal(world.value, rows[i].bytes);
	}
}

static void downtime_is_seconds_or_has_a_unit(void **state)
{
	static const struct {
		const char *line;
		uint64_t us;
	} rows[] = {
		{ "migrate_set_downtime 1", 1000000 },
		{ "migrate_set_downtime 0.03", 30000 },
		{ "migrate_set_downtime 30ms", 30000 },
		{ "migrate_set_downtime 1.5ms", 1500 },
		{ "migrate_set_downtime 250us", 250 },
		{ "migrate_set_downtime 5000ns", 5 },
		{ "migrate_set_downtime 1ns", 1 },
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		assert_says(rows[i].line, "");
		assert_string_equal(world.name, "x-ramjet-downtime-limit-us");
		assert_int_equal(world.value, rows[i].us);
	}
}

static void wrong_values_are_said_and_not_set(void **state)
{
	(void)state;
	assert_says("migrate_set_speed fast", "invalid size\r\n");
	assert_says("migrate_set_speed -1", "invalid size\r\n");
	assert_says("migrate_set_speed 1X", "invalid size\r\n");
	assert_says("migrate_set_downtime soon", "number expected\r\n");
	assert_says("migrate_set_downtime 1h", "Unknown unit suffix\r\n");
	assert_says("migrate_set_downtime 2m", "Unknown unit suffix\r\n");
	assert_says("migrate_set_downtime 0",
		    "Error: Parameter 'downtime_limit' expects a time from 1us "
		    "to 2000 seconds\r\n");
	assert_says("migrate_set_downtime 2001",
		    "Error: Parameter 'downtime_limit' expects a time from 1us "
		    "to 2000 seconds\r\n");
	assert_says("migrate_set_speed",
		    "migrate_set_speed: one value expected\r\n");
	assert_says("migrate_set_speed 1 2",
		    "migrate_set_speed: one value expected\r\n");
	assert_string_equal(world.name, "");
}

static void migrate_takes_the_rest_as_its_uri(void **state)
{
	static const char detached[] =
		"terminal does not allow synchronous migration, continuing "
		"detached\r\n";
	static const struct {
		const char *line, *uri;
	} rows[] = {
		{ "migrate -d tcp:host:4444", "tcp:host:4444" },
		{ "  migrate  -d -d\tunix:/x \r\n", "unix:/x" },
		{ "migrate -d exec:cat > /tmp/a b", "exec:cat > /tmp/a b" },
		{ "migrate -d \"exec:gzip -c > x\"", "exec:gzip -c > x" },
	};
	char wanted[128];

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		assert_says(rows[i].line, "");
		(void)snprintf(wanted, sizeof(wanted),
			       "migrate {\"uri\": \"%s\"}", rows[i].uri);
		assert_string_equal(world.called, wanted);
	}
	assert_says("migrate tcp:h:1", detached);
	assert_string_equal(world.called, "migrate {\"uri\": \"tcp:h:1\"}");
	world.called[0] = '\0';
	assert_says("migrate", "migrate: expected: [-d] URI\r\n");
	assert_says("migrate -d", "migrate: expected: [-d] URI\r\n");
	assert_says("migrate -x tcp:h:1", "migrate: expected: [-d] URI\r\n");
	assert_string_equal(world.called, "");
	world.rc = -EBUSY;
	assert_says("migrate -d tcp:h:1", "Error: it can't be\r\n");
}

static void verbs_are_qmps_commands(void **state)
{
	static const struct {
		const char *line, *called;
	} rows[] = {
		{ "migrate_cancel", "migrate_cancel -" },
		{ "migrate_set_parameter max-bandwidth 2",
		  "migrate-set-parameters {\"max-bandwidth\": 2097152}" },
		{ "migrate_set_parameter max-bandwidth 3K",
		  "migrate-set-parameters {\"max-bandwidth\": 3072}" },
		{ "migrate_set_parameter downtime-limit 40",
		  "migrate-set-parameters {\"downtime-limit\": 40}" },
		{ "migrate_set_parameter x-ramjet-hold on",
		  "migrate-set-parameters {\"x-ramjet-hold\": true}" },
		{ "migrate_set_parameter multifd-compression none",
		  "migrate-set-parameters {\"multifd-compression\": \"none\"}" },
		{ "migrate_set_capability multifd off",
		  "migrate-set-capabilities {\"capabilities\": "
		  "[{\"capability\": \"multifd\", \"state\": false}]}" },
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		assert_says(rows[i].line, "");
		assert_string_equal(world.called, rows[i].called);
	}
	world.called[0] = '\0';
	assert_says("migrate_set_parameter nonsense 1",
		    "Error: invalid parameter value: nonsense\r\n");
	assert_says("migrate_set_parameter downtime-limit soon",
		    "Error: Parameter 'downtime-limit' does not accept value "
		    "'soon'\r\n");
	assert_says("migrate_set_parameter downtime-limit",
		    "migrate_set_parameter: a name and a value expected\r\n");
	assert_says("migrate_set_capability multifd maybe",
		    "Error: 'maybe', expected on or off\r\n");
	assert_says("migrate_cancel now",
		    "migrate_cancel: no value expected\r\n");
	assert_string_equal(world.called, "");
}

static void settings_are_listed(void **state)
{
	(void)state;
	world.answer = "{\"max-bandwidth\": 5, \"downtime-limit\": 300, "
		       "\"multifd-compression\": \"none\", "
		       "\"x-ramjet-hold\": false}";
	assert_says("info migrate_parameters",
		    "max-bandwidth: 5 bytes/second\r\n"
		    "downtime-limit: 300 ms\r\n"
		    "multifd-compression: none\r\n"
		    "x-ramjet-hold: off\r\n");
	assert_string_equal(world.called, "query-migrate-parameters -");
	world.answer = "[{\"capability\": \"multifd\", \"state\": true}, "
		       "{\"capability\": \"events\", \"state\": false}]";
	assert_says("info migrate_capabilities",
		    "multifd: on\r\nevents: off\r\n");
	assert_string_equal(world.called, "query-migrate-capabilities -");
}

static void refusals_are_text(void **state)
{
	(void)state;
	world.rc = -EBUSY;
	assert_says("migrate_set_speed 1", "Error: it can't be\r\n");
}

static void unknown_commands_are_said(void **state)
{
	char long_line[5000];

	(void)state;
	assert_says("", "");
	assert_says("info", "unknown command: 'info'\r\n");
	assert_says("info block", "unknown command: 'info block'\r\n");
	assert_says("quit now please", "unknown command: 'quit now'\r\n");
	memset(long_line, 'x', sizeof(long_line));
	long_line[sizeof(long_line) - 1] = '\0';
	assert_says(long_line, "the command is too long\r\n");
}

static void info_migrate_speaks_as_qemu_does(void **state)
{
	(void)state;
	assert_says("info migrate", "");
	world.has_info = true;
	world.info.outgoing = true;
	world.info.state = RAMJET_STATE_ACTIVE;
	world.info.total_us = 2000000;
	world.info.setup_us = 3000;
	world.info.downtime_p50_us = 30400;
	world.info.ram_total_bytes = 1u << 30;
	world.info.ram_transferred_bytes = 1u << 20;
	world.info.ram_remaining_bytes = 1u << 21;
	world.info.ram_normal_pages = 256;
	world.info.ram_zero_pages = 7;
	world.info.current_bytes_per_s = 125000000;
	world.info.dirty_pages_per_s = 100;
	world.info.rounds_total = 3;
	world.info.known = ~(uint64_t)RAMJET_KNOWN_DOWNTIME;
	world.info.throttle_percent = 20;
	assert_says("info migrate", "Migration status: active\r\n"
				    "total time: 2000 ms\r\n"
				    "expected downtime: 30 ms\r\n"
				    "setup: 3 ms\r\n"
				    "transferred ram: 1024 kbytes\r\n"
				    "throughput: 1000.00 mbps\r\n"
				    "remaining ram: 2048 kbytes\r\n"
				    "total ram: 1048576 kbytes\r\n"
				    "duplicate: 7 pages\r\n"
				    "skipped: 0 pages\r\n"
				    "normal: 256 pages\r\n"
				    "normal bytes: 1024 kbytes\r\n"
				    "dirty sync count: 3\r\n"
				    "page size: 4 kbytes\r\n"
				    "multifd bytes: 0 kbytes\r\n"
				    "pages-per-second: 30517\r\n"
				    "dirty pages rate: 100 pages\r\n"
				    "precopy ram: 1024 kbytes\r\n"
				    "cpu throttle percentage: 20\r\n");
}

static void info_migrate_tells_why_it_failed(void **state)
{
	const char *const reasons[] = { "a disk", "a device" };
	const struct ramjet_error error = { -EIO, "it broke" };
	const struct rj_cli_human_ops ops = { migration, set, execute, NULL };
	char *text;

	(void)state;
	world.has_info = true;
	world.info.state = RAMJET_STATE_FAILED;
	world.info.error = &error;
	world.info.blockers = reasons;
	world.info.blocker_count = 2;
	text = rj_cli_human_run("info migrate", &ops);
	assert_non_null(strstr(text, "Outgoing migration blocked:\r\n"
				     "  a disk\r\n  a device\r\n"
				     "Migration status: failed (it broke)\r\n"
				     "total time: 0 ms\r\n"));
	free(text);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(speed_has_qemus_suffixes),
		TEST(downtime_is_seconds_or_has_a_unit),
		TEST(wrong_values_are_said_and_not_set),
		TEST(migrate_takes_the_rest_as_its_uri),
		TEST(verbs_are_qmps_commands),
		TEST(settings_are_listed),
		TEST(refusals_are_text),
		TEST(unknown_commands_are_said),
		TEST(info_migrate_speaks_as_qemu_does),
		TEST(info_migrate_tells_why_it_failed),
	};

	return cmocka_run_group_tests_name("monitor_human", tests, NULL, NULL);
}
