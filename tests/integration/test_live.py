# SPDX-License-Identifier: BSD-3-Clause
"""Guests that write while they move. The target's guest goes on from the very
next write and checks every page of itself; the source's memory stays quiet."""

import rig
from delay_relay import DelayRelay

# (what it is, guest, options of send)
MOVES = [
    ("idle", "process:size=64M,write=0", []),
    ("slow", "process:size=64M,write=10M,set=8M", []),
    ("random", "process:size=64M,write=100M,set=32M,pattern=random", []),
    ("hot", "process:size=64M,write=100M,set=32M,pattern=hot", []),
    ("sequential", "process:size=64M,write=100M,set=64M,pattern=sequential",
     []),
    ("many_threads", "process:size=64M,write=200M,set=32M,threads=4", []),
    ("all_zero", "process:size=64M,write=20M,set=16M,zero=100%", []),
    ("thp", "process:size=64M,write=100M,set=32M,pages=thp", []),
    ("preallocated", "process:size=64M,write=50M,set=16M,prealloc=1", []),
    ("capped", "process:size=32M,write=10M,set=8M", ["--bandwidth", "100M"]),
    ("as_fast_as_it_can", "process:size=64M,write=max,set=8M", []),
]


class Live(rig.Case):
    def test_at_least_two_rounds(self):
        # The first round takes 0.6 s at the cap, so some 12 MiB are dirtied
        # meanwhile, which do not fit into 20 ms.
        guest = "process:size=64M,write=20M,set=32M,zero=0%"
        source, target = self.move(guest, guest, "--bandwidth", "100M",
                                   "--downtime-limit", "20ms")
        rounds = source.json["rounds"]
        self.assertGreaterEqual(len(rounds), 2, source.story())
        self.assertGreater(rounds[0]["dirtied_pages"], 0)
        sent = sum(each["pages"] for each in rounds)
        ram = source.json["ram"]
        self.assertEqual(sent, ram["normal_pages"] + ram["zero_pages"]
                         + ram["word_pages"] + ram["compressed_pages"]
                         + ram["delta_pages"])
        self.assertEqual(ram["remaining_bytes"], 0)

    def over_a_long_path(self, guest):
        """Many rounds are under way at once, and none is waited for."""
        target = self.recv(guest)
        relay = DelayRelay(target.uri, 0.05)
        self.addCleanup(relay.close)
        source = self.send(guest, relay.uri, "--verify", "--throttle", "auto",
                           "--downtime-limit", "2s")
        self.both_end(source, target)
        report = source.json
        self.assertTrue(report["verify"]["identical"], source.story())
        # TCP's round trip ends at the relay. The path's is in the pause twice.
        self.assertGreaterEqual(report["path_rtt_ms"], 100, source.story())
        self.assertGreaterEqual(report["downtime_predicted_ms"]["p50"], 200,
                                source.story())
        # The guest ran before the source could hear of it.
        self.assertLessEqual(report["guest_downtime_ms"] + 50,
                             report["downtime_ms"], source.story())
        return report

    def test_idle_over_a_long_path(self):
        report = self.over_a_long_path("process:size=64M,write=0")
        # No look every 5 ms at what cannot have arrived yet.
        self.assertLessEqual(report["rounds_total"], 10)

    def test_writing_over_a_long_path(self):
        self.over_a_long_path("process:size=64M,write=10M,set=8M")

    def test_pause_is_the_sum_of_its_terms(self):
        guest = "process:size=64M,write=50M,set=16M"
        source, _ = self.move(guest, guest)
        report = source.json
        self.assertGreater(report["downtime_ms"], 0)
        self.assertAlmostEqual(
            sum(term["actual_ms"] for term in report["downtime_terms"]),
            report["downtime_ms"], delta=0.1 + report["downtime_ms"] * 0.02)

    def test_target_of_another_size_is_refused(self):
        target = self.recv("process:size=32M")
        source = self.send("process:size=64M,write=1M", target.uri)
        self.ends(source, 1)
        self.ends(target, 1)

    def test_ten_moves_in_a_row(self):
        for turn in range(10):
            guest = ("process:size=32M,write=500M,set=16M,pattern=random,"
                     f"seed={turn + 1}")
            with self.subTest(turn=turn):
                self.move(guest, guest, "--channels", str(turn % 8 + 1),
                          "--backend", ("uring", "syscalls")[turn % 2])


def add(name, guest, options):
    def test(self):
        self.move(guest, guest, "--channels", "2", *options)
    setattr(Live, "test_" + name, test)


for move in MOVES:
    add(*move)


if __name__ == "__main__":
    rig.main()
