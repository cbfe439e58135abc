/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "cli/monitor_text.h"
#include "util/compiler.h"

/* `ramjet info`: what query-migrate and the report become. */

static char said[4096];

/* Of a source in this state, with a pause of so many ms. */
static void show(const char *state, double downtime_ms)
{
	json_t *migration = json_pack("{s:s, s:s, s:{s:f}}", "x-ramjet-state",
				      state, "x-ramjet-uri", "tcp:h:1", "ram",
				      "mbps", 8 * 1.048576);
	json_t *report = json_pack(
		"{s:s, s:f, s:f, s:{s:f, s:f}, s:f, s:I, s:I, s:[{s:i}]}",
		"role", "source", "downtime_ms", downtime_ms,
		"downtime_limit_ms", 300.0, "downtime_predicted_ms", "p50", 3.0,
		"p90", 4.0, "convergence_ms", 0.0, "throughput_bytes_per_s",
		(json_int_t)5 << 20, "dirty_pages_per_s", (json_int_t)256,
		"rounds", "pages", 1);
	FILE *out = fmemopen(said, sizeof(said), "w");

	assert_non_null(migration);
	assert_non_null(report);
	rj_cli_monitor_text(migration, report, out);
	(void)fclose(out);
	json_decref(migration);
	json_decref(report);
}

static void assert_says(const char *wanted)
{
	if (!strstr(said, wanted))
		fail_msg("wanted '%s' in: %s", wanted, said);
}

static void assert_silent(const char *unwanted)
{
	if (strstr(said, unwanted))
		fail_msg("'%s' in: %s", unwanted, said);
}

static void under_way_it_says_what_is_now(void **state)
{
	(void)state;
	show("active", 0);
	assert_says("1.0 MiB/s now, the guest dirties 1.0 MiB/s");
	assert_says("3.0 ms if it began now, 9 in 10 below 4.0 ms; limit 300");
	assert_says("fits the limit now");
}

static void after_the_end_nothing_is_now(void **state)
{
	static const char *const ends[] = { "failed", "cancelled",
					    "unconfirmed", "completed" };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(ends); i++) {
		show(ends[i], i == 3 ? 12 : 0);
		assert_says("5.0 MiB/s over the whole run");
		assert_silent(" now");
		assert_silent("fits");
	}
	assert_says("12.0 ms (predicted 3.0 ms, 9 in 10 below 4.0 ms; limit");
	show("failed", 0);
	assert_says("none, the guest stayed; limit 300.0 ms");
	show("unconfirmed", 0);
	assert_says("not known");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(under_way_it_says_what_is_now),
		cmocka_unit_test(after_the_end_nothing_is_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
