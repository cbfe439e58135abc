# SPDX-License-Identifier: BSD-3-Clause
"""Moves with either backend in valgrind, which finds nothing to say."""
import json
import os
import shutil
import unittest

import rig

REAL = rig.RAMJET
FOUND = 98
ARGUMENTS = f"-q --leak-check=full --error-exitcode={FOUND}"


def is_sanitized():
    with open(REAL, "rb") as file:
        code = file.read()
    return any(word in code for word in (b"__asan_init", b"__tsan_init"))


@unittest.skipUnless(shutil.which("valgrind"), "no valgrind here")
@unittest.skipIf(is_sanitized(), "valgrind runs no sanitized program")
class InValgrind(rig.Case):
    def setUp(self):
        super().setUp()
        wrapper = self.path("ramjet")
        with open(wrapper, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n"
                       f'exec valgrind {ARGUMENTS} "{REAL}" "$@"\n')
        os.chmod(wrapper, 0o755)
        rig.RAMJET = wrapper
        self.addCleanup(setattr, rig, "RAMJET", REAL)

    def backend_or_skip(self, backend):
        features = self.ramjet("features", "--json", "-")
        self.assertEqual(features.wait(), 0, features.story())
        found = {feature["name"]: feature
                 for feature in json.loads(features.out)["features"]}
        if backend == "uring" and not found["io_uring"]["available"]:
            self.skipTest("no io_uring: " + found["io_uring"]["result"])

    def moves(self, backend):
        self.backend_or_skip(backend)
        guest = "process:size=16M"
        target = self.recv(guest, "tcp:127.0.0.1:0", "--backend", backend)
        source = self.send(guest, target.uri, "--backend", backend,
                           "--downtime-limit", "60s")
        self.both_end(source, target)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_a_move_with_uring(self):
        self.moves("uring")

    def test_a_move_with_syscalls(self):
        self.moves("syscalls")

    def test_a_move_that_is_cancelled_with_uring(self):
        self.backend_or_skip("uring")
        guest = "process:size=16M"
        target = self.recv(guest, "tcp:127.0.0.1:0", "--backend", "uring")
        source = self.send(guest, target.uri, "--backend", "uring", "--hold",
                           "--log", "info")
        source.wait_for(r"active -> held")
        source.interrupt()
        self.both_end(source, target, status=1)

    def test_the_demo(self):
        self.backend_or_skip("uring")
        # Helpers have half a second to answer: not in valgrind, on a machine
        # that is busy.
        demo = self.ramjet("demo", "process:size=16M", "--no-helpers",
                           "--backend", "uring",
                           "--downtime-limit", "60s")
        self.assertEqual(demo.wait(), 0, demo.story())


if __name__ == "__main__":
    rig.main()
