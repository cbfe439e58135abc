/* SPDX-License-Identifier: BSD-3-Clause */
/* What a QEMU needs, by what it says; and what it is asked for then. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/qemu/pinned.h"
#include "dirty/source.h"
#include "util/error.h"

#define PLAIN_TREE                                        \
	"bus: main-system-bus\r\n"                        \
	"  type System\r\n"                               \
	"  dev: q35-pcihost, id \"\"\r\n"                 \
	"    bus: pcie.0\r\n"                             \
	"      dev: virtio-blk-pci, id \"vfio-disk\"\r\n" \
	"        addr = 02.0\r\n"                         \
	"        serial = \"dev: vfio-pci\"\r\n"
#define PLAIN_NETWORK                                         \
	"virtio-net-pci.0: index=0,type=nic,model=virtio\r\n" \
	" \\ type=vhost-vdpa: index=0,type=user,net=10.0.2.0\r\n"
#define PLAIN_NODES                                         \
	"[{\"node-name\":\"d0\",\"drv\":\"raw\",\"cache\":" \
	"{\"writeback\":true,\"direct\":false}}]"
#define DIRECT_NODES                                         \
	"[{\"node-name\":\"d0\",\"drv\":\"raw\",\"cache\":"  \
	"{\"direct\":false}},"                               \
	"{\"node-name\":\"d1\",\"drv\":\"qcow2\",\"cache\":" \
	"{\"direct\":true}}]"

static struct qemu {
	const char *tree, *network, *nodes;
	int major, minor;
	int transaction, nodes_rc; /* results */
	unsigned drained, quieted;
	struct rj_pinned *pinned;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct ramjet_error err;
} qemu;

static int answer(const char *command, const json_t *arguments, json_t **ret)
{
	const char *line =
		json_string_value(json_object_get(arguments, "command-line"));

	if (!strcmp(command, "query-version"))
		*ret = json_pack("{s:{s:i, s:i, s:i}}", "qemu", "major",
				 qemu.major, "minor", qemu.minor, "micro", 1);
	else if (!strcmp(command, "query-named-block-nodes"))
		*ret = json_loads(qemu.nodes, JSON_DECODE_ANY, NULL);
	else if (line && !strcmp(line, "info qtree"))
		*ret = json_string(qemu.tree);
	else if (line && !strcmp(line, "info network"))
		*ret = json_string(qemu.network);
	else
		return -EINVAL;
	return *ret ? 0 : -ENOMEM;
}

static int call(void *user, const char *command, json_t *arguments,
		json_t **ret, struct ramjet_error *err)
{
	int rc = 0;

	(void)user;
	if (!strcmp(command, "transaction")) {
		assert_int_equal(
			json_array_size(json_object_get(arguments, "actions")),
			0);
		assert_true(
			json_is_array(json_object_get(arguments, "actions")));
		qemu.drained++;
		rc = qemu.transaction;
	} else if (!strcmp(command, "query-named-block-nodes") &&
		   qemu.nodes_rc) {
		rc = qemu.nodes_rc;
	} else {
		rc = answer(command, arguments, ret);
		assert_int_equal(rc, 0);
	}
	json_decref(arguments);
	return rc ? rj_fail(err, rc, "%s: no", command) : 0;
}

