/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/placement/nic.h"

/* ---- a /sys/class/net of our own ---------------------------------------- */

#define PATH_BYTES 256

struct files {
	char root[64];
};

static void make_folder(const struct files *f, const char *path)
{
	char full[PATH_BYTES + sizeof(f->root) + 1];

	(void)snprintf(full, sizeof(full), "%s/%s", f->root, path);
	assert_int_equal(mkdir(full, 0700), 0);
}

static void nic(const struct files *f, const char *name, const char *node)
{
	char path[PATH_BYTES];
	FILE *file;

	make_folder(f, name);
	if (!node)
		return;
	(void)snprintf(path, sizeof(path), "%s/device", name);
	make_folder(f, path);
	(void)snprintf(path, sizeof(path), "%s/%s/device/numa_node", f->root,
		       name);
	file = fopen(path, "we");
	assert_non_null(file);
	(void)fputs(node, file);
	(void)fclose(file);
}

static void over(const struct files *f, const char *upper, const char *lower)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "%s/lower_%s", upper, lower);
	make_folder(f, path);
}

static int setup(void **state)
{
	struct files *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	(void)snprintf(f->root, sizeof(f->root), "/tmp/ramjet-nic-XXXXXX");
	*state = f;
	return mkdtemp(f->root) ? 0 : -1;
}

static int teardown(void **state)
{
	struct files *f = *state;
	char command[PATH_BYTES];

	(void)snprintf(command, sizeof(command), "rm -r %s", f->root);
	free(f);
	return system(command);
}

static void a_nic_is_where_its_device_is(void **state)
{
	struct files *f = *state;

	nic(f, "eth0", "0\n");
	nic(f, "eth1", "17\n");
	assert_int_equal(rj_nic_node(f->root, "eth0"), 0);
	assert_int_equal(rj_nic_node(f->root, "eth1"), 17);
}

static void what_is_not_told_is_unknown(void **state)
{
	struct files *f = *state;

	nic(f, "minus", "-1\n");
	nic(f, "lo", NULL);
	nic(f, "empty", "");
	nic(f, "words", "none\n");
	nic(f, "much", "99999999999999999999\n");
	assert_int_equal(rj_nic_node(f->root, "minus"), -1);
	assert_int_equal(rj_nic_node(f->root, "lo"), -1);
	assert_int_equal(rj_nic_node(f->root, "empty"), -1);
	assert_int_equal(rj_nic_node(f->root, "words"), -1);
	assert_int_equal(rj_nic_node(f->root, "much"), -1);
	assert_int_equal(rj_nic_node(f->root, "absent"), -1);
	assert_int_equal(rj_nic_node(f->root, "lo/../minus"), -1);
	assert_int_equal(rj_nic_node("/nowhere", "lo"), -1);
}

static void a_bond_is_where_all_of_its_nics_are(void **state)
{
	struct files *f = *state;

	nic(f, "eth0", "1");
	nic(f, "eth1", "1");
	nic(f, "eth2", "0");
	nic(f, "bond0", NULL);
	over(f, "bond0", "eth0");
	over(f, "bond0", "eth1");
	nic(f, "vlan7", NULL);
	over(f, "vlan7", "bond0");
	nic(f, "bond1", NULL);
	over(f, "bond1", "eth1");
	over(f, "bond1", "eth2");
	assert_int_equal(rj_nic_node(f->root, "bond0"), 1);
	assert_int_equal(rj_nic_node(f->root, "vlan7"), 1);
	assert_int_equal(rj_nic_node(f->root, "bond1"), -1);
}

static void interfaces_in_a_circle_end(void **state)
{
	struct files *f = *state;

	nic(f, "a", NULL);
	nic(f, "b", NULL);
	over(f, "a", "b");
	over(f, "b", "a");
	assert_int_equal(rj_nic_node(f->root, "a"), -1);
}

/* ---- this machine --------------------------------------------------------- */

static void expect_lo(int family, const void *address, socklen_t bytes)
{
	const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char name[IF_NAMESIZE];

	if (fd < 0 || bind(fd, address, bytes)) {
		print_message("# no such family or address here\n");
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	assert_int_equal(rj_nic_of(fd, name), 0);
	assert_string_equal(name, "lo");
	(void)close(fd);
}

static void loopback_goes_through_lo(void **state)
{
	const struct sockaddr_in ipv4 = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct sockaddr_in6 ipv6 = {
		.sin6_family = AF_INET6,
		.sin6_addr = IN6ADDR_LOOPBACK_INIT,
	};
	struct sockaddr_in6 mapped = { .sin6_family = AF_INET6 };

	(void)state;
	mapped.sin6_addr.s6_addr[10] = mapped.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&mapped.sin6_addr.s6_addr[12], &ipv4.sin_addr, 4);
	expect_lo(AF_INET, &ipv4, sizeof(ipv4));
	expect_lo(AF_INET6, &ipv6, sizeof(ipv6));
	expect_lo(AF_INET6, &mapped, sizeof(mapped));
}

static void what_is_not_tcp_has_no_nic(void **state)
{
	char name[IF_NAMESIZE];
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(rj_nic_of(ends[0], name), -EAFNOSUPPORT);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(rj_nic_of(ends[0], name), -EAFNOSUPPORT);
	(void)close(ends[0]);
	(void)close(ends[1]);
	assert_int_equal(rj_nic_of(-1, name), -EBADF);
}

#define FILES_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FILES_TEST(a_nic_is_where_its_device_is),
		FILES_TEST(what_is_not_told_is_unknown),
		FILES_TEST(a_bond_is_where_all_of_its_nics_are),
		FILES_TEST(interfaces_in_a_circle_end),
		cmocka_unit_test(loopback_goes_through_lo),
		cmocka_unit_test(what_is_not_tcp_has_no_nic),
	};

	return cmocka_run_group_tests_name("nic", tests, NULL, NULL);
}
