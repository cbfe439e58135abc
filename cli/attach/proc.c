/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/attach/proc.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

/* The kernel hands out maps by the page, whatever is asked for. */
#define READ_BYTES 65536

int rj_attach_proc_open(pid_t pid, const char *name, int flags)
{
	char path[64];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int rj_attach_proc_read(pid_t pid, const char *name, char **ret,
			size_t *ret_bytes)
{
	rj_autoclose int fd = rj_attach_proc_open(pid, name, O_RDONLY);
	rj_autofree char *text = NULL;
	size_t bytes = 0;
	size_t room = 0;

	if (fd < 0)
		return fd;
	for (;;) {
		ssize_t got;

		if (room - bytes < READ_BYTES) {
			char *more = realloc(text, room + 2 * READ_BYTES);

			if (!more)
				return -ENOMEM;
			text = more;
			room += 2 * READ_BYTES;
		}
		got = read(fd, text + bytes, room - bytes - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		bytes += (size_t)got;
	}
	text[bytes] = '\0';
	*ret = rj_steal(text);
	*ret_bytes = bytes;
	return 0;
}

/* After "NAME:" at the beginning of a line, or NULL. */
static const char *find(const char *text, const char *name)
{
	const size_t length = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && line[length] == ':')
			return line + length + 1;
	}
	return NULL;
}

bool rj_attach_proc_number(const char *text, const char *name, int base,
			   unsigned index, uint64_t *ret)
{
	const char *at = find(text, name);

	for (unsigned i = 0; at; i++) {
		char *end;
		uint64_t value;

		while (*at == ' ' || *at == '\t')
			at++;
		if (!isxdigit((unsigned char)*at))
			return false;
		value = strtoull(at, &end, base);
		if (end == at)
			return false;
		if (i == index) {
			*ret = value;
			return true;
		}
		at = end;
	}
	return false;
}
