/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/placement/nic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/cleanup.h"

#define UNKNOWN (-1)
/* A VLAN on a bridge on a bond on a NIC: what people build. */
#define LEVELS_MAX 4u

/* ---- which one ---- */

/* Both as IPv6, so that an IPv4 address in a socket of IPv6 compares. */
static bool to_ipv6(const struct sockaddr *address, struct in6_addr *ret)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (address->sa_family == AF_INET6) {
		memcpy(ret,
		       (const char *)address +
			       offsetof(struct sockaddr_in6, sin6_addr),
		       sizeof(*ret));
		return true;
	}
	if (address->sa_family != AF_INET)
		return false;
	memcpy(ret, mapped, sizeof(mapped));
	memcpy((char *)ret + sizeof(mapped),
	       (const char *)address + offsetof(struct sockaddr_in, sin_addr),
	       sizeof(struct in_addr));
	return true;
}

static bool has_address(const struct ifaddrs *nic,
			const struct in6_addr *wanted)
{
	struct in6_addr own;

	return nic->ifa_addr && to_ipv6(nic->ifa_addr, &own) &&
	       !memcmp(&own, wanted, sizeof(own));
}

static int find_by_address(const struct in6_addr *wanted,
			   char ret_name[IF_NAMESIZE])
{
	struct ifaddrs *all;
	int rc = -ENODEV;

	if (getifaddrs(&all))
		return -errno;
	for (struct ifaddrs *nic = all; rc && nic; nic = nic->ifa_next) {
		if (!has_address(nic, wanted))
			continue;
		(void)snprintf(ret_name, IF_NAMESIZE, "%s", nic->ifa_name);
		rc = 0;
	}
	freeifaddrs(all);
	return rc;
}

int rj_nic_of(int fd, char ret_name[IF_NAMESIZE])
{
	union {
		struct sockaddr any;
		struct sockaddr_in6 ipv6;
		struct sockaddr_storage storage;
	} own = { 0 };
	socklen_t bytes = sizeof(own);
	struct in6_addr wanted;

	if (getsockname(fd, &own.any, &bytes))
		return errno == ENOTSOCK ? -EAFNOSUPPORT : -errno;
	if (!to_ipv6(&own.any, &wanted))
		return -EAFNOSUPPORT;
	/* Many interfaces may have the same link-local address. */
	if (own.any.sa_family == AF_INET6 && own.ipv6.sin6_scope_id &&
	    if_indextoname(own.ipv6.sin6_scope_id, ret_name))
		return 0;
	return find_by_address(&wanted, ret_name);
}

/* ---- where it is ---- */

static int read_node(int nic)
{
	rj_autoclose int fd =
		openat(nic, "device/numa_node", O_RDONLY | O_CLOEXEC);
	char text[16] = "";
	char *end;
	long node;

	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		return UNKNOWN;
	errno = 0;
	node = strtol(text, &end, 10);
	return errno || end == text || node < 0 || node > INT16_MAX ? UNKNOWN
								    : (int)node;
}

static int node_of(int files, const char *name, unsigned level);

/* What is below it: lower_eth0 and so on. */
static int node_below(int files, int nic, unsigned level)
{
	DIR *folder = fdopendir(nic);
	const struct dirent *entry;
	int common = UNKNOWN;
	bool first = true;

	if (!folder) {
		(void)close(nic);
		return UNKNOWN;
	}
	while ((entry = readdir(folder))) {
		int node;

		if (strncmp(entry->d_name, "lower_", 6))
			continue;
		node = node_of(files, entry->d_name + 6, level + 1);
		common = first || node == common ? node : UNKNOWN;
		first = false;
		if (common == UNKNOWN)
			break;
	}
	(void)closedir(folder);
	return common;
}

static int node_of(int files, const char *name, unsigned level)
{
	rj_autoclose int nic =
		openat(files, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int node;

	if (nic < 0 || level == LEVELS_MAX)
		return UNKNOWN;
	node = read_node(nic);
	return node == UNKNOWN ? node_below(files, rj_steal_fd(&nic), level)
			       : node;
}

int rj_nic_node(const char *files, const char *name)
{
	rj_autoclose int folder =
		open(files, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return folder < 0 || strchr(name, '/') ? UNKNOWN
					       : node_of(folder, name, 0);
}
