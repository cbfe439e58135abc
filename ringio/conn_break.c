/* SPDX-License-Identifier: BSD-3-Clause */
#include "ringio/conn_break.h"

#include <sys/socket.h>

bool rj_conn_break(const struct rj_conn *conn)
{
	return rj_conn_is_bare(conn) && rj_conn_is_socket(conn) &&
	       !shutdown(conn->fd, SHUT_RDWR);
}
