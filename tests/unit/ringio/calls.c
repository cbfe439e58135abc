/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/ringio/calls.h"

#include "tests/unit/cmocka_all.h"

#include <string.h>
#include <sys/eventfd.h>

struct rj_uri uri_of(const char *format, ...)
{
	struct ramjet_error err = { 0 };
	struct rj_uri uri;
	char text[256];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (rj_uri_parse(text, &uri, &err))
		fail_msg("%s", err.message);
	return uri;
}

struct rj_listener listener_of(const struct rj_uri *uri)
{
	struct ramjet_error err = { 0 };
	struct rj_listener listener;

	if (rj_listen(uri, &listener, &err))
		fail_msg("%s", err.message);
	return listener;
}

struct rj_conn connected_to(const struct rj_uri *uri)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	if (rj_connect(uri, 0, -1, &conn, &err))
		fail_msg("%s", err.message);
	return conn;
}

struct rj_conn incoming_of(const struct rj_uri *uri)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	if (rj_open_incoming(uri, &conn, &err))
		fail_msg("%s", err.message);
	return conn;
}

void assert_says(const struct ramjet_error *err, const char *part)
{
	if (!strstr(err->message, part))
		fail_msg("'%s' does not say '%s'", err->message, part);
}

void connect_fails(const struct rj_uri *uri, int code, const char *part)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn = RJ_CONN_NONE;

	assert_int_equal(rj_connect(uri, 0, -1, &conn, &err), code);
	assert_int_equal(err.code, code);
	assert_says(&err, part);
	assert_int_equal(conn.fd, -1);
}

void listen_fails(const struct rj_uri *uri, int code, const char *part)
{
	struct ramjet_error err = { 0 };
	struct rj_listener listener;

	assert_int_equal(rj_listen(uri, &listener, &err), code);
	assert_says(&err, part);
}

void incoming_fails(const struct rj_uri *uri, int code, const char *part)
{
	struct ramjet_error err = { 0 };
	struct rj_conn conn;

	assert_int_equal(rj_open_incoming(uri, &conn, &err), code);
	assert_says(&err, part);
}

const char *fresh_path(char *directory, char *path, size_t size)
{
	memcpy(directory, "/tmp/rj-endpoint-XXXXXX", 24);
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, size, "%s/name", directory);
	return path;
}

int event_new(unsigned count)
{
	int fd = eventfd(count, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_true(fd >= 0);
	return fd;
}