static int quiet(void *user, struct ramjet_error *err)
{
	(void)user, (void)err;
	qemu.quieted++;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	qemu = (struct qemu){
		.tree = PLAIN_TREE,
		.network = PLAIN_NETWORK,
		.nodes = PLAIN_NODES,
		.major = 7,
		.minor = 2,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rj_dirty_set_stop(&qemu.set);
	ramjet_dirty_free(qemu.source);
	rj_pinned_free(qemu.pinned);
	return 0;
}

static int look_as(bool no_drain)
{
	const struct rj_pinned_order order = {
		.call = call,
		.quiet = quiet,
		.no_drain = no_drain,
	};

	rj_pinned_free(qemu.pinned);
	qemu.pinned = NULL;
	rj_error_clear(&qemu.err);
	return rj_pinned_new(&order, &qemu.pinned, &qemu.err);
}

static void finds(enum rj_pinned_way way)
{
	assert_int_equal(look_as(false), 0);
	assert_int_equal(rj_pinned_found(qemu.pinned), way);
}

static void is_refused(const char *words)
{
	assert_int_equal(look_as(false), -EOPNOTSUPP);
	assert_non_null(strstr(qemu.err.message, words));
}

static void track(void)
{
	assert_int_equal(rj_pinned_source(qemu.pinned, &qemu.source, &qemu.err),
			 0);
	assert_int_equal(rj_dirty_set_start(&qemu.set, &qemu.source, 1, NULL, 0,
					    &qemu.err),
			 0);
	assert_true(rj_dirty_set_needs_settle(&qemu.set));
}

static int settle(void)
{
	rj_error_clear(&qemu.err);
	return rj_dirty_set_settle(&qemu.set, &qemu.err);
}

static void plain_disks_need_nothing(void **state)
{
	(void)state;
	finds(RJ_PINNED_NONE);
	assert_string_equal(rj_pinned_words(qemu.pinned), "");
	track();
	assert_int_equal(settle(), 0);
	assert_int_equal(qemu.drained + qemu.quieted, 0);
	assert_int_equal(rj_pinned_figures(qemu.pinned).count, 0);
}

static void direct_disks_are_drained(void **state)
{
	(void)state;
	qemu.nodes = DIRECT_NODES;
	finds(RJ_PINNED_DRAIN);
	assert_string_equal(rj_pinned_words(qemu.pinned),
			    "block node d1 (O_DIRECT) writes through pinned "
			    "pages: its reads are waited for at each collect");
	track();
	assert_int_equal(settle(), 0);
	assert_int_equal(settle(), 0);
	assert_int_equal(qemu.drained, 2);
	assert_int_equal(qemu.quieted, 0);
	assert_int_equal(rj_pinned_figures(qemu.pinned).count, 2);
}

static void so_are_disks_that_come_later(void **state)
{
	(void)state;
	finds(RJ_PINNED_NONE);
	track();
	qemu.nodes = DIRECT_NODES;
	assert_int_equal(settle(), 0);
	assert_int_equal(qemu.drained, 1);
	qemu.nodes = PLAIN_NODES;
	assert_int_equal(settle(), 0);
	assert_int_equal(qemu.drained, 1);
	qemu.nodes = "[{\"node-name\":\"n\",\"drv\":\"nvme\"}]";
	assert_int_equal(settle(), -EOPNOTSUPP);
	assert_non_null(strstr(qemu.err.message, "block node n"));
}

static void sg_io_pins_without_o_direct(void **state)
{
	(void)state;
	qemu.tree = PLAIN_TREE "    dev: scsi-generic, id \"tape\"\n";
	finds(RJ_PINNED_DRAIN);
	assert_non_null(strstr(rj_pinned_words(qemu.pinned),
			       "device scsi-generic, id \"tape\" writes"));
}

static void qemus_nobody_has_tried_stand_still(void **state)
{
	(void)state;
	qemu.nodes = DIRECT_NODES;
	qemu.major = 10;
	qemu.minor = 0;
	finds(RJ_PINNED_DRAIN);
	qemu.minor = 1;
	finds(RJ_PINNED_QUIET);
	qemu.major = 11;
	qemu.minor = 0;
	finds(RJ_PINNED_QUIET);
	qemu.nodes = PLAIN_NODES;
	finds(RJ_PINNED_NONE);
	qemu.nodes = DIRECT_NODES;
	qemu.major = 7;
	assert_int_equal(look_as(true), 0);
	assert_int_equal(rj_pinned_found(qemu.pinned), RJ_PINNED_QUIET);
	track();
	assert_int_equal(settle(), 0);
	assert_int_equal(qemu.drained, 0);
	assert_int_equal(qemu.quieted, 1);
}

static void who_will_not_drain_stands_still(void **state)
{
	(void)state;
	qemu.nodes = DIRECT_NODES;
	qemu.transaction = -EREMOTEIO;
	finds(RJ_PINNED_DRAIN);
	track();
	assert_int_equal(settle(), 0);
	assert_int_equal(settle(), 0);
	assert_int_equal(qemu.drained, 1);
	assert_int_equal(qemu.quieted, 2);
	assert_int_equal(rj_pinned_found(qemu.pinned), RJ_PINNED_QUIET);
}

static void a_monitor_that_fails_fails_the_collect(void **state)
{
	(void)state;
	qemu.nodes = DIRECT_NODES;
	qemu.transaction = -ETIMEDOUT;
	finds(RJ_PINNED_DRAIN);
	track();
	assert_int_equal(settle(), -ETIMEDOUT);
	assert_string_equal(qemu.err.message,
			    "dirty source pinned pages: reads of block node "
			    "d1 (O_DIRECT) have not ended: transaction: no");
	assert_int_equal(qemu.quieted, 0);
	qemu.nodes_rc = -EPIPE;
	assert_int_equal(settle(), -EPIPE);
	assert_string_equal(qemu.err.message, "dirty source pinned pages: "
					      "query-named-block-nodes: no");
}

static void back_ends_of_others_stand_still(void **state)
{
	(void)state;
	qemu.tree = PLAIN_TREE "    dev: vhost-user-fs-pci, id \"b\"\r\n";
	finds(RJ_PINNED_QUIET);
	assert_non_null(strstr(rj_pinned_words(qemu.pinned),
			       "device vhost-user-fs-pci, id \"b\" writes"));
	/* The worse of two. */
	qemu.nodes = DIRECT_NODES;
	finds(RJ_PINNED_QUIET);
	qemu.tree = PLAIN_TREE "    dev: vhost-scsi-pci, id \"b\"";
	finds(RJ_PINNED_QUIET);
	qemu.tree = PLAIN_TREE;
	qemu.nodes = PLAIN_NODES;
	qemu.network = "n0: index=0,type=nic\r\n"
		       " \\ net0: index=0,type=vhost-user\r\n";
	finds(RJ_PINNED_NONE);
}

static void devices_that_write_by_themselves_are_refused(void **state)
{
	static const char *const drivers[] = { "nvme", "io_uring",
					       "virtio-blk-vfio-pci" };
	char nodes[128];

	(void)state;
	qemu.tree = PLAIN_TREE "  dev: vfio-pci, id \"gpu\"\r\n";
	is_refused("device vfio-pci, id \"gpu\": writes memory by itself");
	qemu.tree = PLAIN_TREE "  dev: vhost-vdpa-device-pci, id \"\"\r\n";
	is_refused("device vhost-vdpa-device-pci");
	qemu.tree = PLAIN_TREE "  dev: vhost-user-blk-pci, id \"\"\r\n";
	is_refused("device vhost-user-blk-pci");
	qemu.tree = PLAIN_TREE;
	qemu.network = "net7: index=0,type=vhost-vdpa,queues=1\n";
	is_refused("network net7:");
	qemu.network = PLAIN_NETWORK;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(drivers); i++) {
		(void)snprintf(nodes, sizeof(nodes),
			       "[{\"node-name\":\"n0\",\"drv\":\"%s\"}]",
			       drivers[i]);
		qemu.nodes = nodes;
		is_refused("block node n0");
	}
}

static void nonsense_is_refused(void **state)
{
	static const char *const nodes[] = { "{}", "[1]", "[{}]", "null",
					     "[{\"node-name\":3}]" };

	(void)state;
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(nodes); i++) {
		qemu.nodes = nodes[i];
		assert_int_equal(look_as(false), -EPROTO);
	}
	/* What isn't there is nobody. */
	qemu.nodes = "[]";
	qemu.tree = qemu.network = "";
	finds(RJ_PINNED_NONE);
	qemu.tree = "dev: ";
	qemu.network = "\\ \\\r\n,,,:\n,";
	finds(RJ_PINNED_NONE);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(plain_disks_need_nothing),
		CASE(direct_disks_are_drained),
		CASE(so_are_disks_that_come_later),
		CASE(sg_io_pins_without_o_direct),
		CASE(qemus_nobody_has_tried_stand_still),
		CASE(who_will_not_drain_stands_still),
		CASE(a_monitor_that_fails_fails_the_collect),
		CASE(back_ends_of_others_stand_still),
		CASE(devices_that_write_by_themselves_are_refused),
		CASE(nonsense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
