# SPDX-License-Identifier: BSD-3-Clause
"""Real QEMUs with a real Linux in them, and their moves by ramjet.

The small Linux comes from scripts/qemu-lab.sh (RAMJET_QEMU_LAB), its init from
tests/qemu/guest (RAMJET_QEMU_GUEST). Each QEMU has two monitors, since one
serves a single client: the one at .qmp is ramjet's, .monitor is the test's."""
import os
import re
import shutil
import socket
import subprocess

import qmp_client
import rig
from qemu_console import Console
from qemu_disks import Disk, all_options  # noqa: F401: tests take Disk here

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
LAB = os.environ.get("RAMJET_QEMU_LAB", os.path.join(ROOT, "build-qemu-lab"))
GUEST = os.environ.get("RAMJET_QEMU_GUEST", os.path.join(
    ROOT, "build/tests/qemu/qemu-guest.cpio.gz"))
COMMAND_LINE = "console=ttyS0 quiet panic=1 memhp_default_state=online"
BINARIES = {"7.2": "qemu-system-x86_64",
            "10": os.path.join(LAB, "qemu10", "qemu")}
# What both versions know alike.
COMMON_MACHINES = {"q35": "pc-q35-7.2", "pc": "pc-i440fx-7.2"}
COMMON_CPU = "qemu64"


def qemu_binary(version="7.2"):
    return shutil.which(BINARIES[version])


def missing(version="7.2"):
    """Why no QEMU can be moved here, or None."""
    if not qemu_binary(version):
        return f"no QEMU {version} ({BINARIES[version]})"
    if not os.path.exists(os.path.join(LAB, "base.cpio.gz")):
        return f"no Linux in {LAB} (scripts/qemu-lab.sh brings it)"
    if not os.path.exists(GUEST):
        return f"{GUEST} is not built (static programs can't be linked here)"
    return None


def memory_options(backing, mib, folder, name):
    """-> (options, what -machine is told)."""
    if backing == "private":
        return ["-m", str(mib)], ""
    # One spelling for both ends: a block is matched by its name.
    kind = {"memfd": "memory-backend-memfd,share=on",
            "huge": "memory-backend-memfd,share=on,hugetlb=on",
            "file": "memory-backend-file,share=on",
            "private-file": "memory-backend-file,share=off"}[backing]
    if "file" in backing:
        kind += f",mem-path={os.path.join(folder, name)}.ram"
    return (["-m", str(mib), "-object", f"{kind},id=ram,size={mib}M"],
            ",memory-backend=ram")


