# SPDX-License-Identifier: BSD-3-Clause
"""The small Linux and its rig, without ramjet: a guest that is moved by hand
goes on, and says so when a single page of it was lost or is old."""
import fcntl
import mmap
import os
import struct

import qemu_rig
import rig

MIB = 256
# tests/qemu/guest/pattern.h: a memory page's kind, in its first word, and what
# the other words follow from.
KIND = 0xa1
SPREAD = 0x9e3779b97f4a7c15
SECTION_CONFIGURATION = 0x07  # of QEMU's migration stream
SECTION_VMDESCRIPTION = 0x06
HEADER_BYTES = 8


def guest_memory(qemu):
    """Its RAM, a memfd that is shared."""
    folder = f"/proc/{qemu.pid}/fd"
    for fd in os.listdir(folder):
        path = os.path.join(folder, fd)
        if "memfd:memory-backend" in os.readlink(path):
            with open(path, "r+b") as file:
                return mmap.mmap(file.fileno(), MIB << 20)
    raise AssertionError("no memory backend")


def checked_pages(memory):
    """Offset -> (number, generation) of pages that the guest checks."""
    pages = {}
    for offset in range(0, len(memory), rig.PAGE):
        if memory[offset + 7] != KIND:
            continue
        head, second = struct.unpack_from("<QQ", memory, offset)
        if second == (head * SPREAD + 1) % (1 << 64):
            pages[offset] = head >> 24 & 0xffffffff, head & 0xffffff
    return pages


class ByHand(qemu_rig.Case):
    def start_load(self, source, target):
        """Device state, by the way of what ramjet does with any QEMU."""
        path = self.path("state")
        source.execute("xen-save-devices-state", filename=path, live=True)
        with open(path, "rb") as file:
            state = file.read()
        machine = source.execute("qom-get", path="/machine", property="type")
        machine = machine.removesuffix("-machine").encode()
        stream = (state[:HEADER_BYTES] +
                  struct.pack(">BI", SECTION_CONFIGURATION, len(machine)) +
                  machine + state[HEADER_BYTES:] +
                  struct.pack(">BI", SECTION_VMDESCRIPTION, 2) + b"{}")
        receiving, sending = os.pipe()
        # Whole, before anybody reads.
        fcntl.fcntl(sending, fcntl.F_SETPIPE_SZ, 1 << 20)
        os.set_blocking(sending, False)
        self.assertEqual(os.write(sending, stream), len(stream))
        os.close(sending)
        target.monitor.send_fd(receiving, "getfd", fdname="state")
        os.close(receiving)
        target.execute("migrate-set-capabilities", capabilities=[
            {"capability": "events", "state": True}])
        target.execute("migrate-incoming", uri="fd:state")
        self.assertEqual(target.monitor.wait_status("completed", "failed"),
                         "completed")

    def test_a_lost_and_an_old_page_are_found(self):
        source = self.boot(backing="memfd", memory=MIB)
        theirs = guest_memory(source)
        old = bytes(theirs)
        source.console.wait_for(r"^pass \d+ ok", times=3)  # all rewritten
        source.execute("stop")
        good = bytes(theirs)
        before = checked_pages(old)
        page, stale = [offset for offset, is_now in checked_pages(good).items()
                       if offset in before
                       and before[offset][0] == is_now[0]
                       and before[offset][1] < is_now[1]][:2]
        for name, wanted, offset, content in (
                ("whole", None, page, good[page:page + rig.PAGE]),
                ("lost", "the first is 0 ", page, bytes(rig.PAGE)),
                ("old", "generation", stale, old[stale:stale + rig.PAGE])):
            with self.subTest(name):
                target = source.twin(name)
                memory = guest_memory(target)
                memory[:] = good
                memory[offset:offset + rig.PAGE] = content
                self.start_load(source, target)
                target.execute("cont")
                if wanted is None:
                    target.console.wait_passes()
                    target.console.check()
                    self.no_trouble(target)
                else:
                    said = target.console.wait_for("^CORRUPT memory page .*")
                    self.assertIn(wanted, said[0])
                memory.close()
                target.quit()
        self.no_trouble(source)
        theirs.close()


if __name__ == "__main__":
    rig.main()
