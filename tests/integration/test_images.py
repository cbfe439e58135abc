# SPDX-License-Identifier: BSD-3-Clause
"""File guests: afterwards the two files are byte-identical."""
import os
import resource
import shutil
import subprocess

import rig
import wire
from relay import Relay, hold_at
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

    def names(self):
        return sorted(n for n in os.listdir(self.folder)
                      if not n.endswith(".json"))

    def test_what_ends_half_way_leaves_nothing(self):
        image = self.image("A", "random", 32 * MIB)
        for old in (None, "random"):
            for end in ("cancel", "kill", "cut"):
                with self.subTest(old=old, end=end):
                    before = self.path("before")
                    if old:
                        shutil.copyfile(self.image("B", old, 8 * MIB), before)
                    names = self.names()
                    target = self.recv(f"file:{self.path('B')},size=32M")
                    relay = Relay(target.uri, hold_at(wire.PAGES, 3))
                    self.addCleanup(relay.close)
                    source = self.send(f"file:{image}", relay.uri)
                    relay.wait_reached()
                    if end == "cancel":
                        target.interrupt()
                    elif end == "kill":
                        source.kill()
                    relay.close()
                    self.ends(target, 1)
                    source.wait()
                    self.assertEqual(self.names(), names)
                    if old:
                        self.same(self.path("B"), before)

    def test_killed_there_is_no_image_of_that_name(self):
        image = self.image("A", "random", 32 * MIB)
        target = self.recv(f"file:{self.path('B')},size=32M")
        relay = Relay(target.uri, hold_at(wire.PAGES, 3))
        self.addCleanup(relay.close)
        source = self.send(f"file:{image}", relay.uri)
        relay.wait_reached()
        target.kill()
        target.wait()
        relay.close()
        self.ends(source, 1)
        self.assertFalse(os.path.exists(self.path("B")))

    def test_a_cut_stream_leaves_the_old_image(self):
        image = self.image("A", "random", 8 * MIB)
        stream, old = self.path("st"), self.image("B", "random", 8 * MIB)
        before = self.path("before")
        shutil.copyfile(old, before)
        self.ends(self.send(f"file:{image}", "file:" + stream), 0)
        os.truncate(stream, 4 * MIB)
        target = self.migrating("recv", f"file:{old},size=8M", "--from",
                                "file:" + stream)
        self.ends(target, 1)
        self.same(old, before)

    def test_a_link_stays_one_and_the_mode_is_the_owners(self):
        image = self.image("A", "mixed", 8 * MIB)
        real = self.image("B", "random", 8 * MIB)
        os.chmod(real, 0o644)
        os.symlink("B", self.path("link"))
        self.move(f"file:{image}", f"file:{self.path('link')},size=8M")
        self.assertTrue(os.path.islink(self.path("link")))
        self.same(image, real)
        self.assertEqual(os.stat(real).st_mode & 0o7777, 0o600)

    def test_an_image_that_nobody_may_change(self):
        image = self.image("A", "mixed", 8 * MIB)
        done = subprocess.run(["chattr", "+i", image], capture_output=True,
                              text=True, check=False)
        if done.returncode:
            self.skipTest("chattr +i: " + done.stderr.strip())
        self.addCleanup(subprocess.run, ["chattr", "-i", image], check=True)
        self.move(f"file:{image}", f"file:{self.path('B')},size=8M")
        self.same(image, self.path("B"))

    def test_larger_than_files_may_be(self):
        target = subprocess.run(
            [rig.RAMJET, "recv", f"file:{self.path('B')},size=8M", "--from",
             "tcp:127.0.0.1:0"], capture_output=True, text=True, check=False,
            timeout=rig.DEADLINE_S, env=rig.environment(),
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                  (4 * MIB, 4 * MIB)))
        self.assertEqual(target.returncode, 1, target.stderr)
        self.assertIn("File too large", target.stderr)
        self.assertEqual(self.names(), [])

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
