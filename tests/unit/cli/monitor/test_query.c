/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/monitor/query.h"
#include "cli/report/known.h"
#include "util/compiler.h"

static const struct {
	enum ramjet_state state;
	const char *status;
} statuses[] = {
	/* Begun, and its thread has not come that far. */
	{ RAMJET_STATE_NONE, "setup" },
	{ RAMJET_STATE_SETUP, "setup" },
	{ RAMJET_STATE_ACTIVE, "active" },
	{ RAMJET_STATE_HELD, "pre-switchover" },
	{ RAMJET_STATE_SWITCHOVER, "device" },
	{ RAMJET_STATE_COMMITTED, "device" },
	{ RAMJET_STATE_COMPLETED, "completed" },
	{ RAMJET_STATE_FAILED, "failed" },
	{ RAMJET_STATE_CANCELLING, "cancelling" },
	{ RAMJET_STATE_CANCELLED, "cancelled" },
	{ RAMJET_STATE_UNCONFIRMED, "failed" },
};

static struct ramjet_info sample(enum ramjet_state state)
{
	static const struct ramjet_round_info rounds[] = {
		{ .size = sizeof(struct ramjet_round_info),
		  .pages = 900,
		  .bytes = 900 * 4096 },
		{ .size = sizeof(struct ramjet_round_info),
		  .pages = 100,
		  .bytes = 100 * 4096 },
	};
	static const struct ramjet_channel_info channels[] = {
		{ .size = sizeof(struct ramjet_channel_info),
		  .bytes = 11,
		  .state = "open" },
		{ .size = sizeof(struct ramjet_channel_info),
		  .bytes = 31,
		  .state = "open" },
	};

	return (struct ramjet_info){
		.size = sizeof(struct ramjet_info),
		.state = state,
		.known = ~(uint64_t)RAMJET_KNOWN_DOWNTIME,
		.outgoing = true,
		.uri = "tcp:host:1",
		.total_us = 1500400,
		.setup_us = 1600,
		.downtime_p50_us = 40000,
		.downtime_p90_us = 50000,
		.downtime_limit_us = 300000,
		.ram_total_bytes = 8192000,
		.ram_transferred_bytes = 1000 * 4096,
		.ram_wire_bytes = 1000 * 4096 + 500,
		.ram_remaining_bytes = 4096,
		.ram_normal_pages = 1000,
		.ram_zero_pages = 3,
		.ram_unpopulated_pages = 5,
		.ram_resent_pages = 1,
		.throughput_bytes_per_s = 2000000,
		.current_bytes_per_s = 1000000,
		.dirty_pages_per_s = 77,
		.rounds = rounds,
		.round_count = 2,
		.rounds_total = 2,
		.channels = channels,
		.channel_count = 2,
	};
}

static json_int_t whole(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value))
		fail_msg("%s is no whole number", name);
	return json_integer_value(value);
}

static const char *text(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_string(value))
		fail_msg("%s is no string", name);
	return json_string_value(value);
}

static void every_state_has_a_status(void **state)
{
	(void)state;
	assert_int_equal(RJ_ARRAY_SIZE(statuses), RAMJET_STATE_COUNT_);
	for (size_t i = 0; i < RJ_ARRAY_SIZE(statuses); i++) {
		struct ramjet_info info = sample(statuses[i].state);
		json_t *object = rj_cli_migration_object(&info, NULL);

		assert_string_equal(text(object, "status"), statuses[i].status);
		assert_string_equal(text(object, "x-ramjet-state"),
				    i ? ramjet_state_name(statuses[i].state)
				      : "setup");
		/* Figures in every one of them. */
		assert_int_equal(whole(object, "total-time"), 1500);
		assert_int_equal(whole(object, "setup-time"), 2);
		assert_int_equal(
			whole(json_object_get(object, "ram"), "transferred"),
			4096000);
		json_decref(object);
	}
}

