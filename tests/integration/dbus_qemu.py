# SPDX-License-Identifier: BSD-3-Clause
"""QEMU moves the state of our helpers: -object dbus-vmstate on both sides of
a real QEMU-to-QEMU migration, with `ramjet helper run` on the buses."""
import json
import re
import shutil
import socket
import subprocess

import dbus_rig
import rig
from dbus_rig import pattern

QEMU = shutil.which("qemu-system-x86_64")
STATES = {"net": pattern(3, 70000), "tpm": b"\0\0\0", "fs": pattern(5, 1)}


def has_dbus_vmstate():
    shown = subprocess.run([QEMU, "-object", "help"], capture_output=True,
                           text=True, check=False, timeout=rig.DEADLINE_S)
    return "dbus-vmstate" in shown.stdout


class Qemu:
    """One QEMU without a running guest, and its QMP monitor."""

    def __init__(self, case, name, address, id_list, *more):
        path = case.path(name + ".qmp")
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(1)
        server.settimeout(rig.DEADLINE_S)
        vmstate = f"dbus-vmstate,id=dv,addr={address}"
        if id_list:
            # A comma inside a QEMU option is doubled.
            vmstate += ",id-list=" + id_list.replace(",", ",,")
        self.process = case.start(
            QEMU, "-M", "none", "-accel", "tcg", "-nodefaults", "-display",
            "none", "-S", "-chardev", f"socket,id=qmp,path={path}", "-mon",
            "chardev=qmp,mode=control", "-object", vmstate, *more,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.monitor, _ = server.accept()
        server.close()
        case.addCleanup(self.monitor.close)
        self.monitor.settimeout(rig.DEADLINE_S)
        self.lines = self.monitor.makefile("rw", encoding="utf-8")
        case.addCleanup(self.lines.close)
        json.loads(self.lines.readline())
        self.events = []
        self.command("qmp_capabilities")
        self.command("migrate-set-capabilities", capabilities=[
            {"capability": "events", "state": True}])

    def command(self, name, **arguments):
        self.lines.write(json.dumps({"execute": name,
                                     "arguments": arguments}) + "\n")
        self.lines.flush()
        while True:
            answer = json.loads(self.lines.readline())
            if "event" in answer:
                self.events.append(answer)
                continue
            if "error" in answer:
                raise AssertionError(answer["error"])
            return answer["return"]

    def migration_end(self):
        """"completed" or "failed"."""
        while True:
            for event in self.events:
                status = event.get("data", {}).get("status")
                if status in ("completed", "failed"):
                    return status
            self.events = [json.loads(self.lines.readline())]


class DbusVmstate(dbus_rig.Case):
    def setUp(self):
        super().setUp()
        if not QEMU:
            self.skipTest("qemu-system-x86_64 is not installed")
        if not has_dbus_vmstate():
            self.skipTest("this QEMU has no dbus-vmstate")

    def buses(self, source_ids, target_ids):
        source, target = self.bus("source"), self.bus("target")
        self.sources = {one: self.helper(source, one, STATES[one])
                        for one in source_ids}
        self.targets = {one: self.helper(target, one, b"before " +
                                         one.encode())
                        for one in target_ids}
        return source, target

    def migrate(self, source, target, id_list=None, target_list=None):
        listener = "unix:" + self.path("migration")
        there = Qemu(self, "target", target, target_list or id_list,
                     "-incoming", listener)
        here = Qemu(self, "source", source, id_list)
        here.command("migrate", uri=listener)
        return here, there, here.migration_end()

    def check_arrived(self, ids):
        for one, path in self.targets.items():
            wanted = STATES[one] if one in ids else b"before " + one.encode()
            self.assertEqual(self.contents(path), wanted, one)

    def test_qemu_moves_all_helpers_without_a_list(self):
        source, target = self.buses(STATES, STATES)
        _, there, end = self.migrate(source, target)
        self.assertEqual(end, "completed")
        self.assertEqual(there.migration_end(), "completed")
        self.check_arrived(STATES)

    def test_qemu_moves_the_listed_helpers_only(self):
        source, target = self.buses(STATES, STATES)
        _, there, end = self.migrate(source, target, "tpm,net")
        self.assertEqual(end, "completed")
        self.assertEqual(there.migration_end(), "completed")
        self.check_arrived({"tpm", "net"})

    def test_qemu_refuses_when_a_listed_helper_is_missing(self):
        source, target = self.buses(["net"], STATES)
        _, _, end = self.migrate(source, target, "tpm,net")
        self.assertEqual(end, "failed")
        self.check_arrived(set())

    def test_qemu_fails_when_the_target_lacks_a_helper(self):
        source, target = self.buses(["net", "tpm"], ["net"])
        _, there, _ = self.migrate(source, target)
        self.assertNotEqual(there.process.wait(rig.DEADLINE_S), 0)
        said = there.process.stderr.read().decode()
        self.assertTrue(re.search("tpm", said), said)

    def test_what_qemu_saves_is_what_ramjet_saves(self):
        source, target = self.buses(STATES, STATES)
        saved = self.run_helpers("save", "--bus", source)
        self.assertEqual(saved.returncode, 0, saved.stderr)
        _, there, _ = self.migrate(source, target)
        self.assertEqual(there.migration_end(), "completed")
        again = self.run_helpers("save", "--bus", target)
        self.assertEqual(again.stdout, saved.stdout)


if __name__ == "__main__":
    rig.main()
