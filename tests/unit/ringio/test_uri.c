/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "ringio/uri.h"
#include "util/compiler.h"

static struct rj_uri parsed(const char *text)
{
	struct ramjet_error err = { 0 };
	struct rj_uri uri;

	if (rj_uri_parse(text, &uri, &err))
		fail_msg("%s", err.message);
	assert_int_equal(err.code, 0);
	return uri;
}

static void tcp_takes_names_addresses_and_nothing(void **state)
{
	static const struct {
		const char *text, *host;
		uint16_t port;
	} good[] = {
		{ "tcp:localhost:4000", "localhost", 4000 },
		{ "tcp:127.0.0.1:0", "127.0.0.1", 0 },
		{ "tcp::65535", "", 65535 },
		{ "tcp:[::1]:4000", "::1", 4000 },
		{ "tcp:[fe80::1%eth0]:1", "fe80::1%eth0", 1 },
		{ "tcp:a-b.example.org:00080", "a-b.example.org", 80 },
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(good); i++) {
		struct rj_uri uri = parsed(good[i].text);

		assert_int_equal(uri.scheme, RJ_URI_TCP);
		assert_string_equal(uri.host, good[i].host);
		assert_int_equal(uri.port, good[i].port);
	}
}

static void other_schemes_keep_what_follows(void **state)
{
	struct rj_uri uri;

	(void)state;
	uri = parsed("unix:/run/a b.sock");
	assert_int_equal(uri.scheme, RJ_URI_UNIX);
	assert_string_equal(uri.path, "/run/a b.sock");
	uri = parsed("vsock:3:4294967294");
	assert_int_equal(uri.scheme, RJ_URI_VSOCK);
	assert_int_equal(uri.cid, 3);
	assert_int_equal(uri.vsock_port, 4294967294u);
	assert_int_equal(parsed("vsock::7").cid, UINT32_MAX);
	uri = parsed("fd:17");
	assert_int_equal(uri.scheme, RJ_URI_FD);
	assert_int_equal(uri.fd, 17);
	uri = parsed("exec:zstd -1 | ssh host 'cat >x:y'");
	assert_int_equal(uri.scheme, RJ_URI_EXEC);
	assert_string_equal(uri.path, "zstd -1 | ssh host 'cat >x:y'");
	uri = parsed("file:tcp:1:2");
	assert_int_equal(uri.scheme, RJ_URI_FILE);
	assert_string_equal(uri.path, "tcp:1:2");
}

static void only_dialled_schemes_are_multi(void **state)
{
	struct rj_uri uri;

	(void)state;
	for (int scheme = RJ_URI_TCP; scheme <= RJ_URI_FILE; scheme++) {
		uri.scheme = (enum rj_uri_scheme)scheme;
		assert_int_equal(rj_uri_is_multi(&uri), scheme <= RJ_URI_VSOCK);
	}
}

static void malformed_uris_are_refused_with_the_part(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "", "unknown scheme" },
		{ "tcp", "unknown scheme" },
		{ "TCP:h:1", "unknown scheme" },
		{ "http://host:1", "unknown scheme" },
		{ " tcp:h:1", "unknown scheme" },
		{ "tcp:", "no port" },
		{ "tcp:4000", "no port" },
		{ "tcp:h:", "the port is not a number" },
		{ "tcp:h:x", "the port is not a number" },
		{ "tcp:h:-1", "the port is not a number" },
		{ "tcp:h:+1", "the port is not a number" },
		{ "tcp:h: 1", "the port is not a number" },
		{ "tcp:h:1 ", "the port is not a number" },
		{ "tcp:h:65536", "the port is not a number" },
		{ "tcp:h:99999999999999999999999", "the port is not" },
		{ "tcp:::1:4000", "more than one colon" },
		{ "tcp:a:b:1", "more than one colon" },
		{ "tcp:[::1:4000", "no closing bracket" },
		{ "tcp:[::1]4000", "no port after the bracket" },
		{ "tcp:[::1]", "no port after the bracket" },
		{ "tcp:[]:1", "no IPv6 address" },
		{ "tcp:[host]:1", "no IPv6 address" },
		{ "tcp:[127.0.0.1]:1", "no IPv6 address" },
		{ "tcp:[fe80::1%]:1", "no IPv6 address" },
		{ "tcp:[fe80::1%a b]:1", "forbidden character" },
		{ "tcp:a b:1", "forbidden character" },
		{ "tcp://host:1", "forbidden character" },
		{ "tcp:a\n:1", "forbidden character" },
		{ "unix:", "nothing after the scheme" },
		{ "vsock:", "no port" },
		{ "vsock:3", "no port" },
		{ "vsock:x:1", "CID" },
		{ "vsock:4294967296:1", "CID" },
		{ "vsock:11111111111111111111:1", "CID" },
		{ "vsock:3:", "port" },
		{ "vsock:3:4294967296", "port" },
		{ "vsock:3:1:2", "port" },
		{ "fd:", "no file descriptor" },
		{ "fd:-1", "no file descriptor" },
		{ "fd:1x", "no file descriptor" },
		{ "fd:2147483648", "no file descriptor" },
		{ "exec:", "nothing after the scheme" },
		{ "file:", "nothing after the scheme" },
	};

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(bad); i++) {
		struct ramjet_error err = { 0 };
		struct rj_uri uri = { .fd = 42 };

		if (rj_uri_parse(bad[i].text, &uri, &err) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i].text);
		assert_int_equal(err.code, -EINVAL);
		if (!strstr(err.message, bad[i].says))
			fail_msg("'%s': '%s'", bad[i].text, err.message);
		assert_non_null(strstr(err.message, bad[i].text));
		assert_non_null(strstr(err.message, "wanted "));
		assert_int_equal(uri.fd, 42);
	}
	assert_int_equal(rj_uri_parse(NULL, &(struct rj_uri){ 0 }, NULL),
			 -EINVAL);
}

