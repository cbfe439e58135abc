/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory of a process (this one) as a block. */
#include "tests/unit/cmocka_all.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/attach/memory.h"
#include "util/cleanup.h"

#define BYTES 65536u

/* A file, mapped with these rights; opened as block memory. */
static uint8_t *open_it(int rights, struct rj_attach_memory *ret)
{
	struct rj_attach_process process = RJ_ATTACH_PROCESS_NONE;
	struct rj_attach_maps maps = { 0 };
	struct ramjet_error err = { 0 };
	rj_autoclose int fd = memfd_create("block", MFD_CLOEXEC);
	uint8_t *at;

	assert_int_equal(ftruncate(fd, BYTES), 0);
	at = mmap(NULL, BYTES, rights, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	process.pid = getpid();
	process.vm_calls = true;
	*ret = RJ_ATTACH_MEMORY_NONE;
	ret->address = (uintptr_t)at;
	ret->bytes = BYTES;
	ret->page_bytes = RAMJET_PAGE_BYTES;
	assert_int_equal(rj_attach_maps_read(process.pid, &maps, NULL), 0);
	if (rj_attach_memory_open(&process, &maps, ret, &err))
		fail_msg("%s", err.message);
	rj_attach_maps_free(&maps);
	return at;
}

static void shared_memory_is_mapped_here(void **state)
{
	struct rj_attach_memory memory;
	uint8_t *at = open_it(PROT_READ | PROT_WRITE, &memory);

	(void)state;
	assert_non_null(memory.host);
	assert_null(memory.process);
	memcpy(memory.host, "written", sizeof("written"));
	assert_string_equal((const char *)at, "written");
	rj_attach_memory_close(&memory);
	assert_int_equal(munmap(at, BYTES), 0);
}

/* Neither by a mapping of ours nor in another way. */
static void what_it_may_not_write_to_neither_do_we(void **state)
{
	const struct ramjet_memory_range range = { 0, RAMJET_PAGE_BYTES };
	static const uint8_t page[RAMJET_PAGE_BYTES] = { 1 };
	struct rj_attach_memory memory;
	uint8_t *at = open_it(PROT_READ, &memory);

	(void)state;
	assert_null(memory.host);
	assert_true(ramjet_process_memory_ops()->write(memory.process, &range,
						       1, page, NULL) < 0);
	assert_int_equal(*at, 0);
	rj_attach_memory_close(&memory);
	assert_int_equal(munmap(at, BYTES), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shared_memory_is_mapped_here),
		cmocka_unit_test(what_it_may_not_write_to_neither_do_we),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
