/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target over files without libFuzzer: each argument is a folder
 * of inputs. Every input is tried whole, cut at many lengths, with single
 * bytes changed, and with changes of the target's own mutator if it has one;
 * always the same way.
 *
 *   replay_NAME [--tries N] [--mutations N] FOLDER...
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

#define INPUT_BYTES_MAX (8u << 20)

static uint8_t input[INPUT_BYTES_MAX], changed[INPUT_BYTES_MAX];
/* Per input; steps grow with its size. */
static unsigned long tries = 2000, mutations = 200;

#pragma weak LLVMFuzzerCustomMutator
#pragma weak LLVMFuzzerCustomCrossOver

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t room)
{
	static uint32_t calls;
	const uint32_t at = ++calls * 2654435761u;

	if (bytes)
		data[at % bytes] ^= (uint8_t)(1u << calls % 8);
	if (calls % 3 == 0 && bytes < room)
		data[bytes++] = (uint8_t)at;
	return calls % 5 == 0 && bytes ? bytes - 1 : bytes;
}

/* From another one, sometimes: `input` is the one before until then. */
static void try_mutations(size_t bytes)
{
	static uint8_t other[1u << 16];
	static size_t other_bytes;
	size_t n;

	for (unsigned i = 0; i < mutations; i++) {
		memcpy(changed, input, bytes);
		n = LLVMFuzzerCustomMutator(changed, bytes,
					    bytes + sizeof(other), i);
		(void)LLVMFuzzerTestOneInput(changed, n);
	}
	if (other_bytes && mutations) {
		n = LLVMFuzzerCustomCrossOver(input, bytes, other, other_bytes,
					      changed, INPUT_BYTES_MAX, 1);
		(void)LLVMFuzzerTestOneInput(changed, n);
	}
	other_bytes = bytes < sizeof(other) ? bytes : sizeof(other);
	memcpy(other, input, other_bytes);
}

static void try_input(size_t bytes)
{
	const size_t step = tries ? 1 + bytes / tries : bytes + 1;
	uint8_t kept;

	(void)LLVMFuzzerTestOneInput(input, bytes);
	for (size_t cut = tries ? 0 : bytes; cut < bytes; cut += step)
		(void)LLVMFuzzerTestOneInput(input, cut);
	for (size_t at = tries ? 0 : bytes; at < bytes; at += step) {
		kept = input[at];
		input[at] = (uint8_t)(kept ^ (1u << at % 8));
		(void)LLVMFuzzerTestOneInput(input, bytes);
		input[at] = 0xff;
		(void)LLVMFuzzerTestOneInput(input, bytes);
		input[at] = kept;
	}
	if (LLVMFuzzerCustomMutator)
		try_mutations(bytes);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && !strstr(entry->d_name, ".txt");
}

/* Returns how many inputs the folder holds; names starting with a dot and
 * texts that explain inputs are none. */
static unsigned try_folder(const char *folder)
{
	struct dirent **entries = NULL;
	const int count = scandir(folder, &entries, is_input, alphasort);
	char path[4096];
	size_t bytes;
	FILE *file;

	if (count < 0) {
		perror(folder);
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder,
			       entries[i]->d_name);
		file = fopen(path, "rbe");
		if (!file) {
			perror(path);
			exit(1);
		}
		bytes = fread(input, 1, sizeof(input), file);
		(void)fclose(file);
		try_input(bytes);
		free(entries[i]);
	}
	free(entries);
	return (unsigned)count;
}

int main(int argc, char **argv)
{
	unsigned count = 0;

	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--tries") && i + 1 < argc)
			tries = strtoul(argv[++i], NULL, 10);
		else if (!strcmp(argv[i], "--mutations") && i + 1 < argc)
			mutations = strtoul(argv[++i], NULL, 10);
		else
			count += try_folder(argv[i]);
	printf("1..1\n%s 1 - %u inputs, whole, cut and changed\n",
	       count ? "ok" : "not ok", count);
	return !count;
}
