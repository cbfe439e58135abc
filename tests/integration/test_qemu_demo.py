# SPDX-License-Identifier: BSD-3-Clause
"""`ramjet demo qemu:` moves the guest of a QEMU of its own, and `features
--guest` says of any whether it could be moved."""
import json
import os

import qemu_rig


class Demo(qemu_rig.Case):
    def demo(self, *words):
        """Its temporary files go to a folder of the test."""
        self.scratch = self.path("scratch")
        os.makedirs(self.scratch, exist_ok=True)
        os.environ["RAMJET_QEMU_LAB"] = qemu_rig.LAB
        os.environ["TMPDIR"] = self.scratch
        self.addCleanup(os.environ.pop, "TMPDIR")
        return self.migrating("demo", *words)

    def test_a_console_ticks_on_there(self):
        demo = self.demo("qemu:")
        self.ends(demo, 0)
        self.assertTrue(demo.json["verify"]["identical"], demo.story())
        self.assertRegex(demo.out, r"tick \d+ here, then tick \d+")
        self.assertEqual(os.listdir(self.scratch), [])

    def test_what_it_boots_may_be_given(self):
        demo = self.demo(
            f"qemu:kernel={os.path.join(qemu_rig.LAB, 'vmlinuz')},"
            f"initrd={self.initrd()}")
        self.ends(demo, 0)
        self.assertTrue(demo.json["verify"]["identical"], demo.story())
        self.assertEqual(os.listdir(self.scratch), [])

    def test_what_is_missing_is_named(self):
        demo = self.demo(f"qemu:kernel={self.path('nothing')}")
        self.ends(demo, 1, "nothing")
        self.assertEqual(os.listdir(self.scratch), [])


class Findings(qemu_rig.Case):
    def findings(self, qemu, status):
        path = self.path("findings.json")
        command = self.ramjet("features", "--guest", qemu.guest, "--json",
                              path)
        self.assertEqual(command.wait(), status, command.story())
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        self.assertEqual(report["movable"], status == 0)
        return [one["finding"] for one in report["findings"]]

    def test_both_ends_are_told_what_they_could_do(self):
        source = self.boot()
        found = source.as_found()
        said = self.findings(source, 0)
        self.assertTrue(any("to be sent" in line for line in said), said)
        self.assertEqual(source.as_found(), found)
        target = source.twin()
        found = target.as_found()
        said = self.findings(target, 0)
        self.assertTrue(any("to be received" in line for line in said), said)
        self.assertEqual(target.as_found(), found)

    def test_a_device_that_cannot_migrate_is_told(self):
        image = self.path("image")
        with open(image, "wb") as file:
            file.truncate(1 << 20)
        source = self.boot(more=[
            "-drive", f"file={image},if=none,id=d,format=raw",
            "-device", "nvme,drive=d,serial=1"])
        said = self.findings(source, 1)
        self.assertTrue(any("nvme" in line for line in said), said)
        self.runs_on(source)


if __name__ == "__main__":
    qemu_rig.rig.main()
