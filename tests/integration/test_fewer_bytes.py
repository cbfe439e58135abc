# SPDX-License-Identifier: BSD-3-Clause
"""What both sides agree on to send fewer bytes, and what is told of it."""
import monitor_rig
import rig

SIZE = 16 * rig.MIB
# Words, which no target of this version refuses, and pages for zstd.
WORDS, TEXT = 4 * rig.MIB, 4 * rig.MIB


class FewerBytes(monitor_rig.Case):
    def guest(self):
        """An image that is a quarter words, a quarter text, and half holes."""
        path = self.path("A")
        with open(path, "wb") as file:
            file.truncate(SIZE)
            file.write(b"one word" * (WORDS // 8))
            line = 0
            while file.tell() < WORDS + TEXT:
                file.write(b"line %d of a text that gets smaller\n" % line)
                line += 1
        return "file:" + path

    def there(self):
        return f"file:{self.path('B')},size={SIZE}"

    def moved(self, *options, takes="auto"):
        target = self.recv(self.there(), "tcp:127.0.0.1:0", "--compress",
                           takes)
        source = self.send(self.guest(), target.uri, *options)
        self.both_end(source, target)
        self.same(self.path("A"), self.path("B"))
        return source, target

    def compression(self, command):
        return {path["name"]: (path["chosen"], path["reason"])
                for path in command.json["fast_paths"]}["compression"]

    def test_both_sides_tell_what_was_saved(self):
        source, target = self.moved("--compress", "none")
        for side in source.json, target.json:
            self.assertEqual(side["ram"]["word_pages"], WORDS // 4096)
            self.assertEqual(side["ram"]["compressed_pages"], 0)
            self.assertGreaterEqual(side["ram"]["saved_bytes"], WORDS)
            self.assertIsNone(side["compression"]["ratio"])
            self.assertEqual(side["compression"]["levels"], [])
        self.assertEqual(self.compression(source), ("none", "as asked for"))
        self.assertIn("1,024 pages of one word)", source.out)

    def test_zstd_is_used_at_the_level_asked_for(self):
        if not rig.has_zstd():
            self.skipTest("zstd is not part of this build")
        source, target = self.moved("--compress", "zstd:3")
        self.assertEqual(self.compression(source), ("zstd 3", "as asked for"))
        for side in source.json, target.json:
            self.assertGreater(side["ram"]["compressed_pages"], 1000)
            self.assertGreater(side["compression"]["ratio"], 2)
            self.assertGreater(side["compression"]["cpu_s"], 0)
        levels = source.json["compression"]["levels"]
        self.assertEqual({each["level"] for each in levels}, {3})
        self.assertIn("(zstd 3: ", source.out)

    def test_a_target_may_take_none(self):
        if not rig.has_zstd():
            self.skipTest("zstd is not part of this build")
        source, _ = self.moved("--compress", "zstd", takes="none")
        self.assertEqual(self.compression(source),
                         ("none", "the target does not take it"))
        self.assertEqual(source.json["ram"]["compressed_pages"], 0)

    def test_strict_wants_it(self):
        if not rig.has_zstd():
            self.skipTest("zstd is not part of this build")
        target = self.recv(self.there(), "tcp:127.0.0.1:0", "--compress",
                           "none")
        source = self.send(self.guest(), target.uri, "--compress", "zstd",
                           "--strict")
        self.both_end(source, target, 1)
        self.assertIn("compression: zstd was asked for, and the target does "
                      "not take it", source.json["error"])
        # In every outcome.
        self.assertIsNone(source.json["compression"]["level"])

    def test_a_monitor_says_it_and_shows_it(self):
        source, target = self.source(), self.target()
        at_source, at_target = self.client(source), self.client(target)
        self.assertEqual(
            at_source.execute("query-migrate-parameters")[
                "multifd-compression"], "x-ramjet-auto")
        for client in at_source, at_target:
            client.execute("migrate-set-parameters",
                           multifd_compression="none")
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("completed")
        shown = at_source.execute("query-migrate")
        self.assertIsNone(shown["x-ramjet-compression"]["level"])
        self.assertIn("x-ramjet-word", shown["ram"])
        report = at_source.execute("x-ramjet-query-report")
        self.assertEqual(report["deltas"], shown["x-ramjet-deltas"])
        self.quits(source, at_source)
        self.quits(target, at_target)


if __name__ == "__main__":
    rig.main()
