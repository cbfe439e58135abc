/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_ENGINE_GUEST_OWN_FILE_H
#define RJ_ENGINE_GUEST_OWN_FILE_H
/* A stream must not be written into, or read out of, the very file that is
 * the guest's memory, whatever its name says. */
#include "engine/guest/guest.h"
#include "ringio/endpoint.h"

/* Before the first byte: -EBUSY when it is that file. Then lock it: -EAGAIN
 * when another process has. Does nothing if the stream is no file. */
RJ_NODISCARD int rj_stream_claim(const struct ramjet_guest *guest,
				 struct rj_conn *conn,
				 struct ramjet_error *err);
#endif
