# SPDX-License-Identifier: BSD-3-Clause
"""Private buses and helpers on them, for the dbus_* tests.

RAMJET names the command, RAMJET_TEST_BUS_POLICY the sample bus policy.
"""
import os
import select
import struct
import subprocess
import time

import rig

POLICY = os.environ.get("RAMJET_TEST_BUS_POLICY", "examples/helpers-bus.conf")
NAME = "org.qemu.VMState1"
OBJECT = "/org/qemu/VMState1"

# A bus on which everything is allowed, as a session bus is.
OPEN_POLICY = """<busconfig>
  <type>session</type>
  <listen>unix:path=/nonexistent</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/>
    <allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""


def read_line(process, stream):
    """The next line of a process; fails when it ends or takes too long."""
    line = b""
    end = time.monotonic() + rig.DEADLINE_S
    while not line.endswith(b"\n"):
        left = end - time.monotonic()
        if left <= 0 or not select.select([stream], [], [], left)[0]:
            raise AssertionError(f"{process.args}: said nothing")
        byte = os.read(stream.fileno(), 1)
        if not byte:
            raise AssertionError(f"{process.args}: ended, {process.wait()}")
        line += byte
    return line.decode().rstrip("\n")


def blob(states):
    """The published layout: big-endian, ordered by Id."""
    out = struct.pack(">I", len(states))
    for one, data in sorted((i.encode(), d) for i, d in states.items()):
        out += struct.pack(">I", len(one)) + one
        out += struct.pack(">I", len(data)) + data
    return out


def pattern(seed, size):
    """Bytes that include every value, NUL too."""
    return bytes((i * 7 + seed) & 0xff for i in range(size))


class Case(rig.Case):
    """A test with buses and helpers that end with it."""

    def setUp(self):
        super().setUp()
        self.processes = {}  # of helpers, by their file's path

    def start(self, *args, **options):
        process = subprocess.Popen(args, stdin=subprocess.DEVNULL,
                                   env=rig.environment(), **options)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        self.addCleanup(end)
        return process

    def bus(self, name="bus", policy=None):
        """A dbus-daemon of its own; returns its address."""
        address = "unix:path=" + self.path(name)
        if policy is not None:
            config = self.path(name + ".conf")
            with open(config, "w", encoding="utf-8") as file:
                file.write(policy)
        else:
            config = POLICY
        process = self.start(
            "/usr/bin/dbus-daemon", "--config-file=" + config,
            "--address=" + address, "--nofork", "--nopidfile",
            "--print-address=1", stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        read_line(process, process.stdout)
        return address

    def helper(self, address, one, state=None, *options):
        """`ramjet helper run`; returns its file's path when it is there."""
        path = self.path(f"state-{len(self.processes)}")
        if state is not None:
            with open(path, "wb") as file:
                file.write(state)
        process = self.start(
            rig.RAMJET, "helper", "run", "--bus", address, "--id", one,
            "--file", path, *options, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL)
        line = read_line(process, process.stdout)
        self.assertRegex(line, r"^ready .* :\d+\.\d+$")
        self.processes[path] = process
        return path

    def run_helpers(self, *args, stdin=b""):
        return subprocess.run([rig.RAMJET, "helpers", *args], input=stdin,
                              capture_output=True, env=rig.environment(),
                              timeout=rig.DEADLINE_S, check=False)

    def contents(self, path):
        with open(path, "rb") as file:
            return file.read()
