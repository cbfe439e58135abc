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
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import link  # noqa: E402

PAGE = 4096


def cases(count, seed):
    """A reproducible sample of what guests and links there are."""
    dice = random.Random(seed)
    out = []
    while len(out) < count:
        place = dice.choice(["lo", "cap", "1gbit"])
        cap = dice.choice(["100M", "200M", "400M"]) if place == "cap" else None
        wire = {"lo": 1500, "1gbit": 115}.get(place) or int(cap[:-1])
        share = dice.choice([0, 0.1, 0.3, 0.6, 0.9, 1.5])
        out.append({
            "place": place, "cap": cap,
            "write": f"{max(int(wire * share), 0)}M" if share else "0",
            "set": dice.choice(["8M", "32M", "128M"]),
            "pattern": dice.choice(["sequential", "random", "hot"]),
            "limit": dice.choice(["30ms", "100ms", "300ms"]),
            "channels": dice.choice([1, 2, 4]),
            "share": share,
        })
    return out


def move(ramjet, where, case, folder):
    """One migration; the source's JSON report, or None."""
    ready, write_end = os.pipe()
    guest = (f"process:size=384M,write={case['write']},set={case['set']},"
             f"pattern={case['pattern']},seed=7")
    target = subprocess.Popen(
        where.target + [ramjet, "recv", "process:size=384M,prealloc=1",
                        "--from", f"tcp:{where.address}:0", "--ready-fd",
                        str(write_end), "--progress", "none"],
        pass_fds=[write_end], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE)
    os.close(write_end)
    with os.fdopen(ready) as pipe:
        uri = pipe.readline().strip()
    report = os.path.join(folder, "source.json")
    words = [ramjet, "send", guest, "--to", uri, "--channels",
             str(case["channels"]), "--downtime-limit", case["limit"],
             "--throttle", "auto", "--timeout", "60s", "--progress", "none",
             "--json", report]
    if case["cap"]:
        words += ["--bandwidth", case["cap"]]
    source = subprocess.run(where.source + words, capture_output=True)
    target.wait(timeout=60)
    if source.returncode:
        print("  failed:", source.stderr.decode().strip().split("\n")[-1])
    with open(report) as file:
        return json.load(file)


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
        **case, "status": report["status"], "actual": report["downtime_ms"],
        "p50": predicted["p50"], "p90": predicted["p90"], "limit_ms": limit,
        "qemu": qemu_ms(report), "rounds": len(report["rounds"]),
        "throttle": report.get("throttle_percent", 0),
        "called_off": report.get("called_off", 0),
        "terms": report["downtime_terms"],
    }


def show(r):
    print(f"{r['place']:6} {r['cap'] or '-':>5} ch {r['channels']} write "
          f"{r['write']:>6}/s set {r['set']:>5} {r['pattern']:10} limit "
          f"{r['limit_ms']:5.0f}  p50 {r['p50']:7.1f}  p90 {r['p90']:7.1f}  "
          f"actual {r['actual']:7.1f}  qemu {r['qemu']:7.1f}  rounds "
          f"{r['rounds']:3} thr {r['throttle']:2} off {r['called_off']}",
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


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ramjet")
    parser.add_argument("--runs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write all rows here")
    options = parser.parse_args()
    rows = []
    with link.shaped("1gbit") as shaped, \
            tempfile.TemporaryDirectory() as folder:
        for case in cases(options.runs, options.seed):
            where = shaped if case["place"] == "1gbit" else link.Loopback
            r = row(case, move(options.ramjet, where, case, folder))
            rows.append(r)
            show(r)
    result = summary(rows)
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"summary": result, "rows": rows}, file, indent=1)


if __name__ == "__main__":
    main()
