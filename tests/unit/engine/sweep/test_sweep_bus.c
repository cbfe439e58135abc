/* SPDX-License-Identifier: BSD-3-Clause */
/* What can fail of helpers and of their bus, at every step. */
#include "tests/unit/dbus/bus_fixture.h"
#include "tests/unit/engine/sweep/bus.h"
#include "tests/unit/engine/sweep/sweep.h"

#include "util/compiler.h"

#define WITH_HELPERS .furnish = bus_furnish, .strip = bus_strip

static const struct sweep_row rows[] = {
	{ .name = "bus: error",
	  .place = FAULT_BUS,
	  .kind = FAULT_ERROR,
	  WITH_HELPERS },
	{ .name = "bus: delay",
	  .place = FAULT_BUS,
	  .kind = FAULT_DELAY,
	  .is_harmless = true,
	  WITH_HELPERS },
	{ .name = "helper: error",
	  .place = FAULT_HELPER,
	  .kind = FAULT_ERROR,
	  WITH_HELPERS },
	{ .name = "helper: delay",
	  .place = FAULT_HELPER,
	  .kind = FAULT_DELAY,
	  .is_harmless = true,
	  WITH_HELPERS },
};

int main(int argc, char **argv)
{
	test_bus_choose(argc, argv);
	return sweep_run("sweep bus", rows, RJ_ARRAY_SIZE(rows));
}
