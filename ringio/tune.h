/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_TUNE_H
#define RJ_RINGIO_TUNE_H
#include "ringio/endpoint.h"

/*
 * Socket options for moving memory, best set before connecting or listening
 * and again on what is accepted. TCP: no delay, and a dead peer is noticed
 * within half a minute; buffers and congestion control stay the system's, to
 * set them would turn its tuning off. Others, which know no tuning: room for
 * half a frame. 0 or -errno.
 */
RJ_NODISCARD int rj_tune(int fd, enum rj_conn_kind kind);
#endif
