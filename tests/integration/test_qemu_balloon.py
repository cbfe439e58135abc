# SPDX-License-Identifier: BSD-3-Clause
"""Guests that give memory back while they are moved: QEMU discards it, so that
what was sent is to become zeros at the target."""
import qemu_rig
import rig

# Of which the guest uses some 120 MiB.
MIB = 384
BALLOON = "virtio-balloon-pci,id=balloon"


class Balloon(qemu_rig.Case):
    def start(self, device, **settings):
        """-> (source, target, send, recv), all sent once."""
        source = self.boot(more=["-device", device], memory=MIB,
                           asks="write=20M set=16M", **settings)
        target = source.twin()
        self.monitor = f"unix:{self.path('ramjet')}"
        send, recv = self.start_move(source, target, "--hold", "--monitor",
                                     self.monitor)
        send.wait_for("held")
        return source, target, send, recv

    def ends_well(self, source, target, send, recv):
        before = source.console.last_tick()
        verb = self.ramjet("switchover", self.monitor)
        self.assertEqual(verb.wait(), 0, verb.story())
        self.both_end(send, recv)
        self.assertTrue(send.json["verify"]["identical"], send.story())
        self.goes_on(source, target, send, before)

    @staticmethod
    def leave(qemu, mib):
        """The balloon takes or gives until the guest has so much."""
        qemu.monitor.events.clear()
        qemu.execute("balloon", value=mib * rig.MIB)
        while qemu.execute("query-balloon")["actual"] != mib * rig.MIB:
            qemu.monitor.wait_event("BALLOON_CHANGE")

    @staticmethod
    def resident(qemu):
        with open(f"/proc/{qemu.pid}/status", encoding="ascii") as file:
            return sum(int(line.split()[1]) << 10 for line in file
                       if line.startswith(("RssAnon", "RssShmem")))

    def blown(self, **settings):
        everything = self.start(BALLOON, **settings)
        source, target = everything[:2]
        full = self.fill(source)
        self.leave(source, MIB // 2)
        self.assertLess(self.resident(source), full - 64 * rig.MIB)
        self.leave(source, MIB * 3 // 4)
        self.leave(source, MIB // 2)
        self.ends_well(*everything)
        # The balloon is where it was, and lets go.
        self.leave(target, MIB)
        self.fill(target)
        self.no_trouble(target)

    def fill(self, qemu):
        """Free memory gets content; bytes QEMU has then."""
        place = qemu.console.place
        qemu.console.say("run dd if=/dev/urandom of=/filled bs=1M count=128")
        qemu.console.wait_for("^run ended: 0", place)
        full = self.resident(qemu)
        place = qemu.console.place
        qemu.console.say("run rm /filled")
        qemu.console.wait_for("^run ended: 0", place)
        return full

    def test_private_memory(self):
        self.blown()

    def test_memfd(self):
        self.blown(backing="memfd")

    def test_free_pages_are_reported(self):
        everything = self.start(BALLOON + ",free-page-reporting=on")
        source = everything[0]
        full = self.fill(source)
        # The guest tells some seconds later.
        source.console.wait(
            lambda: self.resident(source) < full - 64 * rig.MIB,
            "free pages reported")
        self.ends_well(*everything)


class Balloon10(Balloon):
    version = "10"


if __name__ == "__main__":
    rig.main()
