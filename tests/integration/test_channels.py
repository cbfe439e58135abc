# SPDX-License-Identifier: BSD-3-Clause
"""1 to 64 channels, both backends, idle images and writing guests."""
import contextlib
import os
import re
import resource
import unittest

import rig
from paced_relay import PacedRelay
from rig import MIB

MANY = 64
FILES = 4 * MANY


class Channels(rig.Case):
    def idle(self, channels, backend):
        image = self.image("A", "mixed", 64 * MIB)
        source, target = self.move(
            f"file:{image}", f"file:{self.path('B')},size=64M",
            "--channels", str(channels), "--backend", backend)
        self.same(image, self.path("B"))
        for side in (source, target):
            self.assertEqual(len(side.json["channels"]), channels)
        self.assertEqual(source.json["ram"]["resent_pages"], 0)
        return source

    def writing(self, channels, backend):
        guest = "process:size=64M,write=100M,set=32M,pattern=random"
        source, _ = self.move(guest, guest, "--channels", str(channels),
                              "--backend", backend)
        self.assertGreaterEqual(len(source.json["rounds"]), 1)

    def chosen(self, command, name):
        return {path["name"]: path["chosen"]
                for path in command.json["fast_paths"]}.get(name)

    def test_backend_is_reported(self):
        self.assertEqual(
            self.chosen(self.idle(1, "syscalls"), "io_uring"), "no")

    def test_as_many_as_asked_for_are_reported(self):
        self.assertEqual(
            self.chosen(self.idle(3, "syscalls"), "channels"), "3")

    def test_all_work_is_done_on_the_cpus_named(self):
        guest = "process:size=64M"
        cpu = str(min(os.sched_getaffinity(0)))
        source, _ = self.move(guest, guest, "--cpus", cpu)
        reasons = [path["reason"] for path in source.json["fast_paths"]
                   if path["name"] == "channels"]
        self.assertRegex(reasons[0], r"CPUs: 1 \(")

    def test_first_touch_is_helped_by_spare_cpus_only(self):
        cpus = len(os.sched_getaffinity(0))
        for channels in (1, cpus):
            guest = "process:size=64M"
            _, target = self.move(guest, guest, "--channels", str(channels))
            path = {path["name"]: path for path in target.json["fast_paths"]}
            threads = path["first touch threads"]
            found = re.search(r"receive workers: (\d+), CPUs: (\d+)",
                              threads["reason"])
            workers, limit = map(int, found.groups())
            self.assertEqual(workers, channels)
            self.assertEqual(threads["chosen"],
                             str(min(max(limit - workers, 0), workers)))

    def automatic(self, guest, *options):
        source, target = self.move(guest, guest, "--log", "info", *options)
        self.assertRegex(self.chosen(source, "channels"), r"auto: \d+ of \d+")
        active, opened = re.findall(r"\d+", self.chosen(source, "channels"))
        for side in (source, target):
            self.assertEqual(len(side.json["channels"]), int(opened))
        self.assertLessEqual(int(active), int(opened))
        return source

    def test_auto_opens_more_than_it_begins_with(self):
        source = self.automatic("process:size=256M,write=50M,set=32M",
                                "--channels", "auto")
        first = re.search(r"channels: (\d+) of (\d+) active at first; "
                          r"CPUs: \d+ \((affinity|cgroup quota)\)",
                          source.err)
        self.assertLess(int(first[1]), int(first[2]))

    def test_one_cpu_is_begun_with_by_one_channel(self):
        mask = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(mask)})
        try:
            source = self.automatic("process:size=64M")
        finally:
            os.sched_setaffinity(0, mask)
        self.assertRegex(source.err, r"channels: 1 of \d+ active at first; "
                                     r"CPUs: 1 \(affinity\)")

    def test_tries_are_told_and_lose_nothing(self):
        guest = "process:size=256M,write=max,set=224M,threads=2"
        target = self.recv(guest)
        monitor = "unix:" + self.path("monitor")
        source = self.send(guest, target.uri, "--hold", "--log", "info",
                           "--downtime-limit", "1ms", "--monitor", monitor)
        source.wait_for(r"channels: trying \d+ instead of \d+")
        source.wait_for(r"channels: \d+ instead of \d+ brought")
        told = self.ramjet("info", monitor)
        self.assertEqual(told.wait(), 0, told.story())
        self.assertRegex(told.out, r"channels +0: open, ")
        self.assertRegex(told.out, r"\d+: idle, ")
        # It would not converge; but now it shall go.
        for words in (["set", "downtime-limit=60s"], ["switchover"]):
            told = self.ramjet(*words, monitor)
            self.assertEqual(told.wait(), 0, told.story())
        self.both_end(source, target)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_a_path_that_limits_each_connection_gets_more_of_them(self):
        guest = "process:size=256M,write=max,set=224M"
        target = self.recv(guest)
        relay = PacedRelay(target.uri, 5e6)
        self.addCleanup(relay.close)
        source = self.send(guest, relay.uri, "--log", "info")
        kept = source.wait_for(r"channels: (\d+) instead of (\d+) brought "
                               r"\+[\d.]+ %: kept")
        self.assertGreater(int(kept[1]), int(kept[2]))
        source.interrupt()
        self.both_end(source, target, status=1)


