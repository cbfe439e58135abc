# SPDX-License-Identifier: BSD-3-Clause
"""Cancelled in each state: the source goes on, the target says why it ended,
and the next migration is a whole one."""

import rig
import wire
from relay import Relay, hold_at
from rig import MIB

LIVE = "process:size=32M,write=20M,set=8M"


class Cancel(rig.Case):
    def start(self, rule, *options, guest=LIVE):
        target = self.recv(guest)
        relay = Relay(target.uri, rule)
        self.addCleanup(relay.close)
        return self.send(guest, relay.uri, *options), target, relay

    def cancelled(self, source, target, relay):
        """SIGINT, with the relay still holding: the peer hangs."""
        source.interrupt()
        self.ends(source, 1, "cancel", "runs on")
        self.assertEqual(source.json["status"], "cancelled")
        relay.release()
        self.ends(target, 1)
        self.moves_again()

    def moves_again(self):
        self.move(LIVE, LIVE)

    def test_while_connecting(self):
        source, target, relay = self.start(hold_at(wire.HELLO))
        relay.wait_reached()
        self.cancelled(source, target, relay)

    def test_in_setup(self):
        source, target, relay = self.start(hold_at(wire.ACCEPT))
        relay.wait_reached()
        self.cancelled(source, target, relay)

    def test_in_the_first_round(self):
        source, target, relay = self.start(hold_at(wire.PAGES, 3),
                                           "--channels", "2")
        relay.wait_reached()
        self.cancelled(source, target, relay)

    def test_with_a_round_unconfirmed(self):
        source, target, relay = self.start(hold_at(wire.APPLIED))
        relay.wait_reached()
        self.cancelled(source, target, relay)

    def test_while_held(self):
        source, target, relay = self.start(lambda _r, _d, _k, frame: frame,
                                           "--hold")
        source.wait_for("held")
        self.cancelled(source, target, relay)

    def test_in_the_switchover_before_the_target_knows(self):
        source, target, relay = self.start(hold_at(wire.SWITCHOVER))
        relay.wait_reached()
        self.cancelled(source, target, relay)

    def test_in_the_switchover_with_the_target_ready(self):
        source, target, relay = self.start(hold_at(wire.READY))
        relay.wait_reached()
        self.cancelled(source, target, relay)

    def test_too_late_after_commit(self):
        source, target, relay = self.start(hold_at(wire.RUNNING))
        relay.wait_reached()
        source.interrupt()
        relay.release()
        self.both_end(source, target)

    def test_a_ready_target_keeps_its_word(self):
        source, target, relay = self.start(hold_at(wire.COMMIT))
        relay.wait_reached()
        target.interrupt()
        target.wait_for("the source decides")
        relay.release()
        self.both_end(source, target)

    def test_target_gives_up_while_it_waits(self):
        target = self.recv(LIVE)
        target.interrupt()
        self.ends(target, 1, "cancel")
        self.assertEqual(target.json["status"], "cancelled")

    def test_target_gives_up_in_the_middle(self):
        source, target, relay = self.start(hold_at(wire.PAGES, 3))
        relay.wait_reached()
        target.interrupt()
        self.ends(target, 1, "cancel")
        relay.release()
        self.ends(source, 1, "runs on")
        self.moves_again()

    def test_image_moves_after_a_cancelled_try(self):
        image = self.image("A", "mixed", 32 * MIB)
        guest = f"file:{image}"
        target = self.recv(f"file:{self.path('B')},size=32M")
        relay = Relay(target.uri, hold_at(wire.PAGES, 3))
        self.addCleanup(relay.close)
        source = self.send(guest, relay.uri)
        relay.wait_reached()
        source.interrupt()
        self.ends(source, 1, "cancel")
        relay.release()
        self.ends(target, 1)
        self.move(guest, f"file:{self.path('B')},size=32M")
        self.same(image, self.path("B"))


if __name__ == "__main__":
    rig.main()
