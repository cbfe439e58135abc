#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How long does a guest stand still that writes more than anyone could know at
the very moment of its stop?

Its bursts are of several sizes, from half of what the link carries within the
limit to three times that, in the first stop or the first two. Whatever will
take longer than 1.5 times the limit has to be called off; all pauses are
printed, those for nothing as well. The time it takes to write a burst is part
of the pause: 1 s for some 3 GiB.
"""
import argparse
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import link  # noqa: E402
import moves  # noqa: E402

SIZES = (3, 0.5, 1.5, 1.25, 1.75, 1, 2)  # times what fits into the limit
ALLOWED = 1.5  # times the limit
WRITE_SHARE = 0.1  # of the link's rate, between the bursts
CALLED_OFF = re.compile(r"switchover called off after ([\d.]+) ms")


def guest_of(where, limit_ms, size, bursts):
    fits = where.bytes_per_s * limit_ms / 1e3
    set_mib = round(1.1 * max(SIZES) * fits / moves.MIB) + 1
    return {"size": f"{set_mib * 5 // 4 + 1}M", "set": f"{set_mib}M",
            "write": int(WRITE_SHARE * where.bytes_per_s), "zero": "0%",
            "burst": f"{int(size * fits) >> 12 << 12}", "bursts": bursts}


def measure(options, where, turn):
    size, bursts = SIZES[turn % len(SIZES)], 1 + turn % 2
    limit_ms = 50 if options.quick else options.limit_ms
    called_off = []

    def heard(_, line):
        called_off.extend(map(float, CALLED_OFF.findall(line)))

    report = moves.move(options.ramjet, where,
                        guest_of(where, limit_ms, size, bursts),
                        ["--downtime-limit", f"{limit_ms}ms", "--timeout",
                         "20s", "--progress", "none"], heard)
    pauses = [*called_off, report["downtime_ms"] or 0.0]
    return {"place": where.name, "size": size, "bursts": bursts,
            "limit_ms": limit_ms, "called_off_ms": called_off,
            "ratio": max(pauses) / limit_ms, "report": report}


def show(row):
    report = row["report"]
    off = " ".join(f"{ms:.1f}" for ms in row["called_off_ms"]) or "-"
    print(f"{row['place']:6} {row['bursts']} of {row['size']:4} x what fits: "
          f"{report['status']}, called off {report['called_off']} ({off} ms), "
          f"pause {report['downtime_ms'] or 0.0:6.1f} ms, limit {row['limit_ms']}; "
          f"longest {row['ratio']:.2f} of it", flush=True)


def summary(rows):
    worst = max(rows, key=lambda row: row["ratio"])
    over = sum(row["ratio"] > ALLOWED for row in rows)
    off = [ms for row in rows for ms in row["called_off_ms"]]
    print(f"{rows[0]['place']}: {len(rows)} moves, "
          f"{sum(row['report']['status'] == 'completed' for row in rows)} "
          f"completed; {len(off)} switchovers called off"
          f"{f', after {max(off):.1f} ms at most' if off else ''}; longest "
          f"pause {worst['ratio']:.2f} of the limit, {over} above {ALLOWED}",
          flush=True)


def run(options):
    found = []
    places = options.places.split(",")
    with link.shaped(p for p in places if p in link.LINKS) as links:
        for place in places:
            where = links.get(place) or link.Loopback(options.cap * moves.MIB)
            rows = []
            for turn in range(options.runs):
                rows.append(measure(options, where, turn))
                show(rows[-1])
            summary(rows)
            found += rows
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    moves.add_arguments(parser)
    parser.add_argument("--places", default="1gbit,10gbit,cap",
                        help="some of these (all)")
    parser.add_argument("--runs", type=int, default=20, help="a place (20)")
    parser.add_argument("--limit-ms", type=int, default=100)
    parser.add_argument("--cap", type=int, default=200, help="MiB/s (200)")
    return moves.exit_status(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
