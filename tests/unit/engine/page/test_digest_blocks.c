/* SPDX-License-Identifier: BSD-3-Clause */
/* Many blocks at once: by pieces, by threads, and by whom it is ended. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/page/digest.h"
#include "engine/page/digest_pieces.h"
#include "tests/unit/engine/guarded.h"

#define BLOCKS       1000u
#define PAGES_A_TURN (1 + 3 + 511 + 513)

static uint64_t pages_of(unsigned block)
{
	static const uint64_t pages[] = { 1, 3, 511, 513 };

	return pages[block % 4];
}

static struct guarded ram;
static struct rj_block *blocks;

/* A thousand slices of one memory, and a large block, most of it untouched. */
static int setup(void **state)
{
	const uint64_t large = 3 * UINT64_C(4096) + 5;
	uint64_t page = 0;

	(void)state;
	blocks = calloc(BLOCKS + 1, sizeof(*blocks));
	if (!blocks || guarded_map(&ram, (BLOCKS / 4 * PAGES_A_TURN + large) *
						 RAMJET_PAGE_BYTES))
		return -1;
	for (unsigned i = 0; i <= BLOCKS; i++) {
		struct rj_block *block = &blocks[i];

		*block = guarded_block(&ram);
		(void)snprintf(block->name, sizeof(block->name), "ram%u", i);
		block->host += page * RAMJET_PAGE_BYTES;
		block->page_count = i < BLOCKS ? pages_of(i) : large;
		block->bytes = block->page_count * RAMJET_PAGE_BYTES;
		page += block->page_count;
	}
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	guarded_unmap(&ram);
	free(blocks);
	return 0;
}

static void fill(struct rj_block_digest *sums, unsigned block, uint64_t page)
{
	const struct guarded slice = { .host = blocks[block].host };
	const uint64_t part_pages =
		rj_digest_part_pages(blocks[block].page_count);
	XXH128_hash_t hash;

	guarded_fill(&slice, page, block);
	hash = XXH3_128bits_withSeed(slice.host + page * RAMJET_PAGE_BYTES,
				     RAMJET_PAGE_BYTES, page);
	sums[block].whole.low += hash.low64;
	sums[block].whole.high += hash.high64;
	rj_digest_parts_add(&sums[block].parts, part_pages, page, hash.low64);
}

static void each_block_gets_its_own_sums(void **state)
{
	static const uint64_t far[] = { 0,    511,  512,  4095,
					4096, 8191, 8192, 12292 };
	struct rj_block_digest *found = calloc(BLOCKS + 1, sizeof(*found));
	struct rj_block_digest *wanted = calloc(BLOCKS + 1, sizeof(*wanted));
	struct rj_digest_ask ask = {
		.blocks = blocks,
		.block_count = BLOCKS + 1,
		.wake_fd = -1,
	};

	(void)state;
	assert_non_null(found);
	assert_non_null(wanted);
	for (unsigned i = 0; i < BLOCKS; i++) {
		fill(wanted, i, 0);
		if (pages_of(i) > 1)
			fill(wanted, i, pages_of(i) - 1);
	}
	for (size_t i = 0; i < RJ_ARRAY_SIZE(far); i++)
		fill(wanted, BLOCKS, far[i]);
	for (ask.threads = 0; ask.threads < 5; ask.threads += 2) {
		assert_int_equal(rj_digest_blocks(&ask, found, NULL), 0);
		for (unsigned i = 0; i <= BLOCKS; i++)
			assert_memory_equal(&found[i], &wanted[i],
					    sizeof(found[i]));
	}
	/* The rest was not populated by that. */
	assert_int_equal(
		guarded_resident(&ram, 0, ram.bytes / RAMJET_PAGE_BYTES),
		BLOCKS / 4 * 7 + RJ_ARRAY_SIZE(far));
	free(found);
	free(wanted);
}

static void expect_pieces(const struct rj_block *some, unsigned count,
			  unsigned threads)
{
	struct rj_digest_pieces pieces;
	uint64_t next = 0;
	unsigned block = 0;

	assert_int_equal(
		rj_digest_pieces_init(&pieces, some, count, threads, NULL), 0);
	for (uint64_t i = 0; i < pieces.count; i++) {
		const struct rj_digest_piece piece =
			rj_digest_piece_at(&pieces, i);
		const uint64_t unit = some[piece.block].page_bytes;

		if (block != piece.block) {
			assert_int_equal(next, some[block].page_count);
			assert_int_equal(piece.block, ++block);
			next = 0;
		}
		assert_int_equal(piece.first, next);
		assert_int_equal(piece.first % RJ_CHUNK_PAGES, 0);
		assert_int_equal(piece.first * RAMJET_PAGE_BYTES % unit, 0);
		assert_in_range(piece.count, 1, pieces.pages_max);
		next += piece.count;
	}
	assert_int_equal(block + 1, count);
	assert_int_equal(next, some[block].page_count);
	rj_digest_pieces_done(&pieces);
}

