#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The same guest moved by QEMU's own multifd and by ramjet from outside, in
turns: total time, pause, bytes, and the CPU seconds of both ends.

A small Linux that writes its memory at a given rate (tests/qemu/guest, by TCG)
goes there and back. Its QEMUs are what scripts/qemu-lab.sh brings. The guest's
own threads do not count as CPU. Places: lo; 1gbit and 10gbit need root.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
import link  # noqa: E402
import movers  # noqa: E402

BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
FIGURES = ("total_ms", "pause_ms", "said_ms", "bytes", "cpu_s")


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ramjet", nargs="?", help="the command (build's)",
                        default=os.environ.get("RAMJET",
                                               str(BUILD / "cli/ramjet")))
    parser.add_argument("--version", default="10", choices=("7.2", "10"),
                        help="QEMU's")
    parser.add_argument("--places", default="lo",
                        help="some of lo,1gbit,10gbit")
    parser.add_argument("--writes", default="0,100M,400M",
                        help="bytes a second")
    parser.add_argument("--set", default="64M", help="what it writes to")
    parser.add_argument("--limits", default="300,30", help="of the pause, ms")
    parser.add_argument("--memory", type=int, default=256, help="MiB")
    parser.add_argument("--backing", default="private")
    parser.add_argument("--channels", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--quick", action="store_true",
                        help="one pair: says that it works, no more")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.version, chosen.writes, chosen.limits = "7.2", "50M", "300"
        chosen.pairs = 1
    return chosen


def addresses(where):
    """Of both ends, to listen at: the guest goes there and back."""
    return (["127.0.0.1"] * 2 if where.name == "lo"
            else ["10.77.0.1", where.address])


def moves(chosen, lab, where, write, limit):
    """Yields (mover's name, figures), in turns."""
    ends = [where.source, where.target]
    source = movers.Placed(
        lab, f"{where.name}-{write}-{limit}", ends[0],
        version=chosen.version, memory=chosen.memory, backing=chosen.backing,
        asks=f"write={write} set={chosen.set} check=20M")
    source.console.wait_for("^ready")
    ways = [movers.ByQemu(limit, chosen.channels),
            movers.ByRamjet(chosen.ramjet, limit, chosen.channels)]
    side = 0
    for pair in range(chosen.pairs):
        # Neither always goes the same way, nor always first.
        for way in ways if pair % 2 else ways[::-1]:
            source.console.wait_passes(("pass",), 1)
            side = 1 - side
            target, figures = way.move(source, ends[side],
                                       addresses(where)[side])
            target.console.wait_passes(("pass",), 1)
            trouble = source.console.trouble() + target.console.trouble()
            if trouble:
                raise RuntimeError(f"{way.name}: the guest says {trouble}")
            source.quit()
            source = target
            yield way.name, figures
    source.quit()


def medians(rows):
    return {figure: statistics.median(row[figure] for row in rows)
            for figure in FIGURES}


def show(title, found):
    print(title)
    for name, rows in found.items():
        mid = medians(rows)
        print(f"  {name:7} total {mid['total_ms']:7.0f} ms, pause "
              f"{mid['pause_ms']:6.1f} ms (said "
              f"{mid['said_ms']:6.1f}), {mid['bytes'] / 1e6:7.1f} MB, "
              f"CPU {mid['cpu_s']:5.2f} s", flush=True)
    terms = [row["terms"] for row in found["ramjet"]]
    print("          " + ", ".join(
        f"{name} {statistics.median(term.get(name, 0) for term in terms):.1f}"
        for name in terms[0]), flush=True)


def run(chosen, links):
    results = []
    for name in chosen.places.split(","):
        where = links.get(name) or link.Loopback()
        for write in chosen.writes.split(","):
            for limit in map(int, chosen.limits.split(",")):
                lab = movers.Lab()
                lab.setUp()
                found = {}
                try:
                    for way, row in moves(chosen, lab, where, write, limit):
                        found.setdefault(way, []).append(row)
                finally:
                    lab.doCleanups()
                show(f"{name}, writes {write}/s, limit {limit} ms:", found)
                results.append({"place": name, "write": write, "limit": limit,
                                "found": found})
    return results


def main():
    chosen = options()
    why = movers.qemu_rig.missing(chosen.version)
    if why:
        print(f"skipped: {why}")
        return link.SKIP
    try:
        shaped = [name for name in chosen.places.split(",") if name != "lo"]
        with link.shaped(shaped) as links:
            results = run(chosen, links)
    except link.Unavailable as reason:
        print(f"skipped: {reason}")
        return link.SKIP
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
