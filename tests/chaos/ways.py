# SPDX-License-Identifier: BSD-3-Clause
"""What lies between source and target, and what the machine can be asked for.

Everything here is made by the test and goes with it: relays, network
namespaces joined by a veth pair, memory control groups, small file systems.
But for the relays that needs root; where it can't be had, it is said."""
import itertools
import os
import subprocess

from cutter import Cutter

CGROUPS = "/sys/fs/cgroup"
TARGET_ADDRESS, SOURCE_ADDRESS = "10.77.0.1", "10.77.0.2"


class Unavailable(Exception):
    """This machine, or this user, can't have it."""


def run(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True,
                              check=False)
    except FileNotFoundError:
        raise Unavailable(f"no {words[0]}") from None
    if done.returncode:
        raise Unavailable(f"{' '.join(words)}: {done.stderr.strip()}")


class Way:
    """Straight over loopback or a unix socket."""
    name = "straight"
    source_through = target_through = ()

    def __init__(self, listen):
        self.listen = listen

    def to(self, uri):
        """Where the source finds the target that listens at `uri`."""
        return uri

    def heal(self):
        """Whatever was done to it has an end."""

    def close(self):
        pass


class Relayed(Way):
    """Over TCP, by way of a Cutter."""
    name = "relay"

    def __init__(self, delay_s):
        super().__init__("tcp:127.0.0.1:0")
        self.delay_s = delay_s
        self.cutter = None

    def to(self, uri):
        self.close()
        self.cutter = Cutter(uri, self.delay_s)
        return self.cutter.uri

    def heal(self):
        self.cutter.go_on()

    def close(self):
        if self.cutter:
            self.cutter.close()
        self.cutter = None


class Linked(Way):
    """Each side in a network namespace; the link between them is limited."""
    name = "link"
    numbers = itertools.count()

    def __init__(self, mbit):
        super().__init__(f"tcp:{TARGET_ADDRESS}:0")
        number = next(self.numbers)
        self.names = [f"rjchaos{os.getpid()}-{number}{side}" for side in "ts"]
        try:
            self._make(mbit)
        except Unavailable:
            self.close()
            raise
        self.target_through, self.source_through = (
            ("nsenter", f"--net=/run/netns/{name}") for name in self.names)

    def _make(self, mbit):
        target, source = self.names
        run("ip", "netns", "add", target)
        run("ip", "netns", "add", source)
        run("ip", "-n", target, "link", "add", "way", "type", "veth", "peer",
            "name", "way", "netns", source)
        for name, address in ((target, TARGET_ADDRESS),
                              (source, SOURCE_ADDRESS)):
            run("ip", "-n", name, "address", "add", address + "/24", "dev",
                "way")
            run("ip", "-n", name, "link", "set", "way", "up")
            run("ip", "-n", name, "link", "set", "lo", "up")
        run("tc", "-n", source, "qdisc", "add", "dev", "way", "root", "tbf",
            "rate", f"{mbit}mbit", "burst", "64k", "latency", "20ms")

    def set_link(self, state):
        """`state`: up, or down: then what is sent is lost without a word."""
        run("ip", "-n", self.names[0], "link", "set", "way", state)

    def heal(self):
        self.set_link("up")

    def close(self):
        for name in self.names:
            try:
                run("ip", "netns", "del", name)
            except Unavailable:
                pass  # it was never made


class Streamed(Way):
    """By way of a file on a file system that may be too small for it."""
    name = "stream"

    def __init__(self, folder, mib):
        self.folder = folder
        os.mkdir(folder)
        run("mount", "-t", "tmpfs", "-o", f"size={mib}M", "ramjet-chaos",
            folder)
        super().__init__(None)
        self.path = os.path.join(folder, "stream")

    def to(self, uri):
        return "file:" + self.path

    def close(self):
        run("umount", self.folder)


class Group:
    """A memory control group; what is started `through` it is in it."""
    numbers = itertools.count()

    def __init__(self, mib):
        name = f"rjchaos{os.getpid()}-{next(self.numbers)}"
        old = os.path.join(CGROUPS, "memory")
        new = not os.path.isdir(old)
        self.folder = os.path.join(CGROUPS if new else old, name)
        limits = ({"memory.max": mib << 20, "memory.swap.max": 0} if new else
                  {"memory.limit_in_bytes": mib << 20,
                   "memory.memsw.limit_in_bytes": mib << 20})
        try:
            os.mkdir(self.folder)
            for number, (file, limit) in enumerate(limits.items()):
                self._write(file, limit, needed=number == 0)
        except OSError as error:
            self.close()
            raise Unavailable(str(error)) from None
        self.through = ("sh", "-c", 'echo $$ >"$0" && exec "$@"',
                        os.path.join(self.folder, "cgroup.procs"))

    def _write(self, name, value, needed):
        path = os.path.join(self.folder, name)
        # Swap may not be counted here.
        if needed or os.path.exists(path):
            with open(path, "w", encoding="ascii") as file:
                file.write(str(value))

    def close(self):
        try:
            os.rmdir(self.folder)
        except OSError:
            pass  # it was never made


def missing(make):
    """Why it can't be had here, or None."""
    try:
        make().close()
    except Unavailable as error:
        return str(error)
    return None
