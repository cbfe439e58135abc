/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/dbus/bus_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *kind = "dbus-daemon";
static char program[64];

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	(void)fprintf(stderr, "bus fixture: %s: %s\n", what, strerror(errno));
	exit(99);
}

void test_bus_choose(int argc, char **argv)
{
	if (argc > 1)
		kind = argv[1];
	(void)snprintf(program, sizeof(program), "/usr/bin/%s", kind);
	if (access(program, X_OK)) {
		(void)printf("1..0 # SKIP %s is not installed\n", program);
		exit(77);
	}
}

const char *test_bus_kind(void)
{
	return kind;
}

/* In the child, `fd` survives as number 3 and the test's end ends the bus. */
static void become(int fd, char *const *argv)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || dup2(fd, 3) != 3)
		_exit(98);
	if (fd == 3 && fcntl(3, F_SETFD, 0))
		_exit(98);
	(void)execv(argv[0], argv);
	_exit(98);
}

static void start_daemon(struct test_bus *bus)
{
	const char *policy = getenv("RAMJET_TEST_BUS_POLICY");
	char config[512], address[160], line[512];
	char *argv[] = { program,    config,        address,
			 "--nofork", "--nopidfile", "--print-address=3",
			 NULL };
	int ends[2];
	ssize_t got;

	must(policy != NULL, "RAMJET_TEST_BUS_POLICY is not set");
	(void)snprintf(config, sizeof(config), "--config-file=%s", policy);
	(void)snprintf(address, sizeof(address), "--address=%s", bus->address);
	must(!pipe2(ends, O_CLOEXEC), "pipe");
	bus->pid = fork();
	must(bus->pid >= 0, "fork");
	if (!bus->pid)
		become(ends[1], argv);
	(void)close(ends[1]);
	got = read(ends[0], line, sizeof(line));
	must(got > 0, "dbus-daemon did not start");
	(void)close(ends[0]);
}

/* ---- dbus-broker, which is told everything by a controller ----------- */

/* (verdict, priority, name, path, interface, member, type, broadcast, fewest
 * fds, most fds) and the like, as dbus-broker 33 wants them. */
#define RULES  "a(btssssuutt)"
#define BATCH  "bta(btbs)" RULES RULES
#define POLICY "a(u(" BATCH "))a(buu(" BATCH "))a(ss)bs"

/* The sample policy's rules, in the broker's terms. */
static int append_rules(sd_bus_message *m)
{
	static const struct {
		int allow;
		const char *name, *interface, *member;
	} sends[] = {
		{ 1, "org.freedesktop.DBus", "org.freedesktop.DBus", "" },
		{ 0, "org.freedesktop.DBus", "org.freedesktop.DBus",
		  "UpdateActivationEnvironment" },
		{ 1, "org.qemu.VMState1", "org.qemu.VMState1", "" },
		{ 1, "org.qemu.VMState1", "org.freedesktop.DBus.Properties",
		  "Get" },
		{ 1, "org.qemu.VMState1", "org.freedesktop.DBus.Properties",
		  "GetAll" },
	};
	int rc = sd_bus_message_append(m, "bta(btbs)", 1, UINT64_C(1), 1, 1,
				       UINT64_C(1), 0, "org.qemu.VMState1");

	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(btssssuutt)");
	for (size_t i = 0; i < sizeof(sends) / sizeof(*sends) && rc >= 0; i++)
		rc = sd_bus_message_append(m, "(btssssuutt)", sends[i].allow,
					   (uint64_t)(i + 1), sends[i].name, "",
					   sends[i].interface, sends[i].member,
					   0, 0, UINT64_C(0), UINT64_MAX);
	if (rc >= 0)
		rc = sd_bus_message_close_container(m);
	if (rc >= 0)
		rc = sd_bus_message_append(m, RULES, 1, 1, UINT64_C(1), "", "",
					   "", "", 0, 0, UINT64_C(0),
					   UINT64_MAX);
	return rc;
}

static int append_policy(sd_bus_message *m)
{
	int rc = sd_bus_message_open_container(m, 'v', "(" POLICY ")");

	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'r', POLICY);
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'a', "(u(" BATCH "))");
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'r', "u(" BATCH ")");
	if (rc >= 0)
		rc = sd_bus_message_append(m, "u", UINT32_MAX);
	if (rc >= 0)
		rc = sd_bus_message_open_container(m, 'r', BATCH);
	if (rc >= 0)
		rc = append_rules(m);
	for (int i = 0; i < 3 && rc >= 0; i++)
		rc = sd_bus_message_close_container(m);
	if (rc >= 0)
		rc = sd_bus_message_append(m, "a(buu(" BATCH "))a(ss)bs", 0, 0,
					   0, "guest");
	for (int i = 0; i < 2 && rc >= 0; i++)
		rc = sd_bus_message_close_container(m);
	return rc;
}

static void add_listener(struct test_bus *bus, int listener)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *call = NULL;
	int rc = sd_bus_message_new_method_call(
		bus->controller, &call, NULL, "/org/bus1/DBus/Broker",
		"org.bus1.DBus.Broker", "AddListener");

	if (rc >= 0)
		rc = sd_bus_message_append(
			call, "oh", "/org/bus1/DBus/Listener/0", listener);
	if (rc >= 0)
		rc = append_policy(call);
	if (rc >= 0)
		rc = sd_bus_call(bus->controller, call, 0, &error, NULL);
	errno = -rc;
	must(rc >= 0, error.message ? error.message : "AddListener");
	sd_bus_message_unref(call);
}

static void start_broker(struct test_bus *bus)
{
	char *argv[] = { program,
			 "--controller",
			 "3",
			 "--machine-id",
			 "0123456789abcdef0123456789abcdef",
			 NULL };
	struct sockaddr_un where = { .sun_family = AF_UNIX };
	int ends[2];
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(where.sun_path, sizeof(where.sun_path), "%s", bus->path);
	must(listener >= 0 && !bind(listener, (void *)&where, sizeof(where)) &&
		     !listen(listener, 256) &&
		     !fcntl(listener, F_SETFL, O_NONBLOCK),
	     "listening");
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			 ends),
	     "socketpair");
	bus->pid = fork();
	must(bus->pid >= 0, "fork");
	if (!bus->pid)
		become(ends[1], argv);
	(void)close(ends[1]);
	must(sd_bus_new(&bus->controller) >= 0 &&
		     sd_bus_set_fd(bus->controller, ends[0], ends[0]) >= 0 &&
		     sd_bus_start(bus->controller) >= 0,
	     "controller");
	add_listener(bus, listener);
	(void)close(listener);
}

/* ---- either ---------------------------------------------------------- */

void test_bus_start(struct test_bus *bus)
{
	*bus = (struct test_bus){ .folder = "/tmp/rj-bus-XXXXXX" };
	must(mkdtemp(bus->folder) != NULL, "mkdtemp");
	(void)snprintf(bus->path, sizeof(bus->path), "%s/bus", bus->folder);
	(void)snprintf(bus->address, sizeof(bus->address), "unix:path=%s",
		       bus->path);
	if (strcmp(kind, "dbus-broker"))
		start_daemon(bus);
	else
		start_broker(bus);
}

void test_bus_stop(struct test_bus *bus)
{
	if (!bus->pid)
		return;
	(void)kill(bus->pid, SIGKILL);
	(void)waitpid(bus->pid, NULL, 0);
	bus->pid = 0;
	bus->controller = sd_bus_close_unref(bus->controller);
	(void)unlink(bus->path);
	(void)rmdir(bus->folder);
}
