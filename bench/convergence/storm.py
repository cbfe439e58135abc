#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does a guest that writes faster than the link carries get across, and what
does that cost it?

It writes at 1.5 times the link's rate over a working set that takes far longer
than the limit, in storms of three kinds:

  lasting  without end: throttled until the pause fits, then moved
  over     held once it fits (--hold), until the guest falls silent
  calm     the same, but it goes on writing at a tenth of the link's rate

After a storm's end the throttle has to go down to nothing; only then, or when
that does not come within --patience, the guest is moved. `lost` is vCPU time
taken away by throttling.
"""
import argparse
import pathlib
import re
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import link  # noqa: E402
import moves  # noqa: E402

STORM_SHARE = 1.5  # of the link's rate
CALM_SHARE = {"over": 0, "calm": 0.1}
KINDS = ("lasting", *CALM_SHARE)
THROTTLED = re.compile(r"vCPUs throttled by (\d+) %")
# The working set is as large as what the link carries in set_s.
FULL = {"set_s": 1, "limit_ms": 100, "storm_s": 18}
QUICK = {"set_s": 0.12, "limit_ms": 40, "storm_s": 0.5}


class Course:
    """What the source's messages tell: seconds since the guest was let go."""

    def __init__(self, storm_s, patience_s):
        self.begun = None
        self.storm_s = storm_s
        self.deadline_s = storm_s + patience_s
        self.throttle = [(0, 0)]  # (when, percent)
        self.switched_s = None
        self.lifted_s = None  # after the storm's end; None: never

    def heard(self, process, line):
        now = time.monotonic()
        if self.begun is None:
            self.begun = now
        at = now - self.begun
        found = THROTTLED.search(line)
        if found:
            self.throttle.append((at, int(found[1])))
        if self.storm_s and self.switched_s is None and at > self.storm_s:
            self.after_storm(process, at)

    def after_storm(self, process, at):
        since, percent = self.throttle[-1]
        if not percent:
            self.lifted_s = max(since - self.storm_s, 0)
        if not percent or at > self.deadline_s:
            self.switched_s = at
            process.send_signal(signal.SIGUSR1)

    def at_end_of_storm(self):
        return [percent for at, percent in self.throttle
                if at <= self.storm_s][-1]


def guest_of(where, kind, sizes):
    rate = where.bytes_per_s
    set_mib = round(rate * sizes["set_s"] / moves.MIB)
    guest = {"size": f"{set_mib * 3 // 2}M", "set": f"{set_mib}M",
             "write": int(STORM_SHARE * rate), "zero": "0%"}
    if kind != "lasting":
        guest.update(storm=f"{sizes['storm_s']}s",
                     calm=int(CALM_SHARE[kind] * rate))
    return guest


def measure(options, where, kind):
    sizes = QUICK if options.quick else FULL
    words = ["--downtime-limit", f"{sizes['limit_ms']}ms", "--throttle",
             "auto", "--timeout", "120s", "--progress", "plain", "--log",
             "info"]
    storm_s = 0 if kind == "lasting" else sizes["storm_s"]
    course = Course(storm_s, options.patience)
    report = moves.move(options.ramjet, where, guest_of(where, kind, sizes),
                        words + (["--hold"] if storm_s else []),
                        course.heard)
    return {"place": where.name, "kind": kind, "throttle": course.throttle,
            "storm_s": storm_s, "at_end_of_storm": course.at_end_of_storm(),
            "lifted_s": course.lifted_s, "report": report}


def ending(row):
    """What became of the throttle when the storm was over."""
    if not row["storm_s"]:
        return ""
    was = row["at_end_of_storm"]
    if not was:
        return "; not throttled when the storm ended"
    if row["lifted_s"] is None:
        return f"; NOT lifted: {was} % then, {row['throttle'][-1][1]} % now"
    return (f"; from {was} % to none within {row['lifted_s']:.1f} s of the "
            "storm's end")


def show(row):
    report = row["report"]
    moved_ms = report["total_ms"] - report["setup_ms"]
    print(f"{row['place']:6} {row['kind']:8} {report['status']} after "
          f"{moved_ms / 1e3:.1f} s, {report['rounds_total']} rounds; pause "
          f"{report['downtime_ms'] or 0.0:.1f} ms, limit "
          f"{report['downtime_limit_ms']:.0f}, called off "
          f"{report['called_off']}; lost {report['throttled_ms'] / 1e3:.2f} "
          f"s, {100 * report['throttled_ms'] / max(moved_ms, 1):.0f} %"
          f"{ending(row)}")
    steps = " ".join(f"{percent}@{at:.1f}" for at, percent
                     in row["throttle"][1:]) or "none"
    print(f"       throttle, %@s: {steps}", flush=True)


def run(options):
    rows = []
    places = options.places.split(",")
    with link.shaped(p for p in places if p in link.LINKS) as links:
        for place in places:
            where = links.get(place) or link.Loopback(options.cap * moves.MIB)
            print(f"{where.name}: {where.bytes_per_s / 1e6:.0f} MB/s, the "
                  f"guest writes {STORM_SHARE} times that", flush=True)
            for kind in options.kinds.split(","):
                rows.append(measure(options, where, kind))
                show(rows[-1])
    return rows


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    moves.add_arguments(parser)
    parser.add_argument("--places", default="1gbit,cap",
                        help="of 1gbit, 10gbit, cap (1gbit,cap)")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--cap", type=int, default=200, help="MiB/s (200)")
    parser.add_argument("--patience", type=float, default=5, help="s (5)")
    return moves.exit_status(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
