# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU's owner stops it and lets it go on by another monitor, while ramjet is
at work: what the owner wants last counts."""
import signal

import qemu_rig
import rig


class Owner(qemu_rig.Case):
    def test_resumed_while_it_is_moved(self):
        """It was paused when ramjet came; so its pause was the owner's, whose
        wish has changed since: it runs where it arrives."""
        source = self.boot()
        source.execute("stop")
        target = source.twin()
        send, recv = self.start_move(source, target, "--hold", "--log",
                                     "debug")
        send.wait_for("active -> held")
        before = source.console.last_tick()
        source.execute("cont")
        source.console.wait_tick(beyond=before.number)
        before = source.console.last_tick()
        send.process.send_signal(signal.SIGUSR1)
        self.both_end(send, recv)
        self.goes_on(source, target, send, before)

    def test_resumed_before_a_move_that_fails(self):
        source = self.boot()
        source.execute("stop")
        target = source.twin()
        send, recv = self.start_move(source, target, "--hold", "--log",
                                     "debug")
        send.wait_for("active -> held")
        source.execute("cont")
        recv.kill()
        send.wait()
        self.runs_on(source)

    def test_paused_while_it_is_moved(self):
        source = self.boot()
        target = source.twin()
        send, recv = self.start_move(source, target, "--hold", "--log",
                                     "debug")
        send.wait_for("active -> held")
        source.execute("stop")
        send.process.send_signal(signal.SIGUSR1)
        self.both_end(send, recv)
        self.assertEqual(target.status(), "paused")
        self.assertEqual(source.status(), "paused")

    def test_paused_before_ramjet_dies(self):
        """It stays as its owner wants it: no guardian lets it go on."""
        source = self.boot()
        target = source.twin()
        send, _ = self.start_move(source, target, "--hold", "--log", "debug")
        send.wait_for("active -> held")
        source.execute("stop")
        send.kill()
        send.wait()
        self.assertEqual(source.status(), "paused")


if __name__ == "__main__":
    rig.main()
