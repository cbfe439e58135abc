# SPDX-License-Identifier: BSD-3-Clause
"""What is compared: options of `ramjet send`, and what came of a move."""
import dataclasses
import re
import subprocess


@dataclasses.dataclass(frozen=True)
class Setting:
    name: str
    options: tuple = ()


class Offer:
    """The options that this ramjet has, by its own help: an older one lacks
    some, and can still be measured."""

    def __init__(self, ramjet):
        done = subprocess.run([ramjet, "send", "--help"], capture_output=True,
                              text=True, check=True)
        self.values = dict(re.findall(r"--([a-z-]+) (\S+)", done.stdout))
        # A build may be without the library.
        self.zstd = self.has("compress") and not subprocess.run(
            [ramjet, "send", "process:size=1M,write=0", "--to",
             "file:/dev/null", "--compress", "zstd:1", "--progress", "none"],
            capture_output=True, check=False).returncode

    def has(self, option):
        return option in self.values

    def refused(self, option):
        """The word that switches it off."""
        words = self.values[option].split("|")
        return next((word for word in ("off", "none", "in-turn", "no", "0")
                     if word in words), words[-1])

    def with_deltas(self, on):
        if not self.has("delta-cache"):
            return ()
        return ("--delta-cache",
                "auto" if on else self.refused("delta-cache"))

    def hot(self, last):
        if not self.has("hot-pages"):
            return ()
        off = self.refused("hot-pages")
        on = next(word for word in self.values["hot-pages"].split("|")
                  if word != off)
        return "--hot-pages", on if last else off

    def plain(self):
        """No zstd, no deltas; hot pages as they come."""
        zstd = ("--compress", "none") if self.has("compress") else ()
        return (*zstd, *self.with_deltas(False), *self.hot(False))

    def compression(self, words):
        """Settings for none, auto, zstd:LEVEL..., nothing else on."""
        found = [Setting("none", self.plain())]
        if not self.zstd:
            print("this ramjet has no zstd")
            return found
        rest = (*self.with_deltas(False), *self.hot(False))
        return found + [Setting(word, ("--compress", word, *rest))
                        for word in words if word != "none"]


def cpu_s(report):
    return sum((report.get("cpu_s") or {}).values())


def row_of(source, target):
    """The figures of one move; sizes in MB, as links are counted."""
    if source["status"] != "completed":
        return {"status": source["status"], "error": source["error"]}
    ram = source["ram"]
    wire = ram["wire_bytes"]
    saved = ram.get("saved_bytes") or 0
    return {
        "status": source["status"], "error": source["error"],
        "ms": source["total_ms"] - source["setup_ms"],
        "total_ms": source["total_ms"], "pause_ms": source["downtime_ms"],
        "wire_mb": wire / 1e6, "source_cpu_s": cpu_s(source),
        "target_cpu_s": cpu_s(target),
        "cpu_s": cpu_s(source) + cpu_s(target),
        "ratio": (wire + saved) / wire if wire else None,
        "rounds": source["rounds_total"],
        "saved_mb": saved / 1e6,
        "compression": source.get("compression"),
        "target_compression": target.get("compression"),
        "deltas": source.get("deltas"), "hot_pages": source.get("hot_pages"),
        "fast_paths": source["fast_paths"],
    }
