/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qemu/words.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"

/* How much of the end is looked at: more than a message may have. */
#define TAIL_BYTES 1024

void rj_qemu_words_listen(pid_t pid, struct rj_qemu_words *ret)
{
	char path[64];
	struct stat st;
	rj_autoclose int fd = -1;

	*ret = RJ_QEMU_WORDS_NONE;
	if (pid <= 0)
		return;
	(void)snprintf(path, sizeof(path), "/proc/%d/fd/2", (int)pid);
	/* Opened anew, at an offset of its own. A terminal or a pipe would be
	 * read empty for others. */
	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return;
	ret->from = st.st_size;
	ret->fd = rj_steal_fd(&fd);
}

/* Line ends become "; ", other controls "?"; what doesn't fit is left out. */
static void one_line(const char *in, char *out, size_t room)
{
	size_t used = 0;

	for (; *in && used + 3 < room; in++) {
		if (*in != '\n') {
			out[used++] = (unsigned char)*in < ' ' ? '?' : *in;
		} else if (in[1]) {
			out[used++] = ';';
			out[used++] = ' ';
		}
	}
	out[used] = '\0';
}

void rj_qemu_words_take(const struct rj_qemu_words *words, char *text,
			size_t bytes)
{
	char tail[TAIL_BYTES + 1];
	struct stat st;
	off_t from = words->from;
	ssize_t got;

	text[0] = '\0';
	if (words->fd < 0 || fstat(words->fd, &st))
		return;
	if (st.st_size - from > TAIL_BYTES)
		from = st.st_size - TAIL_BYTES;
	got = pread(words->fd, tail, TAIL_BYTES, from);
	if (got <= 0)
		return;
	tail[got] = '\0';
	one_line(tail, text, bytes);
}

void rj_qemu_words_done(struct rj_qemu_words *words)
{
	rj_close_fd(&words->fd);
}