static void ram_has_qemus_members(void **state)
{
	static const char *const names[] = {
		"transferred",
		"remaining",
		"total",
		"duplicate",
		"normal",
		"normal-bytes",
		"dirty-pages-rate",
		"page-size",
		"dirty-sync-count",
		"postcopy-requests",
		"multifd-bytes",
		"pages-per-second",
		"precopy-bytes",
		"downtime-bytes",
		"postcopy-bytes",
		"skipped",
		"dirty-sync-missed-zero-copy",
	};
	struct ramjet_info info = sample(RAMJET_STATE_ACTIVE);
	json_t *object = rj_cli_migration_object(&info, NULL);
	const json_t *ram = json_object_get(object, "ram");

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(names); i++)
		(void)whole(ram, names[i]);
	assert_int_equal(whole(ram, "normal-bytes"), 1000 * 4096);
	assert_int_equal(whole(ram, "duplicate"), 3);
	assert_int_equal(whole(ram, "multifd-bytes"), 42);
	assert_int_equal(whole(ram, "dirty-pages-rate"), 77);
	assert_int_equal(whole(ram, "x-ramjet-unpopulated"), 5);
	assert_true(json_real_value(json_object_get(ram, "mbps")) == 8.0);
	assert_int_equal(whole(object, "expected-downtime"), 40);
	assert_null(json_object_get(object, "downtime"));
	json_decref(object);
}

static void what_is_not_known_is_absent(void **state)
{
	struct ramjet_info info = sample(RAMJET_STATE_ACTIVE);
	json_t *object;

	(void)state;
	info.convergence_us = UINT64_MAX;
	object = rj_cli_migration_object(&info, NULL);
	assert_null(json_object_get(object, "x-ramjet-converges-in-us"));
	assert_null(json_object_get(object, "x-ramjet-limit-needed-us"));
	json_decref(object);
	info.convergence_us = 7;
	info.limit_needed_us = 8;
	object = rj_cli_migration_object(&info, NULL);
	assert_int_equal(whole(object, "x-ramjet-converges-in-us"), 7);
	assert_int_equal(whole(object, "x-ramjet-limit-needed-us"), 8);
	json_decref(object);
}

/* Here as with QEMU, its own members are numbers or absent; ramjet's are null,
 * and one list tells a measured 0. */
static void unknown_is_told_from_a_measured_zero(void **state)
{
	struct ramjet_info info = { .outgoing = true,
				    .state = RAMJET_STATE_ACTIVE,
				    .convergence_us = UINT64_MAX };
	json_t *object = rj_cli_migration_object(&info, NULL);
	const json_t *expected =
		json_object_get(object, "x-ramjet-expected-downtime-us");

	(void)state;
	assert_true(json_is_null(json_object_get(expected, "p50")));
	assert_true(json_is_null(json_object_get(expected, "p90")));
	assert_true(json_is_null(json_object_get(object, "x-ramjet-capacity")));
	assert_true(
		json_is_null(json_object_get(object, "x-ramjet-downtime-us")));
	assert_null(json_object_get(object, "expected-downtime"));
	assert_null(json_object_get(object, "downtime"));
	assert_int_equal(
		json_array_size(json_object_get(object, "x-ramjet-known")), 0);
	assert_int_equal(
		whole(json_object_get(object, "ram"), "dirty-pages-rate"), 0);
	json_decref(object);
	info.known = RAMJET_KNOWN_PREDICTION | RAMJET_KNOWN_DIRTY_RATE |
		     RAMJET_KNOWN_CONVERGENCE | RAMJET_KNOWN_DOWNTIME;
	object = rj_cli_migration_object(&info, NULL);
	expected = json_object_get(object, "x-ramjet-expected-downtime-us");
	assert_int_equal(whole(expected, "p50"), 0);
	assert_int_equal(whole(object, "expected-downtime"), 0);
	assert_int_equal(whole(object, "downtime"), 0);
	assert_null(json_object_get(object, "x-ramjet-converges-in-us"));
	assert_int_equal(
		rj_cli_known_read(json_object_get(object, "x-ramjet-known")),
		info.known);
	json_decref(object);
}

