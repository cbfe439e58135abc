/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_ARGUMENTS_H
#define RJ_CLI_QMP_ARGUMENTS_H
/* A command's arguments, checked before it does anything: QMP promises that
 * a command with an unknown, missing or mistyped argument has no effect. */
#include <jansson.h>
#include <stdbool.h>

#include "ramjet.h"
#include "util/compiler.h"

enum rj_qmp_type {
	RJ_QMP_TEXT = 0,
	RJ_QMP_WHOLE, /* a number without fraction */
	RJ_QMP_BOOL,
	RJ_QMP_ARRAY,
	RJ_QMP_OBJECT,
};

/* An array of these ends with a name of NULL. */
struct rj_qmp_argument {
	const char *name;
	enum rj_qmp_type type;
	bool optional;
};

/* `given` is an object. -EINVAL with QEMU's text. */
RJ_NODISCARD int rj_qmp_arguments_check(const struct rj_qmp_argument *wanted,
					json_t *given,
					struct ramjet_error *err);
/* -EINVAL unless `value` has that type; `name` is for the message. */
RJ_NODISCARD int rj_qmp_type_check(const char *name, enum rj_qmp_type type,
				   const json_t *value,
				   struct ramjet_error *err);
#endif
