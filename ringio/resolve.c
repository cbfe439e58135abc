/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/resolve.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "ringio/address.h"
#include "ringio/wait.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/thread.h"

struct lookup {
	/* immutable once the thread runs */
	char host[sizeof(((struct rj_uri *)0)->host)];
	char port[8];
	struct addrinfo hints;
	int done_fd;
	/* written by the thread before it signals done_fd */
	struct addrinfo *list;
	int result; /* EAI_* */
	/* References of the thread and of the caller: the last one frees. */
	atomic_int users;
};

static void lookup_drop(struct lookup *lookup)
{
	if (atomic_fetch_sub(&lookup->users, 1) > 1)
		return;
	if (lookup->list)
		freeaddrinfo(lookup->list);
	rj_close_fd(&lookup->done_fd);
	free(lookup);
}

static void lookup_run(struct lookup *lookup)
{
	lookup->result =
		getaddrinfo(*lookup->host ? lookup->host : NULL, lookup->port,
			    &lookup->hints, &lookup->list);
	if (lookup->result)
		lookup->list = NULL;
}

static void *lookup_thread(void *argument)
{
	struct lookup *lookup = argument;

	lookup_run(lookup);
	(void)eventfd_write(lookup->done_fd, 1);
	lookup_drop(lookup);
	return NULL;
}

static int start_thread(struct lookup *lookup)
{
	static const struct rj_thread_options options = {
		.name = "rj/lookup",
		.detached = true,
	};
	pthread_t thread;

	return rj_thread_start_as(&thread, &options, lookup_thread, lookup);
}

static int run_on_thread(struct lookup *lookup, uint64_t deadline_ns,
			 int wake_fd)
{
	eventfd_t count;
	int rc;

	lookup->done_fd = eventfd(0, EFD_CLOEXEC);
	if (lookup->done_fd < 0)
		return -errno;
	atomic_fetch_add(&lookup->users, 1);
	rc = start_thread(lookup);
	if (rc) {
		lookup_drop(lookup);
		return rc;
	}
	rc = rj_wait_fd(lookup->done_fd, POLLIN, deadline_ns, wake_fd);
	if (!rc && eventfd_read(lookup->done_fd, &count))
		rc = -errno;
	return rc;
}

static int take_result(struct lookup *lookup, const struct rj_uri *uri,
		       struct addrinfo **ret, struct ramjet_error *err)
{
	char text[RJ_ADDRESS_TEXT_MAX];

	if (!lookup->result) {
		*ret = rj_steal(lookup->list);
		return 0;
	}
	rj_uri_format(uri, text, sizeof(text));
	return rj_fail(err, -EHOSTUNREACH,
		       "%s: %s, wanted a host name or address", text,
		       gai_strerror(lookup->result));
}

int rj_resolve(const struct rj_uri *uri, bool passive, uint64_t deadline_ns,
	       int wake_fd, struct addrinfo **ret, struct ramjet_error *err)
{
	struct lookup *lookup = calloc(1, sizeof(*lookup));
	char text[RJ_ADDRESS_TEXT_MAX];
	int rc = 0;

	if (!lookup)
		return rj_fail_errno(err, -ENOMEM, "resolve");
	lookup->done_fd = -1;
	atomic_init(&lookup->users, 1);
	lookup->hints = (struct addrinfo){
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST |
			    (passive ? AI_PASSIVE : 0),
	};
	(void)snprintf(lookup->host, sizeof(lookup->host), "%s", uri->host);
	(void)snprintf(lookup->port, sizeof(lookup->port), "%u", uri->port);
	/* Addresses, and the empty host, need no resolver. */
	lookup_run(lookup);
	if (lookup->result == EAI_NONAME && *uri->host) {
		lookup->hints.ai_flags &= ~AI_NUMERICHOST;
		rc = run_on_thread(lookup, deadline_ns, wake_fd);
	}
	if (rc) {
		rj_uri_format(uri, text, sizeof(text));
		rj_fail_errno(err, rc, "%s: looking the host up", text);
	} else {
		rc = take_result(lookup, uri, ret, err);
	}
	lookup_drop(lookup);
	return rc;
}