static void the_end_has_downtime_and_the_mean_rate(void **state)
{
	struct ramjet_info info = sample(RAMJET_STATE_COMPLETED);
	json_t *object;

	(void)state;
	info.downtime_us = 12345;
	info.known = UINT64_MAX & ~(uint64_t)RAMJET_KNOWN_CURRENT_RATE;
	object = rj_cli_migration_object(&info, NULL);
	assert_int_equal(whole(object, "downtime"), 12);
	assert_int_equal(whole(object, "x-ramjet-downtime-us"), 12345);
	assert_null(json_object_get(object, "expected-downtime"));
	assert_true(json_real_value(json_object_get(
			    json_object_get(object, "ram"), "mbps")) == 16.0);
	assert_int_equal(
		whole(json_object_get(object, "ram"), "downtime-bytes"),
		100 * 4096);
	json_decref(object);
}

static void failures_have_their_reason(void **state)
{
	static const char *const blockers[] = { "one", "tw\xc3" };
	const struct ramjet_error lost = { -EPIPE, "lost\xff" };
	struct ramjet_info info = sample(RAMJET_STATE_FAILED);
	json_t *object, *reasons;

	(void)state;
	info.error = &lost;
	info.blockers = blockers;
	info.blocker_count = 2;
	info.throttle_percent = 30;
	object = rj_cli_migration_object(&info, NULL);
	reasons = json_object_get(object, "blocked-reasons");
	assert_string_equal(text(object, "error-desc"), "lost\\xff");
	assert_int_equal(json_array_size(reasons), 2);
	assert_string_equal(json_string_value(json_array_get(reasons, 1)),
			    "tw\\xc3");
	assert_int_equal(whole(object, "cpu-throttle-percentage"), 30);
	json_decref(object);
}

static void a_target_says_where_it_listens(void **state)
{
	/* clang-format off */
	static const struct {
		const char *uri;
		const char *address;
	} rows[] = {
		{ "tcp:127.0.0.1:4444", "[{\"type\": \"inet\", \"host\": "
		  "\"127.0.0.1\", \"port\": \"4444\"}]" },
		{ "tcp:[::1]:5", "[{\"type\": \"inet\", \"host\": \"::1\", "
		  "\"port\": \"5\"}]" },
		{ "unix:/run/x", "[{\"type\": \"unix\", \"path\": "
		  "\"/run/x\"}]" },
		{ "vsock:3:99", "[{\"type\": \"vsock\", \"cid\": \"3\", "
		  "\"port\": \"99\"}]" },
		{ "fd:3", "null" },
	};
	/* clang-format on */
	struct ramjet_info info = sample(RAMJET_STATE_SETUP);

	(void)state;
	info.outgoing = false;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		json_t *object = rj_cli_migration_object(&info, rows[i].uri);
		json_t *address = json_object_get(object, "socket-address");
		json_t *wanted =
			json_loads(rows[i].address, JSON_DECODE_ANY, NULL);

		assert_true(address ? json_equal(address, wanted)
				    : json_is_null(wanted));
		assert_string_equal(text(object, "x-ramjet-uri"), rows[i].uri);
		json_decref(wanted);
		json_decref(object);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_has_a_status),
		cmocka_unit_test(ram_has_qemus_members),
		cmocka_unit_test(what_is_not_known_is_absent),
		cmocka_unit_test(unknown_is_told_from_a_measured_zero),
		cmocka_unit_test(the_end_has_downtime_and_the_mean_rate),
		cmocka_unit_test(failures_have_their_reason),
		cmocka_unit_test(a_target_says_where_it_listens),
	};

	return cmocka_run_group_tests_name("monitor_query", tests, NULL, NULL);
}
