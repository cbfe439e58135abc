# SPDX-License-Identifier: BSD-3-Clause
"""File guests: afterwards the two files are byte-identical."""
import os

import rig
from rig import MIB


class Images(rig.Case):
    def moves(self, kind, *options, size=96 * MIB):
        image = self.image("A", kind, size)
        source, target = self.move(
            f"file:{image}", f"file:{self.path('B')},size={size}",
            "--channels", "4", *options)
        self.same(image, self.path("B"))
        return source.json["ram"], target.json["ram"]

    def test_random(self):
        ram, _ = self.moves("random", size=128 * MIB)
        self.assertEqual(ram["normal_pages"], 128 * MIB // rig.PAGE)
        self.assertEqual(ram["remaining_bytes"], 0)

    def test_zero(self):
        ram, _ = self.moves("zero")
        self.assertEqual(ram["normal_pages"], 0)
        self.assertLess(ram["wire_bytes"], MIB)

    def test_sparse(self):
        ram, _ = self.moves("sparse")
        self.assertLess(ram["wire_bytes"], 8 * MIB)
        self.assertGreater(ram["unpopulated_pages"], 0)

    def test_mixed(self):
        ram, _ = self.moves("mixed")
        self.assertGreater(ram["normal_pages"], 0)
        self.assertGreater(ram["zero_pages"] + ram["unpopulated_pages"], 0)

    def test_nothing_but_a_hole(self):
        ram, _ = self.moves("hole")
        self.assertEqual(ram["normal_pages"], 0)

    def test_one_page(self):
        self.moves("random", size=MIB)

    def test_size_that_is_no_multiple_of_a_chunk(self):
        size = 5 * MIB + 3 * rig.PAGE
        path = self.path("A")
        with open(path, "wb") as file:
            file.write(os.urandom(size))
        self.move(f"file:{path}", f"file:{self.path('B')},size={size}",
                  "--channels", "3")
        self.same(path, self.path("B"))

    def test_old_bytes_in_the_target_do_not_survive(self):
        size = 32 * MIB
        image = self.image("A", "sparse", size)
        old = self.image("B", "random", size)
        self.move(f"file:{image}", f"file:{old},size={size}")
        self.same(image, old)

    def test_preallocated_on_both_sides(self):
        size = 32 * MIB
        image = self.image("A", "mixed", size)
        self.move(f"file:{image},prealloc=1",
                  f"file:{self.path('B')},size={size},prealloc=1")
        self.same(image, self.path("B"))

    def test_source_image_is_left_as_it_was(self):
        image = self.image("A", "mixed", 32 * MIB)
        with open(image, "rb") as file:
            before = file.read()
        blocks = os.stat(image).st_blocks
        self.move(f"file:{image}", f"file:{self.path('B')},size=32M")
        with open(image, "rb") as file:
            self.assertEqual(file.read(), before)
        self.assertEqual(os.stat(image).st_blocks, blocks)


if __name__ == "__main__":
    rig.main()
