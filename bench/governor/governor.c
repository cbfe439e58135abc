/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Does the cap hold? A guest whose pages are always dirty is sent under one
 * cap after the other, changed live; what went out is looked at every few
 * milliseconds. First without any cap: what is more than that cannot be asked
 * for. Prints one JSON object a cap on standard output, a table on standard
 * error: how far the mean over any 1 s and any 100 ms was below and above the
 * cap, from 200 ms after the change on; how long the change took; and how many
 * processors were busy.
 *
 * usage: governor [CHANNELS [SECONDS [uring|syscalls [tcp|unix|pipe [MB/S...]]]]]
 */
#include <ramjet.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/busy_guest.h"
#include "bench/governor/windows.h"
#include "bench/machine.h"

#define PIPE_BYTES    (1 << 20)
#define BLOCK_BYTES   (256ull << 20)
#define LOOK_MS       5
#define LOOK_MAX_S    0.001 /* a look that took longer has no time */
#define SETTLE_S      0.2   /* what a live change is allowed to take */
#define LONG_S        1.0
#define LONG_PERCENT  3.0
#define SHORT_S       0.1
#define SHORT_PERCENT 10.0
#define BEGIN_S       30.0

struct bench {
	struct ramjet_guest *source, *target;
	struct ramjet_migration *in, *out;
	struct ramjet_params params;
	const char *transport;
	struct series series;
};

static double wire_bytes(const struct bench *b)
{
	struct ramjet_info *info = info_of(b->out);
	const double bytes = (double)info->ram_wire_bytes;

	ramjet_info_free(info);
	return bytes;
}

static void look_for(struct bench *b, double seconds)
{
	const double end = now_s() + seconds;
	struct series *s = &b->series;

	s->count = 0;
	while (now_s() < end && s->count < SAMPLES_MAX) {
		const double before = now_s();
		const double bytes = wire_bytes(b);
		const double after = now_s();

		if (after - before < LOOK_MAX_S) {
			s->at_s[s->count] = (before + after) / 2;
			s->bytes[s->count++] = bytes;
		}
		pause_ms(LOOK_MS);
	}
}

static void print_row(const struct bench *b, double cap, double changed_s,
		      double cpus, double idle)
{
	const struct series *s = &b->series;
	const double from = changed_s + SETTLE_S;
	const struct windows second =
		windows_of(s, from, LONG_S, cap, LONG_PERCENT);
	const struct windows tenth =
		windows_of(s, from, SHORT_S, cap, SHORT_PERCENT);
	const double settled =
		settled_ms(s, changed_s, SHORT_S, cap, SHORT_PERCENT);

	printf("{\"cap_bytes_per_s\": %.0f, \"channels\": %u, "
	       "\"transport\": \"%s\", \"mean_bytes_per_s\": %.0f, "
	       "\"settled_ms\": %.0f, "
	       "\"under_1s_percent\": %.2f, \"over_1s_percent\": %.2f, "
	       "\"windows_1s\": %u, \"outside_1s\": %u, "
	       "\"under_100ms_percent\": %.2f, \"over_100ms_percent\": %.2f, "
	       "\"windows_100ms\": %u, \"outside_100ms\": %u, "
	       "\"own_cpus\": %.2f, \"idle_percent\": %.0f}\n",
	       cap, b->params.channels, b->transport, mean_rate(s), settled,
	       second.under, second.over, second.count, second.outside,
	       tenth.under, tenth.over, tenth.count, tenth.outside, cpus, idle);
	(void)fflush(stdout);
	fprintf(stderr,
		"%8.0f %8.1f %7.0f  %+6.2f %+6.2f %4u/%-4u  %+6.2f %+6.2f "
		"%4u/%-4u %5.2f %4.0f\n",
		cap / 1e6, mean_rate(s) / 1e6, settled, second.under,
		second.over, second.outside, second.count, tenth.under,
		tenth.over, tenth.outside, tenth.count, cpus, idle);
}

static void print_head(const struct bench *b)
{
	fprintf(stderr,
		"%u channels, %s; MB/s, ms, percent of the cap "
		"(worst below, worst above, windows outside/all)\n"
		"     cap     mean settled        any 1 s, 3 %%            "
		"any 100 ms, 10 %%      cpus idle\n",
		b->params.channels, b->transport);
}

static void measure(struct bench *b, double cap, double seconds)
{
	struct machine before, after;
	struct ramjet_error err;
	double changed_s;

	b->params.bandwidth_bytes_per_s = (uint64_t)cap;
	changed_s = now_s();
	check(ramjet_set_params(b->out, &b->params, &err), &err);
	before = machine_now();
	look_for(b, SETTLE_S + seconds);
	after = machine_now();
	print_row(b, cap, changed_s, own_cpus(&before, &after),
		  idle_percent(&before, &after));
}

