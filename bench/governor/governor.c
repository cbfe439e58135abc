/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the cap hold? A guest whose pages are always dirty is sent over
 * loopback TCP under one cap after the other, changed live; what went out is
 * looked at every few milliseconds. Prints one JSON object a cap: the worst
 * mean over any 1 s and any 100 ms, and how long a live change took.
 *
 * usage: governor [CHANNELS [SECONDS [uring|syscalls]]]
 */
#include <ramjet.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define BLOCK_BYTES  (256ull << 20)
#define LOOK_MS      5
#define SAMPLES_MAX  8192
#define SETTLE_MS    200 /* what a live change is allowed to take */
#define WITHIN_SHARE 0.10

struct bench {
	struct ramjet_migration *out;
	struct ramjet_params params;
	double at_s[SAMPLES_MAX];
	double bytes[SAMPLES_MAX];
	unsigned count;
};

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

static int all_dirty(void *user, struct ramjet_dirty_sink *sink,
		     struct ramjet_error *err)
{
	ramjet_dirty_mark(sink, 0, 0, BLOCK_BYTES / RAMJET_PAGE_BYTES);
	return nothing(user, err);
}

static void stop_dirt(void *user)
{
	(void)user;
}

static void check(int rc, const struct ramjet_error *err)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "governor: %s\n", err->message);
	exit(1);
}

static double now_s(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static struct ramjet_guest *new_guest(int fill)
{
	const struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT,
					      .stop = nothing,
					      .start = nothing };
	struct ramjet_block block = { RAMJET_BLOCK_INIT, .name = "ram0",
				      .bytes = BLOCK_BYTES };
	struct ramjet_guest *guest = NULL;
	struct ramjet_error err;

	block.host = mmap(NULL, BLOCK_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (block.host == MAP_FAILED)
		exit(1);
	memset(block.host, fill, BLOCK_BYTES);
	check(ramjet_guest_new(&ops, NULL, &guest, &err), &err);
	check(ramjet_guest_add_block(guest, &block, &err), &err);
	return guest;
}

static void look_for(struct bench *b, double seconds)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000 };
	const double end = now_s() + seconds;

	b->count = 0;
	while (now_s() < end && b->count < SAMPLES_MAX) {
		struct ramjet_info *info = NULL;

		if (ramjet_info(b->out, &info))
			exit(1);
		b->at_s[b->count] = now_s();
		b->bytes[b->count++] = (double)info->ram.wire_bytes;
		ramjet_info_free(info);
		(void)nanosleep(&pause, NULL);
	}
}

/* The mean over [from, from + width) furthest from the cap, as a share. */
static double worst_mean(const struct bench *b, double from_s, double width_s,
			 double cap)
{
	double worst = 0;

	for (unsigned i = 0, j = 0; i < b->count; i++) {
		double share;

		if (b->at_s[i] - b->at_s[0] < from_s)
			continue;
		while (j < b->count && b->at_s[j] - b->at_s[i] < width_s)
			j++;
		if (j == b->count)
			break;
		share = (b->bytes[j] - b->bytes[i]) /
				(b->at_s[j] - b->at_s[i]) / cap -
			1;
		if (share * share > worst * worst)
			worst = share;
	}
	return worst;
}

/* When the last 50 ms came within 10 % of the new cap for the first time. */
static double settled_ms(const struct bench *b, double cap)
{
	for (unsigned i = 0, j = 0; j < b->count; j++) {
		double rate;

		while (b->at_s[j] - b->at_s[i] > 0.05)
			i++;
		if (b->at_s[j] - b->at_s[0] < 0.05)
			continue;
		rate = (b->bytes[j] - b->bytes[i]) / (b->at_s[j] - b->at_s[i]);
		if (rate < cap * (1 + WITHIN_SHARE) &&
		    rate > cap * (1 - WITHIN_SHARE))
			return (b->at_s[j] - b->at_s[0]) * 1e3;
	}
	return -1;
}

static void measure(struct bench *b, double cap, double seconds)
{
	struct ramjet_error err;

	b->params.bandwidth_bytes_per_s = (uint64_t)cap;
	check(ramjet_set_params(b->out, &b->params, &err), &err);
	look_for(b, seconds);
	printf("{\"cap_bytes_per_s\": %.0f, \"channels\": %u, "
	       "\"settled_ms\": %.0f, \"worst_1s_percent\": %.2f, "
	       "\"worst_100ms_percent\": %.2f}\n",
	       cap, b->params.channels, settled_ms(b, cap),
	       100 * worst_mean(b, SETTLE_MS / 1e3, 1.0, cap),
	       100 * worst_mean(b, SETTLE_MS / 1e3, 0.1, cap));
	(void)fflush(stdout);
}

static struct ramjet_migration *begin(struct bench *b,
				      struct ramjet_guest *source,
				      struct ramjet_guest *target)
{
	struct ramjet_migration *in = NULL;
	struct ramjet_error err;

	check(ramjet_incoming(target, "tcp:127.0.0.1:0", NULL, &in, &err),
	      &err);
	check(ramjet_migrate(source, ramjet_listen_uri(in), &b->params, &b->out,
			     &err),
	      &err);
	return in;
}

int main(int argc, char **argv)
{
	static const double caps[] = { 50e6, 2e9, 100e6, 1e9, 200e6, 500e6 };
	const struct ramjet_dirty_ops ops = {
		RAMJET_DIRTY_OPS_INIT, .name = "all", .start = start_dirt,
		.collect = all_dirty, .stop = stop_dirt
	};
	const double seconds = argc > 2 ? strtod(argv[2], NULL) : 4;
	struct ramjet_guest *source = new_guest(1), *target = new_guest(0);
	struct bench *b = calloc(1, sizeof(*b));
	struct ramjet_dirty_source *dirt = NULL;
	struct ramjet_migration *in;
	struct ramjet_error err;

	if (!b)
		return 1;
	b->params = (struct ramjet_params){ RAMJET_PARAMS_INIT, .hold = true };
	b->params.channels =
		argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2;
	b->params.bandwidth_bytes_per_s = (uint64_t)caps[0];
	b->params.downtime_limit_us = 1;
	if (argc > 3 && !strcmp(argv[3], "syscalls"))
		b->params.backend = RAMJET_BACKEND_SYSCALLS;
	check(ramjet_dirty_new(&ops, NULL, &dirt, &err), &err);
	check(ramjet_guest_add_dirty_source(source, dirt, &err), &err);
	in = begin(b, source, target);
	for (unsigned i = 0; i < sizeof(caps) / sizeof(caps[0]); i++)
		measure(b, caps[i], seconds);
	(void)ramjet_cancel(b->out);
	(void)ramjet_wait(b->out, -1, NULL);
	ramjet_migration_free(b->out);
	ramjet_migration_free(in);
	ramjet_guest_free(source);
	ramjet_guest_free(target);
	free(b);
	return 0;
}
