# SPDX-License-Identifier: BSD-3-Clause
"""1 to 16 channels, both backends, idle images and writing guests."""
import rig
from rig import MIB


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


def add(kind, channels, backend):
    def test(self):
        getattr(self, kind)(channels, backend)
    setattr(Channels, f"test_{kind}_{channels}_channels_{backend}", test)


for count in (1, 2, 4, 16):
    for name in ("uring", "syscalls"):
        add("idle", count, name)
        add("writing", count, name)


if __name__ == "__main__":
    rig.main()
