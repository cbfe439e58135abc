/* SPDX-License-Identifier: BSD-3-Clause */
/* What a worker does with each page: building frames, hashing for verify; and
 * what the receiver does with a table. What content costs: content.c. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bench/micro/content.h"
#include "bench/micro/harness.h"
#include "engine/page/digest.h"
#include "engine/page/run_table.h"
#include "engine/send/out_frame.h"
#include "engine/wire/wire.h"

#define REGION_BYTES (64u << 20) /* beyond the caches */
#define REGION_PAGES (REGION_BYTES / RAMJET_PAGE_BYTES)

static uint8_t *new_region(int fill)
{
	void *region = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (region == MAP_FAILED)
		abort();
	memset(region, fill, REGION_BYTES);
	return region;
}

/* argument: pages a run; every other run of that length is left out */
static void build_frame(struct rj_bench *bench, int64_t run_pages)
{
	struct rj_out_frame *frame = malloc(sizeof(*frame));
	uint8_t *region = new_region(1);
	struct rj_page_codec codec;
	int64_t pages = 0;

	if (!frame)
		abort();
	rj_page_codec_init(&codec, RJ_OUT_PAYLOAD_BYTES);
	rj_out_frame_init(frame, &codec, 0);
	while (rj_bench_next(bench)) {
		uint64_t page = 0;

		rj_out_frame_reset(frame);
		while (rj_out_frame_add(frame, 0,
					region + page * RAMJET_PAGE_BYTES, page,
					(uint32_t)run_pages,
					RJ_RUN_RAW) == run_pages)
			page += 2 * (uint64_t)run_pages;
		rj_out_frame_seal(frame, 1);
		pages = (int64_t)frame->pages[RJ_RUN_RAW];
	}
	rj_bench_bytes(bench, pages * RAMJET_PAGE_BYTES);
	(void)munmap(region, REGION_BYTES);
	free(frame);
}

static void check_table(struct rj_bench *bench, int64_t runs)
{
	uint8_t table[RJ_TABLE_BYTES_MAX];
	struct rj_frame frame = { .type = RJ_FRAME_PAGES };

	frame.run_count = (uint32_t)runs;
	frame.payload_bytes = (uint32_t)runs * RAMJET_PAGE_BYTES;
	for (uint32_t i = 0; i < frame.run_count; i++) {
		const struct rj_wire_run run = { .page = 2 * i, .count = 1 };

		rj_run_encode(&run, table + (size_t)i * RJ_RUN_BYTES);
	}
	while (rj_bench_next(bench))
		if (rj_table_check(&frame, table, REGION_PAGES, NULL))
			abort();
	rj_bench_items(bench, runs);
}

static void digest(struct rj_bench *bench, int64_t fill)
{
	struct rj_block block = { .name = "ram0",
				  .fd = -1,
				  .bytes = REGION_BYTES,
				  .page_count = REGION_PAGES };
	struct rj_digest ignored;

	block.host = new_region((int)fill);
	while (rj_bench_next(bench))
		if (rj_digest_block(&block, &ignored, NULL))
			abort();
	rj_bench_bytes(bench, REGION_BYTES);
	(void)munmap(block.host, REGION_BYTES);
}

void rj_bench_register_all(void)
{
	register_content();
	rj_bench_register("build_frame/run_pages", build_frame, 1);
	rj_bench_register("build_frame/run_pages", build_frame, 128);
	rj_bench_register("check_table/runs", check_table, 1);
	rj_bench_register("check_table/runs", check_table, RJ_RUNS_MAX);
	rj_bench_register("digest/fill", digest, 0);
	rj_bench_register("digest/fill", digest, 7);
}
