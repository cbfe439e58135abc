/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "util/utf8.h"

void rj_log(const struct rj_log *log, int level, const char *format, ...)
{
	char message[512];
	int saved = errno;
	va_list args;

	if (log && log->warned && level <= RJ_LOG_WARNING)
		log->warned(log->warned_at);
	if (!log || !log->fn)
		return;
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	rj_utf8_trim(message);
	va_end(args);
	log->fn(log->user, level, message);
	errno = saved;
}
