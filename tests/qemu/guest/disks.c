/* SPDX-License-Identifier: BSD-3-Clause */
/* Disks whose readers check all the time what they get; they keep what they
 * have read a while and look again, since a page that a device wrote behind
 * the mover's back may be lost after it was found good. */
#include "guest.h"
#include "pattern.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BLKGETSIZE64   _IOR(0x12, 114, size_t) /* linux/fs.h */
#define SECTOR         512
#define SECTOR_WORDS   (SECTOR / sizeof(uint64_t))
#define CHUNK          (1u << 20) /* bytes a read, and a lock */
#define CHUNK_SECTORS  (CHUNK / SECTOR)
#define KEPT           8 /* reads that are looked at a second time */
#define READS_PER_PASS 64

struct chunk {
	pthread_rwlock_t lock;
	uint32_t generation;
};

struct disk {
	const char *path;
	unsigned int index;
	int fd;
	size_t count;
	struct chunk *chunks;
	double pause_s; /* of a reader, after each read */
};

struct read_chunk {
	uint64_t *words;
	size_t chunk;
	uint32_t generation; /* 0: nothing read yet */
};

static unsigned int disks;
static _Atomic unsigned int disk_passes;

static uint64_t head_of(const struct disk *disk, size_t sector,
			uint32_t generation)
{
	/* 256 GiB of sectors a disk, eight disks. */
	return pattern_head(PATTERN_DISK, (uint64_t)disk->index << 29 | sector,
			    generation);
}

static void write_chunk(struct disk *disk, size_t number, uint64_t *words)
{
	struct chunk *chunk = &disk->chunks[number];

	pthread_rwlock_wrlock(&chunk->lock);
	chunk->generation++;
	for (size_t i = 0; i < CHUNK_SECTORS; i++)
		pattern_fill(words + i * SECTOR_WORDS, SECTOR_WORDS,
			     head_of(disk, number * CHUNK_SECTORS + i,
				     chunk->generation));
	if (pwrite(disk->fd, words, CHUNK, (off_t)(number * CHUNK)) != CHUNK)
		give_up(disk->path);
	pthread_rwlock_unlock(&chunk->lock);
}

/* A look at both ends of each sector leaves time for the next read, so that
 * there is nearly always one under way; the second look is a whole one. */
static bool looks_good(const uint64_t *words, uint64_t head)
{
	return words[0] == head &&
	       words[SECTOR_WORDS - 1] == pattern_word(head, SECTOR_WORDS - 1);
}

static void check_chunk(const struct disk *disk, const struct read_chunk *read,
			bool whole)
{
	for (size_t i = 0; i < CHUNK_SECTORS; i++) {
		const uint64_t *words = read->words + i * SECTOR_WORDS;
		uint64_t head = head_of(disk, read->chunk * CHUNK_SECTORS + i,
					read->generation);

		if (!whole && looks_good(words, head))
			continue;
		if (!pattern_check(disk->path, words, SECTOR_WORDS, head))
			return;
	}
}

static void read_chunk(struct disk *disk, struct read_chunk *read,
		       size_t number)
{
	struct chunk *chunk = &disk->chunks[number];

	pthread_rwlock_rdlock(&chunk->lock);
	read->chunk = number;
	read->generation = chunk->generation;
	if (pread(disk->fd, read->words, CHUNK, (off_t)(number * CHUNK)) !=
	    CHUNK)
		give_up(disk->path);
	pthread_rwlock_unlock(&chunk->lock);
	check_chunk(disk, read, false);
}

static void *run_reader(void *argument)
{
	struct disk *disk = argument;
	struct read_chunk kept[KEPT] = { 0 };
	unsigned int seed = (unsigned int)(uintptr_t)&kept;

	for (size_t i = 0; i < KEPT; i++)
		if (posix_memalign((void **)&kept[i].words, 4096, CHUNK) != 0)
			give_up("memory for a reader");
	for (unsigned int reads = 1;; reads++) {
		struct read_chunk *read = &kept[reads % KEPT];

		if (read->generation)
			check_chunk(disk, read, true);
		read_chunk(disk, read, (size_t)rand_r(&seed) % disk->count);
		if (reads % READS_PER_PASS == 0)
			say("disk pass %u ok", ++disk_passes);
		if (disk->pause_s > 0)
			sleep_s(disk->pause_s);
	}
	return NULL;
}

static void *run_disk_writer(void *argument)
{
	struct disk *disk = argument;
	uint64_t *words;

	if (posix_memalign((void **)&words, 4096, CHUNK) != 0)
		give_up("memory for a disk's writer");
	for (size_t number = 0;; number = (number + 1) % disk->count) {
		write_chunk(disk, number, words);
		sleep_s(0.05);
	}
	return NULL;
}

static void prepare_disk(struct disk *disk)
{
	uint64_t bytes, *words;

	if (ioctl(disk->fd, BLKGETSIZE64, &bytes) != 0 ||
	    posix_memalign((void **)&words, 4096, CHUNK) != 0)
		give_up(disk->path);
	disk->count = (size_t)(bytes / CHUNK);
	disk->chunks = calloc(disk->count, sizeof(*disk->chunks));
	if (!disk->chunks)
		give_up("memory for a disk");
	for (size_t number = 0; number < disk->count; number++) {
		pthread_rwlock_init(&disk->chunks[number].lock, NULL);
		write_chunk(disk, number, words);
	}
	free(words);
}

/* PATH[:direct][:writer][:readers=N][:pause=MICROSECONDS] */
void start_disk(const char *description)
{
	struct disk *disk = calloc(1, sizeof(*disk));
	char *words = strdup(description), *next;
	unsigned long readers = 1;
	bool direct = false, writer = false;

	if (!disk || !words)
		give_up("memory for a disk");
	disk->path = strtok_r(words, ":", &next);
	for (char *word; (word = strtok_r(NULL, ":", &next));) {
		if (!strcmp(word, "direct"))
			direct = true;
		else if (!strcmp(word, "writer"))
			writer = true;
		else if (!strncmp(word, "readers=", 8))
			readers = strtoul(word + 8, NULL, 10);
		else if (!strncmp(word, "pause=", 6))
			disk->pause_s = strtod(word + 6, NULL) / 1e6;
	}
	disk->index = disks++;
	disk->fd =
		open(disk->path, O_RDWR | O_CLOEXEC | (direct ? O_DIRECT : 0));
	if (disk->fd < 0)
		give_up(disk->path);
	prepare_disk(disk);
	for (unsigned long i = 0; i < readers; i++)
		start_thread(run_reader, disk);
	if (writer)
		start_thread(run_disk_writer, disk);
}
