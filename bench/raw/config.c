/* SPDX-License-Identifier: BSD-3-Clause */
#include "bench/raw/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IOV_MAX_PAGES 1024u

const char *const raw_memory_names[RAW_MEMORY_KINDS] = { "4k", "thp", "memfd" };
const char *const raw_send_names[RAW_SEND_KINDS] = { "plain", "zc",
						     "registered" };
const char *const raw_target_names[RAW_TARGET_KINDS] = { "prealloc",
							 "untouched" };
const char *const raw_transport_names[RAW_TRANSPORTS] = { "tcp", "unix" };

static const char usage[] =
	"usage: raw [options]\n"
	"\n"
	"How fast this machine moves memory between two processes without an\n"
	"engine: the yardstick of ramjet's own figures. Options take lists\n"
	"(1,2,4); every combination is a run, every run a line of JSON.\n"
	"\n"
	"  --bytes 1G            size of the image\n"
	"  --channels 2          connections, a thread at either end of each\n"
	"  --payload 1M          bytes a send\n"
	"  --stride 1            2: every second page only, gathered\n"
	"  --memory 4k           4k, thp or memfd: of the source\n"
	"  --file PATH           source memory from a file, e.g. in a tmpfs\n"
	"                        mounted huge=always\n"
	"  --target-memory 4k    as --memory\n"
	"  --target prealloc     prealloc or untouched\n"
	"  --send plain          plain, zc or registered\n"
	"  --transport tcp       tcp (loopback) or unix\n"
	"  --repeat 1            runs of each combination\n";

static void refuse(const char *option, const char *text)
{
	(void)fprintf(stderr, "raw: --%s: '%s' is not understood\n\n%s", option,
		      text, usage);
	exit(2);
}

static size_t parse_number(const char *option, const char *text)
{
	unsigned long long value;
	unsigned shift = 0;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end == 'K')
		shift = 10;
	else if (*end == 'M')
		shift = 20;
	else if (*end == 'G')
		shift = 30;
	if (end == text || errno || end[shift > 0] ||
	    value > (SIZE_MAX >> 1) >> shift || !value)
		refuse(option, text);
	return (size_t)value << shift;
}

static size_t parse_name(const char *option, const char *text,
			 const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(text, names[i]))
			return i;
	refuse(option, text);
	return 0;
}

/* Numbers, or of `names` if there are any. */
static void parse_list(const char *option, char *text, const char *const *names,
		       size_t count, struct raw_values *ret)
{
	char *rest = text, *item;

	ret->count = 0;
	while ((item = strsep(&rest, ","))) {
		if (ret->count == RAW_VALUES_MAX)
			refuse(option, item);
		ret->value[ret->count++] =
			names ? parse_name(option, item, names, count)
			      : parse_number(option, item);
	}
}

static const struct option long_options[] = {
	{ "bytes", required_argument, NULL, 'b' },
	{ "channels", required_argument, NULL, 'c' },
	{ "payload", required_argument, NULL, 'p' },
	{ "stride", required_argument, NULL, 's' },
	{ "memory", required_argument, NULL, 'm' },
	{ "file", required_argument, NULL, 'f' },
	{ "target-memory", required_argument, NULL, 'M' },
	{ "target", required_argument, NULL, 't' },
	{ "send", required_argument, NULL, 'z' },
	{ "transport", required_argument, NULL, 'x' },
	{ "repeat", required_argument, NULL, 'r' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static void parse_option(int option, const char *name, char *text,
			 struct raw_grid *grid)
{
	switch (option) {
	case 'b':
		grid->bytes = parse_number(name, text);
		return;
	case 'c':
		parse_list(name, text, NULL, 0, &grid->channels);
		return;
	case 'p':
		parse_list(name, text, NULL, 0, &grid->payload);
		return;
	case 's':
		parse_list(name, text, NULL, 0, &grid->stride);
		return;
	case 'm':
		parse_list(name, text, raw_memory_names, RAW_MEMORY_KINDS,
			   &grid->memory);
		return;
	case 'f':
		grid->file = text;
		return;
	case 'M':
		parse_list(name, text, raw_memory_names, RAW_MEMORY_KINDS,
			   &grid->target_memory);
		return;
	case 't':
		parse_list(name, text, raw_target_names, RAW_TARGET_KINDS,
			   &grid->target);
		return;
	case 'z':
		parse_list(name, text, raw_send_names, RAW_SEND_KINDS,
			   &grid->send);
		return;
	case 'x':
		parse_list(name, text, raw_transport_names, RAW_TRANSPORTS,
			   &grid->transport);
		return;
	case 'r':
		grid->repeat = parse_number(name, text);
		return;
	case 'h':
		(void)fputs(usage, stdout);
		exit(0);
	default:
		(void)fputs(usage, stderr);
		exit(2);
	}
}

void raw_grid_parse(int argc, char **argv, struct raw_grid *ret)
{
	const struct raw_values first = { .count = 1 };
	int option, index = 0;

	*ret = (struct raw_grid){
		.payload = { { 1 << 20 }, 1 },
		.stride = { { 1 }, 1 },
		.channels = { { 2 }, 1 },
		.memory = first,
		.target_memory = first,
		.send = first,
		.target = first,
		.transport = first,
		.bytes = (size_t)1 << 30,
		.repeat = 1,
	};
	while ((option = getopt_long(argc, argv, "", long_options, &index)) !=
	       -1)
		parse_option(option,
			     option == '?' ? "" : long_options[index].name,
			     optarg, ret);
	if (optind < argc)
		refuse("help", argv[optind]);
}

const char *raw_config_refusal(const struct raw_config *config)
{
	size_t slice = config->bytes / config->channels;

	if (config->channels > RAW_CHANNELS_MAX)
		return "too many channels";
	if (config->payload % RAW_PAGE_BYTES || !config->payload)
		return "the payload is not a number of pages";
	if (config->bytes % config->channels ||
	    slice % (config->payload * config->stride))
		return "channels and payload do not divide the image";
	if (config->stride > 1 &&
	    config->payload / RAW_PAGE_BYTES > IOV_MAX_PAGES)
		return "more than 1024 pieces a send";
	if (config->stride > 1 && config->send == RAW_REGISTERED)
		return "a registered send is one contiguous piece";
	if (config->transport != RAW_TCP && config->send != RAW_PLAIN)
		return "zero copy needs TCP";
	return NULL;
}
