/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <string.h>

#include "cli/monitor/channels.h"
#include "util/compiler.h"

#define MAIN "[{\"channel-type\": \"main\", \"addr\": "
#define INET "{\"transport\": \"socket\", \"type\": \"inet\", "
#define UNIX "{\"transport\": \"socket\", \"type\": \"unix\", "

struct row {
	const char *channels;
	const char *wanted; /* the URI, or part of the message */
};

static int translate(const char *channels, char *uri, size_t bytes,
		     struct ramjet_error *err)
{
	json_t *list = json_loads(channels, 0, NULL);
	int rc;

	if (!list)
		fail_msg("no JSON: %s", channels);
	rc = rj_cli_channels_uri(list, uri, bytes, err);
	json_decref(list);
	return rc;
}

static void each_kind_becomes_its_uri(void **state)
{
	static const struct row rows[] = {
		{ MAIN INET "\"host\": \"10.12.34.9\", \"port\": \"1050\"}}]",
		  "tcp:10.12.34.9:1050" },
		{ MAIN INET "\"host\": \"fe80::1%eth0\", \"port\": \"1\", "
			    "\"ipv4\": true, \"keep-alive\": true}}]",
		  "tcp:[fe80::1%eth0]:1" },
		{ MAIN INET "\"host\": \"::1\", \"port\": \"0\", "
			    "\"numeric\": true}}]",
		  "tcp:[::1]:0" },
		{ MAIN INET "\"host\": \"\", \"port\": \"9\"}}]", "tcp::9" },
		{ MAIN UNIX "\"path\": \"/run/a b\", \"abstract\": false}}]",
		  "unix:/run/a b" },
		{ MAIN "{\"transport\": \"socket\", \"type\": \"vsock\", "
		       "\"cid\": \"3\", \"port\": \"1234\"}}]",
		  "vsock:3:1234" },
		{ MAIN "{\"transport\": \"socket\", \"type\": \"fd\", "
		       "\"str\": \"migrate\"}}]",
		  "fd:migrate" },
		{ MAIN "{\"transport\": \"exec\", \"args\": [\"/bin/nc\", "
		       "\"-p\", \"a 'b' $c\", \"\"]}}]",
		  "exec:'/bin/nc' '-p' 'a '\\''b'\\'' $c' ''" },
		{ MAIN "{\"transport\": \"file\", \"filename\": \"/tmp/x\", "
		       "\"offset\": 0}}]",
		  "file:/tmp/x" },
	};
	char uri[256];

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		struct ramjet_error error = { 0 };

		if (translate(rows[i].channels, uri, sizeof(uri), &error))
			fail_msg("%s: %s", rows[i].channels, error.message);
		assert_string_equal(uri, rows[i].wanted);
	}
}

static void what_is_wrong_is_named(void **state)
{
	static const struct row rows[] = {
		{ "[]", "only one entry, for type 'main'" },
		{ "[{}, {}]", "only one entry, for type 'main'" },
		{ "[3]", "'channels', expected: object" },
		{ "[{}]", "'channel-type' is missing" },
		{ "[{\"channel-type\": \"main\"}]", "'addr' is missing" },
		{ "[{\"channel-type\": \"main\", \"addr\": []}]",
		  "'addr', expected: object" },
		{ "[{\"channel-type\": \"cpr\", \"addr\": {}}]",
		  "'channel-type' = cpr is not offered" },
		{ "[{\"channel-type\": \"side\", \"addr\": {}}]",
		  "'channel-type' does not accept value 'side'" },
		{ MAIN "{}}]", "'transport' is missing" },
		{ MAIN "{\"transport\": \"socket\"}}]", "'type' is missing" },
		{ MAIN "{\"transport\": \"pigeon\"}}]",
		  "'transport' does not accept value 'pigeon'" },
		{ MAIN "{\"transport\": \"socket\", \"type\": \"ipx\"}}]",
		  "'type' does not accept value 'ipx'" },
		{ MAIN "{\"transport\": \"rdma\", \"host\": \"a\", "
		       "\"port\": \"1\"}}]",
		  "'transport' = rdma is not offered" },
		{ MAIN INET "\"port\": \"1\"}}]", "'host' is missing" },
		{ MAIN INET "\"host\": \"a\", \"port\": 1}}]",
		  "'port', expected: string" },
		{ MAIN INET "\"host\": \"a\", \"port\": \"1\", "
			    "\"speed\": 1}}]",
		  "'speed' is unexpected" },
		{ MAIN INET "\"host\": \"a\", \"port\": \"1\", "
			    "\"ipv6\": false}}]",
		  "'ipv6' = false is not offered" },
		{ MAIN INET "\"host\": \"a\", \"port\": \"1\", \"to\": 9}}]",
		  "'to' is not offered" },
		{ MAIN INET "\"host\": \"a\", \"port\": \"1\", "
			    "\"mptcp\": true}}]",
		  "'mptcp' = true is not offered" },
		{ MAIN INET "\"host\": \"a\", \"port\": \"1\", "
			    "\"numeric\": true}}]",
		  "'host' is 'a', wanted a numeric address" },
		{ MAIN UNIX "\"path\": \"a\", \"abstract\": true}}]",
		  "'abstract' = true is not offered" },
		{ MAIN "{\"transport\": \"exec\", \"args\": []}}]",
		  "'args' is empty" },
		{ MAIN "{\"transport\": \"exec\", \"args\": [\"a\", 1]}}]",
		  "'args', expected: string" },
		{ MAIN "{\"transport\": \"file\", \"filename\": \"x\", "
		       "\"offset\": 4096}}]",
		  "'offset' can only be 0" },
	};
	char uri[256];

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(rows); i++) {
		struct ramjet_error error = { 0 };

		if (!translate(rows[i].channels, uri, sizeof(uri), &error))
			fail_msg("accepted: %s", rows[i].channels);
		if (!strstr(error.message, rows[i].wanted))
			fail_msg("%s: '%s', wanted '%s'", rows[i].channels,
				 error.message, rows[i].wanted);
	}
}

static void what_does_not_fit_is_refused_whole(void **state)
{
	struct ramjet_error error = { 0 };
	char uri[8];

	(void)state;
	assert_true(translate(MAIN UNIX "\"path\": \"abc\"}}]", uri,
			      sizeof(uri), &error) < 0);
	assert_non_null(strstr(error.message, "too long"));
	assert_int_equal(translate(MAIN UNIX "\"path\": \"ab\"}}]", uri,
				   sizeof(uri), &error),
			 0);
	assert_string_equal(uri, "unix:ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_becomes_its_uri),
		cmocka_unit_test(what_is_wrong_is_named),
		cmocka_unit_test(what_does_not_fit_is_refused_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
