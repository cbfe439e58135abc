/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_BUSY_VMM_H
#define RJ_TESTS_BUSY_VMM_H
/* A VMM that is busy in a callback for as long as its peer is asked whether it
 * lives. One at a time. Limits of the heartbeat that suit a test come along. */
#include "tests/unit/engine/small_vm.h"

/* From now on `vm` is busy in `call`, until busy_vmm_ask() is through. */
void busy_vmm_begin(struct small_vm *vm, enum vm_call call);
/* Waits until it is, and asks over `fd`, three times: an answer comes. */
void busy_vmm_ask(int fd);
#endif
