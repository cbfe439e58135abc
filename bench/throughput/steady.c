/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the engine moves once it runs: a guest in populated memory, every N-th
 * page of which is always dirty, is sent round after round to a guest in the
 * same process. Prints one JSON object, shaped like bench/raw's.
 *
 * usage: steady [--bytes N] [--stride N] [--channels N] [--seconds S]
 *               [--backend uring|syscalls] [--zero-copy auto|on|off]
 *               [--memory 4k|thp]
 */
#include <ramjet.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#define STEP     UINT64_C(0x9e3779b97f4a7c15)
#define WARM_UP  2.0 /* times the dirty memory */
#define BEGIN_S  60.0
#define PAUSE_NS 2000000

struct bench {
	uint64_t bytes, stride;
	double seconds;
	int advice;
	struct ramjet_params params;
	struct ramjet_guest *source, *target;
	struct ramjet_migration *in, *out;
};

static void give_up(const char *message)
{
	(void)fprintf(stderr, "steady: %s\n", message);
	exit(1);
}

static void check(int rc, const struct ramjet_error *err)
{
	if (rc < 0)
		give_up(err->message);
}

/* ---- the two guests ---- */

static int nothing(void *user, struct ramjet_error *err)
{
	(void)user;
	(void)err;
	return 0;
}

static int start_dirt(void *user, const struct ramjet_dirty_region *regions,
		      unsigned count, struct ramjet_error *err)
{
	(void)regions;
	(void)count;
	return nothing(user, err);
}

static int mark_strides(void *user, struct ramjet_dirty_sink *sink,
			struct ramjet_error *err)
{
	const struct bench *b = user;
	const uint64_t pages = b->bytes / RAMJET_PAGE_BYTES;

	for (uint64_t page = 0; b->stride > 1 && page < pages;
	     page += b->stride)
		ramjet_dirty_mark(sink, 0, page, 1);
	if (b->stride == 1)
		ramjet_dirty_mark(sink, 0, 0, pages);
	return nothing(user, err);
}

static void stop_dirt(void *user)
{
	(void)user;
}

static void fill(uint64_t *words, uint64_t bytes)
{
	uint64_t value = 1;

	for (uint64_t i = 0; i < bytes / sizeof(*words); i++) {
		value += STEP;
		words[i] = value ^ (value >> 29) * STEP;
	}
}

static struct ramjet_guest *new_guest(const struct bench *b)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = nothing,
					      .start = nothing };
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
				      .bytes = b->bytes,
				      .flags = RAMJET_BLOCK_PINNABLE };
	struct ramjet_guest *guest = NULL;
	struct ramjet_error err;

	block.host = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block.host == MAP_FAILED ||
	    madvise(block.host, b->bytes, b->advice))
		give_up("no memory");
	fill(block.host, b->bytes);
	check(ramjet_guest_new(&ops, NULL, &guest, &err), &err);
	check(ramjet_guest_add_block(guest, &block, &err), &err);
	return guest;
}

static void add_dirt(struct bench *b)
{
	const struct ramjet_dirty_ops ops = {
		RAMJET_DIRTY_OPS_INIT, .name = "strides", .start = start_dirt,
		.collect = mark_strides, .stop = stop_dirt
	};
	struct ramjet_dirty_source *dirt = NULL;
	struct ramjet_error err;

	check(ramjet_dirty_new(&ops, b, &dirt, &err), &err);
	check(ramjet_guest_add_dirty_source(b->source, dirt, &err), &err);
}

