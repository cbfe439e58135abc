# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU changes while it is moved, or is driven by ramjet's own monitor."""
import os
import signal

import qemu_rig
import rig
from qmp_client import Client

ROOM = ["-m", "256,slots=2,maxmem=1G"]


class Changes(qemu_rig.Case):
    def held(self, source, target, *options):
        send, recv = self.start_move(source, target, "--hold", "--log",
                                     "debug", *options)
        send.wait_for("active -> held")
        return send, recv

    def test_memory_that_is_plugged_in_is_never_lost(self):
        source = self.boot(more=ROOM)
        target = source.twin()
        send, recv = self.held(source, target)
        source.execute("object-add", **{"qom-type": "memory-backend-ram",
                                        "id": "more", "size": 128 * rig.MIB})
        source.execute("device_add", driver="pc-dimm", id="dimm",
                       memdev="more")
        send.process.send_signal(signal.SIGUSR1)
        self.ends(send, 1, "more")
        self.ends(recv, 1)
        self.runs_on(source)
        target.quit()
        # A target that has it, too, takes it.
        there = [*ROOM, "-object", "memory-backend-ram,id=more,size=128M",
                 "-device", "pc-dimm,id=dimm,memdev=more"]
        self.move_qemu(source, more=there)

    def test_a_guest_that_is_reset_arrives(self):
        source = self.boot()
        target = source.twin()
        send, recv = self.held(source, target)
        source.execute("system_reset")
        send.process.send_signal(signal.SIGUSR1)
        status = send.wait()
        recv.wait()
        where = target if status == 0 else source
        self.assertEqual(where.status(), "running", send.story())
        where.console.wait_for("^ready")
        where.console.wait_passes()
        self.no_trouble(source, target)


class Ways(qemu_rig.Case):
    def test_source_quits_if_told_so(self):
        source = self.boot()
        target = source.twin()
        send, recv = self.start_move(source, target, "--quit-source")
        self.both_end(send, recv)
        self.assertEqual(source.process.wait(rig.DEADLINE_S), 0)
        target.console.wait_passes()
        self.no_trouble(source, target)

    def test_started_with_the_library(self):
        """No ptrace, on either side."""
        folder = os.path.dirname(os.environ["RAMJET"])
        source = self.boot(env={
            "LD_PRELOAD": os.path.join(folder, "libramjet-vmm.so"),
            "RAMJET_VMM_SOCKET": self.path("vmm-%p.sock")})
        target = source.twin()
        recv = self.recv(target.guest + ",via=preload",
                         f"unix:{self.path('move')}")
        before = source.console.last_tick()
        send = self.send(source.guest + ",via=preload", recv.uri)
        self.both_end(send, recv)
        self.goes_on(source, target, send, before)

    def test_what_was_not_preloaded_is_named(self):
        source = self.boot()
        send = self.send(source.guest + ",via=preload",
                         f"unix:{self.path('nowhere')}")
        self.ends(send, 1, "LD_PRELOAD=libramjet-vmm.so")
        self.runs_on(source)


class Monitored(qemu_rig.Case):
    def test_managers_pause_fail_and_move_it(self):
        source = self.boot()
        path = self.path("manager")
        send = self.migrating("send", source.guest, "--monitor",
                              f"unix:{path}")
        send.wait_for("monitor on")
        manager = Client(path)
        self.assertEqual(manager.execute("query-status")["status"], "running")
        manager.execute("stop")
        self.assertEqual(source.status(), "paused")
        manager.execute("cont")
        self.assertEqual(source.status(), "running")
        # A try that fails changes nothing.
        target = source.twin()
        recv = self.recv(target.guest, f"unix:{self.path('one')}")
        manager.execute("migrate-set-parameters",
                        **{"max-bandwidth": 20 << 20})
        manager.execute("migrate", uri=recv.uri)
        recv.kill()
        recv.wait()
        target.quit()
        while manager.execute("query-migrate").get("status") not in (
                "failed", "cancelled"):
            pass
        self.runs_on(source)
        manager.execute("migrate-set-parameters", **{"max-bandwidth": 0})
        target = source.twin()
        recv = self.recv(target.guest, f"unix:{self.path('two')}")
        before = source.console.last_tick()
        manager.execute("migrate", uri=recv.uri)
        self.ends(recv, 0)
        manager.close()
        send.wait()
        self.goes_on(source, target, send, before)

    def test_one_that_was_paused_is_seen_so(self):
        source = self.boot()
        source.execute("stop")
        path = self.path("manager")
        send = self.migrating("send", source.guest, "--monitor",
                              f"unix:{path}")
        send.wait_for("monitor on")
        manager = Client(path)
        self.assertEqual(manager.execute("query-status")["status"], "paused")
        manager.execute("cont")
        self.assertEqual(source.status(), "running")
        manager.execute("quit")
        send.wait()
        manager.close()
        self.runs_on(source)


if __name__ == "__main__":
    rig.main()
