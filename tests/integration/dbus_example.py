# SPDX-License-Identifier: BSD-3-Clause
"""examples/helper.c, as it is built against the library."""
import os
import subprocess

import dbus_rig
import rig
from dbus_rig import blob

EXAMPLE = os.environ.get("RAMJET_EXAMPLE_HELPER", "")


class Example(dbus_rig.Case):
    def example(self, address, one):
        process = self.start(EXAMPLE, address, one, stdout=subprocess.PIPE)
        self.assertEqual(dbus_rig.read_line(process, process.stdout),
                         "ready")
        return process

    def test_example_counts_on_where_it_left_off(self):
        source, target = self.bus("source"), self.bus("target")
        here = self.example(source, "counter")
        there = self.example(target, "counter")
        saved = self.run_helpers("save", "--bus", source)
        self.assertEqual(saved.stdout, blob({"counter": b"\0" * 7 + b"\1"}))
        loaded = self.run_helpers("load", "--bus", target,
                                  stdin=saved.stdout)
        self.assertEqual(loaded.returncode, 0, loaded.stderr)
        self.assertEqual(dbus_rig.read_line(here, here.stdout), "counter 1")
        self.assertEqual(dbus_rig.read_line(there, there.stdout),
                         "counter 2")

    def test_example_refuses_what_is_no_counter(self):
        address = self.bus()
        self.example(address, "counter")
        result = self.run_helpers("load", "--bus", address,
                                  stdin=blob({"counter": b"short"}))
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"5 bytes of state, wanted 8", result.stderr)


if __name__ == "__main__":
    rig.main()
