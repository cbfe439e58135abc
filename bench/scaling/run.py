#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What of a migration grows with memory, and how fast.

Moves guests of several sizes and kinds of memory, with several builds of the
library in turns, and prints the medians: the time from the start until the
first page has gone, setup, and each term of the pause; then what a GiB adds to
each (a straight line through the medians, least squares).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

GIB = 1 << 30
BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
COLUMNS = ("first", "setup", "last sync", "pause", "stop", "pages", "digests",
           "target")
SLOPES = COLUMNS[:4]
# What a run needs beside the guests' pages.
SPARE_BYTES = GIB


class Failed(Exception):
    """The program could not be run, or a migration failed."""


def size_of(text):
    shift = {"M": 20, "G": 30, "T": 40}.get(text[-1].upper(), 0)
    return int(text[:-1] if shift else text) << shift


def name_of(size):
    for shift, letter in ((40, "T"), (30, "G"), (20, "M")):
        if size >> shift << shift == size:
            return f"{size >> shift}{letter}"
    return str(size)


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("builds", nargs="*", type=pathlib.Path,
                        help="build folders (build), taken in turns")
    parser.add_argument("--program", help="bench/scaling/scaling of build",
                        default=str(BUILD / "bench/scaling/scaling"))
    parser.add_argument("--memory", default="private,memfd,thp")
    parser.add_argument("--sizes", default="1G,2G,4G,8G",
                        help="all of them in use; 'none'")
    parser.add_argument("--sparse", default="1T:1G:0,1T:10G:100,12T:1G:0",
                        help="SIZE:USED:ZERO, ..., ZERO percent of the used "
                        "pages hold zeros and take no room on the target; "
                        "'none'")
    parser.add_argument("--cpus", default="2,1",
                        help="how many CPUs the source may use")
    parser.add_argument("--verify", default="off", help="off,on")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--write", default=str(100 << 20),
                        help="bytes/s, or max")
    parser.add_argument("--set", default="64M",
                        help="how much of its memory the guest writes")
    parser.add_argument("--hold", type=int, default=0,
                        help="ms of rounds after the first, to see how the "
                        "guest fares meanwhile")
    parser.add_argument("--target", default="populated",
                        help="or untouched, or other")
    parser.add_argument("--json", type=pathlib.Path,
                        help="write everything here")
    parser.add_argument("--quick", action="store_true",
                        help="small guests: says that it works, no more")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.sizes, chosen.sparse, chosen.runs = "16M,32M", "1G:16M:50", 1
        chosen.set, chosen.hold, chosen.verify = "4M", 20, "off,on"
        chosen.cpus = "1"
    return chosen


def listed(text):
    return [] if text == "none" else text.split(",")


def cases(chosen):
    places = [(size_of(size), size_of(size), 0)
              for size in listed(chosen.sizes)]
    for sparse in listed(chosen.sparse):
        size, used, zero = sparse.split(":")
        places.append((size_of(size), size_of(used), int(zero)))
    for memory in listed(chosen.memory):
        for cpus in listed(chosen.cpus):
            for verify in listed(chosen.verify):
                for size, used, zero in places:
                    yield {"memory": memory, "cpus": int(cpus),
                           "verify": verify == "on", "bytes": size,
                           "used": used, "zero": zero}


def available():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    return 0


def why_not(case, chosen):
    wanted = case["used"] * (100 - case["zero"]) // 100 + case["used"]
    if wanted + SPARE_BYTES > available():
        return f"takes {wanted // GIB} GiB, {available() // GIB} are there"
    if case["cpus"] > len(os.sched_getaffinity(0)):
        return "not so many CPUs here"
    return ""


def move(chosen, build, case):
    # What holds zeros only must not be populated there.
    target = "untouched" if case["zero"] else chosen.target
    words = [chosen.program, "--memory", case["memory"], "--bytes",
             str(case["bytes"]), "--used", str(case["used"]), "--zero",
             str(case["zero"]), "--cpus", str(case["cpus"]), "--write",
             chosen.write, "--set", str(size_of(chosen.set)), "--target",
             target]
    words += ["--verify"] if case["verify"] else []
    words += ["--hold", str(chosen.hold)] if chosen.hold else []
    where = {**os.environ, "LD_LIBRARY_PATH": str(build / "engine")}
    done = subprocess.run(words, capture_output=True, text=True, env=where,
                          timeout=600)
    if done.returncode:
        raise Failed(f"{' '.join(words)}: {done.stderr}")
    return json.loads(done.stdout)


def figures(run):
    return {"first": run["first_ms"], "setup": run["setup_ms"],
            "pause": run["downtime_ms"], **run["terms"]}


def medians(runs):
    every = [figures(run) for run in runs]
    return {key: statistics.median(one[key] for one in every)
            for key in every[0] if all(key in one for one in every)}


def label(case):
    text = f"{case['memory']} {name_of(case['bytes'])}"
    if case["used"] < case["bytes"]:
        text += f" used {name_of(case['used'])}"
    return (f"{text}{' zero' if case['zero'] else ''}, {case['cpus']} CPU"
            f"{', proof' if case['verify'] else ''}")


