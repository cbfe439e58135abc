/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/utf8.h"

static void append(struct ramjet_error *err, const char *text)
{
	size_t used = strlen(err->message);

	(void)snprintf(err->message + used, sizeof(err->message) - used, "%s",
		       text);
	rj_utf8_trim(err->message);
}

RJ_PRINTF(2, 0)
static void put(struct ramjet_error *err, const char *format, va_list args)
{
	(void)vsnprintf(err->message, sizeof(err->message), format, args);
	/* What was too long has been cut at a byte. */
	rj_utf8_trim(err->message);
}

int rj_fail(struct ramjet_error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err || err->code)
		return code;
	err->code = code;
	va_start(args, format);
	put(err, format, args);
	va_end(args);
	return code;
}

static void append_errno(struct ramjet_error *err, int code)
{
	char buffer[128];

	append(err, ": ");
	append(err, strerror_r(-code, buffer, sizeof(buffer)));
}

int rj_fail_errno(struct ramjet_error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err || err->code)
		return code;
	err->code = code;
	va_start(args, format);
	put(err, format, args);
	va_end(args);
	append_errno(err, code);
	return code;
}

const char *rj_wanted(int code, const char *otherwise)
{
	switch (-code) {
	case EMFILE:
		return "a free descriptor of this process (ulimit -n)";
	case ENFILE:
		return "a free descriptor of this machine (fs.file-max)";
	case ENOMEM:
	case ENOBUFS:
		return "free memory";
	case EACCES:
	case EPERM:
		return "permission";
	case EAFNOSUPPORT:
	case ESOCKTNOSUPPORT:
	case EPROTONOSUPPORT:
		return "sockets of this kind in this kernel";
	default:
		return otherwise;
	}
}

int rj_fail_wanted(struct ramjet_error *err, int code, const char *wanted,
		   const char *format, ...)
{
	va_list args;

	if (!err || err->code)
		return code;
	err->code = code;
	va_start(args, format);
	put(err, format, args);
	va_end(args);
	append_errno(err, code);
	append(err, ", wanted ");
	append(err, rj_wanted(code, wanted));
	return code;
}

void rj_error_prefix(struct ramjet_error *err, const char *format, ...)
{
	char old[sizeof(err->message)];
	va_list args;

	if (!err || !err->code)
		return;
	memcpy(old, err->message, sizeof(old));
	va_start(args, format);
	put(err, format, args);
	va_end(args);
	append(err, ": ");
	append(err, old);
}

int rj_callback_result(struct ramjet_error *err, const char *what, int rc)
{
	const int code = rc > 0 ? -EIO : rc;

	if (!rc) {
		rj_error_clear(err);
		return 0;
	}
	err->message[sizeof(err->message) - 1] = '\0';
	if (err->message[0]) {
		err->code = err->code < 0 ? err->code : code;
		return code;
	}
	err->code = 0;
	if (rc > 0)
		return rj_fail(err, code,
			       "%s: returned %d, wanted 0 or a negative errno",
			       what, rc);
	return rj_fail_errno(err, code, "%s", what);
}
