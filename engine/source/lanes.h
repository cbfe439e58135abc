/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_SOURCE_LANES_H
#define RJ_ENGINE_SOURCE_LANES_H
/* What all lanes together have done, and what the wire holds at this moment. The
 * kernel is asked about each connection (a system call a channel), never the
 * workers. Before these begin there are no lanes. The control thread's. */
#include "engine/source/outgoing.h"

struct rj_wire_now rj_lanes_look(struct rj_source_lanes *lanes);
/* Sums of all workers. */
struct rj_sent rj_lanes_sent(const struct rj_source_lanes *lanes);
uint64_t rj_lanes_launched_bytes(const struct rj_source_lanes *lanes);
/* Of the slowest connection, as TCP has it. */
uint32_t rj_lanes_tcp_rtt_us(const struct rj_source_lanes *lanes);
#endif
