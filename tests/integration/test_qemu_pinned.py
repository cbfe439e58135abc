# SPDX-License-Identifier: BSD-3-Clause
"""Guests whose reads with O_DIRECT are under way while they are moved. The host's
kernel writes into pages that it pinned before they were protected."""
import fcntl
import os
import shutil
import signal
import struct
import subprocess
import termios
import threading
import time

import qemu_rig
import rig
from qemu_disks import Disk
from slow_file import SlowFile

WAYS = (("threads", "virtio-blk-pci"), ("native", "virtio-blk-pci"),
        ("io_uring", "scsi-hd"))


class SlowDisk(Disk):
    """What the guest reads all the time, four readers at once."""

    def __init__(self, slow, **how):
        super().__init__(slow.path, ":direct:writer:readers=4", **how)


def unread(connection):
    """Bytes that the peer has not read yet."""
    answer = fcntl.ioctl(connection, termios.TIOCOUTQ, struct.pack("i", 0))
    return struct.unpack("i", answer)[0]


class Draining(qemu_rig.Case):
    """What cli/qemu/pinned.c relies on, of QEMU alone."""

    def boot_slow(self, aio, bus):
        slow = SlowFile(self, f"slow-{aio}-{bus}")
        return slow, self.boot(f"source-{aio}-{bus}", disks=[SlowDisk(slow, aio=aio, bus=bus)],
                               asks="write=0 set=0")

    def waits(self, slow, qemu, command, **arguments):
        slow.hold()
        answers = []

        def ask():
            qemu.execute(command, **arguments)
            answers.append(command)

        asking = threading.Thread(target=ask)
        asking.start()
        while unread(qemu.monitor.socket):
            time.sleep(0.001)
        # It has the command. A machine on which it begins late makes this
        # less strict, never wrong.
        asking.join(0.2)
        self.assertEqual(answers, [])
        slow.release()
        asking.join(rig.DEADLINE_S)
        self.assertEqual(answers, [command])

    def test_an_empty_transaction_waits_for_reads(self):
        for aio, bus in WAYS:
            with self.subTest(aio=aio, bus=bus):
                slow, qemu = self.boot_slow(aio, bus)
                self.waits(slow, qemu, "transaction", actions=[])
                self.assertEqual(qemu.status(), "running")
                self.waits(slow, qemu, "stop")
                qemu.close()

    def test_with_an_iothread_too(self):
        slow = SlowFile(self)
        disk = SlowDisk(slow, aio="native",
                        bus="virtio-blk-pci,iothread=thread")
        qemu = self.boot(disks=[disk], asks="write=0 set=0",
                         more=["-object", "iothread,id=thread"])
        self.waits(slow, qemu, "transaction", actions=[])


class Draining10(Draining):
    version = "10"


class Moving(qemu_rig.Case):
    """Whole moves; `--verify` and the guest find a page that is old."""

    def moves(self, aio, bus, count):
        slow = SlowFile(self)
        qemu = self.boot(disks=[SlowDisk(slow, aio=aio, bus=bus)],
                         asks="write=20M set=16M")
        # At each collect all four readers have a read under way.
        slow.delay(30)
        for _ in range(count):
            qemu, _ = self.move_qemu(qemu, kinds=("pass", "disk pass"))

    def test_native_on_virtio_blk(self):
        self.moves("native", "virtio-blk-pci", 3)

    def test_io_uring_on_virtio_scsi(self):
        self.moves("io_uring", "scsi-hd", 2)

    def test_threads_on_virtio_blk(self):
        self.moves("threads", "virtio-blk-pci", 2)


class Moving10(Moving):
    version = "10"


class Told(qemu_rig.Case):
    """What `ramjet features` says of it."""

    def features(self, *disks, **settings):
        qemu = self.boot(disks=disks, asks="write=0 set=0", **settings)
        command = self.ramjet("features", "--guest", qemu.guest)
        return command.wait(), command.out

    def test_disks_that_are_waited_for(self):
        disk = Disk(self.path("image"), aio="native")
        status, out = self.features(disk)
        self.assertEqual(status, 0, out)
        self.assertIn("block node disk0 (O_DIRECT) writes through pinned "
                      "pages: its reads are waited for at each collect", out)

    def test_disks_with_nothing_to_wait_for(self):
        disk = Disk(self.path("image"), ":readers=2", direct=False)
        status, out = self.features(disk)
        self.assertEqual(status, 0, out)
        self.assertIn("no disk or device writes past write protection", out)

    def test_back_ends_that_read_disks_are_refused(self):
        daemon = shutil.which("qemu-storage-daemon")
        if not daemon:
            self.skipTest("no qemu-storage-daemon")
        image, path = self.path("image"), self.path("disk.sock")
        with open(image, "wb") as file:
            file.truncate(rig.MIB)
        pidfile = self.path("pid")
        # It is ready once it has left us.
        subprocess.run(
            [daemon, "--blockdev", f"file,node-name=f,filename={image}",
             "--export", "vhost-user-blk,id=e,node-name=f,addr.type=unix,"
             f"addr.path={path}", "--pidfile", pidfile, "--daemonize"],
            check=True)
        with open(pidfile, encoding="ascii") as file:
            self.addCleanup(os.kill, int(file.read()), signal.SIGTERM)
        status, out = self.features(backing="memfd", more=[
            "-chardev", f"socket,id=disk,path={path}", "-device",
            "vhost-user-blk-pci,chardev=disk"])
        self.assertNotEqual(status, 0, out)
        self.assertIn("device vhost-user-blk-pci", out)


if __name__ == "__main__":
    rig.main()
