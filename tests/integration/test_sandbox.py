# SPDX-License-Identifier: BSD-3-Clause
"""Where system calls are refused, or kill."""
import os
import shlex
import subprocess
import sys
from unittest import mock

import rig

GUEST = "process:size=16M,write=5M,set=4M"
IO_URING = "io_uring_setup,io_uring_enter,io_uring_register"
SANDBOX = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "sandbox.py")


class Sandbox(rig.Case):
    def enter(self, action, calls):
        """From now on every ramjet runs there."""
        words = [sys.executable, "-B", SANDBOX, action, calls]
        if subprocess.run([*words, "true"], check=False).returncode == 77:
            self.skipTest("this kernel has no seccomp filters")
        script = self.path("sandboxed")
        with open(script, "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\nexec " + shlex.join(
                [*words, os.path.abspath(rig.RAMJET)]) + ' "$@"\n')
        os.chmod(script, 0o700)
        patch = mock.patch.object(rig, "RAMJET", script)
        patch.start()
        self.addCleanup(patch.stop)

    def reason(self, command):
        path, = [p for p in command.json["fast_paths"]
                 if p["name"] == "io_uring"]
        return path

    def test_a_ring_that_cannot_be_entered_is_done_without(self):
        self.enter("refuse", "io_uring_enter")
        for end in self.move(GUEST, GUEST):
            path = self.reason(end)
            self.assertEqual(path["chosen"], "no", end.story())
            self.assertIn("io_uring_enter: Operation not permitted",
                          path["reason"])
        features = self.ramjet("features")
        self.ends(features, 0)
        self.assertRegex(features.out, r"no +io_uring +io_uring_enter: ")

    def test_what_features_says_is_what_happens(self):
        free = self.ramjet("features")
        self.ends(free, 0)
        if "yes io_uring " not in free.out:
            self.skipTest("no io_uring here")
        self.enter("refuse", "io_uring_register")
        features = self.ramjet("features")
        self.ends(features, 0)
        self.assertRegex(features.out, r"yes io_uring_sendmsg")
        for end in self.move(GUEST, GUEST):
            self.assertEqual(self.reason(end)["chosen"], "yes", end.story())

    def test_system_calls_alone_make_no_other(self):
        self.enter("kill", IO_URING)
        features = self.ramjet("features", "--backend", "syscalls")
        self.ends(features, 0)
        self.assertIn("by wish", features.out)
        target = self.recv(GUEST, "tcp:127.0.0.1:0", "--backend", "syscalls")
        source = self.send(GUEST, target.uri, "--backend", "syscalls")
        self.both_end(source, target)

    def test_the_device_comes_before_the_system_call(self):
        if not os.access("/dev/userfaultfd", os.R_OK | os.W_OK):
            self.skipTest("no /dev/userfaultfd here")
        self.enter("kill", "userfaultfd")
        self.move(GUEST, GUEST)


if __name__ == "__main__":
    rig.main()
