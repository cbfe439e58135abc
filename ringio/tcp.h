/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_TCP_H
#define RJ_RINGIO_TCP_H
/* Socket options of a TCP connection. Buffer sizes and congestion control are
 * left to the system: setting them would turn its tuning off. */
#include <stdint.h>

#include "util/compiler.h"

struct rj_channel_tcp;

/* No delay; a dead peer is noticed within half a minute. 0 or -errno. */
RJ_NODISCARD int rj_tcp_tune(int fd);
/* Bytes per second, 0 = no cap. */
RJ_NODISCARD int rj_tcp_set_rate(int fd, uint64_t bytes_per_s);
void rj_tcp_info(int fd, struct rj_channel_tcp *ret);
#endif
