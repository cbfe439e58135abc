/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_DIRTY_UFFD_H
#define RJ_DIRTY_UFFD_H
/* userfaultfds for those who never want a fault to wait. */
#include "ramjet.h"
#include "util/compiler.h"

/* A new one before its UFFDIO_API handshake, or a negative errno. */
RJ_NODISCARD int rj_uffd_open(struct ramjet_error *err);
#endif
