# SPDX-License-Identifier: BSD-3-Clause
"""Device state by a migration of QEMU's own (state=migrate), as where a build
has no xen-save-devices-state: moves, refusals, and a source that goes on with
every setting as it was, disks' locks included."""
import qemu_rig
import rig
from qemu_disks import Disk
from qmp_relay import Relay


class State(qemu_rig.Case):
    backing = "memfd"

    def by_migrate(self, qemu):
        qemu.keys = ",state=migrate"
        return qemu

    def with_disks(self, **settings):
        return self.by_migrate(self.boot(
            asks="write=20M set=16M files=4", backing=self.backing,
            memory=128, disks=[
                Disk(self.path("files"), ":direct", kind="fs", mib=16),
                Disk(self.path("read"), ":direct:readers=1", mib=8)],
            **settings))

    def test_moves_and_stays(self):
        source = self.with_disks()
        with self.subTest("fails after it was saved"):
            self.stays_with_a_dead_target(source)
        with self.subTest("of another name"):
            self.refused(self.by_migrate(source), "same name",
                         backing="private")
        with self.subTest("into memory that is not shared"):
            qemu, _ = self.move_qemu(source, backing="private-file",
                                     kinds=("pass", "file pass"))
        with self.subTest("memory that would be sent by QEMU"):
            self.refused(qemu, "share=on")
            qemu.keys = ""
            qemu, _ = self.move_qemu(qemu, backing=self.backing)
        with self.subTest("paused"):
            qemu.execute("stop")
            self.refused(qemu, "guest is paused")
            self.assertEqual(qemu.status(), "paused")
            qemu.execute("cont")
            qemu.console.wait_passes()
        with self.subTest("there"):
            self.move_qemu(qemu, kinds=("pass", "file pass"))

    def refused(self, source, *needles, **other):
        self.by_migrate(source)
        found = source.as_found()
        target = source.twin(**other)
        send, recv = self.start_move(source, target)
        self.ends(send, 1, *needles)
        recv.interrupt()  # where the source refuses, nobody has called
        recv.wait()
        target.quit()
        self.assertEqual(source.as_found(), found)

    def stays_with_a_dead_target(self, source):
        """The source has been saved, and is 'postmigrate', when that is heard
        of. A limit to its bandwidth would make the pause seconds long."""
        source.execute("migrate-set-parameters", max_bandwidth=1 << 20)
        found = source.as_found()
        target = source.twin()
        relay = Relay(self, source)
        relay.before("migrate", target.kill)
        send, recv = self.start_move(relay, target)
        self.ends(send, 1)
        self.ends(recv, 1)
        relay.close()
        self.runs_on(source, found)


class NamedFile(State):
    version = "10"
    backing = "file"


if __name__ == "__main__":
    rig.main()
