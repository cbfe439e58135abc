/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/pinned_look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "util/error.h"

struct known {
	const char *name;
	enum rj_pinned_way way;
};

/* By how the type begins: QEMU 7.2 and 10.0; the first that fits.
 * vhost-user-blk, -scsi: their back ends read disks into memory they share, and
 *   QEMU's `stop` returns while they do (tried with qemu-storage-daemon 7.2).
 * vhost-user-fs: QEMU can migrate one only whose back end ends all it has begun
 *   when it is stopped. Other back ends copy: their page tables are looked at.
 * vhost-scsi: pins, and is flushed when QEMU stops.
 * scsi-generic, scsi-block: SG_IO pins guest memory, O_DIRECT or not. */
static const struct known devices[] = {
	{ "vfio-", RJ_PINNED_REFUSED },
	{ "vhost-vdpa", RJ_PINNED_REFUSED },
	{ "pvrdma", RJ_PINNED_REFUSED },
	{ "vhost-user-blk", RJ_PINNED_REFUSED },
	{ "vhost-user-scsi", RJ_PINNED_REFUSED },
	{ "vhost-user-fs", RJ_PINNED_QUIET },
	{ "vhost-scsi", RJ_PINNED_QUIET },
	{ "scsi-generic", RJ_PINNED_DRAIN },
	{ "scsi-block", RJ_PINNED_DRAIN },
};

static const struct known back_ends[] = {
	{ "type=vhost-vdpa", RJ_PINNED_REFUSED },
};

/* Drivers of block nodes that have guest memory pinned for good, so that a
 * request breaks no protection: by VFIO, or as libblkio does. */
static const struct known drivers[] = {
	{ "nvme", RJ_PINNED_REFUSED },
	{ "nvme-io_uring", RJ_PINNED_REFUSED },
	{ "io_uring", RJ_PINNED_REFUSED },
	{ "virtio-blk-vfio-pci", RJ_PINNED_REFUSED },
	{ "virtio-blk-vhost-user", RJ_PINNED_REFUSED },
	{ "virtio-blk-vhost-vdpa", RJ_PINNED_REFUSED },
};

static void worsen(struct rj_pinned_finding *finding, enum rj_pinned_way way,
		   const char *what, int name_bytes, const char *name,
		   const char *how)
{
	if (way <= finding->way)
		return;
	finding->way = way;
	(void)snprintf(finding->who, sizeof(finding->who), "%s %.*s%s", what,
		       name_bytes, name, how);
}

/* `line` goes up to its end: "  dev: virtio-blk-pci, id \"disk0\"". */
static void look_device(const char *line, int bytes,
			struct rj_pinned_finding *finding)
{
	for (size_t i = 0; i < RJ_ARRAY_SIZE(devices); i++)
		if (!strncmp(line, devices[i].name, strlen(devices[i].name)))
			worsen(finding, devices[i].way, "device", bytes, line,
			       "");
}

void rj_pinned_look_tree(const char *text, struct rj_pinned_finding *finding)
{
	static const char mark[] = "dev: ";

	while (*text) {
		const char *line = text + strspn(text, " ");

		text = line + strcspn(line, "\r\n");
		if (!strncmp(line, mark, sizeof(mark) - 1)) {
			line += sizeof(mark) - 1;
			look_device(line, (int)(text - line), finding);
		}
		text += strspn(text, "\r\n");
	}
}

/* A word of a line, at its beginning or after a comma. */
static bool has_word(const char *line, const char *end, const char *word)
{
	const size_t bytes = strlen(word);

	for (; line < end; line++) {
		if ((size_t)(end - line) >= bytes &&
		    !memcmp(line, word, bytes) &&
		    (line + bytes == end || line[bytes] == ','))
			return true;
		line += strcspn(line, ",\n");
	}
	return false;
}

void rj_pinned_look_network(const char *text, struct rj_pinned_finding *finding)
{
	while (*text) {
		const char *line = text + strspn(text, " \\");
		const char *end = line + strcspn(line, "\n\r");

		/* "net0: index=0,type=vhost-vdpa,..." */
		for (size_t i = 0; i < RJ_ARRAY_SIZE(back_ends); i++)
			if (has_word(line, end, back_ends[i].name))
				worsen(finding, back_ends[i].way, "network",
				       (int)strcspn(line, ":\n"), line, "");
		text = end + strspn(end, "\r\n");
	}
}

static void look_node(const json_t *node, const char *name,
		      struct rj_pinned_finding *finding)
{
	const json_t *cache = json_object_get(node, "cache");
	const char *driver = json_string_value(json_object_get(node, "drv"));
	const int bytes = (int)strnlen(name, 64);

	for (size_t i = 0; driver && i < RJ_ARRAY_SIZE(drivers); i++)
		if (!strcmp(driver, drivers[i].name))
			worsen(finding, drivers[i].way, "block node", bytes,
			       name, " (its driver pins memory)");
	if (json_is_true(json_object_get(cache, "direct")))
		worsen(finding, RJ_PINNED_DRAIN, "block node", bytes, name,
		       " (O_DIRECT)");
}

int rj_pinned_look_nodes(const json_t *nodes, struct rj_pinned_finding *finding,
			 struct ramjet_error *err)
{
	size_t i;
	json_t *node;

	if (!json_is_array(nodes))
		return rj_fail(err, -EPROTO,
			       "query-named-block-nodes: not an array, wanted "
			       "one of block nodes");
	json_array_foreach((json_t *)(uintptr_t)nodes, i, node)
	{
		const json_t *name = json_object_get(node, "node-name");

		if (!json_is_string(name))
			return rj_fail(err, -EPROTO,
				       "query-named-block-nodes: a node "
				       "without node-name, wanted block nodes");
		look_node(node, json_string_value(name), finding);
	}
	return 0;
}
