#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does the predicted pause come true?

Moves process guests of many kinds over loopback and shaped links, and prints
predicted against actual, with the quantiles of the error. QEMU's formula
(dirty bytes of the last sync over the bandwidth of the last round) is computed
from the same runs.
"""
import argparse
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import link  # noqa: E402
import moves  # noqa: E402

PAGE = 4096
# What a guest writes is a share of this, in MiB/s; for a cap, of the cap.
WIRE = {"lo": 1500, "1gbit": 115, "10gbit": 1140, "relay10": 100,
        "relay50": 100, "proxy100": 100}
FULL = {"size": "384M", "set": ["8M", "32M", "128M"],
        "limit": ["30ms", "100ms", "300ms"]}
# Relays are slow, and their round trips are the better part of the pause.
RELAYED = {"size": "64M", "set": ["4M", "8M", "32M"],
           "limit": ["600ms", "800ms", "1000ms"]}
QUICK = {"size": "32M", "set": ["8M"], "limit": ["300ms"]}


def cases(count, seed, places, sizes):
    """A reproducible sample of what guests and links there are."""
    dice = random.Random(seed)
    out = []
    while len(out) < count:
        place = dice.choice(places)
        like = RELAYED if place in link.RELAYS else sizes
        cap = dice.choice(["100M", "200M", "400M"]) if place == "cap" else None
        wire = WIRE.get(place) or int(cap[:-1])
        share = dice.choice([0, 0.1, 0.3, 0.6, 0.9, 1.5])
        if place in link.RELAYS:
            share = min(share, 0.3)
        out.append({
            "place": place, "cap": cap, "size": like["size"],
            "write": f"{int(wire * share)}M",
            "set": dice.choice(like["set"]),
            "pattern": dice.choice(["sequential", "random", "hot"]),
            "limit": dice.choice(like["limit"]),
            "channels": dice.choice([1, 2, 4]),
            "share": share,
        })
    return out


def move(ramjet, where, case):
    """One migration; the source's report."""
    guest = {"size": case["size"], "write": case["write"], "set": case["set"],
             "pattern": case["pattern"], "seed": 7}
    return moves.move(ramjet, where, guest, [
        "--channels", str(case["channels"]), "--downtime-limit",
        case["limit"], "--throttle", "auto", "--timeout", "60s", "--progress",
        "none"])


def qemu_ms(report):
    """What migration.c's expected_downtime would have said."""
    rounds = [r for r in report["rounds"][:-1] if r["ms"] > 0 and r["bytes"]]
    if not rounds:
        return 0.0
    last = rounds[-1]
    return last["dirtied_pages"] * PAGE / (last["bytes"] / last["ms"])


def row(case, report):
    limit = float(case["limit"][:-2])
    predicted = report["downtime_predicted_ms"]
    return {
        **case, "status": report["status"], "actual": report["downtime_ms"] or 0.0,
        "p50": predicted["p50"] or 0.0, "p90": predicted["p90"] or 0.0,
        "limit_ms": limit,
        "qemu": qemu_ms(report), "rounds": len(report["rounds"]),
        "throttled_ms": report.get("throttled_ms", 0),
        "called_off": report.get("called_off", 0),
        "terms": report["downtime_terms"],
    }


def show(r):
    print(f"{r['place']:6} {r['cap'] or '-':>5} ch {r['channels']} write "
          f"{r['write']:>6}/s set {r['set']:>5} {r['pattern']:10} limit "
          f"{r['limit_ms']:5.0f}  p50 {r['p50']:7.1f}  p90 {r['p90']:7.1f}  "
          f"actual {r['actual']:7.1f}  qemu {r['qemu']:7.1f}  rounds "
          f"{r['rounds']:3} thr {r['throttled_ms']:5.0f} ms off "
          f"{r['called_off']}",
          flush=True)


def near(predicted, actual):
    return abs(predicted - actual) <= max(0.15 * actual, 5)


def share(rows, test):
    return 100.0 * sum(map(test, rows)) / max(len(rows), 1)


def summary(rows):
    done = [r for r in rows if r["status"] == "completed"]
    errors = sorted(abs(r["p50"] - r["actual"]) for r in done)
    qemu = sorted(abs(r["qemu"] - r["actual"]) for r in done)

    def quantile(values, q):
        return values[min(int(q * len(values)), len(values) - 1)]

    result = {
        "runs": len(rows), "completed": len(done),
        "within_limit_percent": share(
            done, lambda r: r["actual"] <= r["limit_ms"]),
        "p50_near_percent": share(done, lambda r: near(r["p50"], r["actual"])),
        "p90_held_percent": share(done, lambda r: r["actual"] <= r["p90"]),
        "error_ms": {q: quantile(errors, q) for q in (0.5, 0.8, 0.95)},
        "qemu_near_percent": share(
            done, lambda r: near(r["qemu"], r["actual"])),
        "qemu_error_ms": {q: quantile(qemu, q) for q in (0.5, 0.8, 0.95)},
    }
    print(json.dumps(result, indent=1))
    return result


def place_of(case):
    if case["place"] in link.RELAYS:
        return link.Relay(case["place"])
    return link.Loopback(case["cap"])


def run(options, places):
    sizes = QUICK if options.quick else FULL
    rows = []
    with link.shaped(p for p in places if p in link.LINKS) as links:
        for case in cases(options.runs, options.seed, places, sizes):
            where = links.get(case["place"]) or place_of(case)
            rows.append(row(case, move(options.ramjet, where, case)))
            show(rows[-1])
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    moves.add_arguments(parser)
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--places", default="lo,cap,1gbit,10gbit",
                        help="of these and relay10, relay50, proxy100 (lo,cap,1gbit,"
                        "10gbit)")
    options = parser.parse_args()
    try:
        rows = run(options, options.places.split(","))
    except link.Unavailable as reason:
        print(f"skipped: {reason}")
        return link.SKIP
    result = summary(rows)
    if options.json:
        options.json.write_text(
            json.dumps({"summary": result, "rows": rows}, indent=1))
    return 0 if result["completed"] == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
