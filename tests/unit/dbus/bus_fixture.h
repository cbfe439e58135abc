/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_BUS_FIXTURE_H
#define RJ_TESTS_BUS_FIXTURE_H
/* A message bus of one's own for a test: a real dbus-daemon or dbus-broker on
 * a socket in a new folder, under the sample policy. */
#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

struct test_bus {
	char folder[64];
	char path[96];
	char address[128];
	pid_t pid;
	sd_bus *controller; /* dbus-broker only */
};

/* Which bus the program's tests use, from its argument: "dbus-daemon" or
 * "dbus-broker". Ends the program with 77 when it is not installed. */
void test_bus_choose(int argc, char **argv);
const char *test_bus_kind(void);

/* Abort the program on failure: without a bus there is no test. */
void test_bus_start(struct test_bus *bus);
/* The bus goes away under everybody who is on it. Safe to call twice. */
void test_bus_stop(struct test_bus *bus);
#endif
