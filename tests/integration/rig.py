# SPDX-License-Identifier: BSD-3-Clause
"""Runs the ramjet command as people do: real processes, real connections.

RAMJET names the command. Every wait is for an event and has a deadline, after
which the test fails and shows what the processes said.
"""
import filecmp
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import unittest

RAMJET = os.environ.get("RAMJET", "build/cli/ramjet")
DEADLINE_S = 60
MIB = 1 << 20
PAGE = 4096
# A sanitizer's findings must not look like an exit status of ramjet's own.
SANITIZER_EXIT = 99
SANITIZER = re.compile(r"(Address|Leak|Thread|Memory)Sanitizer|runtime error:")


def environment():
    env = dict(os.environ)
    for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS",
                 "LSAN_OPTIONS"):
        env[name] = env.get(name, "") + f":exitcode={SANITIZER_EXIT}"
    return env


def has_zstd():
    """Or was it built without?"""
    done = subprocess.run(
        [RAMJET, "send", "process:size=1M,write=0", "--to",
         "file:/dev/null", "--compress", "zstd"], capture_output=True,
        text=True, env=environment(), check=False)
    if done.returncode and "zstd is not part of this build" not in done.stderr:
        raise AssertionError(done.stderr)
    return not done.returncode


class Command:
    """A running ramjet; its standard error is followed line by line."""

    def __init__(self, *args, pass_fds=(), through=()):
        """`through`: a command that ends by executing the one behind it."""
        self.args = args
        self.stdout = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [*through, RAMJET, *args], stdin=subprocess.DEVNULL,
            stdout=self.stdout, stderr=subprocess.PIPE, pass_fds=pass_fds,
            env=environment())
        self.err = ""
        self._ended = False
        self._said = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with self.process.stderr as stream:
            while True:
                piece = os.read(stream.fileno(), 65536)
                with self._said:
                    self.err += piece.decode(errors="replace")
                    self._ended = not piece
                    self._said.notify_all()
                if not piece:
                    return

    def heard(self, pattern, seconds=DEADLINE_S):
        """Until standard error matches or ends; the match, or None."""
        with self._said:
            self._said.wait_for(
                lambda: self._ended or re.search(pattern, self.err), seconds)
            return re.search(pattern, self.err)

    def wait_for(self, pattern):
        """Until standard error matches; returns the match."""
        found = self.heard(pattern)
        if not found:
            raise AssertionError(f"never said /{pattern}/:\n{self.story()}")
        return found

    def wait(self):
        """The exit status."""
        try:
            status = self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running after {DEADLINE_S} s:\n{self.story()}"
            ) from None
        self._reader.join(DEADLINE_S)
        return status

    @property
    def out(self):
        self.stdout.seek(0)
        return self.stdout.read()

    def interrupt(self):
        self.process.send_signal(signal.SIGINT)

    def kill(self):
        self.process.kill()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join(DEADLINE_S)
        self.stdout.close()

    def story(self):
        return (f"$ ramjet {' '.join(self.args)}\n"
                f"[exit {self.process.poll()}]\n{self.out}{self.err}")


class Migrating(Command):
    """`ramjet send` or `ramjet recv`, with its JSON."""

    def __init__(self, verb, *args, json_path, pass_fds=(), through=()):
        self.json_path = json_path
        super().__init__(verb, *args, "--json", json_path, pass_fds=pass_fds,
                         through=through)

    @property
    def json(self):
        with open(self.json_path, encoding="utf-8") as file:
            return json.load(file)


