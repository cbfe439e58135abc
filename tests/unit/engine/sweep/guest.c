/* SPDX-License-Identifier: BSD-3-Clause */
/* A guest whose operations fail, or take their time. */
#include "tests/unit/engine/sweep/course.h"
#include "tests/unit/engine/sweep/fault.h"

#include <errno.h>

void faulty_guest_call(struct small_vm *vm, enum vm_call call)
{
	const enum fault_kind kind = fault_step(FAULT_GUEST);

	vm->fails[call] = kind == FAULT_ERROR ? -EIO : 0;
	if (kind == FAULT_DELAY)
		fault_nap();
}
