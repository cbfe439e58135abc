/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/options/cpu_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cpu_set.h"
#include "util/error.h"

static int refuse(const char *what, const char *text, struct ramjet_error *err)
{
	return rj_fail(err, -EINVAL,
		       "%s: '%.100s' is not a list of CPUs, wanted numbers and "
		       "ranges such as 0-3,8",
		       what, text);
}

/* Digits only: strtoul() would take signs and blanks. The number, or -1. */
static long number(const char **text)
{
	long value = 0;

	if (**text < '0' || **text > '9')
		return -1;
	for (; **text >= '0' && **text <= '9'; ++*text)
		if (value < RJ_CPUS_MAX)
			value = value * 10 + (**text - '0');
	return value;
}

static int add_range(const char *what, const char *text, const char **at,
		     struct rj_cpus *cpus, struct ramjet_error *err)
{
	const long first = number(at);
	long last = first;

	if (first >= 0 && **at == '-') {
		++*at;
		last = number(at);
	}
	if (first < 0 || last < first || (**at && **at != ','))
		return refuse(what, text, err);
	if (last >= (long)RJ_CPUS_MAX)
		return rj_fail(err, -ERANGE,
			       "%s: '%.100s' names a CPU that no machine has, "
			       "wanted 0 to %u",
			       what, text, RJ_CPUS_MAX - 1);
	for (long cpu = first; cpu <= last; cpu++)
		rj_cpus_add(cpus, (unsigned)cpu);
	return 0;
}

int rj_cli_cpu_list(const char *what, const char *text,
		    struct ramjet_params *params, struct ramjet_error *err)
{
	static uint32_t numbers[RJ_CPUS_MAX];
	struct rj_cpus cpus = { 0 };
	const char *at = text;
	size_t count = 0;
	int rc = add_range(what, text, &at, &cpus, err);

	while (!rc && *at++)
		rc = add_range(what, text, &at, &cpus, err);
	if (rc)
		return rc;
	for (uint32_t cpu = 0; cpu < RJ_CPUS_MAX; cpu++)
		if (rj_cpus_has(&cpus, cpu))
			numbers[count++] = cpu;
	params->cpus = numbers;
	params->cpu_count = count;
	return 0;
}
