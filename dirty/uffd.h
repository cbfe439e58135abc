/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_UFFD_H
#define RJ_DIRTY_UFFD_H
/* userfaultfds for uses in which no fault ever waits for user space. */
#include "ramjet.h"
#include "util/compiler.h"

/* A new one before its UFFDIO_API handshake, or a negative errno. */
RJ_NODISCARD int rj_uffd_open(struct ramjet_error *err);
#endif
