/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_RINGIO_CONN_BREAK_H
#define RJ_RINGIO_CONN_BREAK_H
/* A connection ends while another thread waits for it. */
#include <stdbool.h>

#include "ringio/endpoint.h"

/* Both ways, for both sides: who receives gets what had arrived, and then the
 * end. It stays to be closed. Any thread. False: this kind cannot. */
bool rj_conn_break(const struct rj_conn *conn);
#endif
