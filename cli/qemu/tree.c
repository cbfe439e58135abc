/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/tree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"

/*
 * bus: main-system-bus
 *   type System
 *   dev: q35-pcihost, id ""
 *     MCFG = -1 (0xffffffffffffffff)
 *     bus: pcie.0
 *       type PCIE
 *       dev: VGA, id "screen"
 *         addr = 02.0
 *         class VGA controller, addr 00:02.0, pci id 1234:1111 (sub 1af4:1100)
 */
/* Chosen: deeper than bridges can be nested. */
#define DEPTH_MAX 64u

/* Where a device sits on its bus: the first of these that it has. */
static const char *const places[] = { "addr", "scsi-id", "unit",
				      "nr",   "port",    "iobase",
				      "base", "address", "memaddr" };
/* What a guest sees of a device and would miss. */
static const char *const seen[] = {
	"mac",
	"vectors",
	"mq",
	"num-queues",
	"queues",
	"queue-size",
	"rx_queue_size",
	"tx_queue_size",
	"serial",
	"wwn",
	"disable-modern",
	"disable-legacy",
	"packed",
	"iommu_platform",
	"host_mtu",
	"logical_block_size",
	"chassis",
	"physical_block_size",
	"slot",
	"multifunction",
	"channel",
	"lun",
	"vgamem_mb",
	"ram_size",
	"node",
	"vram_size",
	"max_ports",
	"irq",
	"guid",
};

struct cursor {
	char *line; /* NULL: the end */
	char *rest;
	FILE *out;
};

static void next_line(struct cursor *c)
{
	do {
		c->line = strsep(&c->rest, "\n");
		if (c->line)
			c->line[strcspn(c->line, "\r")] = '\0';
	} while (c->line && !c->line[strspn(c->line, " ")]);
}

static size_t indent(const char *line)
{
	return strspn(line, " ");
}

/* The text after `word`, when the line begins with it. */
static char *after(char *line, const char *word)
{
	char *text = line + indent(line);

	return strncmp(text, word, strlen(word)) ? NULL : text + strlen(word);
}

/* One word: of "text" what is quoted, of 4 (0x4) the first number. */
static char *plain(char *value)
{
	char *end;

	if (*value == '"') {
		value++;
		end = strrchr(value, '"');
	} else {
		end = strstr(value, " (");
	}
	if (end)
		*end = '\0';
	for (char *c = value; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == '\x7f')
			*c = '_';
	return value;
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

struct device {
	const char *type;
	const char *id;
	const char *place; /* NULL: it has none */
	size_t place_rank;
	char *pairs; /* " key=value ..." */
};

static int add_pair(struct device *d, const char *key, const char *value)
{
	char *more;

	if (asprintf(&more, "%s %s=%s", d->pairs ? d->pairs : "", key, value) <
	    0)
		return -ENOMEM;
	free(d->pairs);
	d->pairs = more;
	return 0;
}

static void take_place(struct device *d, const char *key, const char *value)
{
	for (size_t i = 0; i < d->place_rank; i++)
		if (!strcmp(places[i], key)) {
			d->place = value;
			d->place_rank = i;
			return;
		}
}

/* class VGA controller, addr 00:02.0, pci id 1234:1111 (sub 1af4:1100) */
static int take_pci_id(struct device *d, char *line)
{
	char *id = strstr(line, ", pci id ");

	return id ? add_pair(d, "pci", plain(id + strlen(", pci id "))) : 0;
}

static int take_property(struct device *d, char *line)
{
	char *key = line + indent(line);
	char *equals = strstr(key, " = ");

	if (after(line, "class "))
		return take_pci_id(d, key);
	if (!equals)
		return 0;
	*equals = '\0';
	if (is_among(key, places, sizeof(places) / sizeof(*places)))
		take_place(d, key, plain(equals + strlen(" = ")));
	else if (is_among(key, seen, sizeof(seen) / sizeof(*seen)))
		return add_pair(d, key, plain(equals + strlen(" = ")));
	return 0;
}

static int write_bus(struct cursor *c, const char *path, unsigned depth);

/* TYPE, id "ID" */
static void take_name(struct device *d, char *text)
{
	char *id = strstr(text, ", id ");

	d->type = text;
	d->id = "";
	if (id) {
		d->id = plain(id + strlen(", id "));
		*id = '\0';
	}
}

/* Its own lines stand before those of its buses. */
static int read_properties(struct cursor *c, struct device *d, size_t outside)
{
	int rc = 0;

	while (!rc && c->line && indent(c->line) > outside &&
	       !after(c->line, "bus: ")) {
		rc = take_property(d, c->line);
		next_line(c);
	}
	return rc;
}

static int write_device(struct cursor *c, const char *bus, unsigned depth)
{
	const size_t outside = indent(c->line);
	struct device d = { .place_rank = sizeof(places) / sizeof(*places) };
	rj_autofree char *path = NULL;
	int rc;

	take_name(&d, after(c->line, "dev: "));
	next_line(c);
	rc = read_properties(c, &d, outside);
	if (!rc && asprintf(&path, "%s/%s%s%s", bus, d.type, d.place ? "@" : "",
			    d.place ? d.place : "") < 0)
		rc = -ENOMEM;
	if (!rc)
		(void)fprintf(c->out, "device %s id=%s%s\n", path, d.id,
			      d.pairs ? d.pairs : "");
	free(d.pairs);
	while (!rc && c->line && indent(c->line) > outside)
		rc = write_bus(c, path, depth);
	return rc;
}

/* A bus is known by its type: its name may be made from a device's id. */
static int write_bus(struct cursor *c, const char *path, unsigned depth)
{
	rj_autofree char *bus = NULL;
	size_t outside;
	char *type;
	int rc = 0;

	if (depth > DEPTH_MAX || !c->line || !after(c->line, "bus: "))
		return -EPROTO;
	outside = indent(c->line);
	next_line(c);
	type = c->line ? after(c->line, "type ") : NULL;
	if (!type)
		return -EPROTO;
	if (asprintf(&bus, "%s/%s", path, type) < 0)
		return -ENOMEM;
	next_line(c);
	while (!rc && c->line && indent(c->line) > outside)
		rc = after(c->line, "dev: ") ? write_device(c, bus, depth + 1)
					     : -EPROTO;
	return rc;
}

int rj_qemu_tree_write(char *text, FILE *out)
{
	struct cursor c = { .rest = text, .out = out };
	int rc = 0;

	next_line(&c);
	if (!c.line)
		return -EPROTO;
	while (!rc && c.line)
		rc = write_bus(&c, "", 0);
	return rc;
}
