# SPDX-License-Identifier: BSD-3-Clause
"""Bandwidth caps that change while a migration is under way."""
import itertools

import monitor_rig
import rig

# Nobody waits for what goes out at this cap: a frame would take ten minutes.
ASLEEP = 100  # bytes/s
GUEST = "process:size=48M,write=5M,set=4M,zero=0%"


class Caps(monitor_rig.Case):
    def under_way(self, scheme, backend):
        uri = ("unix:" + self.path("socket" + backend) if scheme == "unix"
               else "tcp:127.0.0.1:0")
        source = self.source("--backend", backend, "--bandwidth", f"{ASLEEP}",
                             guest=GUEST)
        target = self.target("--backend", backend, guest=GUEST)
        at_source, at_target = self.client(source), self.client(target)
        at_source.execute("migrate", uri=self.incoming(at_target, uri))
        at_source.wait_status("active")
        return source, target, at_source, at_target

    def moves_on(self, at_source, cap):
        """Under this cap, bytes go out."""
        before = at_source.execute("query-migrate")["ram"]["transferred"]
        at_source.execute("migrate-set-parameters", max_bandwidth=cap)
        while at_source.execute("query-migrate")["ram"]["transferred"] < (
                before + (1 << 20)):
            pass

    def test_a_channel_wakes_up_from_any_cap(self):
        for scheme, backend in itertools.product(("tcp", "unix"),
                                                 ("uring", "syscalls")):
            with self.subTest(scheme=scheme, backend=backend):
                ends = self.under_way(scheme, backend)
                source, target, at_source, at_target = ends
                for cap in (8000000, 1500000, 20000000):
                    self.moves_on(at_source, cap)
                    at_source.execute("migrate-set-parameters",
                                      max_bandwidth=ASLEEP)
                at_source.execute("migrate-set-parameters", max_bandwidth=0)
                at_source.wait_status("completed")
                at_target.wait_status("completed")
                self.quits(source, at_source)
                self.quits(target, at_target)
                self.assertTrue(source.json["verify"]["identical"])

    def test_what_the_cap_holds_back_does_not_stall(self):
        source = self.source("--bandwidth", "30k", "--stall-timeout", "1s",
                             guest=GUEST)
        target = self.target(guest=GUEST)
        at_source, at_target = self.client(source), self.client(target)
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("active")
        # Three frames of 64 KiB, more than two seconds apart.
        while (info := at_source.execute("query-migrate"))["ram"][
                "transferred"] < 3 << 16:
            self.assertEqual(info["status"], "active", source.story())
        at_source.execute("migrate-set-parameters", max_bandwidth=0)
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.quits(source, at_source)
        self.quits(target, at_target)


if __name__ == "__main__":
    rig.main()