static void lengths_are_limited(void **state)
{
	char text[2 * RJ_URI_TEXT_MAX];
	struct ramjet_error err = { 0 };
	struct rj_uri uri;

	(void)state;
	memset(text, 'p', sizeof(text));
	memcpy(text, "unix:", 5);
	text[5 + 107] = '\0';
	assert_int_equal(strlen(parsed(text).path), 107);
	text[5 + 107] = 'p';
	text[5 + 108] = '\0';
	assert_int_equal(rj_uri_parse(text, &uri, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.message, "wanted at most 107"));
	text[5 + 108] = 'p';
	memcpy(text, "file:", 5);
	text[5 + RJ_URI_TEXT_MAX - 1] = '\0';
	assert_int_equal(strlen(parsed(text).path), RJ_URI_TEXT_MAX - 1);
	text[5 + RJ_URI_TEXT_MAX - 1] = 'p';
	text[5 + RJ_URI_TEXT_MAX] = '\0';
	assert_int_equal(rj_uri_parse(text, &uri, NULL), -ENAMETOOLONG);
	memcpy(text, "tcp:p", 5);
	memcpy(text + 4 + 255, ":1", 3);
	assert_int_equal(strlen(parsed(text).host), 255);
	memcpy(text + 4 + 255, "p:1", 4);
	assert_int_equal(rj_uri_parse(text, &uri, NULL), -EINVAL);
}

static uint32_t random_next(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Whatever is accepted keeps its promises, whatever is not says why. */
static void random_text_never_breaks_the_parser(void **state)
{
	static const char alphabet[] = "tcpunixvsockfdexecfile::::[]0123456789"
				       "abcf%./ \n\x7f\xff-+";
	static const char *const starts[] = { "tcp:", "vsock:", "fd:", "unix:",
					      "" };
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 200000; round++) {
		const char *start = starts[random_next(&seed) % 5];
		struct ramjet_error err = { 0 };
		size_t bytes = strlen(start);
		struct rj_uri uri;
		char text[64];
		int rc;

		memcpy(text, start, bytes);
		for (unsigned n = random_next(&seed) % 40; n; n--)
			text[bytes++] = alphabet[random_next(&seed) %
						 (sizeof(alphabet) - 1)];
		text[bytes] = '\0';
		rc = rj_uri_parse(text, &uri, &err);
		assert_int_equal(rc, err.code);
		if (rc) {
			assert_true(rc == -EINVAL);
			assert_non_null(strstr(err.message, "wanted "));
			continue;
		}
		assert_non_null(strchr(text, ':'));
		if (uri.scheme == RJ_URI_TCP)
			assert_non_null(strstr(text, uri.host));
		if (uri.scheme == RJ_URI_FD)
			assert_true(uri.fd >= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp_takes_names_addresses_and_nothing),
		cmocka_unit_test(other_schemes_keep_what_follows),
		cmocka_unit_test(only_dialled_schemes_are_multi),
		cmocka_unit_test(malformed_uris_are_refused_with_the_part),
		cmocka_unit_test(lengths_are_limited),
		cmocka_unit_test(random_text_never_breaks_the_parser),
	};

	return cmocka_run_group_tests_name("uri", tests, NULL, NULL);
}
