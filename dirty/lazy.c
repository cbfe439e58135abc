/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Neither page tables nor the file tell who fills what is missing, and the
 * userfaultfd itself may be open in another process alone. The kernel notes it
 * at the mapping, as "um" among the VmFlags of /proc/self/smaps.
 */
#include "dirty/lazy.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "util/cleanup.h"

#define FLAGS_LABEL "VmFlags:"

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

const char *rj_lazy_reason(const struct ramjet_dirty_region *region)
{
	const uint64_t begin = (uintptr_t)region->host;
	const uint64_t end = begin + region->page_count * RAMJET_PAGE_BYTES;
	rj_cleanup(close_file) FILE *maps = fopen("/proc/self/smaps", "re");
	rj_autofree char *line = NULL;
	bool inside = false, told = false;
	uint64_t from, to;
	size_t room = 0;

	while (maps && getline(&line, &room, maps) > 0) {
		/* Each mapping: its line of /proc/self/maps, then labels. */
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &from, &to) == 2) {
			if (from >= end)
				break;
			inside = to > begin;
			continue;
		}
		if (!inside || strncmp(line, FLAGS_LABEL, strlen(FLAGS_LABEL)))
			continue;
		told = true;
		if (has_flag(line, "um"))
			return "userfaultfd: somebody fills what is missing "
			       "when it is read";
	}
	return told ? NULL
		    : "/proc/self/smaps does not tell whether userfaultfd "
		      "fills what is missing";
}
