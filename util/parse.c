/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/parse.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "util/error.h"

struct unit {
	const char *name;
	double factor;
};

/*
 * A decimal with an optional fraction; *ret_rest is what follows. No signs,
 * no exponents, no hexadecimal, no locale: scripts write these.
 */
static int parse_decimal(const char *text, double *ret, const char **ret_rest)
{
	double value = 0, scale = 1;
	const char *p = text;
	bool digits = false;

	for (; isdigit((unsigned char)*p); p++, digits = true)
		value = value * 10 + (*p - '0');
	if (*p == '.') {
		for (p++; isdigit((unsigned char)*p); p++, digits = true) {
			scale /= 10;
			value += (*p - '0') * scale;
		}
	}
	if (!digits)
		return -EINVAL;
	*ret = value;
	*ret_rest = p;
	return 0;
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
	for (; units->name; units++)
		if (!strcasecmp(units->name, name))
			return units;
	return NULL;
}

static int parse_with_units(const char *what, const char *text,
			    const struct unit *units, const char *wanted,
			    uint64_t *ret, struct ramjet_error *err)
{
	const struct unit *unit;
	const char *rest;
	double value;

	if (parse_decimal(text, &value, &rest) ||
	    !(unit = find_unit(units, rest)))
		return rj_fail(err, -EINVAL, "%s: '%s' is not %s", what, text,
			       wanted);
	value *= unit->factor;
	if (value >= 18446744073709549568.0)
		return rj_fail(err, -ERANGE, "%s: '%s' is too large", what,
			       text);
	*ret = (uint64_t)(value + 0.5);
	/* 0 often means none, or no limit, so it has to be said. */
	if (!*ret && value > 0)
		*ret = 1;
	return 0;
}

#define KI 1024.0
#define SIZE_UNITS                                                       \
	{ "", 1 }, { "B", 1 }, { "K", KI }, { "KB", KI }, { "KiB", KI }, \
		{ "M", KI * KI }, { "MB", KI * KI }, { "MiB", KI * KI }, \
		{ "G", KI * KI * KI }, { "GB", KI * KI * KI },           \
		{ "GiB", KI * KI * KI }, { "T", KI * KI * KI * KI },     \
		{ "TB", KI * KI * KI * KI },                             \
	{                                                                \
		"TiB", KI *KI *KI *KI                                    \
	}

int rj_parse_size(const char *what, const char *text, uint64_t *ret,
		  struct ramjet_error *err)
{
	static const struct unit units[] = { SIZE_UNITS, { NULL, 0 } };

	return parse_with_units(what, text, units,
				"a size such as 4096, 512M or 4GiB", ret, err);
}

int rj_parse_rate(const char *what, const char *text, uint64_t *ret,
		  struct ramjet_error *err)
{
	static const struct unit units[] = {
		SIZE_UNITS,          { "bit", 1 / 8.0 },  { "kbit", 1e3 / 8 },
		{ "mbit", 1e6 / 8 }, { "gbit", 1e9 / 8 }, { "tbit", 1e12 / 8 },
		{ NULL, 0 }
	};
	char plain[64];
	size_t length = strlen(text);

	if (length > 2 && length < sizeof(plain) &&
	    !strcmp(text + length - 2, "/s")) {
		memcpy(plain, text, length - 2);
		plain[length - 2] = '\0';
		if (!parse_with_units(what, plain, units, "", ret, NULL))
			return 0;
	}
	return parse_with_units(what, text, units,
				"a rate such as 200M, 1GiB/s or 10gbit", ret,
				err);
}

int rj_parse_duration_us(const char *what, const char *text, uint64_t *ret,
			 struct ramjet_error *err)
{
	static const struct unit units[] = { { "s", 1e6 },    { "ms", 1e3 },
					     { "us", 1 },     { "ns", 1e-3 },
					     { "m", 60e6 },   { "min", 60e6 },
					     { "h", 3600e6 }, { "", 0 },
					     { NULL, 0 } };
	const char *rest;
	double value;

	/* QMP means ms, HMP seconds: whoever writes none may mean either. */
	if (!parse_decimal(text, &value, &rest) && !*rest && value > 0)
		return rj_fail(err, -EINVAL,
			       "%s: '%s' has no unit, wanted %sms or %ss", what,
			       text, text, text);
	return parse_with_units(what, text, units,
				"a duration such as 300ms, 1.5s or 2m", ret,
				err);
}

int rj_parse_uint(const char *what, const char *text, uint64_t min,
		  uint64_t max, uint64_t *ret, struct ramjet_error *err)
{
	uint64_t value = 0;
	const char *p = text;
	bool overflow = false;

	for (; isdigit((unsigned char)*p); p++) {
		overflow |= __builtin_mul_overflow(value, 10u, &value);
		overflow |= __builtin_add_overflow(value, (uint64_t)(*p - '0'),
						   &value);
	}
	if (p == text || *p)
		return rj_fail(err, -EINVAL, "%s: '%s' is not a whole number",
			       what, text);
	if (overflow || value < min || value > max)
		return rj_fail(err, -ERANGE,
			       "%s: %s is out of range, wanted %llu to %llu",
			       what, text, (unsigned long long)min,
			       (unsigned long long)max);
	*ret = value;
	return 0;
}

int rj_parse_percent(const char *what, const char *text, unsigned *ret,
		     struct ramjet_error *err)
{
	static const struct unit units[] = { { "", 1 },
					     { "%", 1 },
					     { NULL, 0 } };
	uint64_t value;

	if (parse_with_units(what, text, units, "a percentage such as 30%",
			     &value, err))
		return -EINVAL;
	if (value > 100)
		return rj_fail(err, -ERANGE,
			       "%s: %s is out of range, wanted 0%% to 100%%",
			       what, text);
	*ret = (unsigned)value;
	return 0;
}
