# SPDX-License-Identifier: BSD-3-Clause
"""Every pair of codec, deltas, hot pages, backend, lanes, guest and transport
meets in some move of a guest that writes, and nothing is lost: all memory is
proven equal (--verify), and the guest finds each page right.

RAMJET_CODECS_TOGETHER=3: every three of them.
"""
import itertools
import os
import random
import socket

import qmp_client
import rig

FACTORS = {
    "codec": ("none", "zstd:-5", "zstd:3", "auto"),
    "deltas": ("auto", "off"),
    "hot": ("last", "in-turn"),
    "backend": ("uring", "syscalls"),
    "lanes": (1, 2, 4, 16),
    "guest": ("process", "kvm", "file"),
    "transport": ("tcp", "unix", "exec", "file", "fd"),
}
NAMES = tuple(FACTORS)
TOGETHER = int(os.environ.get("RAMJET_CODECS_TOGETHER", "2"))
# Small writes again and again to few pages: food for deltas and hot pages.
LIVE = "size=64M,set=8M,write=100M,pattern=hot"
GUESTS = {"process": f"process:{LIVE},touch=64", "kvm": f"kvm:{LIVE}"}
SIZE = 64 * rig.MIB
# So many rounds under writes, before it may go.
ROUNDS = 6
TRIES = 40
KINDS = ("normal_pages", "zero_pages", "word_pages", "compressed_pages",
         "delta_pages", "unpopulated_pages")


def is_possible(row):
    """fd:, exec: and file: are one connection."""
    return row["transport"] in ("tcp", "unix") or row["lanes"] == 1


def parts(row):
    """What meets in this one."""
    return {tuple((name, row[name]) for name in names)
            for names in itertools.combinations(NAMES, TOGETHER)}


def wanted():
    """All that can meet."""
    return set().union(*(parts(row) for values
                         in itertools.product(*FACTORS.values())
                         if is_possible(row := dict(zip(NAMES, values)))))


def completed(dice, part):
    """A row with that in it; the rest at random."""
    while True:
        row = {name: dice.choice(values) for name, values in FACTORS.items()}
        row.update(part)
        if is_possible(row):
            return row


def rows():
    """Few that have all of it: each the best of some at random. The same ones
    every time."""
    dice = random.Random(1)
    left = wanted()
    found = []
    while left:
        part = min(left, key=repr)
        best = max((completed(dice, part) for _ in range(TRIES)),
                   key=lambda row: len(parts(row) & left))
        found.append(best)
        left -= parts(best)
    return found


class Codecs(rig.Case):
    def combined(self, row):
        if row["codec"].startswith("zstd") and not HAS_ZSTD:
            self.skipTest("zstd is not part of this build")
        if row["guest"] == "kvm" and not os.access("/dev/kvm",
                                                   os.R_OK | os.W_OK):
            self.skipTest("no /dev/kvm")
        self.row = row
        self.options = ["--backend", row["backend"], "--compress",
                        row["codec"], "--delta-cache", row["deltas"],
                        "--hot-pages", row["hot"], "--channels",
                        str(row["lanes"])]
        if row["guest"] == "file":
            self.here = f"file:{self.image('A', 'mixed', SIZE)}"
            self.there = f"file:{self.path('B')},size=64M"
        else:
            self.here = GUESTS[row["guest"]]
            self.there = f"{row['guest']}:size=64M"
            self.options += ["--hold", "--log", "info", "--monitor",
                             f"unix:{self.path('monitor')}"]
        source, report = getattr(self, "by_" + row["transport"])()
        self.is_right(source.json, report)

    def is_right(self, source, target):
        # What goes one way has its proof in the stream.
        one_way = self.row["transport"] in ("exec", "file")
        proof = target if one_way else source
        self.assertTrue((proof["verify"] or {}).get("identical"), source)
        ram = source["ram"]
        if self.row["guest"] == "file":
            self.same(self.path("A"), self.path("B"))
            # Idle: each page went once, and was counted as what it went as.
            self.assertEqual(sum(ram[kind] for kind in KINDS),
                             SIZE // rig.PAGE, ram)
        else:
            self.assertTrue(target["self_check"]["clean"], target)
        print(f"# rounds {source['rounds_total']}, compressed "
              f"{ram['compressed_pages']}, deltas {ram['delta_pages']}, "
              f"normal {ram['normal_pages']}")
        if self.row["codec"].startswith("zstd"):
            self.assertGreater(ram["compressed_pages"], 0)
        if self.row["codec"] == "none":
            self.assertEqual(ram["compressed_pages"], 0)
        if self.row["deltas"] == "off":
            self.assertEqual(ram["delta_pages"], 0)

    # ---- by each transport: the source, and the target's report

    def source(self, uri, *pass_fds):
        """Let go after some rounds."""
        source = self.send(self.here, uri, *self.options, pass_fds=pass_fds)
        if self.row["guest"] != "file":
            source.wait_for("active -> held")
            client = qmp_client.Client(self.path("monitor"))
            self.addCleanup(client.close)
            while client.wait_event("MIGRATION_PASS")["data"]["pass"] < ROUNDS:
                pass
            client.execute("x-ramjet-switchover")
        return source

    def listening(self, uri):
        target = self.recv(self.there, uri, "--backend", self.row["backend"])
        source = self.source(target.uri)
        self.both_end(source, target)
        return source, target.json

    def by_tcp(self):
        return self.listening("tcp:127.0.0.1:0")

    def by_unix(self):
        return self.listening("unix:" + self.path("socket"))

    def by_fd(self):
        ends = socket.socketpair()
        with ends[0], ends[1]:
            fds = [end.fileno() for end in ends]
            target = self.recv(self.there, f"fd:{fds[1]}", "--backend",
                               self.row["backend"], pass_fds=fds[1:])
            source = self.source(f"fd:{fds[0]}", fds[0])
            self.both_end(source, target)
        return source, target.json

    def by_file(self):
        stream = "file:" + self.path("stream")
        source = self.source(stream)
        self.ends(source, 0)
        target = self.migrating("recv", self.there, "--from", stream,
                                "--backend", self.row["backend"])
        self.ends(target, 0)
        return source, target.json

    def by_exec(self):
        """The target takes it from a pipe, as through ssh."""
        return self.by_command(
            f"exec {rig.RAMJET} recv {self.there} --from fd:0 --backend "
            f"{self.row['backend']} --json {self.path('there')}")

    def by_command(self, command):
        source = self.source("exec:" + command)
        self.ends(source, 0)
        with open(self.path("there"), encoding="utf-8") as file:
            return source, rig.json.load(file)


def add_tests():
    for number, row in enumerate(rows()):
        name = "_".join(str(row[name]) for name in NAMES)
        setattr(Codecs, f"test_{number:03}_{name}",
                lambda case, one=row: case.combined(one))


HAS_ZSTD = rig.has_zstd()
add_tests()

if __name__ == "__main__":
    rig.main()
