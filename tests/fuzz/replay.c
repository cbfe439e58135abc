/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over files without libFuzzer: each argument is a folder
 * of inputs. Every input is tried whole, cut at many lengths, and with single
 * bytes changed, always the same way.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_BYTES_MAX (8u << 20)
/* Per input; steps grow with its size. */
#define TRIES 2000u

static uint8_t input[INPUT_BYTES_MAX];

static void try_input(size_t bytes)
{
	const size_t step = 1 + bytes / TRIES;
	uint8_t kept;

	(void)LLVMFuzzerTestOneInput(input, bytes);
	for (size_t cut = 0; cut < bytes; cut += step)
		(void)LLVMFuzzerTestOneInput(input, cut);
	for (size_t at = 0; at < bytes; at += step) {
		kept = input[at];
		input[at] = (uint8_t)(kept ^ (1u << at % 8));
		(void)LLVMFuzzerTestOneInput(input, bytes);
		input[at] = 0xff;
		(void)LLVMFuzzerTestOneInput(input, bytes);
		input[at] = kept;
	}
}

/* Returns how many inputs the folder holds; names starting with a dot and
 * texts that explain inputs are none. */
static unsigned try_folder(const char *folder)
{
	unsigned count = 0;
	struct dirent *entry;
	char path[4096];
	size_t bytes;
	FILE *file;
	DIR *dir = opendir(folder);

	if (!dir) {
		perror(folder);
		exit(1);
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.' || strstr(entry->d_name, ".txt"))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder,
			       entry->d_name);
		file = fopen(path, "rbe");
		if (!file) {
			perror(path);
			exit(1);
		}
		bytes = fread(input, 1, sizeof(input), file);
		(void)fclose(file);
		try_input(bytes);
		count++;
	}
	(void)closedir(dir);
	return count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		count += try_folder(argv[i]);
	printf("1..1\n%s 1 - %u inputs, whole, cut and changed\n",
	       count ? "ok" : "not ok", count);
	return !count;
}
