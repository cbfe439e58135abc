# SPDX-License-Identifier: BSD-3-Clause
"""A file whose reads end when a test says so (tests/disk/slow_file.c)."""
import os
import subprocess
import threading

import rig

PROGRAM = os.environ.get("RAMJET_SLOW_FILE", "build/tests/disk/slow_file")


class SlowFile:
    """The file at `path`, of `mib` MiB; skips the test where there can be
    none. To be made before what uses it: it is unmounted after that."""

    def __init__(self, case, name="slow", mib=32):
        self.path = case.path(name)
        content = case.path(name + ".content")
        for path in (self.path, content):
            with open(path, "wb"):
                pass
        os.truncate(content, mib * rig.MIB)
        self.process = subprocess.Popen(
            [PROGRAM, self.path, content], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, text=True)
        case.addCleanup(self.close)
        if self.process.stdout.readline() != "ready\n":
            case.skipTest("no file system by /dev/fuse: needs root")
        self.said = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.listen, daemon=True)
        self.reader.start()

    def listen(self):
        for line in self.process.stdout:
            with self.changed:
                self.said.append(line)
                self.changed.notify_all()

    def wait_for(self, word):
        """The next line that begins with it; those before are forgotten."""
        with self.changed:
            if not self.changed.wait_for(
                    lambda: any(x.startswith(word) for x in self.said),
                    rig.DEADLINE_S):
                raise AssertionError(f"no {word!r} from the slow file")
            while not self.said.pop(0).startswith(word):
                pass

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hold(self):
        """Reads wait; on return one does."""
        self.say("hold")
        self.wait_for("read ")

    def release(self):
        self.say("release")
        self.wait_for("released ")

    def delay(self, milliseconds):
        """Each read takes so long."""
        self.say(f"delay {milliseconds}")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
