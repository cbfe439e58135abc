/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_UTIL_CLEANUP_H
#define RJ_UTIL_CLEANUP_H
/* Scope-bound memory and file descriptors. Never for locks or threads. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define rj_cleanup(fn) __attribute__((cleanup(fn)))
/* Defines <fn>p(type **), for rj_cleanup(<fn>p), which skips NULL. */
#define RJ_DEFINE_CLEANUP(type, fn)       \
	static inline void fn##p(type *p) \
	{                                 \
		if (*p)                   \
			fn(*p);           \
	}                                 \
	struct rj_swallow_semicolon

static inline void rj_freep(void *p)
{
	free(*(void **)p);
}

static inline void rj_closep(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd);
		errno = saved;
	}
}

#define rj_autofree  rj_cleanup(rj_freep)
#define rj_autoclose rj_cleanup(rj_closep)

/* The only way out of a cleanup variable. */
#define rj_steal(p)                             \
	({                                      \
		__typeof__(p) rj_stolen_ = (p); \
		(p) = NULL;                     \
		rj_stolen_;                     \
	})

static inline int rj_steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

/* Close and forget; keeps errno. */
static inline void rj_close_fd(int *fd)
{
	rj_closep(fd);
	*fd = -1;
}
#endif
