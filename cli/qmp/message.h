/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_CLI_QMP_MESSAGE_H
#define RJ_CLI_QMP_MESSAGE_H
/* What a QMP server says: greeting, replies, events. All are *returned*
 * objects, NULL when out of memory. */
#include <jansson.h>
#include <stdint.h>

#define RJ_QMP_GENERIC_ERROR     "GenericError"
#define RJ_QMP_COMMAND_NOT_FOUND "CommandNotFound"

/* {"qemu": {...}, "package": "ramjet 0.1.0", ...}: ramjet's own version where
 * managers look for QEMU's. */
json_t *rj_qmp_version(void);
json_t *rj_qmp_greeting(void);
/* `value` is *taken*; NULL: {}. `id` is borrowed; NULL: none. */
json_t *rj_qmp_return(json_t *value, json_t *id);
json_t *rj_qmp_error(const char *class_name, const char *text, json_t *id);
/* `data` is *taken*; NULL: none. `at_us`: since 1970. */
json_t *rj_qmp_event(const char *name, json_t *data, uint64_t at_us);
/* As one line with its end, *returned* as malloc()ed text; NULL when out of
 * memory. `message` is *taken*, NULL ok. */
char *rj_qmp_line(json_t *message);
#endif
