/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory is cleared by as many threads as there can be. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <semaphore.h>
#include <string.h>
#include <sys/mman.h>

#include "engine/receive/target_memory.h"
#include "util/thread.h"

#define PAGES 64u

int __real_rj_thread_start(pthread_t *ret, const char *name,
			   void *(*run)(void *), void *argument);
int __wrap_rj_thread_start(pthread_t *ret, const char *name,
			   void *(*run)(void *), void *argument);

static struct {
	unsigned made;
	void *(*run)(void *);
	sem_t counted, ended;
} threads;

static void *run_first(void *argument)
{
	void *ret;

	while (sem_wait(&threads.counted))
		continue;
	ret = threads.run(argument);
	assert_int_equal(sem_post(&threads.ended), 0);
	return ret;
}

/* The second cannot be made, and the first is done by then. */
int __wrap_rj_thread_start(pthread_t *ret, const char *name,
			   void *(*run)(void *), void *argument)
{
	if (!threads.made++) {
		threads.run = run;
		return __real_rj_thread_start(ret, name, run_first, argument);
	}
	assert_int_equal(sem_post(&threads.counted), 0);
	while (sem_wait(&threads.ended))
		continue;
	return -EAGAIN;
}

static void a_thread_that_cannot_be_made_is_not_waited_for(void **state)
{
	struct rj_block block = {
		.name = "ram0",
		.bytes = PAGES * RAMJET_PAGE_BYTES,
		.page_count = PAGES,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
	};
	struct rj_target_memory memory;

	(void)state;
	block.host = mmap(NULL, block.bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(block.host != MAP_FAILED);
	memset(block.host, 0x11, block.bytes);
	assert_int_equal(sem_init(&threads.counted, 0, 0), 0);
	assert_int_equal(sem_init(&threads.ended, 0, 0), 0);
	assert_int_equal(rj_target_memory_init(&memory, &block, 1, NULL), 0);
	assert_int_equal(rj_target_memory_clear(&memory, NULL, 2, -1, NULL), 0);
	assert_int_equal(threads.made, 2);
	assert_true(rj_clearing_is_over(&memory.clearing));
	for (size_t i = 0; i < block.bytes; i++)
		assert_int_equal(block.host[i], 0);
	rj_target_memory_done(&memory);
	(void)munmap(block.host, block.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_thread_that_cannot_be_made_is_not_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