class Case(unittest.TestCase):
    """A test with a folder of its own and processes that end with it."""
    maxDiff = None

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ramjet-")
        self.addCleanup(shutil.rmtree, self.folder)
        self._count = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    # ---- processes

    def ramjet(self, *args, pass_fds=()):
        command = Command(*args, pass_fds=pass_fds)
        self.addCleanup(command.close)
        return command

    def migrating(self, verb, *args, pass_fds=(), through=()):
        self._count += 1
        command = Migrating(verb, *args, pass_fds=pass_fds, through=through,
                            json_path=self.path(f"{verb}{self._count}.json"))
        self.addCleanup(command.close)
        return command

    def send(self, guest, uri, *options, pass_fds=(), verify=True,
             through=()):
        return self.migrating("send", guest, "--to", uri, *options,
                              *(["--verify"] if verify else []),
                              pass_fds=pass_fds, through=through)

    def recv(self, guest, uri="tcp:127.0.0.1:0", *options, pass_fds=(),
             through=()):
        """Returns once it listens; .uri is where."""
        ready, child_end = os.pipe()
        try:
            command = self.migrating(
                "recv", guest, "--from", uri, "--ready-fd", str(child_end),
                *options, pass_fds=(child_end, *pass_fds), through=through)
        finally:
            os.close(child_end)
        with os.fdopen(ready, "rb", buffering=0) as stream:
            command.uri = self.read_line(command, stream)
        return command

    def read_line(self, command, stream):
        line = b""
        end = time.monotonic() + DEADLINE_S
        while not line.endswith(b"\n"):
            left = end - time.monotonic()
            readable, _, _ = select.select([stream], [], [], max(0, left))
            piece = stream.read(4096) if readable else b""
            if not piece:
                command.process.wait(DEADLINE_S)
                self.fail("recv was never ready:\n" + command.story())
            line += piece
        return line.decode().strip()

    def ends(self, command, status, *needles):
        """It exits with `status`, having said each needle (a regex)."""
        self.assertEqual(command.wait(), status, command.story())
        self.assertIsNone(SANITIZER.search(command.err), command.story())
        for needle in needles:
            self.assertRegex(command.err, needle, command.story())
        if isinstance(command, Migrating) and status != 2:
            wanted = {0: ("completed",), 1: ("failed", "cancelled"),
                      3: ("unconfirmed",)}[status]
            self.assertIn(command.json["status"], wanted, command.story())
            self.assertEqual(status == 0, not command.json["error"],
                             command.story())

    def both_end(self, source, target, status=0):
        # The source's story explains a failure best, so it goes first.
        self.ends(source, status)
        self.ends(target, status)

    def move(self, guest, to_guest, *options, uri="tcp:127.0.0.1:0"):
        """A whole migration; returns (source, target), ended well."""
        target = self.recv(to_guest, uri)
        source = self.send(guest, target.uri, *options)
        self.both_end(source, target)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        if not to_guest.startswith("file:"):
            self.assertTrue(target.json["self_check"]["clean"],
                            target.story())
        return source, target

    # ---- images

    def image(self, name, kind="mixed", size=64 * MIB):
        path = self.path(name)
        with open(path, "wb") as file:
            file.truncate(size)
            IMAGES[kind](file, size)
        return path

    def same(self, left, right):
        self.assertTrue(filecmp.cmp(left, right, shallow=False),
                        f"{left} and {right} differ")


def fill_random(file, size):
    for _ in range(size // MIB):
        file.write(os.urandom(MIB))


def fill_zero(file, size):
    for _ in range(size // MIB):
        file.write(bytes(MIB))


def fill_sparse(file, size):
    """A page here and there, the last one included; the rest are holes."""
    for page in (0, 1, 511, 512, 513, 4095, size // PAGE - 1):
        if page < size // PAGE:
            file.seek(page * PAGE)
            file.write(os.urandom(PAGE))


def fill_mixed(file, size):
    """Random, text, zero, nearly zero and holes, in runs of many lengths."""
    page = 0
    length = 1
    while page < size // PAGE:
        count = min(length, size // PAGE - page)
        file.seek(page * PAGE)
        if length % 5 == 0:
            file.write(os.urandom(count * PAGE))
        elif length % 5 == 1:
            file.write(b"ramjet. " * (count * PAGE // 8))
        elif length % 5 == 2:
            file.write(bytes(count * PAGE))
        elif length % 5 == 3:
            file.write((bytes(PAGE - 1) + b"\1") * count)
        page += count
        length = length % 97 + 1


IMAGES = {"random": fill_random, "zero": fill_zero, "sparse": fill_sparse,
          "mixed": fill_mixed, "hole": lambda file, size: None}


# ---- TAP

class Tap(unittest.TestResult):
    """Prints a line of TAP for each case, as it ends."""

    def startTest(self, test):
        super().startTest(test)
        self.failed_parts = []

    def line(self, verdict, test, directive=""):
        name = test.id().split(".", 1)[1]
        print(f"{verdict} {self.testsRun} - {name}{directive}", flush=True)

    def bad(self, error):
        own = [f for f in traceback.extract_tb(error[2])
               if os.path.dirname(f.filename) == os.path.dirname(
                   os.path.abspath(__file__))]
        self.failed_parts.append("".join(
            traceback.format_list(own)
            + traceback.format_exception_only(*error[:2])))

    def addError(self, test, err):
        super().addError(test, err)
        self.bad(err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.bad(err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print("# in " + subtest.id())
            self.bad(err)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.line("ok", test, " # SKIP " + reason)
        self.failed_parts = None

    def stopTest(self, test):
        super().stopTest(test)
        if self.failed_parts is None:
            return
        for part in self.failed_parts:
            print("\n".join("# " + line for line in part.splitlines()))
        self.line("not ok" if self.failed_parts else "ok", test)


def main():
    """Runs the cases of the calling file; arguments pick by name."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(
        sys.modules["__main__"])
    tests = [test for group in suite for test in group
             if not sys.argv[1:]
             or any(word in test.id() for word in sys.argv[1:])]
    print(f"1..{len(tests)}", flush=True)
    result = Tap()
    unittest.TestSuite(tests).run(result)
    sys.exit(0 if result.wasSuccessful() else 1)