/* What there is to be capped. */
static void measure_uncapped(struct bench *b, double seconds)
{
	const struct machine before = machine_now();
	struct machine after;
	double cpus, idle;

	look_for(b, seconds);
	after = machine_now();
	cpus = own_cpus(&before, &after);
	idle = idle_percent(&before, &after);
	printf("{\"cap_bytes_per_s\": 0, \"channels\": %u, "
	       "\"transport\": \"%s\", \"mean_bytes_per_s\": %.0f, "
	       "\"own_cpus\": %.2f, \"idle_percent\": %.0f}\n",
	       b->params.channels, b->transport, mean_rate(&b->series), cpus,
	       idle);
	(void)fflush(stdout);
	fprintf(stderr, "    none %8.1f %69.2f %4.0f\n",
		mean_rate(&b->series) / 1e6, cpus, idle);
}

static void begin_pipe(struct bench *b)
{
	struct ramjet_error err;
	char uri[32];
	int fds[2];

	if (pipe(fds))
		give_up("no pipe");
	/* as that of exec: */
	(void)fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES);
	(void)snprintf(uri, sizeof(uri), "fd:%d", fds[0]);
	check(ramjet_incoming(b->target, uri, NULL, &b->in, &err), &err);
	(void)snprintf(uri, sizeof(uri), "fd:%d", fds[1]);
	check(ramjet_migrate(b->source, uri, &b->params, &b->out, &err), &err);
}

static void begin(struct bench *b)
{
	struct ramjet_error err;
	char uri[64] = "tcp:127.0.0.1:0";

	if (!strcmp(b->transport, "pipe")) {
		begin_pipe(b);
		return;
	}
	if (!strcmp(b->transport, "unix"))
		(void)snprintf(uri, sizeof(uri), "unix:/tmp/bench-governor.%d",
			       (int)getpid());
	check(ramjet_incoming(b->target, uri, NULL, &b->in, &err), &err);
	check(ramjet_migrate(b->source, ramjet_listen_uri(b->in), &b->params,
			     &b->out, &err),
	      &err);
}

/* Connecting, and the target's first touch of its memory, are not measured. */
static void await_second_round(struct bench *b)
{
	const double deadline = now_s() + BEGIN_S;

	while (wire_bytes(b) < 1.25 * (double)BLOCK_BYTES) {
		if (now_s() > deadline)
			give_up("nothing moves");
		pause_ms(LOOK_MS);
	}
}

static void end(struct bench *b)
{
	(void)ramjet_cancel(b->out);
	(void)ramjet_wait(b->out, -1, NULL);
	ramjet_migration_free(b->out);
	ramjet_migration_free(b->in);
	ramjet_guest_free(b->source);
	ramjet_guest_free(b->target);
	free(b);
}

static struct bench *parse(int argc, char **argv)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b)
		give_up("no memory");
	b->params = (struct ramjet_params){ RAMJET_PARAMS_INIT, .hold = true };
	b->params.downtime_limit_us = 1; /* never: it is to go on */
	b->params.channels =
		argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 2;
	if (argc > 3 && !strcmp(argv[3], "syscalls"))
		b->params.backend = RAMJET_BACKEND_SYSCALLS;
	b->transport = argc > 4 ? argv[4] : "tcp";
	if (!strcmp(b->transport, "pipe"))
		b->params.channels = 1;
	return b;
}

int main(int argc, char **argv)
{
	static const struct busy_guest busy = { BLOCK_BYTES, 1, 0 };
	static const struct busy_guest idle = { BLOCK_BYTES, 0, 0 };
	/* down and up, by little and by much */
	static const double caps[] = { 50e6, 2e9, 100e6, 1e9, 200e6, 500e6 };
	const double seconds = argc > 2 ? strtod(argv[2], NULL) : 4;
	struct bench *b = parse(argc, argv);

	b->source = busy_guest_new(&busy);
	b->target = busy_guest_new(&idle);
	begin(b);
	await_second_round(b);
	print_head(b);
	measure_uncapped(b, seconds);
	for (int i = 5; i < argc; i++)
		measure(b, strtod(argv[i], NULL) * 1e6, seconds);
	for (unsigned i = 0; argc < 6 && i < sizeof(caps) / sizeof(caps[0]);
	     i++)
		measure(b, caps[i], seconds);
	end(b);
	return 0;
}
