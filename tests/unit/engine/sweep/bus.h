/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_SWEEP_BUS_H
#define RJ_TESTS_SWEEP_BUS_H
/* Two real buses with a helper each, and a bus that fails: for COURSE_PLAIN. */
#include "tests/unit/engine/sweep/course.h"

void bus_furnish(struct course *course);
void bus_strip(struct course *course);
#endif
