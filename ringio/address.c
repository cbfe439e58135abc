/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/address.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

socklen_t rj_address_of_uri(const struct rj_uri *uri, union rj_address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (uri->scheme == RJ_URI_VSOCK) {
		ret->vm.svm_family = AF_VSOCK;
		ret->vm.svm_cid = uri->cid;
		ret->vm.svm_port = uri->vsock_port;
		return sizeof(ret->vm);
	}
	ret->local.sun_family = AF_UNIX;
	/* the parser has limited it, the memset has ended it */
	memcpy(ret->local.sun_path, uri->path,
	       strnlen(uri->path, sizeof(ret->local.sun_path) - 1));
	return sizeof(ret->local);
}

static void format_inet(const union rj_address *address, socklen_t bytes,
			char *text, size_t size)
{
	const char *open = address->any.sa_family == AF_INET6 ? "[" : "";
	const char *close = *open ? "]" : "";
	char host[96], port[8];

	if (getnameinfo(&address->any, bytes, host, sizeof(host), port,
			sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV))
		(void)snprintf(text, size, "unknown");
	else
		(void)snprintf(text, size, "%s%s%s:%s", open, host, close,
			       port);
}

void rj_address_format(const union rj_address *address, socklen_t bytes,
		       char *text, size_t size)
{
	switch (address->any.sa_family) {
	case AF_INET:
	case AF_INET6:
		format_inet(address, bytes, text, size);
		return;
	case AF_VSOCK:
		(void)snprintf(text, size, "%u:%u", address->vm.svm_cid,
			       address->vm.svm_port);
		return;
	case AF_UNIX:
		if (bytes > offsetof(struct sockaddr_un, sun_path) &&
		    address->local.sun_path[0]) {
			(void)snprintf(text, size, "%.*s",
				       (int)sizeof(address->local.sun_path),
				       address->local.sun_path);
			return;
		}
	}
	(void)snprintf(text, size, "unnamed");
}

void rj_uri_format(const struct rj_uri *uri, char *text, size_t size)
{
	bool bracket = strchr(uri->host, ':');

	switch (uri->scheme) {
	case RJ_URI_TCP:
		(void)snprintf(text, size, "tcp:%s%s%s:%u", bracket ? "[" : "",
			       uri->host, bracket ? "]" : "", uri->port);
		return;
	case RJ_URI_UNIX:
		(void)snprintf(text, size, "unix:%s", uri->path);
		return;
	case RJ_URI_VSOCK:
		(void)snprintf(text, size, "vsock:%u:%u", uri->cid,
			       uri->vsock_port);
		return;
	case RJ_URI_FD:
		(void)snprintf(text, size, "fd:%d", uri->fd);
		return;
	case RJ_URI_EXEC:
		(void)snprintf(text, size, "exec:%s", uri->path);
		return;
	case RJ_URI_FILE:
		(void)snprintf(text, size, "file:%s", uri->path);
		return;
	case RJ_URI_VMM:
		(void)snprintf(text, size, "vmm:%s", uri->path);
		return;
	}
	(void)snprintf(text, size, "unknown");
}
