/* SPDX-License-Identifier: BSD-3-Clause */
#include "dbus/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "dbus/id.h"
#include "util/error.h"
#include "util/options.h"

/* A D-Bus array cannot be longer. */
#define STATE_BYTES_LIMIT (64u << 20)
/* The blob's size stays within what one state record carries. */
#define TOTAL_BYTES_LIMIT (1u << 30)
#define HELPERS_LIMIT     1024u
#define TIMEOUT_MS_LIMIT  3600000u

/* The struct's end in its first version. */
#define LEAST (offsetof(struct ramjet_helper_options, rehearse) + sizeof(bool))

static int check_range(const char *what, uint64_t value, uint64_t max,
		       struct ramjet_error *err)
{
	if (value <= max)
		return 0;
	return rj_fail(err, -ERANGE,
		       "helper options: %s is %" PRIu64
		       ", wanted at most %" PRIu64,
		       what, value, max);
}

static int check_ranges(const struct ramjet_helper_options *options,
			struct ramjet_error *err)
{
	const struct {
		const char *what;
		uint64_t value, max;
	} ranges[] = {
		{ "state_bytes_max", options->state_bytes_max,
		  STATE_BYTES_LIMIT },
		{ "total_bytes_max", options->total_bytes_max,
		  TOTAL_BYTES_LIMIT },
		{ "helpers_max", options->helpers_max, HELPERS_LIMIT },
		{ "start_timeout_ms", options->start_timeout_ms,
		  TIMEOUT_MS_LIMIT },
		{ "gather_timeout_ms", options->gather_timeout_ms,
		  TIMEOUT_MS_LIMIT },
		{ "helper_timeout_ms", options->helper_timeout_ms,
		  TIMEOUT_MS_LIMIT },
	};
	int rc = 0;

	for (size_t i = 0; i < RJ_ARRAY_SIZE(ranges) && rc >= 0; i++)
		rc = check_range(ranges[i].what, ranges[i].value, ranges[i].max,
				 err);
	if (rc >= 0 && (options->helper_uid < -1 ||
			options->helper_uid >= (int64_t)UINT32_MAX))
		rc = rj_fail(err, -ERANGE,
			     "helper options: helper_uid is %" PRId64
			     ", wanted a uid, or -1 for any",
			     options->helper_uid);
	return rc;
}

/* Without a limit, what is possible is one. */
static void set_limits(struct ramjet_helper_options *options)
{
	if (!options->state_bytes_max)
		options->state_bytes_max = STATE_BYTES_LIMIT;
	if (!options->total_bytes_max)
		options->total_bytes_max = TOTAL_BYTES_LIMIT;
	if (!options->helpers_max)
		options->helpers_max = HELPERS_LIMIT;
}

static bool is_unix_address(const char *address, size_t bytes)
{
	static const char prefix[] = "unix:";

	return bytes > sizeof(prefix) - 1 &&
	       !memcmp(address, prefix, sizeof(prefix) - 1) &&
	       memchr(address, '=', bytes);
}

int rj_helpers_check_address(const char *address, struct ramjet_error *err)
{
	const char *at = address;

	if (!address || !*address)
		return rj_fail(err, -EINVAL, "helpers: no bus address given");
	while (at) {
		if (!is_unix_address(at, strcspn(at, ";")))
			return rj_fail(err, -EINVAL,
				       "helpers: bus address '%s': wanted "
				       "unix:path=... or unix:abstract=...",
				       address);
		at = strchr(at, ';');
		if (at)
			at++;
	}
	return 0;
}

/* Checked before a bus is waited for. */
static int check_list(const char *text, struct ramjet_error *err)
{
	struct rj_id_list list;
	int rc = rj_id_list_parse(text, &list, err);

	if (rc >= 0)
		rj_id_list_done(&list);
	return rc;
}

int rj_helpers_check_options(const struct ramjet_helper_options *options,
			     struct ramjet_helper_options *ret,
			     struct ramjet_error *err)
{
	struct ramjet_helper_options known = { RAMJET_HELPER_OPTIONS_INIT };
	int rc = rj_options_copy("helper options", &known, sizeof(known), LEAST,
				 options, err);

	if (rc < 0)
		return rc;
	if (!known.bus_address || !known.bus_address[0])
		return rj_fail(err, -EINVAL,
			       "helper options: no bus_address given");
	rc = rj_helpers_check_address(known.bus_address, err);
	if (rc >= 0)
		rc = check_list(known.id_list, err);
	if (rc >= 0)
		rc = check_ranges(&known, err);
	set_limits(&known);
	if (rc >= 0)
		*ret = known;
	return rc;
}