class Limits(rig.Case):
    def test_a_target_short_of_descriptors_takes_fewer(self):
        source_image = self.image("A", "mixed", 16 * rig.MIB)
        target = self.recv(f"file:{self.path('B')},size=16M")
        # After it has begun: it raises the limit as far as it may.
        resource.prlimit(target.process.pid, resource.RLIMIT_NOFILE, (22, 22))
        source = self.send(f"file:{source_image}", target.uri)
        self.both_end(source, target)
        self.same(source_image, self.path("B"))
        self.assertLess(len(source.json["channels"]), 8)
        self.assertEqual(len(source.json["channels"]),
                         len(target.json["channels"]))


    def limited(self, side, limit, to_guest):
        """A move of a few pages with `limit()` called in one side alone."""
        image = self.image("A", "mixed", 16 * MIB)
        with contextlib.ExitStack() as stack:
            if side == "target":
                stack.enter_context(limit)
            target = self.recv(to_guest)
        with contextlib.ExitStack() as stack:
            if side == "source":
                stack.enter_context(limit)
            source = self.send(
                f"file:{image}" if to_guest.startswith("file:") else to_guest,
                target.uri, "--channels", "auto")
        self.both_end(source, target)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        for command in (source, target):
            self.assertEqual(len(command.json["channels"]), 1)

    @contextlib.contextmanager
    def few_descriptors(self):
        # What starts has them from the beginning.
        started = rig.RAMJET
        rig.RAMJET = self.wrapper("ulimit -n 12")
        yield
        rig.RAMJET = started

    @contextlib.contextmanager
    def few_threads(self, most):
        root = "/sys/fs/cgroup/pids"
        if not os.path.exists(os.path.join(root, "cgroup.procs")):
            root = "/sys/fs/cgroup"
        group = os.path.join(root, f"ramjet-test-{os.getpid()}")
        try:
            os.mkdir(group)
            self.addCleanup(os.rmdir, group)
            with open(os.path.join(group, "pids.max"), "w",
                      encoding="ascii") as file:
                file.write(str(most))
        except OSError as error:
            self.skipTest(f"no pids controller: {error}")
        started = rig.RAMJET
        rig.RAMJET = self.wrapper(f"echo $$ >{group}/cgroup.procs || exit 97")
        yield
        rig.RAMJET = started

    def wrapper(self, first):
        path = self.path("limited")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'#!/bin/sh\n{first}\nexec "{rig.RAMJET}" "$@"\n')
        os.chmod(path, 0o755)
        return path

    def test_a_source_with_12_descriptors_has_one_channel(self):
        self.limited("source", self.few_descriptors(),
                     f"file:{self.path('B')},size=16M")

    def test_a_target_with_12_descriptors_has_one_channel(self):
        # One more is the lock of what has the name so far.
        self.image("B", "zero", MIB)
        self.limited("target", self.few_descriptors(),
                     f"file:{self.path('B')},size=16M")

    def test_a_source_with_6_threads_has_one_channel(self):
        self.limited("source", self.few_threads(6), "process:size=16M")

    def test_a_target_with_5_threads_has_one_channel(self):
        # One of them is the guest's, once it runs there.
        self.limited("target", self.few_threads(5), "process:size=16M")


def add(kind, channels, backend):
    def test(self):
        getattr(self, kind)(channels, backend)
    setattr(Channels, f"test_{kind}_{channels}_channels_{backend}", test)


def add_many(kind, backend):
    # A socket and a ring a channel, on either side; the command raises its
    # limit no further than it may.
    add(kind, MANY, backend)
    name = f"test_{kind}_{MANY}_channels_{backend}"
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    setattr(Channels, name, unittest.skipIf(
        limit < FILES, f"{limit} open files allowed, {FILES} wanted")(
            getattr(Channels, name)))


for count in (1, 2, 4, 16):
    for name in ("uring", "syscalls"):
        add("idle", count, name)
        add("writing", count, name)
for name in ("uring", "syscalls"):
    add_many("idle", name)
    add_many("writing", name)


if __name__ == "__main__":
    rig.main()
