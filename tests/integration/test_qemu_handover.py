# SPDX-License-Identifier: BSD-3-Clause
"""Around the point of no return: a target runs when, and only when, the
source never will again."""
import qemu_rig
import rig
from qmp_relay import Relay


class Starts(qemu_rig.Case):
    def test_a_target_without_S_starts_no_earlier(self):
        """Once its state is loaded, QEMU itself would let it run."""
        source = self.boot()
        target = source.twin(without=("-S",))
        relay = Relay(self, target)
        seen = []
        relay.before("cont", lambda: seen.append(
            (source.status(), target.status())))
        before = source.console.last_tick()
        send, recv = self.start_move(source, relay)
        self.both_end(send, recv)
        self.assertEqual(seen, [("paused", "paused")])
        self.goes_on(source, target, send, before)


class LateKills(qemu_rig.Case):
    """Past the point of no return: nobody resumes the source by itself."""

    def kill_at_cont(self, victim):
        """`cont` of the target says that COMMIT has arrived."""
        source = self.boot()
        target = source.twin()
        relay = Relay(self, target)
        sides = {}
        relay.before("cont", lambda: sides[victim].kill())
        sides["recv"] = self.recv(relay.guest, f"unix:{self.path('move')}")
        sides["send"] = self.send(source.guest, sides["recv"].uri)
        sides[victim].wait()
        return source, target, sides

    def test_send_is_killed_once_the_target_starts(self):
        source, target, sides = self.kill_at_cont("send")
        sides["recv"].wait()
        self.assertEqual(target.status(), "running", sides["recv"].story())
        target.console.wait_passes()
        target.console.check()
        self.no_trouble(source, target)
        self.assertNotEqual(source.status(), "running")

    def test_recv_is_killed_as_it_starts_the_target(self):
        source, target, sides = self.kill_at_cont("recv")
        self.ends(sides["send"], 3)
        # Its guardian had the mark: the guest goes on there.
        if target.status() != "running":
            target.monitor.wait_event("RESUME")
        target.console.wait_passes()
        target.console.check()
        self.no_trouble(source, target)
        self.assertNotEqual(source.status(), "running")


if __name__ == "__main__":
    rig.main()
