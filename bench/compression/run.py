#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What fewer bytes bring: the same guests moved with and without, in turns.

  loopback  RAM images over loopback: auto beside none
  levels    RAM images at 1 and 10 Gbit/s: none, auto and fixed levels
  writing   guests that write, at 1 Gbit/s: none, auto, a fixed level
  deltas    a guest that changes 64 bytes of each page, at 1 Gbit/s: with
            deltas and without, with zstd and without
  hot       a guest that writes nine times in ten to a tenth of its set, at
            1 Gbit/s: hot pages last, and in turn
  rate      the level over time, on a link whose rate changes on the way

Each table is a run of its own of some minutes. `ratio` is what all but zero
pages would have taken, by what was sent; `x none` how many times faster than
none, by the median of the turns' own ratios. Links need root. Images lie in
/dev/shm.
"""
import argparse
import filecmp
import json
import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
sys.path.insert(0, str(HERE.parent))
import contents  # noqa: E402
import level_over_time  # noqa: E402
import link  # noqa: E402
import linux_memory  # noqa: E402
import moves  # noqa: E402
import settings  # noqa: E402
import turns  # noqa: E402

MIB = 1 << 20
# A slow link gets a part of the image: every n-th MiB of it.
PARTS = {"lo": 1, "10gbit": 1, "1gbit": 4}
LIMIT = ("--downtime-limit", "300ms", "--progress", "none", "--timeout",
         "120s")
# How process guests of the tables are; sizes in MiB for --size 1024.
WRITING = {
    "random": {"zero": "0%", "compressible": "0%"},
    "text": {"zero": "0%", "compressible": "100%"},
    "mixed": {"zero": "30%", "compressible": "50%"},
}


class Bench:
    def __init__(self, chosen, links, folder):
        self.chosen = chosen
        self.links = links
        self.folder = pathlib.Path(folder)
        self.offer = settings.Offer(chosen.ramjet)
        self.bad = 0

    def place(self, name):
        return self.links.get(name) or link.Loopback()

    def row(self, source, target):
        row = settings.row_of(source, target)
        self.bad += row["status"] != "completed"
        return row

    # ---- RAM images

    def images(self):
        """Yields (content, {part: path}); gone when the next one comes."""
        for name in self.chosen.contents.split(","):
            try:
                whole = contents.make(name, self.folder / "image",
                                      self.chosen.size * MIB)
            except linux_memory.Unavailable as reason:
                print(f"{name}: skipped: {reason}")
                continue
            yield name, {1: whole, 4: contents.thinned(
                whole, self.folder / "part", self.chosen.size * MIB // 4)}

    def move_image(self, place, image, options):
        copy = self.folder / "copy"
        size = os.path.getsize(image)
        ends = moves.both_ends(
            self.chosen.ramjet, place, f"file:{image},prealloc=1",
            f"file:{copy},size={size},prealloc=1", (*LIMIT, *options))
        if ends[0]["status"] == "completed" and not self.compared:
            self.compared = True
            if not filecmp.cmp(image, copy, shallow=False):
                ends[0].update(status="damaged", error="the images differ")
                print(f"  {image} and its copy differ", flush=True)
        copy.unlink(missing_ok=True)
        return self.row(*ends)

    def image_table(self, title, places, words):
        """All contents over these places."""
        found = []
        tried = self.offer.compression(words)
        lines = []
        for content, parts in self.images():
            for name in places:
                self.compared = False  # once for each is enough
                rows = turns.take(tried, self.chosen.pairs,
                                  lambda one, at=name, kept=parts:
                                  self.move_image(self.place(at),
                                                  kept[PARTS[at]],
                                                  one.options))
                lines += lines_of(f"{content} {name}", rows)
                found.append(result(rows, content=content, place=name))
        turns.table(title, COLUMNS, lines)
        return found

    def loopback(self):
        return self.image_table("loopback", ["lo"], ["auto"])

    def levels(self):
        return self.image_table("levels", self.chosen.places.split(","),
                                ["auto", *self.chosen.levels.split(",")])

    # ---- guests that write

    def scaled(self, mib):
        return f"{max(mib * self.chosen.size // 1024, 8)}M"

    def move_guest(self, place, guest, options):
        return self.row(*moves.both_ends(
            self.chosen.ramjet, self.place(place),
            *moves.process_guests(guest), (*LIMIT, *options)))

    def guest_table(self, title, guests, tried):
        found = []
        lines = []
        for name, guest in guests.items():
            rows = turns.take(tried, self.chosen.pairs,
                              lambda one, keys=guest: self.move_guest(
                                  "1gbit", keys, one.options))
            lines += lines_of(name, rows)
            found.append(result(rows, guest=guest, place="1gbit"))
        turns.table(title, COLUMNS, lines)
        return found

    def writing(self):
        return self.guest_table(
            "writing 40 MiB/s, 1 Gbit/s",
            {name: {"size": self.scaled(256), "set": self.scaled(64),
                    "write": "40M", "pattern": "random", **like}
             for name, like in WRITING.items()},
            self.offer.compression(["auto", "zstd:1"]))

    def deltas(self):
        def words(zstd, on):
            return (*(("--compress", zstd) if self.offer.has("compress")
                      else ()), *self.offer.with_deltas(on),
                    *self.offer.hot(False))
        tried = [settings.Setting("none", words("none", False))]
        if self.offer.has("delta-cache"):
            tried += [settings.Setting("deltas", words("none", True)),
                      settings.Setting("auto", words("auto", False)),
                      settings.Setting("auto+deltas", words("auto", True))]
        return self.guest_table(
            "changes 64 bytes a page, 100 MiB/s of pages, 1 Gbit/s",
            {name: {"size": self.scaled(256), "set": self.scaled(128),
                    "write": "100M", "touch": 64, **like}
             for name, like in WRITING.items() if name != "text"}, tried)

    def hot(self):
        tried = [settings.Setting("none", self.offer.plain())]
        if self.offer.has("hot-pages"):
            tried.append(settings.Setting(
                "hot last", (*self.offer.plain()[:-2],
                             *self.offer.hot(True))))
        return self.guest_table(
            "a hot tenth of all memory, 200 MiB/s of pages, 1 Gbit/s",
            {"hot set": {"size": self.scaled(256), "set": self.scaled(256),
                         "write": "200M", "pattern": "hot",
                         **WRITING["random"]}}, tried)

    def rate(self):
        found = level_over_time.run(self.chosen, self.offer,
                                    self.place(level_over_time.FAST))
        self.bad += found["move"]["status"] != "completed"
        return found


TABLES = ("loopback", "levels", "writing", "deltas", "hot", "rate")
SHAPED = {"writing": ["1gbit"], "deltas": ["1gbit"], "hot": ["1gbit"],
          "rate": [level_over_time.FAST]}

COLUMNS = ["", "setting", "ms", "x none", "pause ms", "MB on wire", "ratio",
           "CPU s", "source", "target"]


def lines_of(name, rows):
    base = next(iter(rows.values()))
    return [[name if i == 0 else "", one.name,
             turns.number(turns.median(those, "ms")),
             turns.number(turns.ratio(base, those, "ms"), "{:.3f}"),
             turns.number(turns.median(those, "pause_ms"), "{:.1f}"),
             turns.number(turns.median(those, "wire_mb"), "{:.1f}"),
             turns.number(turns.median(those, "ratio"), "{:.2f}"),
             turns.number(turns.median(those, "cpu_s"), "{:.2f}"),
             turns.number(turns.median(those, "source_cpu_s"), "{:.2f}"),
             turns.number(turns.median(those, "target_cpu_s"), "{:.2f}")]
            for i, (one, those) in enumerate(rows.items())]


def result(rows, **about):
    return {**about, "settings": [
        {"name": one.name, "options": one.options, "moves": those}
        for one, those in rows.items()]}


def options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    moves.add_arguments(parser)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--contents", help="some of " +
                        ",".join(contents.NAMES))
    parser.add_argument("--places", default="1gbit,10gbit",
                        help="of levels: 1gbit, 10gbit")
    parser.add_argument("--levels", default="zstd:-5,zstd:1,zstd:3")
    parser.add_argument("--size", type=int, default=1024,
                        help="MiB of an image; others in proportion (1024)")
    parser.add_argument("--pairs", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.size, chosen.pairs = 32, 1
        chosen.levels = "zstd:1"
        chosen.contents = chosen.contents or "text"
    chosen.contents = chosen.contents or ",".join(contents.NAMES)
    return chosen


def links_of(chosen, tables):
    names = {name for table in tables for name in SHAPED.get(table, ())}
    if "levels" in tables:
        names |= set(chosen.places.split(",")) - {"lo"}
    return sorted(names)


def run(chosen):
    tables = chosen.tables.split(",")
    machine = turns.machine()
    machine["ramjet"] = turns.version_of(chosen.ramjet)
    turns.say_machine(machine, machine["ramjet"])
    found = {"machine": machine, "command": sys.argv, "tables": {}}
    folder = tempfile.mkdtemp(prefix="ramjet-bench-",
                              dir=turns.folder_of_images())
    try:
        with link.shaped(links_of(chosen, tables)) as links:
            bench = Bench(chosen, links, folder)
            for table in tables:
                found["tables"][table] = getattr(bench, table)()
    finally:
        shutil.rmtree(folder)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))
    return bench.bad


def main():
    try:
        return min(run(options()), 1)
    except link.Unavailable as reason:
        print(f"skipped: {reason}")
        return link.SKIP


if __name__ == "__main__":
    sys.exit(main())
