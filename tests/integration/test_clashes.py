# SPDX-License-Identifier: BSD-3-Clause
"""One file under two hats, whatever names it: refused, and left as it was."""

import hashlib
import os
import subprocess

import monitor_rig
import rig
from rig import MIB


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


class Clashes(monitor_rig.Case):
    def setUp(self):
        super().setUp()
        self.a = self.image("A", "random", 2 * MIB)
        os.link(self.a, self.path("hard"))
        os.symlink("A", self.path("soft"))
        self.before = digest(self.a)

    def names_of_it(self):
        return [self.a, self.path("hard"), self.path("soft")]

    def clashes(self, *words, **options):
        options.setdefault("stderr", subprocess.PIPE)
        done = subprocess.run([rig.RAMJET, *words], env=rig.environment(),
                              stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.DEVNULL,
                              timeout=rig.DEADLINE_S, **options)
        self.assertEqual(done.returncode, 2, done.stderr)
        if done.stderr is not None:
            self.assertIn(b"are the same file", done.stderr)
            self.assertEqual(digest(self.a), self.before)

    def test_a_guest_that_would_be_its_own_stream(self):
        for name in self.names_of_it():
            with self.subTest(name=name):
                self.clashes("send", "file:" + self.a, "--to", "file:" + name)
        with open(self.a, "r+b") as file:
            self.clashes("send", "file:" + self.a, "--to",
                         f"fd:{file.fileno()}", pass_fds=(file.fileno(),))

    def test_a_guest_that_would_be_the_report(self):
        for name in self.names_of_it():
            with self.subTest(name=name):
                self.clashes("send", "file:" + self.a, "--to",
                             "tcp:127.0.0.1:1", "--json", name)
        self.clashes("recv", f"file:{self.path('B')},size=2M", "--from",
                     "tcp:127.0.0.1:0", "--json", self.path("./B"))
        self.assertFalse(os.path.exists(self.path("B")))

    def test_wrong_usage_is_not_reported_over_an_image(self):
        for words in (["--bogus"], ["--to", "fd:99"], ["--to", "ftp:x"],
                      ["--channels", "0"], []):
            with self.subTest(words=words):
                command = self.ramjet("send", "file:" + self.a, *words,
                                      "--json", self.path("soft"))
                self.assertEqual(command.wait(), 2, command.story())
                self.assertEqual(digest(self.a), self.before)

    def test_a_guest_that_would_be_the_log(self):
        with open(self.a, "ab") as log:
            self.clashes("send", "file:" + self.path("hard"), "--to",
                         "tcp:127.0.0.1:1", stderr=log)
        with open(self.a, "rb") as file:
            self.assertEqual(
                hashlib.sha256(file.read(2 * MIB)).hexdigest(), self.before)

    def test_a_target_that_would_be_its_own_stream(self):
        for name in self.names_of_it():
            with self.subTest(name=name):
                self.clashes("recv", f"file:{name},size=2M", "--from",
                             "file:" + self.a)

    def test_a_stream_that_would_be_the_report(self):
        self.clashes("send", "process:size=1M", "--to",
                     "file:" + self.path("new"), "--json", self.path("new"))
        self.clashes("recv", f"file:{self.path('B')},size=2M", "--from",
                     "file:" + self.a, "--json", self.path("soft"))

    def test_links_to_a_file_that_is_not_there_yet(self):
        os.symlink("new", self.path("link"))
        os.symlink(self.path("link"), self.path("far"))
        for name in ("link", "far"):
            with self.subTest(name=name):
                self.clashes("send", "file:" + self.a, "--to",
                             "file:" + self.path("new"), "--json",
                             self.path(name))
                self.clashes("recv", f"file:{self.path(name)},size=2M",
                             "--from", "tcp:127.0.0.1:0", "--json",
                             self.path("new"))
        self.assertFalse(os.path.exists(self.path("new")))

    def test_a_monitor_may_not_either(self):
        source = self.monitored("send", "file:" + self.a)
        client = self.client(source)
        with self.assertRaisesRegex(Exception, "are the same file"):
            client.execute("migrate", uri="file:" + self.path("hard"))
        client.execute("quit")
        source.wait()
        self.assertEqual(digest(self.a), self.before)

    def test_a_stream_on_standard_output_is_nothing_but_that(self):
        with open(self.path("st"), "wb") as stream:
            done = subprocess.run(
                [rig.RAMJET, "send", "file:" + self.a, "--to", "fd:1"],
                env=rig.environment(), stdin=subprocess.DEVNULL,
                stdout=stream, stderr=subprocess.PIPE, check=False,
                timeout=rig.DEADLINE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(b"completed", done.stderr)
        target = self.migrating("recv", f"file:{self.path('B')},size=2M",
                                "--from", "file:" + self.path("st"))
        self.ends(target, 0)
        self.same(self.a, self.path("B"))

    def test_closed_streams_are_nobodys_file(self):
        target = self.recv(f"file:{self.path('B')},size=2M")
        done = subprocess.run(
            ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", rig.RAMJET, "send",
             "file:" + self.a, "--to", target.uri], check=False,
            env=rig.environment(), timeout=rig.DEADLINE_S)
        self.ends(target, 0)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(digest(self.a), self.before)
        self.same(self.a, self.path("B"))


if __name__ == "__main__":
    rig.main()
