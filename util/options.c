/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/options.h"

#include <errno.h>
#include <string.h>

#include "util/error.h"

int rj_options_copy(const char *what, void *to, size_t known, size_t least,
		    const void *from, struct ramjet_error *err)
{
	const unsigned char *bytes = from;
	size_t size;

	if (!from)
		return rj_fail(err, -EINVAL, "%s: is NULL", what);
	memcpy(&size, from, sizeof(size));
	if (size < least)
		return rj_fail(err, -EINVAL,
			       "%s: size is %zu, at least %zu wanted "
			       "(use the _INIT macro)",
			       what, size, least);
	for (size_t i = known; i < size; i++)
		if (bytes[i])
			return rj_fail(err, -E2BIG,
				       "%s: byte %zu is set, this library "
				       "knows %zu bytes",
				       what, i, known);
	memcpy(to, from, size < known ? size : known);
	memcpy(to, &known, sizeof(known));
	return 0;
}

void rj_options_init(void *options, size_t size, const void *defaults,
		     size_t known)
{
	if (size < sizeof(size))
		return;
	memset(options, 0, size);
	memcpy(options, defaults, size < known ? size : known);
	memcpy(options, &size, sizeof(size));
}
