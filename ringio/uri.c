/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/uri.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/un.h>

#include "util/error.h"

/* Enough of a URI to be recognised in a message of 508 bytes. */
#define SHOWN            "%.160s%s"
#define SHOWN_ARGS(text) (text), strnlen((text), 161) > 160 ? "..." : ""

typedef int parse_fn(const char *text, const char *rest, struct rj_uri *ret,
		     struct ramjet_error *err);

RJ_COLD static int refuse(struct ramjet_error *err, const char *text,
			  const char *what, const char *wanted)
{
	return rj_fail(err, -EINVAL, "URI '" SHOWN "': %s, wanted %s",
		       SHOWN_ARGS(text), what, wanted);
}

/* Decimal digits and nothing else. */
static int parse_number(const char *digits, uint64_t max, uint64_t *ret)
{
	uint64_t value = 0;

	if (!*digits)
		return -EINVAL;
	for (; *digits; digits++) {
		if (*digits < '0' || *digits > '9')
			return -EINVAL;
		value = value * 10 + (uint64_t)(*digits - '0');
		if (value > max)
			return -ERANGE;
	}
	*ret = value;
	return 0;
}

/* Names as resolvers take them; an address may carry a zone (fe80::1%eth0). */
static bool is_host_name(const char *host)
{
	for (; *host; host++) {
		unsigned char c = (unsigned char)*host;

		if (c <= ' ' || c == 0x7f || strchr("/[]@?#'\"\\", c))
			return false;
	}
	return true;
}

static bool is_ipv6(const char *host)
{
	char plain[INET6_ADDRSTRLEN];
	size_t bytes = strcspn(host, "%");
	struct in6_addr address;

	if (bytes >= sizeof(plain) || (host[bytes] && !host[bytes + 1]))
		return false;
	memcpy(plain, host, bytes);
	plain[bytes] = '\0';
	return inet_pton(AF_INET6, plain, &address) == 1;
}

static int copy_host(const char *text, const char *host, size_t bytes,
		     bool bracketed, struct rj_uri *uri,
		     struct ramjet_error *err)
{
	if (bytes >= sizeof(uri->host))
		return refuse(err, text, "the host is too long",
			      "at most 255 bytes");
	memcpy(uri->host, host, bytes);
	uri->host[bytes] = '\0';
	if (bracketed && !is_ipv6(uri->host))
		return refuse(err, text, "no IPv6 address in the brackets",
			      "tcp:[ADDRESS]:PORT");
	if (!bracketed && strchr(uri->host, ':'))
		return refuse(err, text, "more than one colon after the scheme",
			      "tcp:HOST:PORT, with an IPv6 HOST in brackets");
	if (!is_host_name(uri->host))
		return refuse(err, text, "the host holds a forbidden character",
			      "a name, an address or nothing");
	return 0;
}

static int parse_tcp(const char *text, const char *rest, struct rj_uri *uri,
		     struct ramjet_error *err)
{
	bool bracketed = *rest == '[';
	const char *host = rest + bracketed;
	const char *end = bracketed ? strchr(host, ']') : strrchr(host, ':');
	uint64_t port;
	int rc;

	if (!end)
		return refuse(
			err, text, bracketed ? "no closing bracket" : "no port",
			bracketed ? "tcp:[ADDRESS]:PORT" : "tcp:HOST:PORT");
	rc = copy_host(text, host, (size_t)(end - host), bracketed, uri, err);
	if (rc)
		return rc;
	end += bracketed;
	if (*end != ':')
		return refuse(err, text, "no port after the bracket",
			      "tcp:[ADDRESS]:PORT");
	if (parse_number(end + 1, UINT16_MAX, &port))
		return refuse(err, text, "the port is not a number up to 65535",
			      "tcp:HOST:PORT");
	uri->port = (uint16_t)port;
	return 0;
}

static int parse_vsock(const char *text, const char *rest, struct rj_uri *uri,
		       struct ramjet_error *err)
{
	const char *colon = strchr(rest, ':');
	uint64_t cid = UINT32_MAX, port; /* VMADDR_CID_ANY */
	char digits[16];
	size_t bytes;

