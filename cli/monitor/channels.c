/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/monitor/channels.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/qmp/arguments.h"
#include "util/error.h"

/* A text being put together. */
struct uri {
	char *text;
	size_t bytes, used;
	bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct uri *uri,
						      const char *format, ...)
{
	size_t room = uri->bytes - uri->used;
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(uri->text + uri->used, room, format, list);
	va_end(list);
	if (n < 0 || (size_t)n >= room)
		uri->full = true;
	else
		uri->used += (size_t)n;
}

static const char *text(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static int not_offered(const char *name, const char *value,
		       struct ramjet_error *err)
{
	return rj_fail(err, -EOPNOTSUPP,
		       "Parameter '%s' = %.100s is not offered by this version "
		       "of ramjet",
		       name, value);
}

static int unknown(const char *name, const char *value,
		   struct ramjet_error *err)
{
	return rj_fail(err, -EINVAL,
		       "Parameter '%s' does not accept value '%.100s'", name,
		       value);
}

/* clang-format off */
static const struct rj_qmp_argument channel_members[] = {
	{ "channel-type", RJ_QMP_TEXT, false },
	{ "addr", RJ_QMP_OBJECT, false },
	{ 0 },
};
static const struct rj_qmp_argument inet_members[] = {
	{ "transport", RJ_QMP_TEXT, false },
	{ "type", RJ_QMP_TEXT, false },
	{ "host", RJ_QMP_TEXT, false },
	{ "port", RJ_QMP_TEXT, false },
	{ "numeric", RJ_QMP_BOOL, true },
	{ "to", RJ_QMP_WHOLE, true },
	{ "ipv4", RJ_QMP_BOOL, true },
	{ "ipv6", RJ_QMP_BOOL, true },
	{ "keep-alive", RJ_QMP_BOOL, true },
	{ "mptcp", RJ_QMP_BOOL, true },
	{ 0 },
};
static const struct rj_qmp_argument unix_members[] = {
	{ "transport", RJ_QMP_TEXT, false },
	{ "type", RJ_QMP_TEXT, false },
	{ "path", RJ_QMP_TEXT, false },
	{ "abstract", RJ_QMP_BOOL, true },
	{ "tight", RJ_QMP_BOOL, true },
	{ 0 },
};
static const struct rj_qmp_argument vsock_members[] = {
	{ "transport", RJ_QMP_TEXT, false },
	{ "type", RJ_QMP_TEXT, false },
	{ "cid", RJ_QMP_TEXT, false },
	{ "port", RJ_QMP_TEXT, false },
	{ 0 },
};
static const struct rj_qmp_argument fd_members[] = {
	{ "transport", RJ_QMP_TEXT, false },
	{ "type", RJ_QMP_TEXT, false },
	{ "str", RJ_QMP_TEXT, false },
	{ 0 },
};
static const struct rj_qmp_argument exec_members[] = {
	{ "transport", RJ_QMP_TEXT, false },
	{ "args", RJ_QMP_ARRAY, false },
	{ 0 },
};
static const struct rj_qmp_argument file_members[] = {
	{ "transport", RJ_QMP_TEXT, false },
	{ "filename", RJ_QMP_TEXT, false },
	{ "offset", RJ_QMP_WHOLE, false },
	{ 0 },
};
/* clang-format on */

/* ---- one address of each kind; its members have been checked ---- */

static int check_inet(const json_t *addr, struct ramjet_error *err)
{
	static const char *const families[] = { "ipv4", "ipv6" };
	unsigned char binary[sizeof(struct in6_addr)];
	const char *host = text(addr, "host");

	for (size_t i = 0; i < RJ_ARRAY_SIZE(families); i++)
		if (json_is_false(json_object_get(addr, families[i])))
			return not_offered(families[i], "false", err);
	if (json_object_get(addr, "to"))
		return rj_fail(err, -EOPNOTSUPP,
			       "Parameter 'to' is not offered by this version "
			       "of ramjet: give one port, or 0 for any free "
			       "one");
	if (json_is_true(json_object_get(addr, "mptcp")))
		return not_offered("mptcp", "true", err);
	if (json_is_true(json_object_get(addr, "numeric")) &&
	    inet_pton(AF_INET, host, binary) != 1 &&
	    inet_pton(AF_INET6, host, binary) != 1)
		return rj_fail(err, -EINVAL,
			       "Parameter 'host' is '%.100s', wanted a numeric "
			       "address",
			       host);
	return 0;
}

static int put_inet(struct uri *uri, const json_t *addr,
		    struct ramjet_error *err)
{
	const char *host = text(addr, "host");
	bool bracket = strchr(host, ':') && *host != '[';
	int rc = check_inet(addr, err);

	put(uri, "tcp:%s%s%s:%s", bracket ? "[" : "", host, bracket ? "]" : "",
	    text(addr, "port"));
	return rc;
}

static int put_unix(struct uri *uri, const json_t *addr,
		    struct ramjet_error *err)
{
	put(uri, "unix:%s", text(addr, "path"));
	if (json_is_true(json_object_get(addr, "abstract")))
		return not_offered("abstract", "true", err);
	return 0;
}

static int put_vsock(struct uri *uri, const json_t *addr,
		     struct ramjet_error *err)
{
	(void)err;
	put(uri, "vsock:%s:%s", text(addr, "cid"), text(addr, "port"));
	return 0;
}

static int put_fd(struct uri *uri, const json_t *addr, struct ramjet_error *err)
{
	(void)err;
	put(uri, "fd:%s", text(addr, "str"));
	return 0;
}

/* Quoted, since ramjet gives it to a shell. */
static void put_word(struct uri *uri, const char *word)
{
	put(uri, "'");
	for (; *word; word++) {
		if (*word == '\'')
			put(uri, "'\\''");
		else
			put(uri, "%c", *word);
	}
	put(uri, "'");
}

static int put_exec(struct uri *uri, const json_t *addr,
		    struct ramjet_error *err)
{
	json_t *words = json_object_get(addr, "args"), *word;
	const char *gap = "exec:";
	size_t i;

	if (!json_array_size(words))
		return rj_fail(err, -EINVAL,
			       "Parameter 'args' is empty, wanted a command");
	json_array_foreach(words, i, word)
	{
		int rc = rj_qmp_type_check("args", RJ_QMP_TEXT, word, err);

		if (rc)
			return rc;
		put(uri, "%s", gap);
		put_word(uri, json_string_value(word));
		gap = " ";
	}
	return 0;
}

static int put_file(struct uri *uri, const json_t *addr,
		    struct ramjet_error *err)
{
	put(uri, "file:%s", text(addr, "filename"));
	if (json_integer_value(json_object_get(addr, "offset")))
		return rj_fail(err, -EOPNOTSUPP,
			       "Parameter 'offset' can only be 0 in this "
			       "version of ramjet");
	return 0;
}

static const struct kind {
	const char *transport, *type; /* type: of a socket, else NULL */
	const struct rj_qmp_argument *members;
	int (*put)(struct uri *uri, const json_t *addr,
		   struct ramjet_error *err);
} kinds[] = {
	{ "socket", "inet", inet_members, put_inet },
	{ "socket", "unix", unix_members, put_unix },
	{ "socket", "vsock", vsock_members, put_vsock },
	{ "socket", "fd", fd_members, put_fd },
	{ "exec", NULL, exec_members, put_exec },
	{ "file", NULL, file_members, put_file },
};

/* NULL with a message when there is no such kind. */
static const struct kind *find(const json_t *addr, struct ramjet_error *err)
{
	const char *transport = text(addr, "transport");
	const char *type = text(addr, "type");
	bool socket = transport && !strcmp(transport, "socket");

	if (!transport || (socket && !type)) {
		(void)rj_fail(err, -EINVAL, "Parameter '%s' is missing",
			      transport ? "type" : "transport");
		return NULL;
	}
	for (size_t i = 0; i < RJ_ARRAY_SIZE(kinds); i++)
		if (!strcmp(transport, kinds[i].transport) &&
		    (!socket || !strcmp(type, kinds[i].type)))
			return &kinds[i];
	if (!strcmp(transport, "rdma"))
		(void)not_offered("transport", transport, err);
	else
		(void)unknown(socket ? "type" : "transport",
			      socket ? type : transport, err);
	return NULL;
}

static int check_channel(json_t *channel, struct ramjet_error *err)
{
	const char *type;
	int rc = rj_qmp_type_check("channels", RJ_QMP_OBJECT, channel, err);

	if (!rc)
		rc = rj_qmp_arguments_check(channel_members, channel, err);
	if (rc)
		return rc;
	type = text(channel, "channel-type");
	if (!strcmp(type, "cpr"))
		return not_offered("channel-type", type, err);
	return strcmp(type, "main") ? unknown("channel-type", type, err) : 0;
}

int rj_cli_channels_uri(const json_t *channels, char *ret_uri, size_t bytes,
			struct ramjet_error *err)
{
	struct uri uri = { .text = ret_uri, .bytes = bytes };
	json_t *channel = json_array_get(channels, 0), *addr;
	const struct kind *kind;
	int rc;

	if (json_array_size(channels) != 1)
		return rj_fail(err, -EINVAL,
			       "Channel list must have only one entry, for "
			       "type 'main'");
	rc = check_channel(channel, err);
	if (rc)
		return rc;
	addr = json_object_get(channel, "addr");
	kind = find(addr, err);
	if (!kind)
		return -EINVAL;
	rc = rj_qmp_arguments_check(kind->members, addr, err);
	if (!rc)
		rc = kind->put(&uri, addr, err);
	if (!rc && uri.full)
		return rj_fail(err, -ENAMETOOLONG,
			       "Parameter 'addr' is too long, at most %zu "
			       "bytes are possible",
			       bytes - 1);
	return rc;
}
