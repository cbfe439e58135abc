/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_OPTIONS_FEWER_BYTES_H
#define RJ_CLI_OPTIONS_FEWER_BYTES_H
/* By what means fewer bytes are sent. `what` is the option's name, for
 * messages. */
#include "ramjet.h"
#include "util/compiler.h"

/* --compress: auto, none, zstd or zstd:LEVEL. A target is only asked whether it
 * takes any: auto or none. */
RJ_NODISCARD int rj_cli_compress(const char *what, const char *text,
				 bool is_target, struct ramjet_params *params,
				 struct ramjet_error *err);
/* -7 to 19. */
RJ_NODISCARD int rj_cli_compress_level(const char *what, const char *text,
				       int32_t *ret, struct ramjet_error *err);
/* 1 to 100, of each channel's time. */
RJ_NODISCARD int rj_cli_compress_cpu(const char *what, const char *text,
				     struct ramjet_params *params,
				     struct ramjet_error *err);
/* A size, auto, or off: no deltas. */
RJ_NODISCARD int rj_cli_delta_cache(const char *what, const char *text,
				    struct ramjet_params *params,
				    struct ramjet_error *err);
#endif
