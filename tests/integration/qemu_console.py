# SPDX-License-Identifier: BSD-3-Clause
"""The console of the small Linux in tests/qemu/guest: what it said, when, and
waits for what it says next. A place in the text is the number of a line."""
import re
import threading
import time

import rig

TICK = re.compile(r"tick (\d+) ([\d.]+) gap=([\d.]+) wrote=([\d.]+)")
# But what a kernel says when its host is busy.
TROUBLE = re.compile(r"panic|BUG|Oops|CORRUPT|"
                     r"KERNEL (?!hrtimer: interrupt took)")


class Tick:
    def __init__(self, found, heard):
        self.number = int(found[1])
        self.seconds = float(found[2])  # the guest's clock
        self.gap = float(found[3])
        self.wrote = float(found[4])  # MiB since it started
        self.heard = heard  # our own clock


class Console:
    def __init__(self, connection):
        self.connection = connection
        self.lines = []  # (text, when it was heard)
        self.ended = False
        self.said = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with self.connection.makefile("rb") as stream:
            for line in stream:
                text = line.decode(errors="replace").rstrip()
                with self.said:
                    self.lines.append((text, time.monotonic()))
                    self.said.notify_all()
        with self.said:
            self.ended = True
            self.said.notify_all()

    def say(self, line):
        self.connection.sendall(line.encode() + b"\n")

    @property
    def place(self):
        """After all that was said until now."""
        with self.said:
            return len(self.lines)

    def text(self, place=0):
        with self.said:
            return "\n".join(line for line, _ in self.lines[place:])

    def trouble(self):
        return [line for line in self.text().splitlines()
                if TROUBLE.search(line)]

    def wait(self, ready, what):
        """Until ready() is true; what it said."""
        with self.said:
            self.said.wait_for(lambda: ready() or self.ended, rig.DEADLINE_S)
            answer = ready()
        if not answer:
            raise AssertionError(f"{what} never came; the console:\n"
                                 + self.text()[-2000:])
        return answer

    def found(self, pattern, place=0):
        return [found for line, _ in self.lines[place:]
                if (found := re.search(pattern, line))]

    def wait_for(self, pattern, place=0, times=1):
        """Until that many lines after `place` match; the last match."""
        return self.wait(lambda: len(self.found(pattern, place)) >= times,
                         f"/{pattern}/ ({times} times)"
                         ) and self.found(pattern, place)[times - 1]

    # ---- what the guest tells

    def ticks(self, place=0):
        with self.said:
            lines = self.lines[place:]
        return [Tick(found, heard) for line, heard in lines
                if (found := TICK.search(line))]

    def wait_tick(self, beyond=0, place=0):
        """A tick with a number above `beyond`."""
        return self.wait(
            lambda: next((tick for tick in reversed(self.ticks(place))
                          if tick.number > beyond), None),
            f"a tick beyond {beyond}")

    def last_tick(self):
        ticks = self.ticks()
        return ticks[-1] if ticks else None

    def wait_passes(self, kinds=("pass",), times=2):
        """Until each kind of check went through from start to end: of two
        passes that end from now on, the second also began after now."""
        place = self.place
        for kind in kinds:
            self.wait_for(rf"^{kind} \d+ ok", place, times)

    def check(self):
        """All memory is checked at once, by the guest itself."""
        place = self.place
        self.say("check")
        self.wait_for("^checked ok", place)

    def wait_written(self, mib, place=None):
        """Until the guest wrote that much more to its memory."""
        start = self.wait_tick(place=self.place if place is None else place)
        return self.wait(
            lambda: next((tick for tick in reversed(self.ticks())
                          if tick.wrote >= start.wrote + mib), None),
            f"{mib} MiB written")
