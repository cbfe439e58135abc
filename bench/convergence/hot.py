#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What do hot pages that go last save?

The same guests, in turns with `--hot-pages last` and `in-turn`: bytes on the
wire, time and pause, and the medians' ratios. A tenth of a guest's set gets
nine of ten writes.
"""
import argparse
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import link  # noqa: E402
import moves  # noqa: E402

GUESTS = (("256M", "200M", "256M"), ("256M", "100M", "128M"),
          ("512M", "300M", "128M"))  # size, writes a second, set
WAYS = ("in-turn", "last")


def measure(options, where, shape, limit, way):
    guest = dict(zip(("size", "write", "set"), shape), pattern="hot", seed=7)
    report = moves.move(options.ramjet, where, guest,
                        ["--channels", "2", "--downtime-limit", f"{limit}ms",
                         "--throttle", "auto", "--timeout", "60s",
                         "--hot-pages", way, "--progress", "none"])
    return {"place": where.name, "guest": shape, "limit_ms": limit,
            "way": way, "mib": report["ram"]["wire_bytes"] / moves.MIB,
            "pause_ms": report["downtime_ms"] or 0.0,
            "total_ms": report["total_ms"], "report": report}


def median(rows, way, what):
    return statistics.median(row[what] for row in rows if row["way"] == way)


def show(rows):
    first = rows[0]
    shape = "size {}, {}/s, set {}".format(*first["guest"])
    line = [f"{first['place']:6} {shape}, limit {first['limit_ms']} ms:"]
    for what, unit in (("mib", "MiB"), ("total_ms", "ms"),
                       ("pause_ms", "ms pause")):
        turn, last = (median(rows, way, what) for way in WAYS)
        ratio = f" ({last / turn:.2f})" if turn else ""
        line.append(f"{turn:.0f} -> {last:.0f} {unit}{ratio}")
    print(" ".join(line), flush=True)


def run(options):
    found = []
    guests = [("32M", "60M", "16M")] if options.quick else GUESTS
    limits = [int(ms) for ms in options.limits_ms.split(",")]
    places = options.places.split(",")
    with link.shaped(p for p in places if p in link.LINKS) as links:
        for place in places:
            where = links.get(place) or link.Loopback(options.cap * moves.MIB)
            for shape in guests:
                for limit in limits:
                    rows = [measure(options, where, shape, limit, way)
                            for _ in range(options.runs) for way in WAYS]
                    show(rows)
                    found += rows
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    moves.add_arguments(parser)
    parser.add_argument("--places", default="1gbit",
                        help="1gbit, 10gbit, cap (1gbit)")
    parser.add_argument("--runs", type=int, default=5, help="pairs (5)")
    parser.add_argument("--limits-ms", default="300,150")
    parser.add_argument("--cap", type=int, default=100, help="MiB/s (100)")
    return moves.exit_status(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
