/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include "cli/remote/monitor_text.h"
#include "util/compiler.h"

/* `ramjet info`: what query-migrate and the report become. */

static char said[4096];

static const char figures[] =
	"{\"role\": \"source\", \"downtime_ms\": %s, \"downtime_limit_ms\": 300.0,"
	" \"downtime_predicted_ms\": {\"p50\": 3.0, \"p90\": 4.0},"
	" \"convergence_ms\": %s, \"throughput_bytes_per_s\": 5242880,"
	" \"current_bytes_per_s\": 1048576, \"dirty_pages_per_s\": 256,"
	" \"rounds\": [{\"pages\": 1}], \"known\": [\"convergence\"]}";
/* Before anything was measured. */
static const char nothing[] =
	"{\"role\": \"source\", \"downtime_ms\": null, \"downtime_limit_ms\":"
	" 300.0, \"downtime_predicted_ms\": {\"p50\": null, \"p90\": null},"
	" \"convergence_ms\": null, \"throughput_bytes_per_s\": null,"
	" \"current_bytes_per_s\": null, \"dirty_pages_per_s\": null,"
	" \"ram\": {\"remaining_bytes\": null}, \"known\": [],"
	" \"channels\": [{\"bytes\": 1, \"state\": \"open\", \"rtt_us\": null}],"
	" \"downtime_terms\": [{\"name\": \"stop\", \"predicted_ms\": null,"
	" \"actual_ms\": null}]}";

static void show_report(const char *state, const char *text)
{
	json_t *migration = json_pack("{s:s, s:s}", "x-ramjet-state", state,
				      "x-ramjet-uri", "tcp:h:1");
	json_t *report = json_loads(text, 0, NULL);
	FILE *out = fmemopen(said, sizeof(said), "w");

	assert_non_null(migration);
	assert_non_null(report);
	rj_cli_monitor_text(migration, report, out);
	(void)fclose(out);
	json_decref(migration);
	json_decref(report);
}

/* Of a source in this state, with a pause, "null" without one. */
static void show(const char *state, const char *downtime_ms,
		 const char *convergence_ms)
{
	char report[sizeof(figures) + 64];

	(void)snprintf(report, sizeof(report), figures, downtime_ms,
		       convergence_ms);
	show_report(state, report);
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
	show("active", "null", "0.0");
	assert_says("1.0 MiB/s now, the guest dirties 1.0 MiB/s");
	assert_says("3.0 ms if it began now, 9 in 10 below 4.0 ms; limit 300");
	assert_says("fits the limit now");
	show("active", "null", "null");
	assert_says("never fits the limit at this pace");
}

static void what_nobody_knows_is_a_dash(void **state)
{
	(void)state;
	show_report("active", nothing);
	assert_says("moved (0 B on the wire), - left\n");
	assert_says("- now, the guest dirties -\n");
	assert_says("not predicted yet; limit 300.0 ms");
	assert_says("round trip -\n");
	assert_says("stop                            - predicted            - "
		    "actual");
	assert_silent("fits");
	assert_silent("0.0 ms,");
}

static void after_the_end_nothing_is_now(void **state)
{
	static const char *const ends[] = { "failed", "cancelled",
					    "unconfirmed", "completed" };

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(ends); i++) {
		show(ends[i], i == 3 ? "12.0" : "null", "0.0");
		assert_says("5.0 MiB/s over the whole run");
		assert_silent(" now");
		assert_silent("fits");
	}
	assert_says("12.0 ms (predicted 3.0 ms, 9 in 10 below 4.0 ms; limit");
	show("failed", "null", "0.0");
	assert_says("none, the guest stayed; limit 300.0 ms");
	show("unconfirmed", "null", "0.0");
	assert_says("not known");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(under_way_it_says_what_is_now),
		cmocka_unit_test(what_nobody_knows_is_a_dash),
		cmocka_unit_test(after_the_end_nothing_is_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