def connected(path):
    """A monitor's only client that says nothing."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(rig.DEADLINE_S)
    client.connect(path)
    client.recv(4096)  # the greeting: QEMU serves it, and nobody else
    return client


class Qemu:
    """One QEMU. `twin` starts another of the same kind, to be a target."""
    keys = ""  # more of it, as ramjet is told: ",via=ptrace"

    def __init__(self, case, name, *, version="7.2", machine="q35", cpu=None,
                 memory=256, backing="private", asks="write=50M set=32M",
                 disks=(), sandbox=False, incoming=False, more=(), env=None,
                 accel="tcg", without=()):
        """`without`: options that are left out, each with its value."""
        self.case = case
        self.name = name
        self.settings = {
            "version": version, "machine": machine, "cpu": cpu,
            "memory": memory, "backing": backing, "asks": asks,
            "disks": disks, "sandbox": sandbox, "more": more, "env": env,
            "accel": accel}
        self.qmp = case.path(name + ".qmp")
        self.errors = case.path(name + ".err")
        servers = {which: self.server(f"{name}.{which}")
                   for which in ("monitor", "console")}
        disk_options, disks_asked = all_options(disks)
        options = ["-accel", accel, "-cpu", cpu or "max", "-nodefaults",
                   "-display", "none"]
        memory_is, machine_too = memory_options(backing, memory, case.folder,
                                                name)
        options += memory_is + ["-machine", machine + machine_too]
        options += ["-kernel", os.path.join(LAB, "vmlinuz"), "-initrd",
                    case.initrd(), "-append",
                    " ".join([COMMAND_LINE, asks, *disks_asked])]
        options += ["-qmp", f"unix:{self.qmp},server=on,wait=off"]
        for which, (path, _) in servers.items():
            options += ["-chardev", f"socket,id={which},path={path}"]
        options += ["-mon", "chardev=monitor,mode=control", "-serial",
                    "chardev:console"]
        options += disk_options
        if sandbox:
            options += ["-sandbox", "on,obsolete=deny,elevateprivileges=deny,"
                        "spawn=deny,resourcecontrol=deny"]
        if incoming:
            options += ["-S", "-incoming", "defer"]
        options += more
        for one in without:
            options.remove(one)
        self.start(qemu_binary(version), options, env, servers)

    def server(self, name):
        path = self.case.path(name)
        server = socket.socket(socket.AF_UNIX)
        server.bind(path)
        server.listen(1)
        server.settimeout(rig.DEADLINE_S)
        self.case.addCleanup(server.close)
        return path, server

    def start(self, binary, options, env, servers):
        self.options = [binary, *options]
        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                self.options, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=errors,
                env={**os.environ, **(env or {})})
        self.case.addCleanup(self.close)
        # It connects to both; once it greets, .qmp listens too.
        console, _ = servers["console"][1].accept()
        monitor, _ = servers["monitor"][1].accept()
        self.console = Console(console)
        self.monitor = qmp_client.Client(monitor)

    # ---- its end

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.monitor.close()
        # A reader may be in the middle of a read: it sees the end.
        self.console.reader.join(rig.DEADLINE_S)
        self.console.connection.close()

    quit = close

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def said(self):
        """What QEMU itself said."""
        with open(self.errors, encoding="utf-8", errors="replace") as file:
            return file.read()

    # ---- its kind

    def twin(self, name=None, **other):
        """A target for it: the same, but for `other`, waiting."""
        self.case.count += 1
        return Qemu(self.case, name or f"qemu{self.case.count}",
                    **{**self.settings, "incoming": True, **other})

    @property
    def guest(self):
        """As ramjet calls it."""
        return f"qemu:{self.qmp}{self.keys}"

    @property
    def pid(self):
        return self.process.pid

    # ---- looks

    def execute(self, command, **arguments):
        return self.monitor.execute(command, **arguments)

    def status(self):
        return self.execute("query-status")["status"]

    def hmp(self, line):
        return self.execute("human-monitor-command", command_line=line)

    def protected(self):
        """Mappings that a userfaultfd holds: a mover is, or was, there."""
        with open(f"/proc/{self.pid}/smaps", encoding="utf-8") as file:
            return re.findall(r"^VmFlags:.* (?:uw|um|ui)\b.*$", file.read(),
                              re.MULTILINE)

    def userfaultfds(self):
        folder = f"/proc/{self.pid}/fd"
        return [fd for fd in os.listdir(folder)
                if "userfaultfd" in os.readlink(os.path.join(folder, fd))]

    def as_found(self):
        """What a move must leave behind as it was."""
        folder = f"/proc/{self.pid}/fd"
        return {
            "capabilities": self.execute("query-migrate-capabilities"),
            "parameters": self.execute("query-migrate-parameters"),
            "fdsets": self.execute("query-fdsets"),
            "descriptors": sorted(
                re.sub(r":\[\d+\]", "", os.readlink(os.path.join(folder, fd)))
                for fd in os.listdir(folder)),
        }


class Case(rig.Case):
    """A test that moves QEMUs; skipped where there are none."""
    version = "7.2"
    count = 0

    def setUp(self):
        reason = missing(self.version)
        if reason:
            self.skipTest(reason)
        super().setUp()

    def initrd(self):
        path = self.path("initrd")
        if not os.path.exists(path):
            with open(path, "wb") as out:
                for part in (os.path.join(LAB, "base.cpio.gz"), GUEST):
                    with open(part, "rb") as file:
                        shutil.copyfileobj(file, out)
        return path

    def boot(self, name="source", **settings):
        """A QEMU whose guest has started all that it was asked for."""
        qemu = Qemu(self, name, **{"version": self.version, **settings})
        qemu.console.wait_for("^ready")
        return qemu

    # ---- moves

    def start_move(self, source, target, *options, recv_options=(),
                   verify=True):
        """-> (send, recv), both running."""
        self.count += 1
        there = self.recv(target.guest,
                          f"unix:{self.path(f'move{self.count}')}",
                          *recv_options)
        return self.send(source.guest, there.uri, *options,
                         verify=verify), there

    def move_qemu(self, source, *options, recv_options=(), verify=True,
                  paused=False, kinds=("pass",), **other):
        """Moves the guest to a new QEMU, proves that it goes on there with
        nothing lost, and ends the old one; -> (target, send)."""
        target = source.twin(**other)
        before = source.console.last_tick()
        send, recv = self.start_move(source, target, *options,
                                     recv_options=recv_options, verify=verify)
        self.both_end(send, recv)
        if verify:
            self.assertTrue(send.json["verify"]["identical"], send.story())
        if not paused:
            self.goes_on(source, target, send, before, kinds)
        return target, send

    def goes_on(self, source, target, send, before, kinds=("pass",)):
        """The guest runs at the target alone, from where it was."""
        self.assertEqual(target.status(), "running", send.story())
        self.assertNotEqual(source.status(), "running", send.story())
        target.console.wait_tick(beyond=before.number)
        first = target.console.ticks()[0]
        last = source.console.last_tick()
        # A line that was half said is heard by nobody.
        self.assertIn(first.number - last.number, (1, 2), "ticks lost")
        self.assertGreaterEqual(first.seconds, last.seconds)
        # The guest's clock never runs ahead of ours; a second for a machine
        # on which lines are heard late.
        self.assertLessEqual(first.seconds - last.seconds,
                             first.heard - last.heard + 1)
        target.console.wait_passes(kinds)
        target.console.check()
        self.no_trouble(source, target)
        source.quit()

    def no_trouble(self, *qemus):
        for qemu in qemus:
            self.assertEqual(qemu.console.trouble(), [], qemu.name)

    def runs_on(self, source, found=None):
        """Nothing happened to it: it runs, unprotected, at full speed."""
        self.assertIsNone(source.process.poll(), source.said)
        self.assertEqual(source.status(), "running")
        self.assertEqual(source.protected(), [])
        self.assertEqual(source.userfaultfds(), [])
        if found is not None:
            self.assertEqual(source.as_found(), found)
        source.console.wait_tick(beyond=source.console.last_tick().number)
        source.console.wait_passes()
        source.console.check()
        self.no_trouble(source)
