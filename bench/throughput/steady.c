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

#include "bench/busy_guest.h"
#include "bench/machine.h"

#define WARM_UP  2.0 /* times the dirty memory */
#define BEGIN_S  60.0
#define PAUSE_MS 2

struct bench {
	struct busy_guest busy;
	double seconds;
	struct ramjet_params params;
	struct ramjet_guest *source, *target;
	struct ramjet_migration *in, *out;
};

static double gib_sent(const struct bench *b)
{
	struct ramjet_info *info = info_of(b->out);
	const double gib =
		(double)(info->ram_normal_pages * RAMJET_PAGE_BYTES) /
		(double)(1u << 30);

	ramjet_info_free(info);
	return gib;
}

/* The first round sends everything; then comes what is to be measured. */
static void warm_up(const struct bench *b)
{
	const double all = (double)b->busy.bytes / (double)(1u << 30);
	const double enough = all + WARM_UP * all / (double)b->busy.stride;
	const double deadline = now_s() + BEGIN_S;

	while (gib_sent(b) < enough) {
		if (now_s() > deadline)
			give_up("nothing moves");
		pause_ms(PAUSE_MS);
	}
}

static void print_paths(const struct bench *b)
{
	struct ramjet_info *info = info_of(b->out);

	for (size_t i = 0; i < info->fast_path_count; i++)
		(void)printf("%s{\"name\": \"%s\", \"chosen\": \"%s\", "
			     "\"reason\": \"%s\"}",
			     i ? ", " : "",
			     RAMJET_AT(info->fast_paths, i)->name,
			     RAMJET_AT(info->fast_paths, i)->chosen,
			     RAMJET_AT(info->fast_paths, i)->reason);
	ramjet_info_free(info);
}

static void measure(const struct bench *b)
{
	const double from = gib_sent(b);
	const struct machine before = machine_now();
	struct machine after;
	double gib, seconds, spent;

	while (now_s() - before.at_s < b->seconds)
		pause_ms(PAUSE_MS);
	gib = gib_sent(b) - from;
	after = machine_now();
	seconds = after.at_s - before.at_s;
	spent = after.own_cpu_s - before.own_cpu_s;
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
		b->busy.bytes = strtoull(value, NULL, 0);
		break;
	case 'e':
		b->busy.stride = strtoull(value, NULL, 0);
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
		b->busy.advice =
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
	if (!b->busy.stride ||
	    b->busy.bytes < RAMJET_PAGE_BYTES * b->busy.stride ||
	    b->busy.bytes % RAMJET_PAGE_BYTES)
		give_up("--bytes: whole pages wanted, and --stride of them");
}

int main(int argc, char **argv)
{
	struct bench b = {
		.busy = { UINT64_C(1) << 30, 1, MADV_NOHUGEPAGE },
		.seconds = 3,
		.params = { RAMJET_PARAMS_INIT },
	};
	struct busy_guest idle;

	b.params.channels = 2;
	parse(argc, argv, &b);
	idle = b.busy;
	idle.stride = 0;
	b.source = busy_guest_new(&b.busy);
	b.target = busy_guest_new(&idle);
	begin(&b);
	warm_up(&b);
	measure(&b);
	end(&b);
	return 0;
}
