/* SPDX-License-Identifier: BSD-3-Clause */
/* Memory that ramjet asks for and does not get: heap, copies of texts, mappings. */
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>

#include "tests/unit/engine/sweep/fault.h"

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);
int __wrap_asprintf(char **ret, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void *__real_mmap64(void *at, size_t bytes, int protection, int flags, int fd,
		    off_t offset);
void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int fd,
		    off_t offset);

static bool is_refused(void)
{
	if (fault_own_step(FAULT_ALLOC) != FAULT_ERROR)
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t bytes)
{
	return is_refused() ? NULL : __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	return is_refused() ? NULL : __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
	return is_refused() ? NULL : __real_realloc(old, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
	return is_refused() ? NULL : __real_aligned_alloc(alignment, bytes);
}

char *__wrap_strdup(const char *text)
{
	return is_refused() ? NULL : __real_strdup(text);
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
	va_list args;
	int n;

	if (is_refused())
		return -1;
	va_start(args, format);
	n = vasprintf(ret, format, args);
	va_end(args);
	return n;
}

void *__wrap_mmap64(void *at, size_t bytes, int protection, int flags, int fd,
		    off_t offset)
{
	return is_refused() ? MAP_FAILED
			    : __real_mmap64(at, bytes, protection, flags, fd,
					    offset);
}
