/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * KVM's dirty log of a sparse guest in slots of 1 TiB: how it begins, what it
 * costs to arm memory, and a collect by one and two threads at several shares
 * of dirty pages; beside it the copying alone, which KVM does for one slot at
 * a time. One JSON object a line; times are the least and the median of
 * several. Nothing runs in the VM but what populates 1 GiB.
 *
 *	bench-kvm-log [--gib N] [--slots N] [--quick]
 *
 * Each TiB may take 2 GiB of the kernel's memory (KVM's, where it has page
 * tables of its own). Exits with 77 where there is no such VM.
 */
#include <inttypes.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bench/micro/writing_vm.h"
#include "dirty/populated.h"
#include "dirty/source.h"
#include "ramjet-kvm.h"
#include "util/clock.h"

#define GIB_PAGES   (UINT64_C(1) << 18)
#define PART_PAGES  (GIB_PAGES / 4)
#define REPEATS     15u
#define THREADS_MAX 2u
#define SLOTS_MAX   16u
#define SKIPPED     77
/* Where the slots' bits are set, so that copies are of the same bits: whole
 * words of a chunk a turn. */
#define CLEAR_WORDS 4096u

struct plan {
	uint64_t slot_pages;
	unsigned slot_count;
	unsigned repeats;
};

struct bench {
	struct writing_vm vm;
	struct ramjet_kvm_slot slots[SLOTS_MAX];
	unsigned slot_count;
	struct ramjet_dirty_region region;
	struct ramjet_dirty_source *source;
	struct rj_dirty_set set;
	struct rj_bitmap map;
	uint64_t *copy; /* of one slot's log */
	struct ramjet_error err;
};

static void check(const struct bench *b, const char *what, int rc)
{
	if (!rc)
		return;
	fprintf(stderr, "%s: %s\n", what, b->err.message);
	exit(1);
}

