/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The raw loop: the same sockets, memory and sizes as a migration, and no
 * engine. What it reaches is what ramjet is measured against.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "bench/raw/config.h"
#include "bench/raw/memory.h"
#include "bench/raw/run.h"

static void print_config(const struct raw_config *config, const char *file)
{
	struct utsname machine;

	(void)uname(&machine);
	(void)printf("{\"benchmark\": \"raw\", \"kernel\": \"%s\", "
		     "\"cpus\": %ld, \"transport\": \"%s\", "
		     "\"channels\": %zu, \"bytes\": %zu, \"payload\": %zu, "
		     "\"stride\": %zu, \"memory\": \"%s\", "
		     "\"target_memory\": \"%s\", \"target\": \"%s\", "
		     "\"send\": \"%s\", ",
		     machine.release, sysconf(_SC_NPROCESSORS_ONLN),
		     raw_transport_names[config->transport], config->channels,
		     config->bytes, config->payload, config->stride,
		     file ? "file" : raw_memory_names[config->memory],
		     raw_memory_names[config->target_memory],
		     raw_target_names[config->target],
		     raw_send_names[config->send]);
}

static void print_result(const struct raw_config *config,
			 const struct raw_result *result)
{
	double gib = (double)(config->bytes / config->stride) /
		     (double)((size_t)1 << 30);
	char error[64];

	if (result->rc) {
		(void)printf("\"error\": \"%s\"}\n",
			     strerror_r(-result->rc, error, sizeof(error)));
		return;
	}
	(void)printf("\"seconds\": %.4f, \"gib_per_s\": %.3f, "
		     "\"cpu_s_per_gib\": %.4f, \"source_cpu_s\": %.4f, "
		     "\"target_cpu_s\": %.4f, \"prepare_s\": %.4f, "
		     "\"notifications\": %zu, \"copied\": %zu, "
		     "\"identical\": %s}\n",
		     result->seconds, gib / result->seconds,
		     (result->source_cpu + result->target_cpu) / gib,
		     result->source_cpu, result->target_cpu,
		     result->prepare_seconds, result->notifications,
		     result->copied, result->identical ? "true" : "false");
}

/* False when what arrived is not what was sent. */
static bool run_once(const struct raw_config *config, const char *file,
		     void *memory)
{
	const char *refusal = raw_config_refusal(config);
	struct raw_result result;

	print_config(config, file);
	if (refusal) {
		(void)printf("\"skipped\": \"%s\"}\n", refusal);
		return true;
	}
	(void)fflush(stdout); /* or the child has it too */
	result = raw_run(config, memory);
	print_result(config, &result);
	return result.rc || result.identical;
}

/* The n-th combination: the first list varies fastest. */
static struct raw_config pick(const struct raw_grid *grid, size_t n)
{
	struct raw_config config = { .bytes = grid->bytes };
	const struct {
		const struct raw_values *values;
		size_t *field;
	} axes[] = {
		{ &grid->send, &config.send },
		{ &grid->channels, &config.channels },
		{ &grid->payload, &config.payload },
		{ &grid->stride, &config.stride },
		{ &grid->target, &config.target },
		{ &grid->target_memory, &config.target_memory },
		{ &grid->transport, &config.transport },
	};

	for (size_t i = 0; i < sizeof(axes) / sizeof(axes[0]); i++) {
		*axes[i].field =
			axes[i].values->value[n % axes[i].values->count];
		n /= axes[i].values->count;
	}
	return config;
}

static bool run_memory(const struct raw_grid *grid, size_t kind)
{
	size_t count = grid->send.count * grid->channels.count *
		       grid->payload.count * grid->stride.count *
		       grid->target.count * grid->target_memory.count *
		       grid->transport.count;
	void *memory =
		grid->file ? raw_memory_from_file(grid->file, grid->bytes)
			   : raw_memory_new((enum raw_memory)kind, grid->bytes);
	bool good = true;

	raw_memory_fill(memory, grid->bytes);
	for (size_t n = 0; n < count; n++) {
		struct raw_config config = pick(grid, n);

		config.memory = kind;
		for (size_t i = 0; i < grid->repeat; i++)
			good = run_once(&config, grid->file, memory) && good;
	}
	raw_memory_free(memory, grid->bytes);
	return good;
}

int main(int argc, char **argv)
{
	struct raw_grid grid;
	bool good = true;

	raw_grid_parse(argc, argv, &grid);
	for (size_t i = 0; i < grid.memory.count; i++)
		good = run_memory(&grid, grid.memory.value[i]) && good;
	return good ? 0 : 1;
}
