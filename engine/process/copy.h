/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_PROCESS_COPY_H
#define RJ_ENGINE_PROCESS_COPY_H
/* Memory of another process is read and written there. */
#include <stddef.h>
#include <stdint.h>

#include "ramjet-remote.h"
#include "util/compiler.h"

/* Where it is, and by which way. */
struct rj_process_place {
	int pid;
	int mem_fd;       /* /proc/PID/mem; -1: by process_vm_readv() */
	uint64_t address; /* what offsets count from */
};

/* Copy the ranges, one after another, from there to `data`, or back. -EFAULT:
 * nothing is mapped somewhere, -EPERM, -ESRCH: the process is gone. */
RJ_NODISCARD int rj_process_read(const struct rj_process_place *place,
				 const struct ramjet_memory_range *ranges,
				 size_t count, void *data,
				 struct ramjet_error *err);
RJ_NODISCARD int rj_process_write(const struct rj_process_place *place,
				  const struct ramjet_memory_range *ranges,
				  size_t count, const void *data,
				  struct ramjet_error *err);
/* -ESRCH, in words. */
int rj_process_gone(const struct rj_process_place *place,
		    struct ramjet_error *err);
/* Would it be let? No memory of the process is touched. */
RJ_NODISCARD int rj_process_try(const struct rj_process_place *place,
				struct ramjet_error *err);
#endif
