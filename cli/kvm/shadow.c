/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/kvm/shadow.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

#include "util/cleanup.h"
#include "util/error.h"

#define PAGE_COST 8u

/* A module parameter that is set: "Y", or "1" in old kernels. */
static bool parameter_is_on(const char *path)
{
	FILE *file = fopen(path, "re");
	int first = 0;

	if (file) {
		first = fgetc(file);
		(void)fclose(file);
	}
	return first == 'Y' || first == '1';
}

static bool has_nested_paging(void)
{
	return parameter_is_on("/sys/module/kvm/parameters/tdp_mmu") &&
	       (parameter_is_on("/sys/module/kvm_intel/parameters/ept") ||
		parameter_is_on("/sys/module/kvm_amd/parameters/npt"));
}

/* UINT64_MAX when the kernel does not say. */
static uint64_t available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "MemAvailable: %llu kB", &kib) == 1;
	if (file)
		(void)fclose(file);
	return found ? (uint64_t)kib << 10 : UINT64_MAX;
}

int rj_kvm_shadow_fits(uint64_t bytes, struct ramjet_error *err)
{
	uint64_t cost = bytes / RAMJET_PAGE_BYTES * PAGE_COST;
	uint64_t available = available_bytes();

	if (cost <= available / 2 || has_nested_paging())
		return 0;
	return rj_fail(err, -ENOMEM,
		       "kvm: without EPT or NPT the kernel needs %llu MiB for "
		       "%llu MiB of guest memory, half of the %llu MiB "
		       "available is the limit",
		       (unsigned long long)(cost >> 20),
		       (unsigned long long)(bytes >> 20),
		       (unsigned long long)(available >> 20));
}
