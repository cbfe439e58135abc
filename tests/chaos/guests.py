# SPDX-License-Identifier: BSD-3-Clause
"""The guests that are moved, and their own counters.

Each vCPU's page of a live guest says how many writes it has made
(cli/guest/program.c, cli/kvm/program_abi.h). They are read from outside, out
of the memory of the process that holds the guest, so what is judged by them
needs no word of ramjet's."""
import os
import re
import struct

import rig
from rig import MIB

# Of each kind: the first vCPU's page, and the word that it begins with.
VCPU = {"process": (1, 0x7570637620206a72), "kvm": (3, 0x7570637620206b72)}
WRITES_AT = 16
# Memory of a guest begins at a multiple of this.
ALIGNED = 2 * MIB

SETTINGS = (
    "size=16M,write=20M,set=4M",
    "size=16M,write=max,set=1M,threads=2",
    "size=32M,write=100M,set=8M,pattern=random",
    "size=32M,write=50M,set=4M,pattern=hot,zero=80%",
    "size=64M,write=200M,set=2M",
)


def kinds_here():
    """-> those that this machine can run."""
    kinds = ["process"]
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        kinds.append("kvm")
    return kinds


def plan(kind, dice):
    """-> the guest as the command is told."""
    return f"{kind}:{dice.choice(SETTINGS)},seed={dice.randrange(1, 1000)}"


def small(guest):
    """The same guest, so that it costs next to nothing."""
    return f"{guest.split(':')[0]}:{SETTINGS[0]},{guest.split(',')[-1]}"


class Memory:
    """A guest's memory inside of a process, seen from outside."""

    def __init__(self, pid, guest):
        self.pid = pid
        page, self.magic = VCPU[guest.split(":")[0]]
        self.first = page * rig.PAGE
        size = re.search(r"size=(\d+)M", guest).group(1)
        threads = re.search(r"threads=(\d+)", guest)
        self.bytes = int(size) * MIB
        self.threads = int(threads.group(1)) if threads else 1
        self.start = None
        self.file = None

    def close(self):
        if self.file is not None:
            os.close(self.file)
        self.file = self.pid = None

    def _words(self, address, count):
        return struct.unpack(f"<{count}Q",
                             os.pread(self.file, 8 * count, address))

    def _find(self):
        with open(f"/proc/{self.pid}/maps", encoding="utf-8") as file:
            lines = file.readlines()
        for line in lines:
            begin, end = (int(word, 16)
                          for word in line.split(" ")[0].split("-"))
            at = -(-begin // ALIGNED) * ALIGNED
            if " rw" not in line or at + self.bytes > end:
                continue
            try:
                magic, owner = self._words(at + self.first, 2)
            except (OSError, struct.error):
                continue
            if (magic, owner) == (self.magic, 0):
                self.start = at
                return

    def writes(self):
        """How many its guest has made, or None: there is no guest yet, or no
        process any more."""
        try:
            if not self.pid:
                return None
            if self.file is None:
                self.file = os.open(f"/proc/{self.pid}/mem", os.O_RDONLY)
            if self.start is None:
                self._find()
            if self.start is None:
                return None
            return sum(self._words(self.start + self.first + i * rig.PAGE
                                   + WRITES_AT, 1)[0]
                       for i in range(self.threads))
        except (OSError, struct.error):
            return None

