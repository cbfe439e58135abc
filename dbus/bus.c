/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/bus.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/options.h"
#include "util/clock.h"
#include "util/error.h"

/* One dispatch handles at most so many messages, so that a flood of them cannot
 * keep the control thread from its deadline. */
#define DISPATCH_MAX 256u

static int connect_bus(sd_bus *sd, const char *address)
{
	int rc = sd_bus_set_address(sd, address);

	if (rc < 0)
		return rc;
	rc = sd_bus_set_bus_client(sd, 1);
	if (rc < 0)
		return rc;
	return sd_bus_start(sd);
}

int rj_bus_open(struct rj_bus *bus, const char *address,
		struct ramjet_error *err)
{
	int rc = rj_helpers_check_address(address, err);

	*bus = (struct rj_bus){ 0 };
	if (rc < 0)
		return rc;
	bus->address = strdup(address);
	if (!bus->address)
		return rj_fail(err, -ENOMEM, "helpers: out of memory");
	rc = sd_bus_new(&bus->sd);
	if (rc >= 0)
		rc = connect_bus(bus->sd, address);
	if (rc < 0) {
		rc = rj_fail_errno(err, rc, "helpers: bus '%s'", address);
		rj_bus_close(bus);
		return rc;
	}
	return 0;
}

void rj_bus_close(struct rj_bus *bus)
{
	bus->sd = sd_bus_close_unref(bus->sd);
	free(bus->address);
	bus->address = NULL;
}

static int fail_lost(struct rj_bus *bus, int code, struct ramjet_error *err)
{
	if (bus->was_ready)
		return rj_fail(err, -ENOTCONN,
			       "helpers: lost the connection to the bus '%s'",
			       bus->address);
	if (code == -EPERM || code == -EACCES)
		return rj_fail(err, -EACCES,
			       "helpers: bus '%s': it refused to authenticate "
			       "us",
			       bus->address);
	return rj_fail_errno(err, code,
			     "helpers: bus '%s': it ended the connection "
			     "before letting us in",
			     bus->address);
}

int rj_bus_dispatch(struct rj_bus *bus, struct ramjet_error *err)
{
	int rc = 1;

	if (!bus->sd || !sd_bus_is_open(bus->sd))
		return fail_lost(bus, -ECONNRESET, err);
	for (unsigned i = 0; rc > 0 && i < DISPATCH_MAX; i++) {
		rc = sd_bus_process(bus->sd, NULL);
		if (!bus->was_ready && sd_bus_is_ready(bus->sd) > 0)
			bus->was_ready = true;
	}
	if (rc < 0)
		return fail_lost(bus, rc, err);
	if (!sd_bus_is_open(bus->sd))
		return fail_lost(bus, -ECONNRESET, err);
	return 0;
}

int rj_bus_poll(struct rj_bus *bus, struct pollfd *ret)
{
	int fd, events;

	if (!bus->sd || !sd_bus_is_open(bus->sd))
		return -ENOTCONN;
	fd = sd_bus_get_fd(bus->sd);
	if (fd < 0)
		return fd;
	events = sd_bus_get_events(bus->sd);
	if (events < 0)
		return events;
	*ret = (struct pollfd){ .fd = fd, .events = (short)events };
	return 0;
}

/* sd-bus may have read several messages at once, and then wants to be called
 * again at once: its timeout is 0 although the socket is quiet. */
static uint64_t wait_until(struct rj_bus *bus, uint64_t deadline_ns)
{
	uint64_t us, until = deadline_ns ? deadline_ns : UINT64_MAX;

	if (sd_bus_get_timeout(bus->sd, &us) >= 0 && us < until / 1000)
		until = us * 1000;
	return until;
}

static int poll_until(struct pollfd *fds, nfds_t count, uint64_t until)
{
	uint64_t now = rj_now_ns();
	uint64_t left_ns = until > now ? until - now : 0;
	struct timespec left = {
		.tv_sec = (time_t)(left_ns / 1000000000u),
		.tv_nsec = (long)(left_ns % 1000000000u),
	};

	return ppoll(fds, count, until == UINT64_MAX ? NULL : &left, NULL);
}

int rj_bus_wait(struct rj_bus *bus, uint64_t deadline_ns, int wake_fd)
{
	/* poll() skips a negative fd. */
	struct pollfd fds[2] = { [1] = { .fd = wake_fd, .events = POLLIN } };

	if (deadline_ns && rj_now_ns() >= deadline_ns)
		return -ETIMEDOUT;
	if (rj_bus_poll(bus, &fds[0]) < 0)
		return 0; /* the next dispatch reports the error */
	if (poll_until(fds, 2, wait_until(bus, deadline_ns)) > 0 &&
	    fds[1].revents)
		return -ECANCELED;
	return 0;
}

int rj_bus_driver_call(struct rj_bus *bus, const char *member,
		       sd_bus_message **ret)
{
	return sd_bus_message_new_method_call(bus->sd, ret, RJ_BUS_DRIVER_NAME,
					      RJ_BUS_DRIVER_PATH,
					      RJ_BUS_DRIVER_NAME, member);
}

const char *rj_bus_reply_problem(sd_bus_message *reply, const char *sender,
				 struct rj_text *text)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	const char *from = sd_bus_message_get_sender(reply);
	char name[100], said[200];

	if (error) {
		rj_text_print(name, sizeof(name),
			      error->name ? error->name : "error");
		rj_text_print(said, sizeof(said),
			      error->message ? error->message : "");
		(void)snprintf(text->s, sizeof(text->s), "%s%s%s", name,
			       said[0] ? ": " : "", said);
		return text->s;
	}
	if (from && !strcmp(from, sender))
		return NULL;
	rj_text_print(name, sizeof(name), from ? from : "unnamed");
	(void)snprintf(text->s, sizeof(text->s),
		       "the reply came from another connection, %s", name);
	return text->s;
}