	if (!colon)
		return refuse(err, text, "no port", "vsock:CID:PORT");
	bytes = (size_t)(colon - rest);
	if (bytes) {
		if (bytes >= sizeof(digits))
			bytes = sizeof(digits) - 1;
		memcpy(digits, rest, bytes);
		digits[bytes] = '\0';
		if (parse_number(digits, UINT32_MAX, &cid))
			return refuse(err, text,
				      "the CID is not a 32-bit number",
				      "vsock:CID:PORT");
	}
	if (parse_number(colon + 1, UINT32_MAX, &port))
		return refuse(err, text, "the port is not a 32-bit number",
			      "vsock:CID:PORT");
	uri->cid = (uint32_t)cid;
	uri->vsock_port = (uint32_t)port;
	return 0;
}

static int parse_fd(const char *text, const char *rest, struct rj_uri *uri,
		    struct ramjet_error *err)
{
	uint64_t fd;

	if (parse_number(rest, INT_MAX, &fd))
		return refuse(err, text, "no file descriptor number",
			      "fd:N, an open descriptor of this process");
	uri->fd = (int)fd;
	return 0;
}

static int copy_path(const char *text, const char *rest, size_t limit,
		     const char *wanted, struct rj_uri *uri,
		     struct ramjet_error *err)
{
	size_t bytes = strlen(rest);

	if (!bytes)
		return refuse(err, text, "nothing after the scheme", wanted);
	if (bytes >= limit)
		return rj_fail(err, -ENAMETOOLONG,
			       "URI '" SHOWN "': %zu bytes after the scheme, "
			       "wanted at most %zu",
			       SHOWN_ARGS(text), bytes, limit - 1);
	memcpy(uri->path, rest, bytes + 1);
	return 0;
}

static int parse_unix(const char *text, const char *rest, struct rj_uri *uri,
		      struct ramjet_error *err)
{
	return copy_path(text, rest,
			 sizeof(((struct sockaddr_un *)0)->sun_path),
			 "unix:PATH", uri, err);
}

static int parse_exec(const char *text, const char *rest, struct rj_uri *uri,
		      struct ramjet_error *err)
{
	return copy_path(text, rest, sizeof(uri->path), "exec:COMMAND", uri,
			 err);
}

static int parse_file(const char *text, const char *rest, struct rj_uri *uri,
		      struct ramjet_error *err)
{
	return copy_path(text, rest, sizeof(uri->path), "file:PATH", uri, err);
}

static const struct {
	const char *prefix;
	parse_fn *parse;
	enum rj_uri_scheme scheme;
} schemes[] = {
	{ "tcp:", parse_tcp, RJ_URI_TCP },
	{ "unix:", parse_unix, RJ_URI_UNIX },
	{ "vsock:", parse_vsock, RJ_URI_VSOCK },
	{ "fd:", parse_fd, RJ_URI_FD },
	{ "exec:", parse_exec, RJ_URI_EXEC },
	{ "file:", parse_file, RJ_URI_FILE },
};

int rj_uri_parse(const char *text, struct rj_uri *ret, struct ramjet_error *err)
{
	if (!text)
		return rj_fail(err, -EINVAL,
			       "URI: none given, wanted "
			       "SCHEME:ADDRESS");
	for (size_t i = 0; i < RJ_ARRAY_SIZE(schemes); i++) {
		size_t bytes = strlen(schemes[i].prefix);
		struct rj_uri uri = { .fd = -1, .scheme = schemes[i].scheme };
		int rc;

		if (strncmp(text, schemes[i].prefix, bytes))
			continue;
		rc = schemes[i].parse(text, text + bytes, &uri, err);
		if (rc)
			return rc;
		*ret = uri;
		return 0;
	}
	return refuse(err, text, "unknown scheme",
		      "tcp:HOST:PORT, unix:PATH, vsock:CID:PORT, fd:N, "
		      "exec:COMMAND or file:PATH");
}

bool rj_uri_is_multi(const struct rj_uri *uri)
{
	return uri->scheme == RJ_URI_TCP || uri->scheme == RJ_URI_UNIX ||
	       uri->scheme == RJ_URI_VSOCK ||
	       (uri->scheme == RJ_URI_VMM && !uri->single);
}
