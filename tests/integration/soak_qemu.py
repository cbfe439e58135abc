# SPDX-License-Identifier: BSD-3-Clause
"""Many moves of a busy Linux between QEMUs of one or two versions, each of
another kind; the guest verifies its memory, files and disks all the while.

    soak_qemu.py [--runs N] [--versions 7.2,10] [--seed S] [--accel tcg|kvm]
                 [--first RUN]

Moves come in chains: a guest is booted once and goes on from QEMU to QEMU,
always with the same devices; where there are two versions, half of the chains
go from the first to the second. Prints a line a move, and their medians."""
import argparse
import random
import statistics
import sys
import unittest

import qemu_rig
import rig
from qemu_disks import Disk

CHAIN = 5  # moves of a guest, then a new one is booted
BACKINGS = ("private", "memfd", "file", "private-file")
WRITES = ("0", "10M", "50M", "100M", "200M", "400M")
LIMITS_MS = (20, 30, 50, 100, 200, 300)
LANES = range(1, 9)
AIOS = ("threads", "native", "io_uring")
KINDS = ("pass", "file pass", "disk pass")


class Chain(qemu_rig.Case):
    """One guest and its moves; the test's name carries its number."""
    runs = 100
    accel = "tcg"
    versions = ("7.2",)
    seed = 1
    results = []

    def __init__(self, number):
        super().__init__("moves")
        self.number = number

    def id(self):
        return f"soak.chain {self.number}"

    def setUp(self):
        for version in self.versions:
            reason = qemu_rig.missing(version)
            if reason:
                self.skipTest(reason)
        super().setUp()

    def plan(self, dice):
        """-> (settings of the first QEMU, versions of the others)."""
        kind = dice.choice(("q35", "pc"))
        start, end = self.versions[0], self.versions[-1]
        crossing = start != end and self.number % 2 == 1
        if not crossing:
            start = end = dice.choice(self.versions)
        settings = {
            "version": start, "accel": self.accel,
            "machine": qemu_rig.COMMON_MACHINES[kind] if crossing else kind,
            "cpu": qemu_rig.COMMON_CPU if crossing else None,
            "memory": dice.choice((192, 256, 512)),
            "backing": dice.choice(BACKINGS),
            "sandbox": dice.random() < 0.3,
            "asks": f"write={dice.choice(WRITES)} set=32M files=8 "
                    f"writers={dice.choice((1, 2))}",
            "more": ["-smp", str(dice.choice((1, 2)))],
            "disks": [
                Disk(self.path("read"), ":direct:writer:readers=2", mib=32,
                     aio=dice.choice(AIOS)),
                Disk(self.path("files"), ":direct", kind="fs", mib=16,
                     form="qcow2", bus=dice.choice(("virtio-blk-pci",
                                                    "scsi-hd"))),
                Disk(self.path("cached"), ":writer", mib=8, direct=False),
            ]}
        turn = dice.randrange(CHAIN)
        return settings, [end if crossing and i >= turn else start
                          for i in range(CHAIN)]

    def moves(self):
        dice = random.Random(f"{self.seed}-{self.number}")
        settings, versions = self.plan(dice)
        qemu = self.boot(**settings)
        for version in versions:
            backing = dice.choice(BACKINGS)
            limit = dice.choice(LIMITS_MS)
            options = ["--channels", str(dice.choice(LANES)),
                       "--downtime-limit", f"{limit}ms"]
            was = qemu.settings
            print(f"# {was['version']} -> {version} {was['machine']} "
                  f"{was['backing']} -> {backing} {was['asks']} "
                  f"{' '.join(was['more'])} {' '.join(options)}", flush=True)
            qemu, send = self.move_qemu(
                qemu, *options, "--throttle", "auto", version=version,
                backing=backing, kinds=KINDS)
            report = send.json
            terms = sorted(report["downtime_terms"],
                           key=lambda term: -term["actual_ms"])[:3]
            print(f"#   pause {report['downtime_ms']:.1f} ms (limit {limit}),"
                  f" {report['total_ms']:.0f} ms in all; " + ", ".join(
                      f"{term['name']} {term['actual_ms']:.1f}"
                      for term in terms), flush=True)
            self.results.append((report["downtime_ms"], limit,
                                 report["total_ms"]))
        qemu.quit()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--versions", default="7.2")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--accel", default="tcg")
    asked = parser.parse_args()
    Chain.versions = tuple(asked.versions.split(","))
    Chain.seed, Chain.accel = asked.seed, asked.accel
    chains = range(asked.first, asked.first + -(-asked.runs // CHAIN))
    print(f"1..{len(chains)}\n# seed {asked.seed}", flush=True)
    result = rig.Tap()
    unittest.TestSuite(Chain(number) for number in chains).run(result)
    pauses = [pause for pause, _, _ in Chain.results]
    if pauses:
        over = sum(pause > limit for pause, limit, _ in Chain.results)
        print(f"# {len(pauses)} moves ended well; pause {min(pauses):.1f} to "
              f"{max(pauses):.1f} ms, median {statistics.median(pauses):.1f};"
              f" {over} above their limit; total median "
              f"{statistics.median(t for _, _, t in Chain.results):.0f} ms")
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
