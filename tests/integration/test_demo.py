# SPDX-License-Identifier: BSD-3-Clause
"""`ramjet demo`: two processes, a bus with helpers on each side, and nothing
left behind."""

import os
import shutil
import subprocess

import rig

GUEST = "process:size=32M,write=20M,set=16M"


class Demo(rig.Case):
    def demo(self, *words, path=None):
        """Its temporary files go to a folder of the test."""
        self.scratch = self.path("scratch")
        os.makedirs(self.scratch, exist_ok=True)
        names = {"TMPDIR": self.scratch, "PATH": path or os.environ["PATH"]}
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(names)
        try:
            return self.migrating("demo", *words)
        finally:
            for name, value in before.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value

    def ends(self, command, status, *needles):
        super().ends(command, status, *needles)
        self.assertEqual(os.listdir(self.scratch), [], command.story())

    def test_without_proc_it_says_what_is_missing(self):
        hidden = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                  'mount -t tmpfs none /proc && exec "$@"', "sh"]
        if not shutil.which("unshare") or subprocess.run(
                [*hidden, "true"], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("no mount namespace is to be had")
        # Without /proc the loader does not find $ORIGIN either.
        library = os.path.join(os.path.dirname(rig.RAMJET), "..", "engine")
        demo = subprocess.run(
            [*hidden, rig.RAMJET, "demo", GUEST], capture_output=True,
            text=True, stdin=subprocess.DEVNULL, timeout=rig.DEADLINE_S,
            env={**rig.environment(), "LD_LIBRARY_PATH": library})
        self.assertEqual(demo.returncode, 1, demo.stderr)
        self.assertIn("wanted /proc to be mounted", demo.stderr)

    def test_helpers_arrive_byte_for_byte(self):
        if not shutil.which("dbus-daemon"):
            self.skipTest("dbus-daemon is not installed")
        demo = self.demo(GUEST)
        self.ends(demo, 0)
        self.assertRegex(demo.out, r"helpers +net and tpm, on a D-Bus")
        for name, size in (("net", "4.0 KiB"), ("tpm", "64.0 KiB")):
            self.assertRegex(demo.out, rf"(?m)^.* {name}: {size}, saved \S+ "
                             r"\w+, loaded \S+ \w+, arrived byte for byte$")
        report = demo.json
        self.assertRegex(report["uri"], r"^tcp:127\.0\.0\.1:[1-9]\d*$")
        self.assertEqual(report["uri"], report["target"]["uri"])
        self.assertEqual([(each["id"], each["bytes"])
                          for each in report["helpers"]],
                         [("net", 4096), ("tpm", 65536)])
        self.assertIn("helpers", [term["name"]
                                  for term in report["downtime_terms"]])
        for here, there in zip(report["helpers"],
                               report["target"]["helpers"]):
            self.assertEqual(here["id"], there["id"])
            self.assertGreater(here["save_ms"], 0)
            self.assertGreater(there["load_ms"], 0)

    def test_no_helpers_when_told_so(self):
        demo = self.demo(GUEST, "--no-helpers")
        self.ends(demo, 0)
        self.assertEqual(demo.json["helpers"], [])
        self.assertIn("none: --no-helpers", demo.out)
        self.assertNotIn("byte for byte", demo.out)

    def test_without_dbus_daemon_one_line_says_so(self):
        demo = self.demo(GUEST, path=self.path("empty"))
        self.ends(demo, 0)
        self.assertEqual(demo.out.count("dbus"), 1)
        self.assertIn("none: dbus-daemon is not installed", demo.out)
        self.assertEqual(demo.json["helpers"], [])

    def test_strict_does_not_do_without(self):
        demo = self.demo(GUEST, "--strict", path=self.path("empty"))
        self.ends(demo, 1, "helpers: dbus-daemon is not installed")

    def test_cancelled_leaves_nothing_behind(self):
        demo = self.demo(GUEST, "--hold", "--progress", "plain")
        demo.wait_for("held")
        demo.interrupt()
        self.ends(demo, 1, "cancelled by signal 2", "runs on")

    def test_a_burst_calls_the_switchover_off(self):
        # 16 MiB at 100 MB/s do not fit into 50 ms.
        demo = self.demo(GUEST + ",burst=16M", "--bandwidth", "100M",
                         "--downtime-limit", "50ms", "--no-helpers",
                         "--on-no-convergence", "switch")
        self.ends(demo, 0, "called off")
        self.assertEqual(demo.json["called_off"], 1)
        self.assertIn("1 switchover called off", demo.out)

    def test_timeout_is_the_librarys(self):
        demo = self.demo(GUEST, "--hold", "--timeout", "500ms",
                         "--no-helpers")
        self.ends(demo, 1, "not handed over within the 500 ms", "runs on")


if __name__ == "__main__":
    rig.main()