static void pieces_are_all_pages_once(void **state)
{
	struct rj_block large[3] = { { .page_bytes = RAMJET_PAGE_BYTES },
				     { .page_bytes = 2u << 20 },
				     { .page_bytes = 1u << 30 } };

	(void)state;
	expect_pieces(blocks, BLOCKS + 1, 1);
	expect_pieces(blocks, BLOCKS + 1, 64);
	large[0].page_count = (UINT64_C(12) << 28) + 1;
	large[1].page_count = 33 * 512;
	large[2].page_count = UINT64_C(7) << 18;
	expect_pieces(large, 3, 1);
	expect_pieces(large, 3, 7);
	expect_pieces(large + 1, 2, 64);
}

/* ---- memory that tells who reads it, and may refuse ------------------------- */

static struct {
	pthread_mutex_t lock;
	pthread_t threads[8];
	unsigned thread_count;
	uint64_t pages;
	const char *bad; /* a block */
	bool held;       /* until it is looked once */
	bool held_on;    /* until what the look said is known to all */
} reads = { .lock = PTHREAD_MUTEX_INITIALIZER };

static _Atomic unsigned looks, waits;

int __real_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until);

/* Who asked waits, having passed on what the look said. */
int __wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  const struct timespec *until)
{
	waits++;
	return __real_pthread_cond_timedwait(cond, lock, until);
}

static const uint8_t *look(const struct rj_block *block, uint64_t page,
			   uint32_t count, uint8_t *scratch,
			   struct ramjet_error *err)
{
	unsigned i = 0;

	while ((reads.held && !looks) || (reads.held_on && !waits))
		(void)sched_yield();
	(void)pthread_mutex_lock(&reads.lock);
	while (i < reads.thread_count &&
	       !pthread_equal(reads.threads[i], pthread_self()))
		i++;
	assert_true(i < RJ_ARRAY_SIZE(reads.threads));
	reads.threads[i] = pthread_self();
	reads.thread_count += i == reads.thread_count;
	reads.pages += count;
	(void)pthread_mutex_unlock(&reads.lock);
	if (reads.bad && !strcmp(block->name, reads.bad)) {
		err->code = -EIO;
		(void)snprintf(err->message, sizeof(err->message),
			       "page %llu cannot be read",
			       (unsigned long long)page);
		return NULL;
	}
	memset(scratch, 1, (size_t)count * RAMJET_PAGE_BYTES);
	return scratch;
}

static const struct rj_memory_ops watched = { .name = "watched", .look = look };

/* Fills in what they are to tell, too. */
static struct rj_block_digest *watch(void)
{
	struct rj_block_digest *digests = calloc(BLOCKS + 1, sizeof(*digests));

	assert_non_null(digests);
	reads.thread_count = 0;
	reads.pages = 0;
	reads.bad = NULL;
	reads.held = reads.held_on = false;
	looks = waits = 0;
	for (unsigned i = 0; i <= BLOCKS; i++) {
		blocks[i].memory = &watched;
		digests[i].of = RJ_DIGEST_OF_ALL;
	}
	return digests;
}

static void no_more_threads_than_asked_for(void **state)
{
	struct rj_block_digest *digests = watch();
	const struct rj_digest_ask ask = {
		.blocks = blocks,
		.block_count = BLOCKS + 1,
		.threads = 3,
		.wake_fd = -1,
	};

	(void)state;
	assert_int_equal(rj_digest_blocks(&ask, digests, NULL), 0);
	assert_int_equal(reads.pages, ram.bytes / RAMJET_PAGE_BYTES);
	assert_in_range(reads.thread_count, 1, 3);
	free(digests);
}

static void an_error_names_its_block(void **state)
{
	struct rj_block_digest *digests = watch();
	const struct rj_digest_ask ask = {
		.blocks = blocks,
		.block_count = BLOCKS + 1,
		.threads = 4,
		.wake_fd = -1,
	};
	struct ramjet_error err = { 0 };

	(void)state;
	reads.bad = "ram617";
	assert_int_equal(rj_digest_blocks(&ask, digests, &err), -EIO);
	assert_string_equal(err.message, "block ram617: page 0 cannot be read");
	free(digests);
}

/* ---- memory in a file -------------------------------------------------------- */

#define FILE_PAGES  (3 * UINT64_C(4096) + 5)
#define FILE_OFFSET (7 * (uint64_t)RAMJET_PAGE_BYTES)

