# SPDX-License-Identifier: BSD-3-Clause
"""A guest goes back and forth between two processes that live on, for as long as
RAMJET_SOAK_S says; in RAMJET_SOAK_CUTS of 100 moves a data connection is cut,
by RST or by FIN, after a random part of what it carries.

After each move the guest runs in exactly one of them, it has found all of its
pages as it left them, and both sides have compared digests. At rest, both
processes have as many threads and descriptors as they had after the first
moves, and their memory does not grow (RSS_GROWS_MIB). RAMJET_SEED says which
cuts; it is printed, and a tally by outcome at the end.
"""
import collections
import os
import random
import re
import socket
import statistics
import struct
import subprocess
import threading
import time

import rig
import wire
from forwarder import Forwarder
from rig import MIB

VM = os.environ.get("RAMJET_TWO_WAY_VM", "build/tests/integration/two_way_vm")
SECONDS = float(os.environ.get("RAMJET_SOAK_S", "1200"))
CUTS = int(os.environ.get("RAMJET_SOAK_CUTS", "50"))
SEED = int(os.environ.get("RAMJET_SEED", "1"))
BYTES = 64 * MIB
CHANNELS = 4
# Moves, or a quarter of all: first the allocator's arenas, stacks that are kept,
# and tables grow.
WARM_UP = 20
# Median of the last third after that against that of the first. Chosen: a leak of
# a frame's buffers (2 MiB) a move shows after some moves, one of 4 KiB after 1500.
RSS_GROWS_MIB = 4
# HELLO's role: behind the header, two versions and five bytes.
HELLO_BYTES = wire.HEADER.size + 12


class Cutter(Forwarder):
    """Forwards; cuts one data connection once it has carried `after` bytes."""

    def __init__(self, uri, after, how):
        self.after, self.how = after, how
        self.cut = threading.Event()
        self.cut_ends = ()
        self.chosen = False
        self.lock = threading.Lock()
        self.ends = []
        super().__init__(uri)

    def join(self, source, target):
        with self.lock:
            self.ends += [source, target]
        for left, right, first in ((source, target, True),
                                   (target, source, False)):
            threading.Thread(target=self._pump, daemon=True,
                             args=(left, right, first)).start()

    def _is_data(self, left):
        head = b""
        while len(head) < HELLO_BYTES:
            head = left.recv(HELLO_BYTES, socket.MSG_PEEK | socket.MSG_WAITALL)
            if not head:
                return False
        role, = struct.unpack_from("<H", head, wire.HEADER.size + 8)
        return role == wire.DATA

    def _pump(self, left, right, first):
        carried, ours = 0, False
        try:
            if first and self._is_data(left):
                with self.lock:
                    ours = self.after is not None and not self.chosen
                    self.chosen |= ours
            while True:
                piece = left.recv(1 << 18)
                if not piece and left in self.cut_ends:
                    return
                if not piece:
                    right.shutdown(socket.SHUT_WR)
                    return
                carried += len(piece)
                if ours and carried >= self.after:
                    self._cut(left, right)
                    return
                right.sendall(piece)
        except OSError:
            self._end(left, right)

    def _cut(self, *ends):
        self.cut_ends = ends
        self.cut.set()
        if self.how == "fin":
            self._end(*ends)
            return
        for end in ends:
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                           struct.pack("ii", 1, 0))
        # Says nothing to the peer, but wakes the other thread: while that
        # waits, nothing is closed.
        self._end(*ends, how=socket.SHUT_RD)

    @staticmethod
    def _end(*ends, how=socket.SHUT_RDWR):
        for end in ends:
            try:
                end.shutdown(how)
            except OSError:
                pass
            end.close()

    def close(self):
        super().close()
        with self.lock:
            self._end(*self.ends)


