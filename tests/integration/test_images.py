# SPDX-License-Identifier: BSD-3-Clause
"""File guests: afterwards the two files are byte-identical."""
import os
import shutil

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

    def test_old_image_of_another_length_is_made_anew(self):
        image = self.image("A", "sparse", 8 * MIB)
        for size in (4 * MIB, 16 * MIB):
            with self.subTest(size=size):
                old = self.image("B", "random", size)
                self.move(f"file:{image}", f"file:{old},size=8M")
                self.same(image, old)

    def test_new_image_is_as_sparse_as_the_source(self):
        self.moves("sparse")
        self.assertLess(os.stat(self.path("B")).st_blocks * 512, 8 * MIB)

    def test_old_image_survives_until_a_source_is_accepted(self):
        old = self.image("B", "random", 8 * MIB)
        before = self.path("before")
        shutil.copyfile(old, before)
        for size in (4 * MIB, 8 * MIB, 16 * MIB):
            guest = f"file:{old},size={size}"
            with self.subTest(what="nobody comes", size=size):
                target = self.recv(guest)
                target.interrupt()
                self.ends(target, 1)
                self.same(old, before)
            with self.subTest(what="a source of another shape", size=size):
                target = self.recv(guest)
                source = self.send("process:size=1M", target.uri)
                self.ends(source, 1, "ram0")
                self.ends(target, 1, "ram0")
                self.same(old, before)
            with self.subTest(what="it can't listen", size=size):
                target = self.migrating("recv", guest, "--from",
                                        "unix:" + self.path("none/here"))
                self.ends(target, 1)
                self.same(old, before)
        with self.subTest(what="no such bus"):
            target = self.migrating("recv", f"file:{old},size=16M", "--from",
                                    "tcp:127.0.0.1:0", "--helpers",
                                    "unix:path=" + self.path("none"))
            target.wait_for("listening on|none")
            target.interrupt()
            self.assertNotEqual(target.wait(), 0, target.story())
            self.same(old, before)

    def test_made_image_goes_when_nothing_came(self):
        target = self.recv(f"file:{self.path('B')},size=8M")
        target.interrupt()
        self.ends(target, 1)
        self.assertFalse(os.path.exists(self.path("B")))

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
