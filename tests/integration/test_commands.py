# SPDX-License-Identifier: BSD-3-Clause
"""exec: how a command ends is heard, whatever it did and wherever it runs."""
import gzip
import os
import signal
import subprocess
import sys
import time

import rig
from rig import MIB

SIZE = 8 * MIB
# Runs its arguments on a terminal of their own, in its foreground.
ON_TERMINAL = """
import os, pty, sys
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""


class Commands(rig.Case):
    def into(self, command, *options):
        return self.send(f"file:{self.path('A')}", "exec:" + command, *options)

    def out_of(self, command, *options):
        return self.recv(f"file:{self.path('B')},size=8M", "exec:" + command,
                         *options)

    def setUp(self):
        super().setUp()
        self.image("A", "random", SIZE)

    def test_early_failure_is_named(self):
        source = self.into("exit 7")
        self.ends(source, 1, "command exited with status 7, wanted 0")
        source = self.into("head -c 100000 >/dev/null; exit 8")
        self.ends(source, 1, "command exited with status 8, wanted 0")
        source = self.into("head -c 100000 >/dev/null")
        self.ends(source, 1, "command ended with status 0, wanted the whole")
        target = self.out_of("exit 9")
        self.ends(target, 1, "command exited with status 9, wanted 0")
        target = self.out_of("no-such-command-here")
        self.ends(target, 1, "command exited with status 127, wanted 0")
        target = self.out_of("true")
        self.ends(target, 1, "command ended with status 0, wanted the whole")

    def test_target_waits_for_its_command(self):
        stream = self.path("stream")
        self.ends(self.into(f"cat >{stream}"), 0)
        self.ends(self.out_of(f"cat {stream}; exit 5"), 1,
                  "command exited with status 5, wanted 0")
        self.ends(self.out_of(f"cat {stream}; kill -9 $$"), 1,
                  "killed by signal 9")
        self.ends(self.out_of(f"cat {stream}"), 0)
        self.same(self.path("A"), self.path("B"))

    def test_archive_whose_check_is_wrong(self):
        stream, packed = self.path("stream"), self.path("stream.gz")
        self.ends(self.into(f"cat >{stream}"), 0)
        with open(stream, "rb") as file:
            data = bytearray(gzip.compress(file.read(), 1))
        # The memory is right and gzip's own check is not: only gzip knows.
        data[-5] ^= 1
        with open(packed, "wb") as file:
            file.write(data)
        self.ends(self.out_of(f"gzip -dc {packed}"), 1,
                  "command exited with status 1, wanted 0")

    def test_junk_behind_the_stream(self):
        stream = self.path("stream")
        self.ends(self.into(f"cat >{stream}"), 0)
        self.ends(self.out_of(f"cat {stream} - <<end\njunk\nend\n"), 1,
                  "bytes after COMMIT")
        self.ends(self.out_of(f"cat {stream}; echo junk"), 1,
                  "bytes after COMMIT")
        with open(stream, "ab") as file:
            file.write(b"x")
        target = self.recv(f"file:{self.path('B')},size=8M", f"file:{stream}")
        self.ends(target, 1, "bytes after COMMIT")

    def test_children_that_are_ignored(self):
        old = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            good = self.into("cat >/dev/null")
            bad = self.into("cat >/dev/null; exit 7")
            demo = self.ramjet("demo", "process:size=8M")
        finally:
            signal.signal(signal.SIGCHLD, old)
        self.ends(good, 0)
        self.ends(bad, 3, "command exited with status 7, wanted 0")
        self.ends(demo, 0)

    def test_command_that_asks_on_the_terminal(self):
        done = subprocess.run(
            [sys.executable, "-c", ON_TERMINAL, rig.RAMJET, "send",
             f"file:{self.path('A')}", "--to", "exec:read x </dev/tty"],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=rig.DEADLINE_S, check=False)
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        self.assertIn("command exited with status", done.stdout)

    def test_cancelled_no_process_is_left(self):
        fifo = self.path("pids")
        os.mkfifo(fifo)
        source = self.send(
            "process:size=8M", f"exec:sleep 1000 & echo $$ $! >{fifo}; "
            "cat >/dev/null; wait", "--hold")
        with open(fifo, encoding="ascii") as file:
            pids = [int(word) for word in file.read().split()]
        self.assertEqual(len(pids), 2)
        source.interrupt()
        self.ends(source, 1)
        end = time.monotonic() + rig.DEADLINE_S
        while any(self.lives(pid) for pid in pids):
            self.assertLess(time.monotonic(), end, f"{pids} live on")
            time.sleep(0.01)

    @staticmethod
    def lives(pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False


if __name__ == "__main__":
    rig.main()
