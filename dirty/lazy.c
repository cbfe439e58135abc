/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Page tables and files do not tell whether missing pages are filled by a
 * userfaultfd, which may be open in another process only. The kernel shows it
 * at the mapping, as "um" among the VmFlags of /proc/self/smaps. Where no
 * userfaultfd has the memory at all, as nearly always, these need not be read.
 */
#include "dirty/lazy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dirty/uffd_owner.h"
#include "util/cleanup.h"

#define FLAGS_LABEL  "VmFlags:"
#define BUFFER_BYTES ((size_t)64 << 10)

static void close_file(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

/* Is `flag`, two letters, among those of a VmFlags line? */
static bool has_flag(const char *line, const char *flag)
{
	for (const char *at = line + strlen(FLAGS_LABEL);
	     (at = strstr(at, flag)) != NULL; at++)
		if (at[-1] == ' ' && (at[2] == ' ' || at[2] == '\n'))
			return true;
	return false;
}

static const char not_told[] =
	"/proc/self/smaps does not tell whether userfaultfd fills what is "
	"missing";
static const char filled[] =
	"userfaultfd: missing pages are filled when they are read";

/* The mapping [from, to) has these flags. */
static void note_flags(const struct ramjet_dirty_region *regions,
		       unsigned count, const uint64_t at[2], const char *flags,
		       const char **reasons)
{
	const bool is_lazy = has_flag(flags, "um");

	for (unsigned i = 0; i < count; i++) {
		const uint64_t begin = (uintptr_t)regions[i].host;
		const uint64_t bytes =
			regions[i].page_count * RAMJET_PAGE_BYTES;

		if (!begin || at[0] >= begin + bytes || at[1] <= begin)
			continue;
		if (is_lazy)
			reasons[i] = filled;
		else if (reasons[i] == not_told)
			reasons[i] = NULL;
	}
}

static uint64_t end_of_all(const struct ramjet_dirty_region *regions,
			   unsigned count)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < count; i++) {
		const uint64_t end = (uintptr_t)regions[i].host +
				     regions[i].page_count * RAMJET_PAGE_BYTES;

		if (regions[i].host && end > last)
			last = end;
	}
	return last;
}

/* Not one page of them is registered with a userfaultfd. */
static bool none_is_registered(const struct ramjet_dirty_region *regions,
			       unsigned count)
{
	rj_cleanup(rj_uffd_owner_close) struct rj_uffd_owner owner =
		RJ_UFFD_OWNER_NONE;
	bool none = rj_uffd_owner_open(&owner);

	for (unsigned i = 0; none && i < count; i++) {
		const uint64_t from = (uintptr_t)regions[i].host;

		none = !from ||
		       rj_uffd_owner_is_none(&owner, from,
					     from + regions[i].page_count *
							     RAMJET_PAGE_BYTES);
	}
	return none;
}

static void read_smaps(const struct ramjet_dirty_region *regions,
		       unsigned count, const char **ret_reasons)
{
	/* The kernel hands out a page at a time, stdio would ask for less. */
	rj_autofree char *buffer = malloc(BUFFER_BYTES);
	rj_cleanup(close_file) FILE *maps = fopen("/proc/self/smaps", "re");
	const uint64_t last = end_of_all(regions, count);
	rj_autofree char *line = NULL;
	uint64_t at[2] = { 0, 0 }, from, to;
	size_t room = 0;

	if (maps && buffer)
		(void)setvbuf(maps, buffer, _IOFBF, BUFFER_BYTES);
	while (maps && at[0] < last && getline(&line, &room, maps) > 0) {
		/* Each mapping: its line of /proc/self/maps, then labels. */
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2) {
			at[0] = from;
			at[1] = to;
		} else if (!strncmp(line, FLAGS_LABEL, strlen(FLAGS_LABEL))) {
			note_flags(regions, count, at, line, ret_reasons);
		}
	}
}

void rj_lazy_look(const struct ramjet_dirty_region *regions, unsigned count,
		  const char **ret_reasons)
{
	const bool none = none_is_registered(regions, count);

	for (unsigned i = 0; i < count; i++)
		ret_reasons[i] = none || !regions[i].host ? NULL : not_told;
	if (!none)
		read_smaps(regions, count, ret_reasons);
}
