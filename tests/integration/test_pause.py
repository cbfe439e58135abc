# SPDX-License-Identifier: BSD-3-Clause
"""How long a guest may stand still."""
import monitor_rig
import rig
from paced_relay import PacedRelay

RATE = 8 * rig.MIB
# A second of RATE are dirty whenever it stops.
GUEST = "process:size=16M,write=200M,set=8M,zero=0%"


class Pause(monitor_rig.Case):
    def test_a_pause_in_which_bytes_trickle_has_an_end(self):
        target = self.recv(GUEST)
        relay = PacedRelay(target.uri, RATE)
        self.addCleanup(relay.close)
        source = self.send(GUEST, relay.uri, "--channels", "1",
                           "--downtime-limit", "60s",
                           "--switchover-timeout", "300ms", "--log", "info",
                           verify=False)
        self.ends(source, 1, r"the most allowed is 300 \(switchover timeout",
                  "stood still for .*, and runs on")
        self.ends(target, 1, "switchover timeout")
        self.assertGreater(source.json["downtime_ms"], 0)

    def test_a_forced_pause_may_be_as_long_as_predicted(self):
        target = self.recv(GUEST)
        relay = PacedRelay(target.uri, 2 * RATE)
        self.addCleanup(relay.close)
        source = self.send(GUEST, relay.uri, "--channels", "1",
                           "--downtime-limit", "1ms",
                           "--on-no-convergence", "switch")
        self.both_end(source, target)

    def test_timeouts_can_be_set_live(self):
        source = self.source()
        self.ends(self.ramjet("set", "switchover-timeout=1500us",
                              "reply-timeout=7s", "stall-timeout=2s",
                              "timeout=1m", source.path), 0)
        client = self.client(source)
        found = client.execute("query-migrate-parameters")
        self.assertEqual({name: found["x-ramjet-" + name + "-timeout-ms"]
                          for name in ("switchover", "reply", "stall",
                                       "total")},
                         {"switchover": 2, "reply": 7000, "stall": 2000,
                          "total": 60000})
        self.quits(source, client, 1)


if __name__ == "__main__":
    rig.main()
