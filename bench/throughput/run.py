#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""How close does ramjet come to the raw loop?

Moves a random image over loopback TCP, by bench/raw and by ramjet in turns, in
the same run, and prints best and median of each with the ratio. Needs root for
huge pages (a tmpfs in a mount namespace of its own).
"""
import argparse
import dataclasses
import json
import os
import pathlib
import statistics
import sys

import memory
import movers


@dataclasses.dataclass
class Case:
    name: str
    pages: str  # of the source: huge, small
    target: str  # prealloc, untouched
    bytes: int
    stride: int = 1
    sink: str = ""  # where to send instead
    payloads: str = "1M,4M"
    image: str = ""
    copy: str = ""


def cases(size):
    return [
        Case("huge", "huge", "prealloc", size),
        Case("small", "small", "prealloc", size),
        Case("untouched", "small", "untouched", size),
        Case("scattered", "small", "prealloc", size, stride=2, payloads="1M"),
        Case("sink", "huge", "prealloc", size, sink="file:/dev/null"),
    ]


BUILD = pathlib.Path(__file__).resolve().parents[2] / "build"
PROGRAMS = (("ramjet", "RAMJET", "cli/ramjet"),
            ("raw", "RAMJET_RAW", "bench/raw/raw"),
            ("steady", "RAMJET_STEADY", "bench/throughput/steady"))


def size_of(text):
    shift = {"K": 10, "M": 20, "G": 30}.get(text[-1].upper(), 0)
    return int(text[:-1] if shift else text) << shift


def options():
    parser = argparse.ArgumentParser(description=__doc__)
    for name, variable, place in PROGRAMS:
        parser.add_argument(f"--{name}",
                            default=os.environ.get(variable,
                                                   str(BUILD / place)))
    parser.add_argument("--size", type=size_of, default="1G")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--channels", default="1,2,4,8,16,auto",
                        help="numbers, and auto, which is compared with them")
    parser.add_argument("--raw-channels", default="1,2,4")
    parser.add_argument("--backends", default="uring,syscalls")
    parser.add_argument("--zero-copy", default="auto,off")
    parser.add_argument("--cases", help="some of: " +
                        ",".join(case.name for case in cases(0)))
    parser.add_argument("--wrap", default="",
                        help="e.g. 'perf record -g -o FILE', before the source")
    parser.add_argument("--json", type=pathlib.Path)
    return parser.parse_args()


def ways(chosen, case):
    """Settings of ramjet to try: (name, command-line options)."""
    channels = ["1"] if case.sink else chosen.channels.split(",")
    for backend in chosen.backends.split(","):
        for count in channels:
            for zero_copy in chosen.zero_copy.split(","):
                if backend != "uring" and zero_copy != "off":
                    continue
                yield (f"ramjet {backend} ch={count} zc={zero_copy}",
                       ["--backend", backend, "--channels", count,
                        "--zero-copy", zero_copy])


def raw_results(chosen, case, results):
    for count in chosen.raw_channels.split(","):
        for send in ("plain", "registered"):
            if case.stride > 1 and send == "registered":
                continue
            for one in movers.raw(chosen.raw, case, count, send):
                if "gib_per_s" in one:
                    name = f"raw {send} ch={count} {one['payload'] >> 10}K"
                    results.setdefault(name, []).append(one)


def run_case(chosen, case, places, folder):
    """{setting: [results]}; the first turn makes the image."""
    results = {}
    case.image = str(places[case.pages] / "image")
    case.copy = str(places["small"] / "copy")
    for _ in range(chosen.repeat):
        raw_results(chosen, case, results)
        for name, words in ways(chosen, case):
            if case.stride > 1:
                one = movers.steady(chosen.steady, case, words)
            else:
                one = movers.ramjet(chosen.ramjet, case, words, folder,
                                    chosen.wrap.split())
            results.setdefault(name, []).append(one)
    pathlib.Path(case.image).unlink(missing_ok=True)
    return results


def path_of(result, which):
    for path in result.get("fast_paths", ()):
        if path["name"] == which:
            return f"{path['chosen']}: {path['reason']}"
    return ""


AUTO = " ch=auto "


def against_fixed(lines):
    """How auto compares with the best fixed number, all else equal; the best
    by the median, and separately by the best turn."""
    found = []
    for line in lines:
        if AUTO not in line["setting"]:
            continue
        before, after = line["setting"].split(AUTO)
        fixed = [other for other in lines if AUTO not in other["setting"]
                 and other["setting"].startswith(before + " ch=")
                 and other["setting"].endswith(" " + after)]
        if not fixed:
            continue
        best = {key: max(fixed, key=lambda other, by=key: other[by])
                for key in ("median", "best")}
        found.append({
            "setting": line["setting"],
            "best_fixed": best["median"]["setting"],
            "median_ratio": line["median"] / best["median"]["median"],
            "best_ratio": line["best"] / best["best"]["best"],
            "channels": line["channels"]})
    return found


def summarise(results):
    best_raw = max((one["gib_per_s"] for name, runs in results.items()
                    for one in runs if name.startswith("raw")), default=0)
    lines = []
    for name, runs in results.items():
        best = max(runs, key=lambda one: one["gib_per_s"])
        lines.append({
            "setting": name, "best": best["gib_per_s"],
            "median": statistics.median(one["gib_per_s"] for one in runs),
            "of_raw": best["gib_per_s"] / best_raw if best_raw else None,
            "cpu_s_per_gib": min(one["cpu_s_per_gib"] for one in runs),
            "path": path_of(best, "zero copy"),
            "channels": path_of(best, "channels")})
    return lines


def show(case, lines):
    print(f"\n{case.name}: {case.bytes >> 20} MiB, source in {case.pages} "
          f"pages, {case.sink or 'target ' + case.target}"
          f"{', every second page, round after round' if case.stride > 1 else ''}")
    print(f"  {'':34} {'best':>6} {'median':>6} {'of raw':>6} {'CPU s/GiB':>9}")
    for line in lines:
        ratio = f"{line['of_raw']:.2f}" if line["of_raw"] else "-"
        print(f"  {line['setting']:34} {line['best']:6.2f} "
              f"{line['median']:6.2f} {ratio:>6} "
              f"{line['cpu_s_per_gib']:9.3f} {line['path']}")
    for auto in against_fixed(lines):
        print(f"  {auto['setting']}: {auto['median_ratio']:.3f} of "
              f"{auto['best_fixed']} (medians; best turns: "
              f"{auto['best_ratio']:.3f}); {auto['channels']}")
    sys.stdout.flush()


def main():
    chosen = options()
    wanted = chosen.cases.split(",") if chosen.cases else None
    report = {"benchmark": "throughput", "machine": list(os.uname()),
              "cpus": os.cpu_count(), "bytes": chosen.size, "cases": {}}
    with memory.places() as places:
        for case in cases(chosen.size):
            if wanted and case.name not in wanted:
                continue
            if case.pages not in places:
                print(f"{case.name}: skipped, huge pages need root")
                continue
            results = run_case(chosen, case, places,
                               pathlib.Path(places["small"]))
            lines = summarise(results)
            show(case, lines)
            report["cases"][case.name] = {
                "summary": lines, "auto": against_fixed(lines),
                "runs": results}
    if chosen.json:
        chosen.json.write_text(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
