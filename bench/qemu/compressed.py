#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Fewer bytes by QEMU's own means and by ramjet's, in turns, over one link.

  images  RAM images (bench/compression/contents.py) in a QEMU that does not
          run: multifd with zstd at its levels; ramjet at the same ones, and
          auto
  deltas  a small Linux that changes 64 bytes of each page it writes
          (tests/qemu/guest, by TCG): XBZRLE; ramjet with deltas and without.
          By QEMU 10 where it is there: with XBZRLE that of Debian 12, 7.2,
          damages the guest when the machine is busy

CPU seconds are those of both ends, without the guest's own; MB is what the link
carried, headers and all (over lo: others' traffic, too). A QEMU that does not run
has no pause. Places: lo; 1gbit and 10gbit need root.
"""
import argparse
import json
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[1] / "compression")]
import contents  # noqa: E402
import link  # noqa: E402
import linux_memory  # noqa: E402
import movers  # noqa: E402
import moves  # noqa: E402
import settings  # noqa: E402
import turns  # noqa: E402

MIB = 1 << 20
LIMIT_MS = 300
# A slow link gets a part of the image.
PARTS = {"lo": 1, "10gbit": 1, "1gbit": 4}


class Lab(movers.Lab):
    """Of which each QEMU has the file for its memory that was chosen."""

    def memory_file(self, name, path):
        pathlib.Path(self.path(name + ".ram")).symlink_to(path)


class Still(movers.Placed):
    """Never runs, and holds an image, which so stays as it is. What arrives at
    its target fills another file in memory."""

    def target(self, where, **other):
        name = f"qemu{self.case.count + 1}"
        self.case.memory_file(name, self.case.copy)
        return super().target(where, **other)


def zstd_movers(chosen, offer):
    """QEMU has no levels below 0."""
    # Pages of one word and zero pages, which QEMU finds as well, are always on.
    rest = (*offer.with_deltas(False), *offer.hot(False))
    found = []
    for level in chosen.levels.split(","):
        found.append(movers.ByQemu(
            LIMIT_MS, chosen.channels, f"QEMU zstd:{level}",
            **{"multifd-compression": "zstd",
               "multifd-zstd-level": int(level)}))
        if offer.zstd:
            found.append(movers.ByRamjet(
                chosen.ramjet, LIMIT_MS, chosen.channels,
                f"ramjet zstd:{level}",
                ("--compress", f"zstd:{level}", *rest)))
    found.append(movers.ByRamjet(
        chosen.ramjet, LIMIT_MS, chosen.channels, "ramjet auto",
        (*(("--compress", "auto") if offer.has("compress") else ()), *rest)))
    return found


def delta_movers(chosen, offer):
    zstd = ("--compress", "none") if offer.has("compress") else ()
    found = [
        movers.ByQemu(LIMIT_MS, chosen.channels, "QEMU multifd"),
        movers.ByQemu(LIMIT_MS, chosen.channels, "QEMU XBZRLE", ("xbzrle",),
                      **{"xbzrle-cache-size": chosen.cache * MIB}),
        movers.ByRamjet(chosen.ramjet, LIMIT_MS, chosen.channels,
                        "ramjet none", offer.plain()),
    ]
    if offer.has("delta-cache"):
        found.append(movers.ByRamjet(
            chosen.ramjet, LIMIT_MS, chosen.channels, "ramjet deltas",
            (*zstd, "--delta-cache", f"{chosen.cache}M", *offer.hot(False))))
        found.append(movers.ByRamjet(
            chosen.ramjet, LIMIT_MS, chosen.channels, "ramjet as it comes"))
    return found


COLUMNS = ["", "mover", "total ms", "x first", "pause ms", "MB", "CPU s",
           "x first"]


def name_of(name, rows):
    damaged = sum(row.get("damaged", False) for row in rows)
    return name + (f" (damaged {damaged} of {len(rows)})" if damaged else "")


def lines_of(title, found):
    base = next(iter(found.values()))
    return [[title if i == 0 else "", name_of(name, rows),
             turns.number(turns.median(rows, "total_ms")),
             turns.number(turns.ratio(base, rows, "total_ms"), "{:.2f}"),
             turns.number(turns.median(rows, "pause_ms"), "{:.1f}"),
             turns.number(turns.median(rows, "mb"), "{:.1f}"),
             turns.number(turns.median(rows, "cpu_s"), "{:.2f}"),
             turns.number(turns.ratio(base, rows, "cpu_s"), "{:.2f}")]
            for i, (name, rows) in enumerate(found.items())]


def move(way, source, where, side, address):
    """Also what the link carried, headers and all: QEMU 7.2 counts pages as if
    it didn't compress them."""
    before = where.sent_bytes()
    target, figures = way.move(source, side, address)
    return target, {**figures, "mb": (where.sent_bytes() - before) / 1e6}


# ---- a QEMU that holds an image

def move_image(chosen, way, where, image, copy):
    lab = Lab()
    lab.setUp()
    try:
        lab.copy = copy
        copy.write_bytes(b"")  # nothing of the last one
        lab.memory_file("source", image)
        source = Still(lab, "source", where.source, version=chosen.version,
                       memory=image.stat().st_size // MIB,
                       backing="file", asks="", more=["-S"])
        address = "127.0.0.1" if where.name == "lo" else where.address
        target, figures = move(way, source, where, where.target, address)
        target.quit()
        return figures
    finally:
        lab.doCleanups()


def images(chosen, places, offer, folder):
    found, lines = [], []
    ways = zstd_movers(chosen, offer)
    for content in chosen.contents.split(","):
        whole = contents.make(content, folder / "image", chosen.size * MIB)
        kept = {1: whole, 4: contents.thinned(whole, folder / "part",
                                              chosen.size * MIB // 4)}
        for where in places:
            rows = turns.take(ways, chosen.pairs, lambda way, at=where:
                              move_image(chosen, way, at, kept[PARTS[at.name]],
                                         folder / "copy"))
            rows = {way.name: those for way, those in rows.items()}
            lines += lines_of(f"{content} {where.name}", rows)
            found.append({"content": content, "place": where.name,
                          "found": rows})
    turns.table("images", COLUMNS, lines)
    return found


# ---- a guest that writes

def looked(console):
    """What is wrong with a guest that has looked at all of its memory."""
    console.say("check")
    try:
        console.wait_for("^checked ok|CORRUPT")
    except AssertionError as error:
        return [str(error).splitlines()[0]]
    return console.trouble()


class Travelling:
    """The guest goes there and back, by each way in turn."""

    def __init__(self, chosen, lab, where):
        self.sides = [(where.source, "10.77.0.1"),
                      (where.target, "10.77.0.2")]
        if where.name == "lo":
            self.sides = [([], "127.0.0.1")] * 2
        self.lab = lab
        self.link = where
        self.settings = {
            "version": chosen.version, "memory": chosen.memory,
            "asks": f"write={chosen.write} check=5M set={chosen.set} touch=64"}
        self.boots = 0
        self.boot()

    def boot(self):
        self.source = movers.Placed(self.lab, f"source{self.boots}",
                                    self.sides[0][0], **self.settings)
        self.source.console.wait_for("^ready")
        self.side = 0
        self.boots += 1

    def move(self, way):
        self.source.console.wait_tick(place=self.source.console.place)
        self.side = 1 - self.side
        where, address = self.sides[self.side]
        target, figures = move(way, self.source, self.link, where, address)
        trouble = self.source.console.trouble() + looked(target.console)
        self.source.quit()
        self.source = target
        if trouble:
            print(f"  {way.name}: the guest is damaged: {trouble[0]}",
                  flush=True)
            target.quit()
            self.boot()
        return {**figures, "damaged": bool(trouble)}


def deltas(chosen, places, offer, _folder):
    found, lines = [], []
    if not movers.qemu_rig.missing("10"):
        chosen.version = "10"
    else:
        print("no QEMU 10: XBZRLE of 7.2 may damage the guest")
    for where in places:
        if where.name != "1gbit" and len(places) > 1:
            continue
        lab = Lab()
        lab.setUp()
        try:
            guest = Travelling(chosen, lab, where)
            rows = turns.take(delta_movers(chosen, offer), chosen.pairs,
                              guest.move)
            guest.source.quit()
        finally:
            lab.doCleanups()
        rows = {way.name: those for way, those in rows.items()}
        lines += lines_of(where.name, rows)
        found.append({"place": where.name, "found": rows})
    turns.table(f"QEMU {chosen.version}: changes 64 bytes a page, "
                f"{chosen.write}/s of pages in a set "
                f"of {chosen.set}; caches of {chosen.cache} MiB", COLUMNS,
                lines)
    return found


# ---- as a command

TABLES = {"images": images, "deltas": deltas}


def options():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    moves.add_arguments(parser)
    parser.add_argument("--tables", default=",".join(TABLES))
    parser.add_argument("--version", default="7.2", choices=("7.2", "10"),
                        help="QEMU's (7.2)")
    parser.add_argument("--places", default="1gbit,10gbit,lo",
                        help="of the images; the guest that writes: 1gbit, or "
                        "where there is only one")
    parser.add_argument("--contents", default="usr,guest")
    parser.add_argument("--levels", default="1", help="QEMU's: 0 to 20")
    parser.add_argument("--size", type=int, default=1024, help="MiB")
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--write", default="80M", help="bytes a second of pages")
    parser.add_argument("--set", default="128M")
    parser.add_argument("--memory", type=int, default=320,
                        help="MiB, of the guest that writes")
    parser.add_argument("--cache", type=int, default=256,
                        help="MiB, XBZRLE's and ours")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.places, chosen.contents, chosen.size = "lo", "mixed", 64
        chosen.pairs, chosen.write, chosen.set = 1, "20M", "16M"
    return chosen


def run(chosen):
    machine = turns.machine()
    machine["ramjet"] = turns.version_of(chosen.ramjet)
    turns.say_machine(machine, f"{machine['ramjet']}, QEMU {chosen.version}")
    found = {"machine": machine, "command": sys.argv, "tables": {}}
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ramjet-bench-",
                                           dir=turns.folder_of_images()))
    names = chosen.places.split(",")
    try:
        with link.shaped(name for name in names if name != "lo") as links:
            places = [links.get(name) or link.Loopback() for name in names]
            for table in chosen.tables.split(","):
                found["tables"][table] = TABLES[table](
                    chosen, places, settings.Offer(chosen.ramjet), folder)
    finally:
        shutil.rmtree(folder)
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=1))


def main():
    chosen = options()
    why = movers.qemu_rig.missing(chosen.version)
    if why:
        print(f"skipped: {why}")
        return link.SKIP
    try:
        run(chosen)
    except (link.Unavailable, linux_memory.Unavailable) as reason:
        print(f"skipped: {reason}")
        return link.SKIP
    return 0


if __name__ == "__main__":
    sys.exit(main())
