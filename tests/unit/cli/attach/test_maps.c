/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process has mapped, and the files behind it. */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/attach/maps.h"
#include "victim.h"

#define PAGES 4
#define BYTES ((size_t)PAGES * 4096)

static struct rj_attach_maps read_maps(pid_t pid)
{
	struct rj_attach_maps maps = { 0 };
	struct ramjet_error err = { 0 };

	if (rj_attach_maps_read(pid, &maps, &err))
		fail_msg("%s", err.message);
	return maps;
}

static void mappings_have_their_properties(void **state)
{
	const int fd = memfd_create("rj-maps", MFD_CLOEXEC);
	char *shared;
	char *code;
	struct rj_attach_maps maps;
	const struct rj_attach_mapping *m;

	(void)state;
	assert_int_equal(ftruncate(fd, 2 * BYTES), 0);
	shared = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      BYTES);
	code = mmap(NULL, BYTES, PROT_READ | PROT_EXEC,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	maps = read_maps(getpid());
	m = rj_attach_maps_at(&maps, (uintptr_t)shared + BYTES - 1);
	assert_non_null(m);
	assert_int_equal(m->start, (uintptr_t)shared);
	assert_int_equal(m->end, (uintptr_t)shared + BYTES);
	assert_int_equal(m->offset, BYTES);
	assert_true(m->shared && m->readable && m->writable && m->inode);
	assert_false(m->executable);
	assert_string_equal(m->path, "/memfd:rj-maps (deleted)");
	m = rj_attach_maps_at(&maps, (uintptr_t)code);
	assert_non_null(m);
	assert_true(m->executable && m->readable);
	assert_false(m->shared || m->writable || m->inode);
	assert_null(rj_attach_maps_at(&maps, 0));
	rj_attach_maps_free(&maps);
	rj_attach_maps_free(&maps);
	(void)munmap(shared, BYTES);
	(void)munmap(code, BYTES);
	(void)close(fd);
}

static void a_range_has_no_gaps(void **state)
{
	char *at = mmap(NULL, 3 * BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	const uint64_t start = (uintptr_t)at;
	const struct rj_attach_mapping *first = NULL;
	struct rj_attach_maps maps;

	(void)state;
	assert_int_equal(mprotect(at + BYTES, BYTES, PROT_NONE), 0);
	maps = read_maps(getpid());
	assert_int_equal(rj_attach_maps_range(&maps, start + 4096,
					      3 * BYTES - 4096, &first),
			 3);
	assert_true(first->end == start + BYTES);
	assert_int_equal(
		rj_attach_maps_range(&maps, start + BYTES, BYTES, &first), 1);
	assert_int_equal(first->start, start + BYTES);
	assert_int_equal(
		rj_attach_maps_range(&maps, start, UINT64_MAX - start, &first),
		0);
	assert_int_equal(rj_attach_maps_range(&maps, start, 0, &first), 0);
	rj_attach_maps_free(&maps);
	assert_int_equal(munmap(at + BYTES, BYTES), 0);
	maps = read_maps(getpid());
	assert_int_equal(rj_attach_maps_range(&maps, start, 3 * BYTES, &first),
			 0);
	rj_attach_maps_free(&maps);
	(void)munmap(at, 3 * BYTES);
}

/* ---- the file ---------------------------------------------------------- */

static struct {
	char *at;
	bool keeps_it;
	int fd;
} memory;

static void victim_with_memory(struct victim_board *board)
{
	if (!memory.keeps_it)
		(void)close(memory.fd);
	victim_in_ppoll(board);
}

/* Our own descriptor is closed: what the victim has is found. */
static void open_and_compare(bool keeps_it)
{
	struct ramjet_error err = { 0 };
	struct rj_attach_maps maps;
	struct victim victim;
	char *here;
	int fd;

	memory.keeps_it = keeps_it;
	memory.fd = memfd_create("rj-memory", MFD_CLOEXEC);
	assert_int_equal(ftruncate(memory.fd, 2 * BYTES), 0);
	memory.at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			 memory.fd, BYTES);
	victim_start(&victim, victim_with_memory);
	(void)close(memory.fd);
	maps = read_maps(victim.pid);
	fd = rj_attach_mapping_open(
		victim.pid, rj_attach_maps_at(&maps, (uintptr_t)memory.at),
		true, &err);
	if (fd == -ENOENT || fd == -EPERM)
		print_message("# no way to it: %s\n", err.message);
	assert_true(fd >= 0);
	here = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, BYTES);
	assert_ptr_not_equal(here, MAP_FAILED);
	memcpy(memory.at, "the same", 9);
	assert_string_equal(here, "the same");
	(void)munmap(here, BYTES);
	(void)munmap(memory.at, BYTES);
	(void)close(fd);
	rj_attach_maps_free(&maps);
	victim_end(&victim);
}

static void shared_memory_is_opened_by_its_descriptor(void **state)
{
	(void)state;
	open_and_compare(true);
}

static void shared_memory_is_opened_without_a_descriptor(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("# skipped: map_files wants privileges\n");
		skip();
	}
	open_and_compare(false);
}

static void private_memory_has_no_file(void **state)
{
	static char here[2 * 4096] = "x";
	struct rj_attach_maps maps = read_maps(getpid());
	struct ramjet_error err = { 0 };

	(void)state;
	assert_int_equal(
		rj_attach_mapping_open(
			getpid(),
			rj_attach_maps_at(&maps, (uintptr_t)here + 4096), true,
			&err),
		-ENOENT);
	assert_non_null(strstr(err.message, "it is private memory"));
	rj_attach_maps_free(&maps);
}

/* Its name may be another file's by now. */
static void another_file_of_that_name_is_not_taken(void **state)
{
	char path[] = "/tmp/rj-maps-XXXXXX";
	int fd = mkstemp(path);
	struct rj_attach_mapping m;
	struct rj_attach_maps maps;
	struct ramjet_error err = { 0 };
	char *at;

	(void)state;
	assert_int_equal(ftruncate(fd, BYTES), 0);
	at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	maps = read_maps(getpid());
	m = *rj_attach_maps_at(&maps, (uintptr_t)at);
	(void)munmap(at, BYTES);
	(void)close(fd);
	/* Neither mapped nor open any more: the name is left. */
	fd = rj_attach_mapping_open(getpid(), &m, true, NULL);
	assert_true(fd >= 0);
	(void)close(fd);
	m.inode++;
	assert_int_equal(rj_attach_mapping_open(getpid(), &m, true, &err),
			 -ENOENT);
	assert_non_null(strstr(err.message, "wanted its file"));
	(void)unlink(path);
	rj_attach_maps_free(&maps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mappings_have_their_properties),
		cmocka_unit_test(a_range_has_no_gaps),
		cmocka_unit_test(shared_memory_is_opened_by_its_descriptor),
		cmocka_unit_test(shared_memory_is_opened_without_a_descriptor),
		cmocka_unit_test(private_memory_has_no_file),
		cmocka_unit_test(another_file_of_that_name_is_not_taken),
	};

	return cmocka_run_group_tests_name("maps", tests, NULL, NULL);
}
