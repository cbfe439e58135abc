/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_LINK_EVENT_H
#define RJ_ENGINE_LINK_EVENT_H
/* eventfds: signal from any thread, poll by one. */
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Cannot block: the counter would have to reach 2^64 - 2. */
static inline void rj_event_signal(int fd)
{
	const uint64_t one = 1;

	if (fd >= 0)
		(void)!write(fd, &one, sizeof(one));
}

/* Non-blocking fd: forget all signals so far. */
static inline void rj_event_clear(int fd)
{
	uint64_t count;

	(void)!read(fd, &count, sizeof(count));
}
#endif
