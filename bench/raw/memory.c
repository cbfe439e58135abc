/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/raw/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#define HUGE_BYTES ((size_t)2 << 20)
/* Incompressible, and never the same page twice. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

void raw_die(const char *what)
{
	char error[64];
	int saved = errno;

	(void)fprintf(stderr, "raw: %s: %s\n", what,
		      strerror_r(saved, error, sizeof(error)));
	exit(1);
}

static void *map(size_t bytes, int flags, int fd)
{
	char *reserved, *aligned;

	/* Room to align, then mapped over. */
	reserved = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (reserved == MAP_FAILED)
		raw_die("reserving memory");
	aligned = reserved +
		  (HUGE_BYTES - (uintptr_t)reserved % HUGE_BYTES) % HUGE_BYTES;
	aligned = mmap(aligned, bytes, PROT_READ | PROT_WRITE,
		       flags | MAP_FIXED | MAP_NORESERVE, fd, 0);
	if (aligned == MAP_FAILED)
		raw_die("mapping memory");
	return aligned;
}

void *raw_memory_new(enum raw_memory kind, size_t bytes)
{
	int fd = -1;
	void *memory;

	if (kind == RAW_MEMFD) {
		fd = memfd_create("raw", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, (off_t)bytes))
			raw_die("memfd");
		memory = map(bytes, MAP_SHARED, fd);
		(void)close(fd);
	} else {
		memory = map(bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
		if (madvise(memory, bytes,
			    kind == RAW_THP ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
			raw_die("madvise");
	}
	return memory;
}

void *raw_memory_from_file(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *memory;

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		raw_die(path);
	memory = map(bytes, MAP_SHARED, fd);
	(void)close(fd);
	return memory;
}

void raw_memory_free(void *memory, size_t bytes)
{
	(void)munmap(memory, bytes);
}

void raw_memory_populate(void *memory, size_t bytes)
{
	if (madvise(memory, bytes, MADV_POPULATE_WRITE))
		raw_die("populating memory");
}

void raw_memory_fill(void *memory, size_t bytes)
{
	uint64_t *words = memory, value = 1;

	if (madvise(memory, bytes, MADV_DONTFORK))
		raw_die("madvise");
	for (size_t i = 0; i < bytes / sizeof(*words); i++) {
		value += STEP;
		words[i] = value ^ (value >> 29) * STEP;
	}
}

unsigned raw_piece(const struct raw_config *config, void *memory,
		   size_t channel, size_t n, struct iovec *iov)
{
	size_t step = config->payload * config->stride;
	char *at = (char *)memory + config->bytes / config->channels * channel +
		   step * n;
	unsigned count = 0;

	if (config->stride == 1) {
		iov[0] = (struct iovec){ at, config->payload };
		return 1;
	}
	for (size_t done = 0; done < config->payload; done += RAW_PAGE_BYTES) {
		iov[count++] = (struct iovec){ at, RAW_PAGE_BYTES };
		at += RAW_PAGE_BYTES * config->stride;
	}
	return count;
}

size_t raw_piece_count(const struct raw_config *config)
{
	return config->bytes / config->channels /
	       (config->payload * config->stride);
}

uint64_t raw_digest(const struct raw_config *config, void *memory)
{
	size_t unit = config->stride == 1 ? config->bytes : RAW_PAGE_BYTES;
	XXH3_state_t *state = XXH3_createState();
	uint64_t digest;

	if (!state || XXH3_64bits_reset(state) != XXH_OK)
		raw_die("digest");
	for (size_t at = 0; at < config->bytes; at += unit * config->stride)
		(void)XXH3_64bits_update(state, (char *)memory + at, unit);
	digest = XXH3_64bits_digest(state);
	(void)XXH3_freeState(state);
	return digest;
}
