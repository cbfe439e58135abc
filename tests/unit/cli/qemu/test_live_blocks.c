/* SPDX-License-Identifier: BSD-3-Clause */
/* Where the memory of real QEMUs lies. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/cli/qemu/live_qemu.h"
#include "util/cleanup.h"
#include "util/compiler.h"

#define COMMON "pc-q35-7.2"

/* What the guest's own addresses show is at that place in QEMU. */
static void expect_shown(struct rj_qemu *q, const struct rj_qemu_blocks *blocks,
			 const char *name, uint64_t offset, uint64_t guest)
{
	const struct rj_qemu_block *block = live_block_called(blocks, name);
	const unsigned wanted = 0x5ca1ab1e;
	struct ramjet_error err = { 0 };
	rj_autofree char *text = NULL;
	int fd = live_open_memory(q);
	char line[64];

	if (!block->address)
		fail_msg("'%s' has no address", name);
	assert_int_equal(pwrite(fd, &wanted, sizeof(wanted),
				(off_t)(block->address + offset)),
			 sizeof(wanted));
	(void)snprintf(line, sizeof(line), "xp /1xw 0x%llx",
		       (unsigned long long)guest);
	live_ok(rj_qemu_human(q, line, &text, &err), &err);
	assert_non_null(strstr(text, "0x5ca1ab1e"));
	(void)close(fd);
}

static void plug_memory(struct rj_qemu *q)
{
	struct ramjet_error err = { 0 };

	live_ok(rj_qemu_call(q, "object-add",
			     json_pack("{s:s, s:s, s:i}", "qom-type",
				       "memory-backend-ram", "id", "d", "size",
				       32 << 20),
			     NULL, &err),
		&err);
	live_ok(rj_qemu_call(q, "device_add",
			     json_pack("{s:s, s:s, s:s}", "driver", "pc-dimm",
				       "memdev", "d", "id", "dimm0"),
			     NULL, &err),
		&err);
}

/* Two NUMA nodes, shared and private, and a DIMM that comes later. */
static void find_blocks(const char *version)
{
	static const char *const nodes[] = {
		"-m",      "size=64M,slots=4,maxmem=1G",
		"-object", "memory-backend-memfd,id=a,size=32M,share=on",
		"-object", "memory-backend-ram,id=b,size=32M",
		"-numa",   "node,memdev=a",
		"-numa",   "node,memdev=b",
		"-smp",    "2",
		"-device", "VGA",
		NULL
	};
	struct live live;
	struct rj_qemu_blocks blocks = { 0 };
	struct ramjet_error err = { 0 };

	live_need(version);
	live_start(&live, version, COMMON, nodes);
	live_ok(rj_qemu_blocks_look(&live.qemu, &blocks, &err), &err);
	expect_shown(&live.qemu, &blocks, "a", 0x100000, 0x100000);
	expect_shown(&live.qemu, &blocks, "b", 0x1000, (32 << 20) + 0x1000);
	expect_shown(&live.qemu, &blocks, "pc.rom", 0x1000, 0xc1000);
	expect_shown(&live.qemu, &blocks, "pc.bios", 0x20000, 0xe0000);
	for (size_t i = 0; i < blocks.count; i++)
		if (!blocks.block[i].address &&
		    !blocks.block[i].candidates_count)
			fail_msg("'%s' can be nowhere", blocks.block[i].name);
	live_ok(rj_qemu_blocks_check(&live.qemu, &blocks, &err), &err);
	plug_memory(&live.qemu);
	assert_int_equal(rj_qemu_blocks_check(&live.qemu, &blocks, &err),
			 -ESTALE);
	print_message("# %s\n", err.message);
	err = (struct ramjet_error){ 0 };
	rj_qemu_blocks_done(&blocks);
	live_ok(rj_qemu_blocks_look(&live.qemu, &blocks, &err), &err);
	expect_shown(&live.qemu, &blocks, "d", 0, UINT64_C(1) << 32);
	rj_qemu_blocks_done(&blocks);
	live_end(&live);
}

static void old_blocks_are_found(void **state RJ_UNUSED)
{
	find_blocks("7.2");
}

static void new_blocks_are_found(void **state RJ_UNUSED)
{
	find_blocks("10");
}

static void expect_main_memory(const char *version, const char *backend,
			       uint64_t page_bytes)
{
	const char *const options[] = { "-m", "8", "-object", backend, NULL };
	struct live live;
	struct rj_qemu_blocks blocks = { 0 };
	struct ramjet_error err = { 0 };

	live_start(&live, version, COMMON ",memory-backend=m", options);
	live_ok(rj_qemu_blocks_look(&live.qemu, &blocks, &err), &err);
	assert_int_equal(live_block_called(&blocks, "m")->page_bytes,
			 page_bytes);
	expect_shown(&live.qemu, &blocks, "m", 0x200000, 0x200000);
	rj_qemu_blocks_done(&blocks);
	live_end(&live);
}

static void files_are_found(void **state RJ_UNUSED)
{
	char path[64], backend[160];
	int fd;

	live_need("7.2");
	(void)snprintf(path, sizeof(path), "/tmp/ramjet-live-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)snprintf(backend, sizeof(backend),
		       "memory-backend-file,id=m,size=8M,share=on,mem-path=%s",
		       path);
	expect_main_memory("7.2", backend, 4096);
	(void)unlink(path);
}

static void huge_pages_are_found(void **state RJ_UNUSED)
{
	FILE *file = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/"
			   "free_hugepages",
			   "re");
	int free_pages = 0;

	live_need("7.2");
	if (!file || fscanf(file, "%d", &free_pages) != 1 || free_pages < 4) {
		print_message("# %d huge pages of 2 MiB are free, wanted 4\n",
			      free_pages);
		skip();
	}
	(void)fclose(file);
	expect_main_memory("7.2",
			   "memory-backend-memfd,id=m,size=8M,share=on,"
			   "hugetlb=on,hugetlbsize=2M",
			   2 << 20);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(old_blocks_are_found),
	cmocka_unit_test(new_blocks_are_found),
	cmocka_unit_test(files_are_found),
	cmocka_unit_test(huge_pages_are_found),
};

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
