/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that are written, read back and compared, over and over. */
#include "guest.h"
#include "pattern.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Numbers of files in one folder; folders are told apart above it. */
#define FILES_MAX 1024

struct folder {
	char path[64];
	unsigned int index;
	unsigned int count;
	size_t bytes;
	bool direct;
	uint32_t generations[FILES_MAX];
	uint64_t *buffer;
};

static _Atomic unsigned int folders;
static _Atomic unsigned int file_passes;

static uint64_t head_of(const struct folder *folder, unsigned int file)
{
	return pattern_head(PATTERN_FILE,
			    (uint64_t)folder->index * FILES_MAX + file,
			    folder->generations[file]);
}

static int open_file(const struct folder *folder, unsigned int file, int flags)
{
	char path[sizeof(folder->path) + 16];
	int fd;

	snprintf(path, sizeof(path), "%s/%u", folder->path, file);
	fd = open(path, flags | O_CLOEXEC | (folder->direct ? O_DIRECT : 0),
		  0600);
	if (fd < 0)
		give_up(path);
	return fd;
}

static void write_file(struct folder *folder, unsigned int file)
{
	int fd = open_file(folder, file, O_WRONLY | O_CREAT);

	folder->generations[file]++;
	pattern_fill(folder->buffer, folder->bytes / sizeof(uint64_t),
		     head_of(folder, file));
	if (write(fd, folder->buffer, folder->bytes) != (ssize_t)folder->bytes)
		give_up("writing a file");
	close(fd);
}

static void check_file(struct folder *folder, unsigned int file)
{
	int fd = open_file(folder, file, O_RDONLY);

	memset(folder->buffer, 0, folder->bytes);
	if (read(fd, folder->buffer, folder->bytes) != (ssize_t)folder->bytes)
		give_up("reading a file");
	close(fd);
	pattern_check(folder->path, folder->buffer,
		      folder->bytes / sizeof(uint64_t), head_of(folder, file));
}

static void *run_folder(void *argument)
{
	struct folder *folder = argument;
	unsigned int next = 0;

	for (;;) {
		for (unsigned int file = 0; file < folder->count; file++) {
			check_file(folder, file);
			sleep_s(0.02);
		}
		say("file pass %u ok", ++file_passes);
		write_file(folder, next);
		next = (next + 1) % folder->count;
	}
	return NULL;
}

void start_files(const char *path, unsigned int count, size_t bytes,
		 bool direct)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	if (!folder || count > FILES_MAX ||
	    posix_memalign((void **)&folder->buffer, 4096, bytes) != 0)
		give_up("memory for files");
	snprintf(folder->path, sizeof(folder->path), "%s", path);
	folder->index = folders++;
	folder->count = count;
	folder->bytes = bytes;
	folder->direct = direct;
	for (unsigned int file = 0; file < count; file++)
		write_file(folder, file);
	start_thread(run_folder, folder);
}
