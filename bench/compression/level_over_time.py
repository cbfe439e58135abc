# SPDX-License-Identifier: BSD-3-Clause
"""One long move over a link of 10 Gbit/s that has 500 Mbit/s for a while: what
the source says of itself, ten times a second.

The guest writes more than even the fast link carries, so that there is always
something to send, and is held; once the link has been fast again for a while
it falls silent, and may go."""
import os
import pathlib
import sys
import tempfile
import threading
import time

import link
import moves
import settings
import turns

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] /
                    "tests/integration"))
import qmp_client  # noqa: E402

FAST, SLOW = "10gbit", "500mbit"
LOOK_S = 0.1
# How many looks share a line of the table.
LINE = 5


class Watch(threading.Thread):
    """Changes the link's rate when it is time, and looks."""

    def __init__(self, where, monitor, phases_s):
        super().__init__(daemon=True)
        self.where = where
        self.monitor = monitor
        self.phases_s = phases_s
        self.over = threading.Event()
        self.looks = []
        self.error = None

    def run(self):
        try:
            self._watch()
        except (OSError, qmp_client.Closed, link.Unavailable) as error:
            # At the end the source closes its monitor.
            if not self.over.is_set() and not self.looks:
                self.error = error

    def _connect(self):
        while not self.over.is_set():
            try:
                return qmp_client.Client(self.monitor)
            except (FileNotFoundError, ConnectionRefusedError):
                time.sleep(0.01)
        raise qmp_client.Closed()

    def _watch(self):
        client = self._connect()
        changes = [(self.phases_s[0], SLOW), (sum(self.phases_s[:2]), FAST)]
        end_s = sum(self.phases_s)
        rate, begun = FAST, None
        while not self.over.is_set():
            report = client.execute("x-ramjet-query-report")
            now = time.monotonic()
            if begun is None and report["ram"]["wire_bytes"]:
                begun = now
            if begun is not None:
                self.looks.append(look_of(report, now - begun, rate))
                if changes and now - begun > changes[0][0]:
                    rate = changes.pop(0)[1]
                    self.where.set_rate(rate)
                if end_s and now - begun > end_s:
                    end_s = None
                    client.execute("x-ramjet-switchover")
            time.sleep(LOOK_S)


def level_of(report):
    """As people write it: off, or a number."""
    compression = report.get("compression") or {}
    level = compression.get("level")
    return "off" if level is None else str(level)


def look_of(report, at_s, rate):
    return {"at_s": at_s, "link": rate, "level": level_of(report),
            "wire_bytes": report["ram"]["wire_bytes"],
            "compression": report.get("compression"),
            "cpu_s": settings.cpu_s(report)}


def lines_of(looks):
    """Of the table: half a second each, less of a short run."""
    lines = []
    line = LINE if len(looks) > 3 * LINE else 1
    for first, last in zip(looks[::line], looks[line::line]):
        took = last["at_s"] - first["at_s"]
        there = looks[looks.index(first):looks.index(last)]
        # In the order they came; a level that stays is said once.
        levels = [there[0]["level"]]
        for look in there[1:]:
            if look["level"] != levels[-1]:
                levels.append(look["level"])
        lines.append([
            f"{first['at_s']:.1f}", first["link"], " ".join(levels),
            f"{(last['wire_bytes'] - first['wire_bytes']) / took / 1e6:.0f}",
            f"{(last['cpu_s'] - first['cpu_s']) / took:.2f}"])
    return lines


def run(chosen, offer, where):
    phases_s = (0.4, 0.4, 0.4) if chosen.quick else (4, 6, 4)
    guest = {"size": f"{max(chosen.size * 5 // 8, 16)}M",
             "set": f"{max(chosen.size // 2, 8)}M", "write": "1500M",
             "zero": "0%", "compressible": "100%", "touch": 64,
             "storm": f"{sum(phases_s):.1f}s"}
    zstd = ("--compress", "auto") if offer.has("compress") else ()
    with tempfile.TemporaryDirectory() as folder:
        monitor = os.path.join(folder, "monitor")
        watch = Watch(where, monitor, phases_s)
        watch.start()
        try:
            ends = moves.both_ends(
                chosen.ramjet, where, *moves.process_guests(guest),
                (*zstd, *offer.with_deltas(False), "--hold", "--monitor", f"unix:{monitor}",
                 "--progress", "none", "--timeout", "120s"))
        finally:
            watch.over.set()
            watch.join()
            where.set_rate(FAST)
    if watch.error:
        raise watch.error
    turns.table(f"the level over time: {FAST}, after {phases_s[0]} s {SLOW}, "
                f"after {sum(phases_s[:2])} s {FAST} again",
                ["s", "link", "level", "MB/s", "CPUs"], lines_of(watch.looks))
    return {"looks": watch.looks, "guest": guest,
            "move": settings.row_of(*ends)}
