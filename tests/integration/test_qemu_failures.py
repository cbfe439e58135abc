# SPDX-License-Identifier: BSD-3-Clause
"""Moves of a QEMU that go wrong: each time the source runs on, at full speed
and unprotected, with every setting as it was; only what could be handed over
already is left to people."""
import os
import signal
import time

import qemu_rig
import rig
from qmp_relay import Relay

SLOW = ["--bandwidth", "20M"]  # the first round takes seconds
NET = ["-device", "virtio-net-pci,id=more"]


class Failures(qemu_rig.Case):
    """One source for all of them: it must survive."""

    def test_source_runs_on(self):
        source = self.boot()
        for name in sorted(dir(self)):
            if name.startswith("fails_"):
                with self.subTest(name):
                    found = source.as_found()
                    getattr(self, name)(source)
                    # Who can't reach a monitor can't tidy up there.
                    self.runs_on(source, None if "closes" in name else found)
        # After all that it can still be moved.
        self.move_qemu(source)

    # ---- a target that doesn't fit

    def refused(self, source, target, *needles, options=()):
        send, recv = self.start_move(source, target, *options)
        self.ends(send, 1, *needles)
        self.ends(recv, 1)
        target.quit()

    def fails_with_a_device_missing(self, source):
        other = source.settings["more"]
        with_net = source.twin(more=[*other, *NET])
        self.refused(source, with_net, "more|virtio-net")

    def fails_with_another_device(self, source):
        self.refused(source, source.twin(more=["-device", "virtio-rng-pci"]),
                     "virtio-rng")

    def fails_with_a_private_file_that_is_not_empty(self, source):
        """What is in it would show where nothing was written."""
        with open(self.path("template.ram"), "wb") as file:
            file.write(b"\1" * rig.PAGE)
            file.truncate(256 * rig.MIB)
        self.refused(source, source.twin("template", backing="private-file"),
                     "template.ram.*wanted share=on")

    def fails_with_other_memory(self, source):
        self.refused(source, source.twin(memory=128), "pc.ram")

    def fails_with_another_machine(self, source):
        self.refused(source, source.twin(machine="pc"), "pc|q35|machine")

    def fails_with_more_processors(self, source):
        self.refused(source, source.twin(more=["-smp", "2"]), ".")

    def target_refused(self, source, target, *needles):
        """By recv, before there is any connection."""
        recv = self.migrating("recv", target.guest, "--from",
                              f"unix:{self.path('never')}")
        self.ends(recv, 1, *needles)
        target.quit()

    def fails_without_incoming(self, source):
        target = source.twin(without=("-incoming", "defer"))
        self.target_refused(source, target, "-incoming defer")

    def fails_with_another_incoming(self, source):
        target = source.twin(
            without=("-incoming", "defer"),
            more=["-incoming", f"unix:{self.path('incoming')}"])
        self.target_refused(source, target, "-incoming defer")

    # ---- pid= of another one

    def fails_with_another_process(self, source):
        """Not one byte of it may be taken for the guest's, or overwritten."""
        target = source.twin()
        recv = self.recv(target.guest, f"unix:{self.path('pid')}")
        send = self.send(f"{source.guest},pid={target.pid}", recv.uri)
        self.ends(send, 2, f"pid={target.pid}: .*thread .*wanted the pid")
        recv.interrupt()
        recv.wait()
        self.ends(self.migrating("recv", f"{target.guest},pid={source.pid}",
                                 "--from", f"unix:{self.path('never')}"),
                  2, f"pid={source.pid}: .*thread ")
        target.quit()

    # ---- ends

    def fails_when_target_dies_at_load(self, source):
        target = source.twin()
        relay = Relay(self, target)
        relay.before("migrate-incoming", target.kill)
        send, recv = self.start_move(source, relay)
        self.ends(send, 1)
        self.ends(recv, 1)

    def fails_when_target_dies_in_a_round(self, source):
        target = source.twin()
        send, recv = self.start_move(source, target, *SLOW)
        send.wait_for("active")
        target.kill()
        self.ends(send, 1)
        self.ends(recv, 1)

    def fails_when_the_targets_memory_is_short(self, source):
        """Its group has too little; the kernel ends one in it."""
        root = "/sys/fs/cgroup/memory"
        if not os.access(os.path.join(root, "cgroup.procs"), os.W_OK):
            print(f"# no short memory: {root} can't be written to")
            return
        target = source.twin()
        group = os.path.join(root, f"ramjet-test-{target.pid}")
        os.mkdir(group)
        for file, value in (("memory.limit_in_bytes", 80 * rig.MIB),
                            ("cgroup.procs", target.pid)):
            with open(os.path.join(group, file), "w",
                      encoding="utf-8") as out:
                out.write(str(value))
        send, recv = self.start_move(source, target)
        self.ends(send, 1, "target: ")
        self.ends(recv, 1)
        self.assertEqual(target.process.wait(rig.DEADLINE_S),
                         -signal.SIGKILL)
        target.quit()
        os.rmdir(group)

    def killed(self, source, relay_of, command, victim, *options):
        """kill -9 of one side before its QEMU gets `command`; -> the other
        side, ended."""
        target = source.twin()
        relays = {which: Relay(self, qemu)
                  for which, qemu in (("send", source), ("recv", target))}
        sides = {}
        relays[relay_of].before(command, lambda: sides[victim].kill())
        sides["recv"] = self.recv(relays["recv"].guest,
                                  f"unix:{self.path(command)}{self.count}")
        sides["send"] = self.send(relays["send"].guest, sides["recv"].uri,
                                  *options)
        self.assertEqual(sides[victim].wait(), -signal.SIGKILL,
                         sides["send"].story() + sides["recv"].story())
        survivor = sides["recv" if victim == "send" else "send"]
        survivor.wait()
        for relay in relays.values():
            relay.close()
        return survivor, target

    def fails_when_send_is_killed_in_a_round(self, source):
        target = source.twin()
        send, recv = self.start_move(source, target, *SLOW)
        send.wait_for("active")
        send.kill()
        self.ends(recv, 1)
        self.assertNotEqual(target.status(), "running")
        target.quit()

    def fails_when_recv_is_killed_in_a_round(self, source):
        target = source.twin()
        send, recv = self.start_move(source, target, *SLOW)
        send.wait_for("active")
        recv.kill()
        self.ends(send, 1)
        target.quit()

    def resumes(self, source):
        """Somebody other than the dead ramjet says `cont`."""
        end = time.monotonic() + rig.DEADLINE_S
        while source.status() != "running" and time.monotonic() < end:
            source.monitor.wait_event("RESUME")

    def fails_when_send_is_killed_before_the_pause(self, source):
        survivor, target = self.killed(source, "send", "stop", "send")
        self.ends(survivor, 1)
        self.resumes(source)
        target.quit()

    def fails_when_send_is_killed_in_the_pause(self, source):
        survivor, target = self.killed(
            source, "send", "xen-save-devices-state", "send")
        self.ends(survivor, 1)
        self.resumes(source)
        target.quit()

    def fails_when_recv_is_killed_at_load(self, source):
        survivor, target = self.killed(source, "recv", "migrate-incoming",
                                       "recv")
        self.ends(survivor, 1)
        target.quit()

    # ---- monitors

    def fails_without_a_monitor(self, source):
        send = self.send(f"qemu:{self.path('nobody')}",
                         f"unix:{self.path('nowhere')}")
        self.ends(send, 1, "nobody listens")

    def fails_with_a_busy_monitor(self, source):
        target = source.twin()
        with qemu_rig.connected(source.qmp):
            recv = self.recv(target.guest, f"unix:{self.path('busy')}")
            send = self.send(source.guest, recv.uri)
            self.ends(send, 1, "serves one at a time")
        recv.interrupt()
        recv.wait()
        target.quit()

    def fails_when_the_monitor_closes(self, source):
        target = source.twin()
        relay = Relay(self, source)
        send, recv = self.start_move(relay, target, *SLOW)
        send.wait_for("active")
        relay.close()
        self.ends(send, 1)
        self.ends(recv, 1)
        target.quit()


class Ends(qemu_rig.Case):
    def test_a_device_that_cannot_migrate_is_named(self):
        image = self.path("image")
        with open(image, "wb") as file:
            file.truncate(rig.MIB)
        source = self.boot(more=[
            "-drive", f"file={image},if=none,id=d,format=raw",
            "-device", "nvme,drive=d,serial=1"])
        target = source.twin(more=[])
        recv = self.recv(target.guest, f"unix:{self.path('move')}")
        send = self.send(source.guest, recv.uri)
        self.ends(send, 1, "nvme")
        self.runs_on(source)
        recv.interrupt()
        recv.wait()

    def test_source_qemu_is_killed_in_a_round(self):
        source = self.boot()
        target = source.twin()
        send, recv = self.start_move(source, target, *SLOW)
        send.wait_for("active")
        source.kill()
        self.ends(send, 1)
        self.ends(recv, 1)
        self.assertNotEqual(target.status(), "running")


if __name__ == "__main__":
    rig.main()
