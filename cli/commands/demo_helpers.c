/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/commands/demo_helpers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "cli/base/state_file.h"
#include "ramjet-helper.h"
#include "util/cleanup.h"
#include "util/error.h"

#define PATH_BYTES 160
/* "unix:path=" names at most 107 bytes, and these as they are. */
#define FOLDER_BYTES_MAX 64
#define PLAIN_BYTES                                   \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq" \
	"rstuvwxyz0123456789-_/."

static const char *const side_names[] = { "here", "there" };

static const struct {
	const char *id;
	size_t bytes;
} kinds[RJ_CLI_DEMO_HELPERS] = { { "net", 4096 }, { "tpm", 65536 } };

/* All that the demo's bus is for; its folder keeps others out. */
static const char bus_config[] =
	"<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus "
	"Configuration 1.0//EN\"\n"
	" \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
	"<busconfig>\n"
	"  <type>guest</type>\n"
	"  <listen>unix:tmpdir=/tmp</listen> <!-- told otherwise -->\n"
	"  <auth>EXTERNAL</auth>\n"
	"  <policy context=\"default\">\n"
	"    <allow user=\"*\"/>\n"
	"    <allow own=\"org.qemu.VMState1\"/>\n"
	"    <allow send_destination=\"*\"/>\n"
	"    <allow receive_sender=\"*\"/>\n"
	"  </policy>\n"
	"</busconfig>\n";

const char *rj_cli_demo_helper_id(unsigned index)
{
	return kinds[index].id;
}

static const char *path_of(const struct rj_cli_demo_helpers *helpers,
			   unsigned side, const char *name,
			   char path[PATH_BYTES])
{
	(void)snprintf(path, PATH_BYTES, "%s/%s-%s", helpers->folder,
		       side_names[side], name);
	return path;
}

/* ---- what can't be done, before anything is ------------------------- */

static bool find_program(const char *name, char path[PATH_BYTES])
{
	const char *list = getenv("PATH");

	for (list = list ? list : "/usr/bin"; *list;) {
		size_t span = strcspn(list, ":");

		(void)snprintf(path, PATH_BYTES, "%.*s/%s", (int)span, list,
			       name);
		if (span && span < FOLDER_BYTES_MAX && !access(path, X_OK))
			return true;
		list += span + (list[span] == ':');
	}
	return false;
}

/* A build without D-Bus says so whatever it is asked. */
static int check_build(struct ramjet_error *err)
{
	struct ramjet_helper_options options = {
		RAMJET_HELPER_OPTIONS_INIT,
		.bus_address = "unix:path=/nonexistent/bus",
	};
	struct ramjet_helper_info *infos = NULL;
	struct ramjet_error error = { 0 };
	size_t count = 0;
	int rc = ramjet_helpers_list(&options, &infos, &count, &error);

	if (rc >= 0)
		ramjet_helpers_free(infos);
	return rc == -EOPNOTSUPP ? rj_fail(err, rc, "%s", error.message) : 0;
}

/* ---- files ----------------------------------------------------------- */

/* In memory, if there is a choice: a helper that takes its state waits for
 * the disk, and the guest for the helper. */
static const char *choose_base(void)
{
	const char *const bases[] = { getenv("TMPDIR"),
				      getenv("XDG_RUNTIME_DIR"), "/dev/shm" };

	for (size_t i = 0; i < RJ_ARRAY_SIZE(bases); i++) {
		const char *base = bases[i];

		if (base && base[0] == '/' &&
		    strlen(base) <= FOLDER_BYTES_MAX &&
		    !base[strspn(base, PLAIN_BYTES)] && !access(base, W_OK))
			return base;
	}
	return "/tmp";
}

static int make_folder(struct rj_cli_demo_helpers *helpers,
		       struct ramjet_error *err)
{
	const char *base = choose_base();

	(void)snprintf(helpers->folder, sizeof(helpers->folder),
		       "%s/ramjet-demo-XXXXXX", base);
	if (mkdtemp(helpers->folder))
		return 0;
	helpers->folder[0] = '\0';
	return rj_fail_errno(err, -errno, "helpers: mkdtemp in %s", base);
}

static int make_states(const struct rj_cli_demo_helpers *helpers,
		       struct ramjet_error *err)
{
	uint8_t bytes[65536];
	char path[PATH_BYTES];
	int rc = 0;

	for (unsigned i = 0; i < RJ_CLI_DEMO_HELPERS && !rc; i++) {
		ssize_t got = getrandom(bytes, kinds[i].bytes, 0);

		if (got != (ssize_t)kinds[i].bytes)
			return rj_fail(err, -EIO, "helpers: getrandom");
		rc = rj_cli_state_file_write(
			path_of(helpers, RJ_CLI_DEMO_HERE, kinds[i].id, path),
			bytes, kinds[i].bytes, err);
	}
	if (!rc)
		rc = rj_cli_state_file_write(
			path_of(helpers, RJ_CLI_DEMO_HERE, "bus.conf", path),
			bus_config, strlen(bus_config), err);
	return rc;
}

