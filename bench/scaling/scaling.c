/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One move of a guest of any size: what of it takes how long. Prints one JSON
 * object. run.py makes a table of many.
 *
 * usage: scaling [--memory private|thp|memfd] [--bytes N] [--used N]
 *                [--zero PERCENT] [--write BYTES_PER_S|max] [--set BYTES]
 *                [--target populated|untouched|other] [--channels N]
 *                [--cpus N] [--limit MS] [--hold MS] [--verify]
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/busy_guest.h"
#include "bench/scaling/ends.h"

#define CPUS_MAX 64u
#define PIECE    (UINT64_C(2) << 20)

static uint64_t number(const char *text)
{
	char *end = NULL;
	const uint64_t value = strtoull(text, &end, 0);

	if (end == text || *end)
		give_up("a plain number was wanted");
	return value;
}

static enum target_memory target_of(const char *word)
{
	if (!strcmp(word, "other"))
		return TARGET_OTHER;
	return strcmp(word, "untouched") ? TARGET_POPULATED : TARGET_UNTOUCHED;
}

/* The source's threads run on the first `count` CPUs. */
static void limit_cpus(struct ends *ends, uint64_t count)
{
	static uint32_t cpus[CPUS_MAX];

	if (!count || count > CPUS_MAX)
		give_up("--cpus: 1 to 64 were wanted");
	for (uint32_t i = 0; i < count; i++)
		cpus[i] = i;
	ends->params.cpus = cpus;
	ends->params.cpu_count = count;
}

static void set(struct ends *ends, int option, const char *value)
{
	switch (option) {
	case 'm':
		ends->memory.kind = memory_kind_of(value);
		break;
	case 'b':
		ends->memory.bytes = number(value);
		break;
	case 'u':
		ends->memory.used = number(value);
		break;
	case 'z':
		ends->memory.zero = (unsigned)number(value);
		break;
	case 'w':
		ends->writer.bytes_per_s =
			strcmp(value, "max") ? number(value) : UINT64_MAX;
		break;
	case 's':
		ends->writer.set_pages = number(value) / RAMJET_PAGE_BYTES;
		break;
	case 't':
		ends->target = target_of(value);
		break;
	case 'c':
		ends->params.channels = (uint32_t)number(value);
		break;
	case 'p':
		limit_cpus(ends, number(value));
		break;
	case 'l':
		ends->params.downtime_limit_us = number(value) * 1000;
		break;
	case 'h':
		ends->params.hold = true;
		ends->hold_ms = (unsigned)number(value);
		break;
	case 'v':
		ends->params.verify = true;
		break;
	default:
		give_up("unknown option; the file's head lists them");
	}
}

static void parse(int argc, char **argv, struct ends *ends)
{
	static const struct option options[] = {
		{ "memory", required_argument, NULL, 'm' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "used", required_argument, NULL, 'u' },
		{ "zero", required_argument, NULL, 'z' },
		{ "write", required_argument, NULL, 'w' },
		{ "set", required_argument, NULL, 's' },
		{ "target", required_argument, NULL, 't' },
		{ "channels", required_argument, NULL, 'c' },
		{ "cpus", required_argument, NULL, 'p' },
		{ "limit", required_argument, NULL, 'l' },
		{ "hold", required_argument, NULL, 'h' },
		{ "verify", no_argument, NULL, 'v' },
		{ 0 },
	};
	struct memory *memory = &ends->memory;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		set(ends, option, optarg);
	if (!memory->used)
		memory->used = memory->bytes;
	if (memory->kind == MEMORY_KINDS_ || !memory->used ||
	    memory->used > memory->bytes || memory->used % PIECE ||
	    memory->bytes % PIECE)
		give_up("--memory, --bytes, --used: a known kind, and pieces of "
			"2 MiB, were wanted");
	if (!ends->writer.set_pages ||
	    ends->writer.set_pages > memory_used_pages(memory))
		ends->writer.set_pages = memory_used_pages(memory);
}

static double ms(uint64_t us)
{
	return (double)us / 1000;
}

static void print(const struct ramjet_info *info, const struct seen *seen)
{
	(void)printf("{\"first_ms\": %.3f, \"setup_ms\": %.3f, "
		     "\"total_ms\": %.3f, \"downtime_ms\": %.3f, "
		     "\"verified\": %s, \"rounds\": %llu, "
		     "\"normal_pages\": %llu, \"own_mib\": %.1f, "
		     "\"writes_per_s\": {\"before\": %.0f, "
		     "\"first_round\": %.0f, \"later\": %.0f}, \"terms\": ",
		     seen->first_ms, ms(info->setup_us), ms(info->total_us),
		     ms(info->downtime_us), info->verified ? "true" : "false",
		     (unsigned long long)info->rounds_total,
		     (unsigned long long)info->ram_normal_pages, seen->own_mib,
		     seen->before, seen->first_round, seen->later);
	(void)fflush(stdout);
	print_terms(STDOUT_FILENO, info);
}

/* What the target's process wrote before it ended. */
static void print_targets(int report)
{
	char text[1024];
	ssize_t n;

	(void)printf(", ");
	while ((n = read(report, text, sizeof(text))) > 0)
		(void)fwrite(text, 1, (size_t)n, stdout);
	(void)printf("}\n");
}

int main(int argc, char **argv)
{
	struct ends ends = {
		.memory = { .bytes = UINT64_C(1) << 30, .fd = -1 },
		.writer = { .memory = &ends.memory },
		.params = { RAMJET_PARAMS_INIT },
	};
	struct ramjet_info *info;
	struct seen seen;
	int report[2];
	char *uri;

	ends.params.channels = 2;
	parse(argc, argv, &ends);
	if (pipe(report))
		give_up("no pipe");
	uri = target_start(&ends, report[1]);
	memory_map(&ends.memory);
	memory_fill(&ends.memory, true);
	info = source_run(&ends, uri, &seen);
	print(info, &seen);
	print_targets(report[0]);
	ramjet_info_free(info);
	free(uri);
	return 0;
}