static struct rj_block file_block(void)
{
	const uint64_t bytes = FILE_PAGES * RAMJET_PAGE_BYTES;
	const int fd = memfd_create("digest", MFD_CLOEXEC);
	struct rj_block block = {
		.name = "file",
		.bytes = bytes,
		.page_count = FILE_PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = fd,
		.fd_offset = FILE_OFFSET,
		.is_file = true,
	};
	void *host;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(FILE_OFFSET + bytes)), 0);
	host = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    (off_t)FILE_OFFSET);
	assert_true(host != MAP_FAILED);
	block.host = host;
	return block;
}

/* Where its data is, is asked of each piece; and where it ends, of each chunk. */
static void a_file_is_asked_where_its_data_is(void **state)
{
	static const uint64_t filled[] = { 3, 4500, FILE_PAGES - 1 };
	const struct rj_block block = file_block();
	const struct guarded slice = { .host = block.host };
	struct rj_block_digest digest = { .of = RJ_DIGEST_OF_ALL };
	const struct rj_digest_ask ask = {
		.blocks = &block,
		.block_count = 1,
		.wake_fd = -1,
	};
	struct rj_digest found, wanted = { 0 };
	struct ramjet_error err = { 0 };
	struct stat st;

	(void)state;
	for (size_t i = 0; i < RJ_ARRAY_SIZE(filled); i++) {
		XXH128_hash_t hash;

		guarded_fill(&slice, filled[i], 1);
		hash = XXH3_128bits_withSeed(
			slice.host + filled[i] * RAMJET_PAGE_BYTES,
			RAMJET_PAGE_BYTES, filled[i]);
		wanted.low += hash.low64;
		wanted.high += hash.high64;
	}
	assert_int_equal(rj_digest_block(&block, &found, NULL), 0);
	assert_memory_equal(&found, &wanted, sizeof(found));
	assert_int_equal(fstat(block.fd, &st), 0);
	assert_int_equal(st.st_blocks * 512,
			 RJ_ARRAY_SIZE(filled) * RAMJET_PAGE_BYTES);
	assert_int_equal(ftruncate(block.fd, (off_t)FILE_OFFSET), 0);
	assert_int_equal(rj_digest_blocks(&ask, &digest, &err), -EIO);
	assert_memory_equal(err.message, "block file, offset 0: nothing", 29);
	(void)munmap(block.host, block.bytes);
	(void)close(block.fd);
}

/* ---- who ends it ------------------------------------------------------------- */

static int refuse(void *user, struct ramjet_error *err)
{
	(void)user;
	looks++;
	err->code = -ECONNABORTED;
	(void)snprintf(err->message, sizeof(err->message), "the peer left");
	return -ECONNABORTED;
}

static int agree(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	looks++;
	return 0;
}

/* Nothing is read before the first look, and little after it. */
static void who_asks_may_end_it(void **state)
{
	struct rj_block_digest *digests = watch();
	const struct rj_digest_ask ask = {
		.blocks = blocks,
		.block_count = BLOCKS + 1,
		.threads = 4,
		.wake_fd = -1,
		.look = refuse,
	};
	struct ramjet_error err = { 0 };

	(void)state;
	reads.held = reads.held_on = true;
	assert_int_equal(rj_digest_blocks(&ask, digests, &err), -ECONNABORTED);
	assert_string_equal(err.message, "the peer left");
	assert_int_equal(looks, 1);
	/* What each had in hand. */
	assert_in_range(reads.pages, 0, 4 * (RJ_CHUNK_PAGES + 1));
	free(digests);
}

static int wake(void *user, struct ramjet_error *err)
{
	(void)err;
	looks++;
	return eventfd_write(*(int *)user, 1);
}

static void a_cancel_ends_it(void **state)
{
	struct rj_block_digest *digests = watch();
	int wake_fd = eventfd(0, EFD_CLOEXEC);
	struct rj_digest_ask ask = {
		.blocks = blocks,
		.block_count = BLOCKS + 1,
		.threads = 4,
		.wake_fd = wake_fd,
		.look = wake,
		.user = &wake_fd,
	};

	(void)state;
	reads.held = true;
	assert_int_equal(rj_digest_blocks(&ask, digests, NULL), -ECANCELED);
	/* What each had in hand. */
	assert_in_range(reads.pages, 0, 4 * (RJ_CHUNK_PAGES + 1));
	free(digests);
	(void)close(wake_fd);
	digests = watch();
	ask.wake_fd = -1;
	ask.look = agree;
	assert_int_equal(rj_digest_blocks(&ask, digests, NULL), 0);
	assert_true(looks);
	free(digests);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(each_block_gets_its_own_sums),
		CASE(pieces_are_all_pages_once),
		CASE(no_more_threads_than_asked_for),
		CASE(an_error_names_its_block),
		CASE(a_file_is_asked_where_its_data_is),
		CASE(who_asks_may_end_it),
		CASE(a_cancel_ends_it),
	};

	return cmocka_run_group_tests_name("digest_blocks", tests, NULL, NULL);
}
