# SPDX-License-Identifier: BSD-3-Clause
"""The long versions: a busy 2 GiB guest moves 100 times in a row with 1 to 8
channels and both backends; images of 4 GiB of each kind."""
import os

import rig
from rig import MIB

MOVES = int(os.environ.get("RAMJET_SOAK_MOVES", "100"))
IMAGE_BYTES = 4096 * MIB


class Soak(rig.Case):
    def test_busy_guest_moves_many_times(self):
        for turn in range(MOVES):
            guest = f"process:size=2G,write=500M,set=512M,seed={turn + 1}"
            options = ["--channels", str(turn % 8 + 1), "--backend",
                       ("uring", "syscalls")[turn // 8 % 2]]
            with self.subTest(turn=turn, options=options):
                self.move(guest, guest, *options)

    def large(self, kind):
        image = self.image("A", kind, IMAGE_BYTES)
        self.move(f"file:{image}", f"file:{self.path('B')},size=4G",
                  "--channels", "4")
        self.same(image, self.path("B"))

    def test_large_random_image(self):
        self.large("random")

    def test_large_zero_image(self):
        self.large("zero")

    def test_large_sparse_image(self):
        self.large("sparse")

    def test_large_mixed_image(self):
        self.large("mixed")


if __name__ == "__main__":
    rig.main()
