# SPDX-License-Identifier: BSD-3-Clause
"""QEMUs as people start them, moved under load by ramjet: there and back
again, nothing lost."""
import qemu_rig
import rig
from qemu_disks import Disk

ALL_KINDS = ("pass", "file pass", "disk pass")


class Moves(qemu_rig.Case):
    def loaded(self, **settings):
        """A guest that is busy with memory, files and disks."""
        return self.boot(
            asks="write=50M set=32M files=8", disks=[
                Disk(self.path("read"), ":direct:readers=2", mib=16),
                Disk(self.path("files"), ":direct", kind="fs", mib=16),
                Disk(self.path("cached"), ":writer", mib=8, direct=False),
            ], **settings)

    def test_there_and_back_again(self):
        qemu = self.loaded()
        for backing, options in (
                ("private", ["--channels", "1"]),
                ("memfd", ["--channels", "4", "--downtime-limit", "50ms"]),
                ("private-file", ["--channels", "1"]),
                ("private", ["--channels", "4", "--compress", "none"])):
            with self.subTest(backing=backing, options=options):
                qemu, _ = self.move_qemu(qemu, *options, backing=backing,
                                         kinds=ALL_KINDS)
        self.stays_paused(qemu)

    def stays_paused(self, source):
        source.execute("stop")
        target, _ = self.move_qemu(source, paused=True)
        self.assertEqual(target.status(), "paused")
        self.assertEqual(source.status(), "paused")
        before = source.console.last_tick()
        self.assertEqual(target.console.text(), "")
        # Who goes on is for people to say; QEMU's locks let only one.
        target.execute("cont")
        target.console.wait_tick(beyond=before.number)
        target.console.wait_passes(ALL_KINDS)
        target.console.check()
        self.no_trouble(source, target)

    def test_idle_in_a_sandbox(self):
        source = self.boot(asks="write=0 check=0 set=32M", machine="pc",
                           sandbox=True)
        found = source.as_found()
        target = source.twin()
        before = source.console.last_tick()
        send, recv = self.start_move(source, target)
        self.both_end(send, recv)
        self.assertTrue(send.json["verify"]["identical"], send.story())
        self.assertEqual(target.status(), "running")
        target.console.wait_tick(beyond=before.number)
        target.console.check()
        self.no_trouble(source, target)
        # QEMU keeps the descriptor that it wrote its state to until it runs
        # again; there is nothing else.
        for what in ("capabilities", "parameters"):
            self.assertEqual(source.as_found()[what], found[what])
        self.assertEqual(source.protected(), [])
        self.assertEqual(source.userfaultfds(), [])
        # What it does next is up to others: QEMU's own migration, say.
        self.assertEqual(
            target.as_found()["capabilities"], found["capabilities"])


if __name__ == "__main__":
    rig.main()
