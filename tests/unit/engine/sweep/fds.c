/* SPDX-License-Identifier: BSD-3-Clause */
/* Descriptors that ramjet asks for and does not get. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tests/unit/engine/sweep/fault.h"

int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_accept4(int fd, struct sockaddr *address, socklen_t *bytes,
		   int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *bytes,
		   int flags);
int __real_eventfd(unsigned value, int flags);
int __wrap_eventfd(unsigned value, int flags);
int __real_pipe2(int fds[2], int flags);
int __wrap_pipe2(int fds[2], int flags);
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_openat64(int folder, const char *path, int flags, ...);
int __wrap_openat64(int folder, const char *path, int flags, ...);
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);

static bool is_refused(void)
{
	if (fault_own_step(FAULT_FDS) != FAULT_ERROR)
		return false;
	errno = EMFILE;
	return true;
}

int __wrap_socket(int family, int type, int protocol)
{
	return is_refused() ? -1 : __real_socket(family, type, protocol);
}

/* Whoever asks when nobody waits gets none anyway. */
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *bytes,
		   int flags)
{
	return is_refused() ? -1 : __real_accept4(fd, address, bytes, flags);
}

int __wrap_eventfd(unsigned value, int flags)
{
	return is_refused() ? -1 : __real_eventfd(value, flags);
}

int __wrap_pipe2(int fds[2], int flags)
{
	return is_refused() ? -1 : __real_pipe2(fds, flags);
}

int __wrap_epoll_create1(int flags)
{
	return is_refused() ? -1 : __real_epoll_create1(flags);
}

static int mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
}

int __wrap_open64(const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	return is_refused() ? -1 : __real_open64(path, flags, mode);
}

int __wrap_openat64(int folder, const char *path, int flags, ...)
{
	va_list args;
	int mode;

	va_start(args, flags);
	mode = mode_of(flags, args);
	va_end(args);
	return is_refused() ? -1 : __real_openat64(folder, path, flags, mode);
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	return is_refused() ? NULL : __real_fopen64(path, mode);
}