static void remove_folder(const char *folder)
{
	DIR *all = opendir(folder);
	const struct dirent *entry;

	while (all && (entry = readdir(all)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			(void)unlinkat(dirfd(all), entry->d_name, 0);
	if (all)
		(void)closedir(all);
	(void)rmdir(folder);
}

/* ---- processes ------------------------------------------------------- */

/* Starts it, and waits for the line that says it is there. */
static int start_child(const struct rj_cli_child_order *order,
		       struct rj_cli_child *child, struct ramjet_error *err)
{
	char line[512], words[400];
	int rc = rj_cli_child_start(order, child, err);

	if (rc || rj_cli_child_line(child->said_fd, line, sizeof(line)))
		return rc;
	(void)rj_cli_child_reap(child, 0);
	rj_cli_child_words(child, words, sizeof(words));
	return rj_fail(err, -EIO, "%s: it didn't come up: %s", order->what,
		       *words ? words : "it said nothing");
}

static int start_daemon(struct rj_cli_demo_helpers *helpers, unsigned side,
			const char *program, struct ramjet_error *err)
{
	struct rj_cli_demo_bus *bus = &helpers->buses[side];
	char path[PATH_BYTES], config[PATH_BYTES + 16];
	char address[sizeof(bus->address) + 16];
	char *argv[] = { "dbus-daemon",     config, address, "--nofork",
			 "--print-address", NULL };
	const struct rj_cli_child_order order = {
		.what = "dbus-daemon",
		.program = program,
		.argv = argv,
		.listen = true,
		.kept = { -1, -1 },
	};

	(void)snprintf(config, sizeof(config), "--config-file=%s",
		       path_of(helpers, RJ_CLI_DEMO_HERE, "bus.conf", path));
	(void)snprintf(bus->address, sizeof(bus->address), "unix:path=%.140s",
		       path_of(helpers, side, "bus", path));
	(void)snprintf(address, sizeof(address), "--address=%s", bus->address);
	return start_child(&order, &bus->daemon, err);
}

static int start_helper(struct rj_cli_demo_helpers *helpers, unsigned side,
			unsigned index, struct ramjet_error *err)
{
	struct rj_cli_demo_bus *bus = &helpers->buses[side];
	char path[PATH_BYTES];
	char *argv[] = { "ramjet",
			 "helper",
			 "run",
			 "--bus",
			 bus->address,
			 "--id",
			 (char *)kinds[index].id,
			 "--file",
			 path,
			 NULL };
	const struct rj_cli_child_order order = {
		.what = "helper",
		.program = RJ_CLI_CHILD_SELF,
		.argv = argv,
		.listen = true,
		.kept = { -1, -1 },
	};

	(void)path_of(helpers, side, kinds[index].id, path);
	return start_child(&order, &bus->helpers[index], err);
}

static int start_all(struct rj_cli_demo_helpers *helpers,
		     struct ramjet_error *err)
{
	char program[PATH_BYTES];
	int rc;

	if (!find_program("dbus-daemon", program))
		return rj_fail(err, -EOPNOTSUPP,
			       "dbus-daemon is not installed");
	rc = check_build(err);
	if (!rc)
		rc = make_folder(helpers, err);
	if (!rc)
		rc = make_states(helpers, err);
	for (unsigned side = 0; side < RJ_CLI_DEMO_SIDES && !rc; side++) {
		rc = start_daemon(helpers, side, program, err);
		for (unsigned i = 0; i < RJ_CLI_DEMO_HELPERS && !rc; i++)
			rc = start_helper(helpers, side, i, err);
	}
	return rc;
}

int rj_cli_demo_helpers_start(struct rj_cli_demo_helpers *ret,
			      struct ramjet_error *err)
{
	const struct rj_cli_child none = RJ_CLI_CHILD_NONE;
	int rc;

	*ret = (struct rj_cli_demo_helpers){ 0 };
	for (unsigned side = 0; side < RJ_CLI_DEMO_SIDES; side++) {
		ret->buses[side].daemon = none;
		for (unsigned i = 0; i < RJ_CLI_DEMO_HELPERS; i++)
			ret->buses[side].helpers[i] = none;
	}
	ret->running = true;
	rc = start_all(ret, err);
	if (rc)
		rj_cli_demo_helpers_done(ret);
	return rc;
}

int rj_cli_demo_helper_compare(const struct rj_cli_demo_helpers *helpers,
			       unsigned index, struct ramjet_error *err)
{
	rj_autofree void *here = NULL;
	rj_autofree void *there = NULL;
	size_t here_bytes = 0, there_bytes = 0;
	char path[PATH_BYTES];
	int rc;

	rc = rj_cli_state_file_read(
		path_of(helpers, RJ_CLI_DEMO_HERE, kinds[index].id, path),
		kinds[index].bytes, &here, &here_bytes, err);
	if (!rc)
		rc = rj_cli_state_file_read(path_of(helpers, RJ_CLI_DEMO_THERE,
						    kinds[index].id, path),
					    kinds[index].bytes, &there,
					    &there_bytes, err);
	if (!rc &&
	    (here_bytes != there_bytes || memcmp(here, there, here_bytes) != 0))
		rc = rj_fail(err, -EBADMSG,
			     "helper %s: what arrived is not what was sent",
			     kinds[index].id);
	return rc;
}

void rj_cli_demo_helpers_done(struct rj_cli_demo_helpers *helpers)
{
	for (unsigned side = 0; helpers->running && side < RJ_CLI_DEMO_SIDES;
	     side++) {
		struct rj_cli_demo_bus *bus = &helpers->buses[side];

		for (unsigned i = 0; i < RJ_CLI_DEMO_HELPERS; i++)
			rj_cli_child_done(&bus->helpers[i]);
		rj_cli_child_done(&bus->daemon);
	}
	if (*helpers->folder)
		remove_folder(helpers->folder);
	*helpers = (struct rj_cli_demo_helpers){ 0 };
}