/* ---- looking ---- */

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_s(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static double gib_sent(const struct bench *b)
{
	struct ramjet_info *info = NULL;
	double gib;

	if (ramjet_info(b->out, &info))
		give_up("no statistics");
	if (ramjet_state_is_final(info->state))
		give_up(info->error.message);
	gib = (double)(info->ram.normal_pages * RAMJET_PAGE_BYTES) /
	      (double)(1u << 30);
	ramjet_info_free(info);
	return gib;
}

static void pause_for(long ns)
{
	const struct timespec pause = { .tv_nsec = ns };

	(void)nanosleep(&pause, NULL);
}

/* The first round sends everything; then comes what is to be measured. */
static void warm_up(const struct bench *b)
{
	const double all = (double)b->bytes / (double)(1u << 30);
	const double enough = all + WARM_UP * all / (double)b->stride;
	const double deadline = now_s() + BEGIN_S;

	while (gib_sent(b) < enough) {
		if (now_s() > deadline)
			give_up("nothing moves");
		pause_for(PAUSE_NS);
	}
}

static void print_paths(const struct bench *b)
{
	struct ramjet_info *info = NULL;

	if (ramjet_info(b->out, &info))
		give_up("no statistics");
	for (size_t i = 0; i < info->fast_path_count; i++)
		(void)printf("%s{\"name\": \"%s\", \"chosen\": \"%s\", "
			     "\"reason\": \"%s\"}",
			     i ? ", " : "", info->fast_paths[i].name,
			     info->fast_paths[i].chosen,
			     info->fast_paths[i].reason);
	ramjet_info_free(info);
}

static void measure(const struct bench *b)
{
	const double from = gib_sent(b), start = now_s(), cpu = cpu_s();
	double gib, seconds, spent;

	while (now_s() - start < b->seconds)
		pause_for(PAUSE_NS);
	gib = gib_sent(b) - from;
	seconds = now_s() - start;
	spent = cpu_s() - cpu;
	if (gib <= 0)
		give_up("nothing moves");
	(void)printf("{\"seconds\": %.3f, \"gib\": %.3f, \"gib_per_s\": %.3f, "
		     "\"cpu_s_per_gib\": %.3f, \"fast_paths\": [",
		     seconds, gib, gib / seconds, spent / gib);
	print_paths(b);
	(void)printf("]}\n");
}

/* ---- from here to there ---- */

static void begin(struct bench *b)
{
	struct ramjet_error err;

	b->params.downtime_limit_us = 1; /* never: it is to go on */
	b->params.hold = true;
	check(ramjet_incoming(b->target, "tcp:127.0.0.1:0", NULL, &b->in, &err),
	      &err);
	check(ramjet_migrate(b->source, ramjet_listen_uri(b->in), &b->params,
			     &b->out, &err),
	      &err);
}

static void end(struct bench *b)
{
	(void)ramjet_cancel(b->out);
	(void)ramjet_wait(b->out, -1, NULL);
	ramjet_migration_free(b->out);
	ramjet_migration_free(b->in);
	ramjet_guest_free(b->source);
	ramjet_guest_free(b->target);
}

static uint32_t zero_copy_of(const char *word)
{
	return !strcmp(word, "on")    ? RAMJET_ZERO_COPY_ON
	       : !strcmp(word, "off") ? RAMJET_ZERO_COPY_OFF
				      : RAMJET_ZERO_COPY_AUTO;
}

static void set(struct bench *b, int option, const char *value)
{
	switch (option) {
	case 'b':
		b->bytes = strtoull(value, NULL, 0);
		break;
	case 'e':
		b->stride = strtoull(value, NULL, 0);
		break;
	case 'c':
		b->params.channels = (uint32_t)strtoul(value, NULL, 0);
		break;
	case 's':
		b->seconds = strtod(value, NULL);
		break;
	case 'k':
		b->params.backend = strcmp(value, "syscalls")
					    ? RAMJET_BACKEND_URING
					    : RAMJET_BACKEND_SYSCALLS;
		break;
	case 'z':
		b->params.zero_copy = zero_copy_of(value);
		break;
	case 'm':
		b->advice =
			strcmp(value, "thp") ? MADV_NOHUGEPAGE : MADV_HUGEPAGE;
		break;
	default:
		give_up("unknown option; the file's head lists them");
	}
}

static void parse(int argc, char **argv, struct bench *b)
{
	static const struct option options[] = {
		{ "bytes", required_argument, NULL, 'b' },
		{ "stride", required_argument, NULL, 'e' },
		{ "channels", required_argument, NULL, 'c' },
		{ "seconds", required_argument, NULL, 's' },
		{ "backend", required_argument, NULL, 'k' },
		{ "zero-copy", required_argument, NULL, 'z' },
		{ "memory", required_argument, NULL, 'm' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		set(b, option, optarg);
	if (!b->stride || b->bytes < RAMJET_PAGE_BYTES * b->stride ||
	    b->bytes % RAMJET_PAGE_BYTES)
		give_up("--bytes: whole pages wanted, and --stride of them");
}

int main(int argc, char **argv)
{
	struct bench b = {
		.bytes = UINT64_C(1) << 30,
		.stride = 1,
		.seconds = 3,
		.advice = MADV_NOHUGEPAGE,
		.params = { RAMJET_PARAMS_INIT },
	};

	b.params.channels = 2;
	parse(argc, argv, &b);
	b.source = new_guest(&b);
	b.target = new_guest(&b);
	add_dirt(&b);
	begin(&b);
	warm_up(&b);
	measure(&b);
	end(&b);
	return 0;
}
