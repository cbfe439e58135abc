# SPDX-License-Identifier: BSD-3-Clause
"""Helpers of other D-Bus libraries under ramjet, ramjet's under others."""
import importlib.util
import os
import shutil
import subprocess
import sys

import dbus_rig
import rig
from dbus_rig import NAME, OBJECT, blob, pattern

HERE = os.path.dirname(os.path.abspath(__file__))
SIZES = [0, 1, 4096, 1 << 20]


class Interop(dbus_rig.Case):
    def foreign(self, library, address, one, state):
        """A helper of another library; returns its file's path."""
        for module in ("gi", "dbus"):
            if not importlib.util.find_spec(module):
                self.skipTest(f"python module {module} is not installed")
        path = self.path(f"{library}-{one}")
        with open(path, "wb") as file:
            file.write(state)
        process = self.start(
            sys.executable, "-B",
            os.path.join(HERE, f"dbus_helper_{library}.py"), address, one,
            path, stdout=subprocess.PIPE)
        dbus_rig.read_line(process, process.stdout)
        return path

    def save_and_load(self, library):
        address = self.bus()
        states = {f"h{size}": pattern(size, size) for size in SIZES}
        paths = {one: self.foreign(library, address, one, data)
                 for one, data in states.items()}
        file = self.path("all")
        saved = self.run_helpers("save", "--bus", address, "--file", file)
        self.assertEqual(saved.returncode, 0, saved.stderr)
        self.assertEqual(self.contents(file), blob(states))

        moved = {one: pattern(99, len(data)) for one, data in states.items()}
        loaded = self.run_helpers("load", "--bus", address,
                                  stdin=blob(moved))
        self.assertEqual(loaded.returncode, 0, loaded.stderr)
        for one, path in paths.items():
            self.assertEqual(self.contents(path), moved[one])

    def test_helpers_of_dbus_python_are_saved_and_loaded(self):
        self.save_and_load("dbus_python")

    def test_helpers_of_gdbus_are_saved_and_loaded(self):
        self.save_and_load("gdbus")

    def test_error_of_another_library_is_shown_with_the_id(self):
        address = self.bus()
        self.foreign("dbus_python", address, "tpm", b"1")
        result = self.run_helpers("load", "--bus", address,
                                  stdin=blob({"tpm": b"refuse"}))
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"'tpm'", result.stderr)
        self.assertIn(b"org.example.No: no such state", result.stderr)

    def test_libraries_mix_on_one_bus(self):
        address = self.bus()
        self.foreign("dbus_python", address, "a", b"one\0")
        self.foreign("gdbus", address, "b", b"two\0")
        self.helper(address, "c", b"three\0")
        result = self.run_helpers("save", "--bus", address)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stdout, blob(
            {"a": b"one\0", "b": b"two\0", "c": b"three\0"}))
        listed = self.run_helpers("list", "--bus", address)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        self.assertEqual([line.split()[0] for line in
                          listed.stdout.decode().splitlines()],
                         ["a", "b", "c"])

    def busctl(self, address, *args):
        if not shutil.which("busctl"):
            self.skipTest("busctl is not installed")
        return subprocess.run(
            ["busctl", "--address=" + address, *args], capture_output=True,
            text=True, timeout=rig.DEADLINE_S, check=True,
            env=rig.environment()).stdout

    def test_busctl_saves_loads_and_introspects_our_helper(self):
        address = self.bus(policy=dbus_rig.OPEN_POLICY)
        path = self.helper(address, "net", b"\0\1\xff")
        self.assertEqual(
            self.busctl(address, "call", NAME, OBJECT, NAME, "Save").strip(),
            "ay 3 0 1 255")
        self.busctl(address, "call", NAME, OBJECT, NAME, "Load", "ay", "2",
                    "7", "0")
        self.assertEqual(self.contents(path), b"\7\0")
        self.assertEqual(self.busctl(address, "get-property", NAME, OBJECT,
                                     NAME, "Id").strip(), 's "net"')
        shown = self.busctl(address, "introspect", NAME, OBJECT, NAME)
        rows = [line.split()[:4] for line in shown.splitlines()[1:]]
        self.assertIn([".Load", "method", "ay", "-"], rows)
        self.assertIn([".Save", "method", "-", "ay"], rows)
        self.assertIn([".Id", "property", "s", '"net"'], rows)

    def test_id_property_cannot_be_written(self):
        address = self.bus(policy=dbus_rig.OPEN_POLICY)
        self.helper(address, "net", b"")
        with self.assertRaises(subprocess.CalledProcessError):
            self.busctl(address, "set-property", NAME, OBJECT, NAME, "Id",
                        "s", "other")

    def test_sample_policy_denies_the_rest(self):
        address = self.bus()
        self.helper(address, "net", b"")
        for call in (["call", NAME, OBJECT,
                      "org.freedesktop.DBus.Introspectable", "Introspect"],
                     ["call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                      "org.freedesktop.DBus", "UpdateActivationEnvironment",
                      "a{ss}", "0"],
                     ["call", "org.freedesktop.DBus", "/org/freedesktop/DBus",
                      "org.freedesktop.DBus", "RequestName", "su",
                      "org.example.Other", "0"]):
            with self.assertRaises(subprocess.CalledProcessError) as failed:
                self.busctl(address, *call)
            self.assertRegex(failed.exception.stderr,
                             "Access denied|not allowed|[Rr]ejected")

    def broker_launch(self):
        """dbus-broker as its own launcher configures it; its address."""
        launcher = shutil.which("dbus-broker-launch")
        unshare = shutil.which("unshare")
        if not launcher or not unshare:
            self.skipTest("dbus-broker-launch or unshare is not installed")
        if subprocess.run([unshare, "-rm", "true"], check=False,
                          stderr=subprocess.DEVNULL).returncode:
            self.skipTest("unshare may not make a mount namespace here")
        address = "unix:path=" + self.path("broker")
        process = self.start(
            unshare, "-rm", sys.executable, "-B",
            os.path.join(HERE, "dbus_broker_launch.py"), launcher,
            dbus_rig.POLICY, self.path("broker"), stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        self.assertEqual(dbus_rig.read_line(process, process.stdout),
                         "listening")
        return address

    def test_sample_policy_suits_dbus_broker_launch(self):
        address = self.broker_launch()
        paths = [self.helper(address, one, pattern(1, 1 << 20))
                 for one in ("a", "b")]
        saved = self.run_helpers("save", "--bus", address)
        self.assertEqual(saved.returncode, 0, saved.stderr)
        self.assertEqual(saved.stdout, blob({"a": pattern(1, 1 << 20),
                                             "b": pattern(1, 1 << 20)}))
        loaded = self.run_helpers("load", "--bus", address,
                                  stdin=blob({"a": b"1", "b": b""}))
        self.assertEqual(loaded.returncode, 0, loaded.stderr)
        self.assertEqual([self.contents(path) for path in paths],
                         [b"1", b""])
        with self.assertRaises(subprocess.CalledProcessError):
            self.busctl(address, "call", NAME, OBJECT,
                        "org.freedesktop.DBus.Introspectable", "Introspect")


if __name__ == "__main__":
    rig.main()
