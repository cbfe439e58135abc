/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DBUS_BUS_H
#define RJ_DBUS_BUS_H
/*
 * One private connection to one message bus. Nothing here blocks but
 * rj_bus_wait(), which has a deadline and a wake fd: connecting and
 * authenticating happen inside rj_bus_dispatch() too, so a bus that accepts
 * and then says nothing costs a deadline, not the guest.
 */
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "dbus/text.h"
#include "ramjet.h"
#include "util/compiler.h"

#define RJ_VMSTATE_NAME      "org.qemu.VMState1"
#define RJ_VMSTATE_PATH      "/org/qemu/VMState1"
#define RJ_VMSTATE_INTERFACE "org.qemu.VMState1"

#define RJ_BUS_DRIVER_NAME "org.freedesktop.DBus"
#define RJ_BUS_DRIVER_PATH "/org/freedesktop/DBus"
/* Longest bus name D-Bus allows. */
#define RJ_BUS_NAME_MAX 255u

struct rj_bus {
	sd_bus *sd; /* NULL: closed */
	char *address;
	bool was_ready; /* for a better message when it goes away */
};

/* Begin to connect to exactly `address`, never to a default bus. Only unix:
 * addresses: others may resolve names without a deadline, or run programs. */
RJ_NODISCARD int rj_bus_open(struct rj_bus *bus, const char *address,
			     struct ramjet_error *err);
/* Does not wait for anything, drops what is unsent. Safe when closed. */
void rj_bus_close(struct rj_bus *bus);

/* Do what can be done without waiting; callbacks run in here. 0, or a failure
 * after which the connection is of no more use. */
RJ_NODISCARD int rj_bus_dispatch(struct rj_bus *bus, struct ramjet_error *err);

/* What to wait for between two dispatches. -ENOTCONN on a lost connection. */
RJ_NODISCARD int rj_bus_poll(struct rj_bus *bus, struct pollfd *ret);
/* Wait for the bus: 0, -ETIMEDOUT at deadline_ns (rj_now_ns() scale, 0: none)
 * or -ECANCELED when wake_fd (-1: none) is readable. */
RJ_NODISCARD int rj_bus_wait(struct rj_bus *bus, uint64_t deadline_ns,
			     int wake_fd);

/* A call of the bus driver: a new message for its member. */
RJ_NODISCARD int rj_bus_driver_call(struct rj_bus *bus, const char *member,
				    sd_bus_message **ret);

/* Why a reply is no answer from `sender`: an error reply, or a reply that
 * another connection forged. NULL when it is a good one; else text->s, fit
 * to follow "Save: ". */
const char *rj_bus_reply_problem(sd_bus_message *reply, const char *sender,
				 struct rj_text *text);
#endif