static void *map_bytes(uint64_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (map == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return map;
}

/* ---- times ------------------------------------------------------------- */

struct times {
	uint64_t ns[REPEATS];
	unsigned count;
};

static void add(struct times *t, uint64_t begin_ns)
{
	t->ns[t->count++] = rj_now_ns() - begin_ns;
}

static int by_value(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static double median_ms(struct times *t)
{
	qsort(t->ns, t->count, sizeof(t->ns[0]), by_value);
	return (double)t->ns[t->count / 2] / 1e6;
}

static double least_ms(struct times *t)
{
	(void)median_ms(t);
	return (double)t->ns[0] / 1e6;
}

/* ---- the guest --------------------------------------------------------- */

static bool make(struct bench *b, const struct plan *plan)
{
	const uint64_t bytes = plan->slot_pages * RAMJET_PAGE_BYTES;
	const uint64_t begin_ns = rj_now_ns();

	if (!writing_vm_make(&b->vm))
		return false;
	b->region = (struct ramjet_dirty_region){
		.size = sizeof(b->region),
		.name = "ram0",
		.host = map_bytes(bytes * plan->slot_count),
		.page_count = plan->slot_pages * plan->slot_count,
		.page_bytes = RAMJET_PAGE_BYTES,
		.fd = -1,
	};
	(void)madvise(b->region.host, bytes * plan->slot_count,
		      MADV_NOHUGEPAGE);
	for (; b->slot_count < plan->slot_count; b->slot_count++) {
		const uint64_t offset = b->slot_count * bytes;

		b->slots[b->slot_count] = (struct ramjet_kvm_slot){
			RAMJET_KVM_SLOT_INIT,
			.slot = b->slot_count + 1,
			.guest_phys_addr = WRITING_VM_BASE + offset,
			.bytes = bytes,
			.block = "ram0",
			.block_offset = offset,
		};
		if (writing_vm_set_slot(&b->vm, b->slot_count + 1,
					WRITING_VM_BASE + offset,
					b->region.host + offset, bytes)) {
			perror("# skipped: KVM_SET_USER_MEMORY_REGION");
			return false;
		}
	}
	printf("{\"bench\": \"kvm_log slots\", \"slots\": %u, \"slot_gib\": "
	       "%" PRIu64 ", \"create_ms\": %.1f}\n",
	       plan->slot_count, plan->slot_pages / GIB_PAGES,
	       (double)(rj_now_ns() - begin_ns) / 1e6);
	return true;
}

static void make_source(struct bench *b)
{
	struct ramjet_dirty_kvm_log log = {
		RAMJET_DIRTY_KVM_LOG_INIT,
		.vm_fd = b->vm.vm_fd,
		.slots = b->slots,
		.slot_count = b->slot_count,
	};

	check(b, "source", ramjet_dirty_kvm_log_new(&log, &b->source, &b->err));
	if (!b->source->ops.arm) {
		printf("# skipped: KVM cannot call all pages dirty\n");
		exit(SKIPPED);
	}
	check(b, "bitmap",
	      rj_bitmap_init(&b->map, b->region.page_count, &b->err));
	/* Page faults are not what is measured. */
	(void)rj_bitmap_set_run(&b->map, 0, b->region.page_count);
	b->copy = map_bytes(b->slots[0].bytes / RAMJET_PAGE_BYTES / 8);
}

static void start(struct bench *b)
{
	check(b, "start",
	      rj_dirty_set_start(&b->set, &b->source, 1, &b->region, 1,
				 &b->err));
}

static void arm(struct bench *b, uint64_t first_page, uint64_t page_count)
{
	check(b, "arm",
	      rj_dirty_set_arm(&b->set, 0, first_page, page_count, &b->err));
}

static void empty_map(struct bench *b)
{
	const uint64_t end = b->map.chunk_count;
	uint64_t words[RJ_CHUNK_WORDS] = { 0 };

	for (uint64_t chunk = 0;
	     (chunk = rj_bitmap_next_chunk(&b->map, chunk, end)) < end; chunk++)
		(void)rj_bitmap_claim_chunk(&b->map, chunk, words);
}

/* ---- the beginning ----------------------------------------------------- */

static double arm_gib(struct bench *b, uint64_t first_page, uint64_t gib)
{
	const uint64_t begin_ns = rj_now_ns();

	for (uint64_t page = 0; page < gib * GIB_PAGES; page += PART_PAGES)
		arm(b, first_page + page, PART_PAGES);
	return (double)(rj_now_ns() - begin_ns) / 1e6 / (double)gib;
}

/* Chunk by chunk, as workers do. */
static double rearm_gib(struct bench *b)
{
	uint64_t begin_ns, words[RJ_CHUNK_WORDS];

	memset(words, 0xff, sizeof(words));
	begin_ns = rj_now_ns();
	for (uint64_t page = 0; page < GIB_PAGES; page += RJ_CHUNK_PAGES)
		check(b, "rearm",
		      rj_dirty_set_rearm(&b->set, 0, page, words,
					 RJ_CHUNK_WORDS, &b->err));
	return (double)(rj_now_ns() - begin_ns) / 1e6;
}

static double look_gib(struct bench *b)
{
	struct ramjet_dirty_region part = b->region;
	enum rj_populated_method method;
	const char *reason;
	struct rj_bitmap map;
	uint64_t begin_ns;

	part.page_count = GIB_PAGES;
	check(b, "bitmap", rj_bitmap_init(&map, GIB_PAGES, &b->err));
	(void)rj_bitmap_set_run(&map, 0, GIB_PAGES);
	begin_ns = rj_now_ns();
	check(b, "look",
	      rj_populated_scan(&part, &map, &method, &reason, &b->err));
	begin_ns = rj_now_ns() - begin_ns;
	rj_bitmap_done(&map);
	return (double)begin_ns / 1e6;
}

/* The first GiB is populated, by the vCPU, the rest is not. */
static void bench_beginning(struct bench *b, const struct plan *plan)
{
	const uint64_t absent = plan->slot_pages / GIB_PAGES - 1;
	struct times starts = { .count = 0 }, firsts = { .count = 0 };
	double populated, none, rearm_clean, rearm_dirty;
	uint64_t begin_ns;

	if (!writing_vm_write(&b->vm, WRITING_VM_BASE, GIB_PAGES))
		exit(1);
	for (unsigned i = 0; i < 5; i++) {
		begin_ns = rj_now_ns();
		start(b);
		add(&starts, begin_ns);
		begin_ns = rj_now_ns();
		arm(b, 0, RJ_CHUNK_PAGES);
		add(&firsts, begin_ns);
		rj_dirty_set_stop(&b->set);
	}
	if (!writing_vm_write(&b->vm, WRITING_VM_BASE, GIB_PAGES))
		exit(1);
	start(b);
	arm(b, plan->slot_pages - RJ_CHUNK_PAGES, RJ_CHUNK_PAGES);
	populated = arm_gib(b, 0, 1);
	none = arm_gib(b, GIB_PAGES, absent > 64 ? 64 : absent);
	rearm_clean = rearm_gib(b);
	begin_ns = rj_now_ns();
	if (!writing_vm_write(&b->vm, WRITING_VM_BASE, GIB_PAGES))
		exit(1);
	begin_ns = rj_now_ns() - begin_ns;
	rearm_dirty = rearm_gib(b);
	printf("{\"bench\": \"kvm_log begin\", \"start_ms\": %.3f, "
	       "\"first_arm_of_a_slot_ms\": %.3f, \"again_ms\": %.3f, "
	       "\"arm_populated_ms_a_gib\": %.3f, "
	       "\"arm_absent_ms_a_gib\": %.3f, "
	       "\"rearm_clean_ms_a_gib\": %.3f, "
	       "\"rearm_dirty_ms_a_gib\": %.3f, \"look_ms_a_gib\": %.3f, "
	       "\"first_write_ns\": %.0f}\n",
	       median_ms(&starts), (double)firsts.ns[0] / 1e6,
	       median_ms(&firsts), populated, none, rearm_clean, rearm_dirty,
	       look_gib(b), (double)begin_ns / (double)GIB_PAGES);
	rj_dirty_set_stop(&b->set);
	(void)fflush(stdout);
}

/* ---- a collect --------------------------------------------------------- */

struct share {
	const char *pattern;
	unsigned every; /* of so many pages one, or chunks; 0: none */
	bool chunks;
};

/* Which bits of a word are to stay set. */
static uint64_t bits_of(const struct share *share, uint64_t word)
{
	uint64_t bits = 0;

	if (!share->every)
		return 0;
	if (share->chunks)
		return word / RJ_CHUNK_WORDS % share->every ? 0 : UINT64_MAX;
	for (unsigned i = 0; i < 64; i++)
		if ((word * 64 + i) % share->every == 0)
			bits |= UINT64_C(1) << i;
	return bits;
}

/* KVM calls all pages dirty at first: leave so many. */
static uint64_t leave_dirty(struct bench *b, unsigned slot,
			    const struct share *share)
{
	const uint64_t pages = b->slots[slot].bytes / RAMJET_PAGE_BYTES;
	uint64_t words[CLEAR_WORDS];
	uint64_t left = 0;

	for (uint64_t page = 0; page < pages; page += CLEAR_WORDS * 64) {
		struct kvm_clear_dirty_log log = {
			.slot = b->slots[slot].slot,
			.first_page = page,
			.num_pages = CLEAR_WORDS * 64,
			.dirty_bitmap = words,
		};

		for (unsigned i = 0; i < CLEAR_WORDS; i++) {
			const uint64_t bits = bits_of(share, page / 64 + i);

			left += (unsigned)__builtin_popcountll(bits);
			words[i] = ~bits;
		}
		if (ioctl(b->vm.vm_fd, KVM_CLEAR_DIRTY_LOG, &log)) {
			perror("KVM_CLEAR_DIRTY_LOG");
			exit(1);
		}
	}
	return left;
}

/* KVM's part, as if there were nothing else to do. */
static void copy_all(struct bench *b, struct times *times)
{
	const uint64_t begin_ns = rj_now_ns();

	for (unsigned i = 0; i < b->slot_count; i++) {
		struct kvm_dirty_log log = {
			.slot = b->slots[i].slot,
			.dirty_bitmap = b->copy,
		};

		if (ioctl(b->vm.vm_fd, KVM_GET_DIRTY_LOG, &log)) {
			perror("KVM_GET_DIRTY_LOG");
			exit(1);
		}
	}
	add(times, begin_ns);
}

static void collect(struct bench *b, struct rj_crew *crew, uint64_t bits,
		    struct times *times)
{
	const struct rj_dirty_walk walk = { .last = true, .crew = crew };
	struct rj_bitmap *bitmaps[] = { &b->map };
	const uint64_t begin_ns = rj_now_ns();
	uint64_t marked = 0;

	check(b, "collect",
	      rj_dirty_set_collect(&b->set, &walk, bitmaps, &marked, &b->err));
	add(times, begin_ns);
	if (marked != bits) {
		fprintf(stderr, "%" PRIu64 " pages, %" PRIu64 " expected\n",
			marked, bits);
		exit(1);
	}
	empty_map(b);
}

/* Least times by one thread. */
struct result {
	double copy_ms;
	double collect_ms;
	uint64_t bits;
};

static struct result bench_share(struct bench *b, const struct share *share,
				 const struct plan *plan)
{
	struct result result = { 0 };
	uint64_t bits = 0;

	start(b);
	for (unsigned i = 0; i < b->slot_count; i++) {
		arm(b, i * plan->slot_pages, RJ_CHUNK_PAGES);
		bits += leave_dirty(b, i, share);
		/* The first chunk is armed; the rest is as if it were. */
		for (uint64_t page = 0; page < RJ_CHUNK_PAGES; page += 64)
			bits -= (unsigned)__builtin_popcountll(
				bits_of(share, page / 64));
	}
	for (unsigned threads = 1; threads <= THREADS_MAX; threads++) {
		struct times copies = { .count = 0 }, all = { .count = 0 };
		struct times first = { .count = 0 };
		struct rj_crew crew;

		check(b, "crew",
		      rj_crew_start(&crew, "rj/bench", threads, &b->err));
		empty_map(b);
		collect(b, &crew, bits, &first);
		for (unsigned i = 0; i < plan->repeats; i++) {
			copy_all(b, &copies);
			collect(b, &crew, bits, &all);
		}
		rj_crew_stop(&crew);
		printf("{\"bench\": \"kvm_log collect\", \"pattern\": \"%s\", "
		       "\"tib\": %.3f, \"bits\": %" PRIu64
		       ", \"threads\": %u, \"copy_ms\": %.3f, "
		       "\"copy_least_ms\": %.3f, \"collect_ms\": %.3f, "
		       "\"collect_least_ms\": %.3f, \"first_ms\": %.3f}\n",
		       share->pattern,
		       (double)b->region.page_count / (1024 * GIB_PAGES), bits,
		       threads, median_ms(&copies), least_ms(&copies),
		       median_ms(&all), least_ms(&all), median_ms(&first));
		(void)fflush(stdout);
		if (threads == 1)
			result = (struct result){ least_ms(&copies),
						  least_ms(&all), bits };
	}
	rj_dirty_set_stop(&b->set);
	return result;
}

static double ns_a_bit(const struct result *none, const struct result *some)
{
	return (some->collect_ms - none->collect_ms) * 1e6 / (double)some->bits;
}

/* By one thread: what grows with memory, and what with dirty pages. */
static void print_slopes(const struct bench *b, const struct result results[5])
{
	const double tib = (double)b->region.page_count / (1024 * GIB_PAGES);
	const struct result *none = &results[0];

	printf("{\"bench\": \"kvm_log slopes\", \"copy_ms_a_tib\": %.3f, "
	       "\"merge_ms_a_tib\": %.3f, "
	       "\"merge_ns_a_bit_0.1_percent\": %.2f, "
	       "\"merge_ns_a_bit_1_percent\": %.2f, "
	       "\"merge_ns_a_bit_in_chunks\": %.2f}\n",
	       none->copy_ms / tib, (none->collect_ms - none->copy_ms) / tib,
	       ns_a_bit(none, &results[1]), ns_a_bit(none, &results[2]),
	       ns_a_bit(none, &results[4]));
}

static void bench_all(const struct plan *plan)
{
	static const struct share shares[] = {
		{ "none", 0, false },
		{ "0.1 % of pages", 1000, false },
		{ "1 % of pages", 100, false },
		{ "0.1 % in chunks", 1000, true },
		{ "1 % in chunks", 100, true },
	};
	struct result results[RJ_ARRAY_SIZE(shares)];
	static struct bench b;

	if (!make(&b, plan))
		exit(SKIPPED);
	make_source(&b);
	if (plan->slot_pages > GIB_PAGES)
		bench_beginning(&b, plan);
	for (unsigned i = 0; i < RJ_ARRAY_SIZE(shares); i++)
		results[i] = bench_share(&b, &shares[i], plan);
	print_slopes(&b, results);
	ramjet_dirty_free(b.source);
	rj_bitmap_done(&b.map);
}

int main(int argc, char **argv)
{
	struct plan plan = {
		.slot_pages = 1024 * GIB_PAGES,
		.slot_count = 1,
		.repeats = REPEATS,
	};

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			plan.repeats = 1;
		} else if (!strcmp(argv[i], "--gib") && i + 1 < argc) {
			plan.slot_pages =
				strtoull(argv[++i], NULL, 10) * GIB_PAGES;
		} else if (!strcmp(argv[i], "--slots") && i + 1 < argc) {
			plan.slot_count =
				(unsigned)strtoul(argv[++i], NULL, 10);
		} else {
			fprintf(stderr,
				"usage: %s [--gib N] [--slots N] [--quick]\n",
				argv[0]);
			return 2;
		}
	}
	if (!plan.slot_pages || !plan.slot_count ||
	    plan.slot_count > SLOTS_MAX) {
		fprintf(stderr, "%s: 1 GiB and 1 slot or more, at most %u\n",
			argv[0], SLOTS_MAX);
		return 2;
	}
	bench_all(&plan);
	return 0;
}