class Vm:
    def __init__(self, case, tracking):
        self.process = subprocess.Popen(
            [VM, str(BYTES), tracking, str(CHANNELS)], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=rig.environment())
        case.addCleanup(self.close)

    def order(self, *words):
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def answer(self):
        line = self.process.stdout.readline().strip()
        if not line or line.startswith(("failed", "CORRUPT")):
            raise AssertionError(f"exit {self.process.poll()}: {line}")
        return line

    def ask(self, *words):
        self.order(*words)
        return self.answer()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def figures(self):
        """(RSS in MiB, threads, descriptors)."""
        path = f"/proc/{self.process.pid}"
        with open(path + "/status", encoding="ascii") as file:
            text = file.read()
        return (int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024,
                int(re.search(r"Threads:\s+(\d+)", text)[1]),
                len(os.listdir(path + "/fd")))


class BackAndForth(rig.Case):
    def move(self, here, there, dice):
        """What came of it, and where the guest is then."""
        cut = dice.randrange(100) < CUTS
        after = int(dice.uniform(0, 1.2) * BYTES / CHANNELS) if cut else None
        way = Cutter(there.ask("listen").removeprefix("listening "), after,
                     dice.choice(("rst", "fin")))
        there.order("await")
        said = here.ask("send", way.uri)
        # A lost end lets a target that still waits for it know.
        if said != "sent":
            way.close()
        heard = there.answer()
        if said == "sent":
            way.close()
        word = ("cut, " if way.cut.is_set() else
                "to be cut later, " if cut else "left alone, ")
        if heard == "arrived":
            return word + said.split(":")[0], there, said
        if said.startswith("unconfirmed"):
            # Both ends are asked: it runs nowhere.
            here.ask("resume")
            return word + "resumed by hand", here, said
        self.assertTrue(said.startswith("stayed"), said + "; " + heard)
        return word + "stayed", here, said

    def judge(self, samples):
        """Of one process: (RSS, threads, descriptors) at rest, after each
        move."""
        warm = samples[max(WARM_UP, len(samples) // 4):]
        third = len(warm) // 3
        self.assertGreater(third, 3, "too few moves to judge by")
        early, last = warm[:third], warm[-third:]
        rss = [statistics.median(f[0] for f in part) for part in (early, last)]
        print(f"# rss {rss[0]:.1f} -> {rss[1]:.1f} MiB (highest "
              f"{max(f[0] for f in warm):.1f}), threads "
              f"{sorted(set(f[1] for f in warm))}, descriptors "
              f"{sorted(set(f[2] for f in warm))}", flush=True)
        self.assertLessEqual(rss[1] - rss[0], RSS_GROWS_MIB)
        # By whether the guest runs there: a thread more.
        self.assertEqual(len(set(f[1] for f in warm)), 1)
        self.assertEqual(len(set(f[2] for f in warm)), 1)

    def test_back_and_forth(self):
        dice = random.Random(SEED)
        print(f"# seed {SEED}, {SECONDS:.0f} s, {CUTS} % cut", flush=True)
        pair = Vm(self, "pagemap"), Vm(self, "shared")
        here, there = pair
        here.ask("boot")
        tally, said_when_cut = collections.Counter(), collections.Counter()
        samples = {vm: [] for vm in pair}
        began = time.monotonic()
        at, steps = 0, 0
        while at < SECONDS:
            outcome, now_here, said = self.move(here, there, dice)
            tally[outcome] += 1
            if ":" in said:
                said_when_cut[re.sub(r"\d+", "N", said)] += 1
            if now_here is there:
                here, there = there, here
            self.assertRegex(there.ask("check"), "stands still")
            is_at = int(re.fullmatch(r"runs, steps (\d+)",
                                     here.ask("check"))[1])
            self.assertGreaterEqual(is_at, steps)
            steps = is_at
            at = time.monotonic() - began
            for vm in pair:
                rss, threads, fds = vm.figures()
                samples[vm].append((rss, threads - (vm is here), fds))
        for kind, count in sorted(tally.items()):
            print(f"# {count:5} {kind}")
        for what, count in said_when_cut.most_common():
            print(f"# {count:5} {what}")
        print(f"# {steps} pages written, each looked at before", flush=True)
        for vm in pair:
            self.judge(samples[vm])
            vm.order("quit")
            self.assertEqual(vm.process.wait(rig.DEADLINE_S), 0)


if __name__ == "__main__":
    rig.main()
