# SPDX-License-Identifier: BSD-3-Clause
"""Data connections break while a guest is moved that is written to."""
import re

import rig
from resetting_relay import ResettingRelay
from rig import MIB

GUEST = "process:size=96M,write=100M,set=32M,pattern=random"


class LostLanes(rig.Case):
    def over(self, guest, *options, after_bytes=0, breaks=0):
        target = self.recv(guest)
        relay = ResettingRelay(target.uri, after_bytes, breaks)
        self.addCleanup(relay.close)
        source = self.send(guest, relay.uri, "--channels", "3", "--log",
                           "info", *options)
        return source, target, relay

    def survives(self, source, target, lost):
        self.both_end(source, target)
        self.assertGreaterEqual(source.json["lanes_lost"], lost,
                                source.story())
        self.assertTrue(source.json["verify"]["identical"], source.story())
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_connections_break_again_and_again(self):
        source, target, _ = self.over(GUEST, after_bytes=7 * MIB, breaks=12)
        self.survives(source, target, 8)
        self.assertGreater(source.json["lanes_rejoined"], 0, source.story())
        self.assertGreater(source.json["ram"]["resent_pages"], 0)

    def test_with_compression_and_deltas(self):
        if not rig.has_zstd():
            self.skipTest("no zstd in this build")
        source, target, _ = self.over(
            GUEST, "--compress", "zstd:1", "--bandwidth", "60M",
            after_bytes=3 * MIB, breaks=8)
        self.survives(source, target, 4)

    def test_all_at_once_while_held(self):
        monitor = "unix:" + self.path("monitor")
        source, target, relay = self.over(GUEST, "--hold", "--monitor",
                                          monitor)
        source.wait_for(r"held")
        relay.reset_data()
        for _ in range(3):
            source.wait_for(r"channel \d: connected anew")
        told = self.ramjet("switchover", monitor)
        self.assertEqual(told.wait(), 0, told.story())
        self.survives(source, target, 3)
        self.assertEqual([channel["epoch"] for channel
                          in source.json["channels"]], [1, 1, 1])

    def test_none_comes_back(self):
        source, target, relay = self.over(GUEST, "--hold", "--reconnect",
                                          "1s")
        source.wait_for(r"held")
        relay.reset_data(refuse=True)
        self.both_end(source, target, status=1)
        self.assertRegex(source.err, r"no channel is left, and none came back "
                                     r"within 1000 ms")
        self.assertTrue(re.search(r"runs on|still runs", source.story()) or
                        source.json["status"] == "failed", source.story())

    def test_off_it_ends_the_migration(self):
        source, target, _ = self.over(GUEST, "--reconnect", "0",
                                      after_bytes=7 * MIB, breaks=1)
        self.both_end(source, target, status=1)
        self.assertEqual(source.json["lanes_lost"], 0)


if __name__ == "__main__":
    rig.main()