def show_head(builds):
    for index, build in enumerate(builds):
        print(f"{chr(65 + index)}: {build}")
    print(f"\nms, medians{'':26}" + "".join(f"{c:>10}" for c in COLUMNS))


def paces(runs):
    """Of what the guest writes alone, in percent."""
    out = {}
    for key in ("first_round", "later"):
        every = [run["writes_per_s"] for run in runs]
        share = [100 * one[key] / one["before"] for one in every
                 if one["before"]]
        out[key] = statistics.median(share) if share else None
    return out


def run_case(chosen, case):
    runs = [[] for _ in chosen.builds]
    for turn in range(chosen.runs):
        for index, build in enumerate(chosen.builds):
            runs[index].append(move(chosen, build, case))
    rows = []
    for index, build in enumerate(chosen.builds):
        row = {**case, "build": str(build), "ms": medians(runs[index]),
               "pace": paces(runs[index]), "own_mib": max(
                   one["own_mib"] for one in runs[index]),
               "target_own_mib": max(
                   one["target_own_mib"] for one in runs[index]),
               "runs": runs[index]}
        rows.append(row)
        print(f"{chr(65 + index)} {label(case):35}" + "".join(
            f"{row['ms'][c]:10.2f}" if c in row["ms"] else f"{'-':>10}"
            for c in COLUMNS) +
            f"  own {row['own_mib']:.0f} and {row['target_own_mib']:.0f} MiB"
            + (f", guest at {row['pace']['first_round']:.0f} % in the first "
               f"round, {row['pace']['later']:.0f} % later"
               if chosen.hold and row["pace"]["later"] is not None else ""),
            flush=True)
    return rows


def line_through(points):
    """(what x = 0 has, what a unit of x adds), by least squares."""
    middle = [statistics.fmean(values) for values in zip(*points)]
    over = sum((x - middle[0]) ** 2 for x, _ in points)
    slope = sum((x - middle[0]) * (y - middle[1]) for x, y in points) / over
    return middle[1] - slope * middle[0], slope


def slopes(rows):
    """Of the guests that are all in use."""
    lines = {}
    for row in rows:
        if row["bytes"] == row["used"]:
            key = (row["memory"], row["cpus"], row["verify"], row["build"])
            lines.setdefault(key, []).append(row)
    out = []
    for (memory, cpus, verify, build), of in lines.items():
        if len(of) < 2:
            continue
        each = {c: line_through([(row["bytes"] / GIB, row["ms"][c])
                                 for row in of]) for c in SLOPES}
        out.append({"memory": memory, "cpus": cpus, "verify": verify,
                    "build": build, "at_0_ms": {c: each[c][0] for c in each},
                    "ms_per_gib": {c: each[c][1] for c in each}})
    return out


def show_slopes(found, builds):
    print(f"\n{'ms a GiB':37}" + "".join(f"{c:>10}" for c in SLOPES))
    names = {str(build): chr(65 + i) for i, build in enumerate(builds)}
    for one in found:
        title = (f"{one['memory']}, {one['cpus']} CPU"
                 f"{', verified' if one['verify'] else ''}")
        print(f"{names[one['build']]} {title:35}" + "".join(
            f"{one['ms_per_gib'][c]:10.3f}" for c in SLOPES))


def show_reckoned(found, builds):
    """Of the last sync, if as many threads share it as there are cores, each as
    fast as the one here. Builds that scan on one thread stay with that."""
    names = {str(build): chr(65 + i) for i, build in enumerate(builds)}
    alone = [one for one in found if one["cpus"] == 1]
    if alone:
        print("\nlast sync reckoned from one CPU, in s" + "".join(
            f"{title:>18}" for title in ("1T, 1 thread", "1T, 16", "1T, 64",
                                         "12T, 16", "12T, 64")))
    for one in alone:
        slope = one["ms_per_gib"]["last sync"] / 1000
        title = f"{one['memory']}{', proof' if one['verify'] else ''}"
        print(f"{names[one['build']]} {title:35}" + "".join(
            f"{size * slope / threads:18.3f}"
            for size, threads in ((1024, 1), (1024, 16), (1024, 64),
                                  (12288, 16), (12288, 64))))


def main():
    chosen = options()
    chosen.builds = chosen.builds or [BUILD]
    rows = []
    show_head(chosen.builds)
    for case in cases(chosen):
        reason = why_not(case, chosen)
        if reason:
            print(f"  {label(case):35}skipped: {reason}")
            continue
        rows += run_case(chosen, case)
    found = slopes(rows)
    show_slopes(found, chosen.builds)
    show_reckoned(found, chosen.builds)
    if chosen.json:
        chosen.json.write_text(json.dumps(
            {"benchmark": "scaling", "machine": list(os.uname()),
             "cpus": os.cpu_count(), "slopes": found, "rows": rows}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
