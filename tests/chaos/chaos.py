# SPDX-License-Identifier: BSD-3-Clause
"""Moves of real guests between real processes, which are killed, stopped, cut
off, cancelled or run out of memory or disk at random moments.

    chaos.py [--runs N] [--seed S] [--first RUN] [--kinds process,kvm|qemu]
             [--small] [--patient] [--together N] [--verbose] [--list]

Each run follows from the seed and its number: `--seed S --first RUN --runs 1`
repeats one, as far as the machine's own timing lets it. After each both guests'
own counters decide what is true (judge.py); what came of it is tallied."""
import argparse
import collections
import concurrent.futures
import os
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                os.pardir, "integration"))

import course  # noqa: E402
import guests  # noqa: E402
import qemu_runs  # noqa: E402
import rig  # noqa: E402
import ways  # noqa: E402


def missing(folder):
    """What this machine has not: {what: why}."""
    found = {"link": ways.missing(lambda: ways.Linked(100)),
             "group": ways.missing(lambda: ways.Group(64)),
             "stream": ways.missing(lambda: ways.Streamed(
                 os.path.join(folder, "disk"), 1))}
    return {what: why for what, why in found.items() if why}


def knows_reconnect():
    done = rig.subprocess.run([rig.RAMJET, "send", "--help"], text=True,
                              capture_output=True, check=True)
    return "--reconnect" in done.stdout


class Course:
    def __init__(self, asked, kinds, missing_here):
        self.asked = asked
        self.kinds = kinds
        self.missing = missing_here
        self.reconnect = knows_reconnect()
        self.tally = collections.Counter()
        self.details = collections.Counter()
        self.failed = 0
        self.lock = threading.Lock()

    def plan(self, number):
        return course.Plan(self.asked.seed, number, kinds=self.kinds,
                           missing=self.missing, reconnect=self.reconnect,
                           small=self.asked.small,
                           patient=self.asked.patient)

    def one(self, number):
        run = course.Run(number, self.plan(number))
        result = unittest.TestResult()
        began = time.monotonic()
        run.run(result)
        with self.lock:
            self.report(run, result, time.monotonic() - began)

    def report(self, run, result, seconds):
        if self.asked.verbose:
            print(f"# run {run.number}: {run.plan}: {run.kind}; "
                  f"{seconds:.1f} s", flush=True)
        self.tally[run.kind or "FAILED"] += 1
        self.details[f"{run.plan.kind}, {run.plan.what()}: "
                     f"{run.kind or 'FAILED'}"] += 1
        for _, text in result.failures + result.errors:
            self.failed += 1
            print(f"# run {run.number} FAILED (--seed {self.asked.seed} "
                  f"--first {run.number} --runs 1): {run.plan}")
            print("\n".join("#   " + line for line in text.splitlines()),
                  flush=True)

    def all(self):
        numbers = range(self.asked.first, self.asked.first + self.asked.runs)
        if self.kinds == ["qemu"]:
            self.qemu(numbers)
            return
        with concurrent.futures.ThreadPoolExecutor(
                self.asked.together) as pool:
            for done in [pool.submit(self.one, number) for number in numbers]:
                done.result()

    def qemu(self, numbers):
        """One after the other: it is one guest, that goes on."""
        moves = qemu_runs.Moves(self.asked.seed, numbers,
                                lambda what: self.asked.verbose and
                                print("# qemu: " + what, flush=True))
        result = unittest.TestResult()
        moves.run(result)
        for _, why in result.skipped:
            print(f"# no QEMU: {why}")
        for _, text in result.failures + result.errors:
            self.failed += 1
            print("\n".join("#   " + line for line in text.splitlines()))
        self.details += moves.tally
        for what, count in moves.tally.items():
            self.tally["qemu: " + what.split(": ")[1]] += count

    def say(self):
        for tally in self.details, self.tally:
            for kind, count in sorted(tally.items()):
                print(f"# {count:5} {kind}")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--kinds", help="process, kvm (both, where it can be had); or qemu, "
                        "which is moved on and on")
    parser.add_argument("--small", action="store_true",
                        help="guests of 16 MiB that write little")
    parser.add_argument("--patient", action="store_true",
                        help="no limits but what ramjet has by itself")
    parser.add_argument("--together", type=int, default=4)
    parser.add_argument("--verbose", action="store_true",
                        help="a line for each run")
    parser.add_argument("--list", action="store_true",
                        help="say what would be done, and do nothing")
    return parser.parse_args()


def main():
    asked = arguments()
    here = guests.kinds_here()
    kinds = asked.kinds.split(",") if asked.kinds else here
    with rig.tempfile.TemporaryDirectory(prefix="ramjet-") as folder:
        without = missing(folder)
    runs = Course(asked, kinds, without)
    print("1..1")
    print(f"# seed {asked.seed}, runs {asked.first} to "
          f"{asked.first + asked.runs - 1}, guests: {', '.join(kinds)}")
    for what, why in without.items():
        print(f"# none with a {what}: {why}")
    if asked.list:
        for number in range(asked.first, asked.first + asked.runs):
            print(f"# run {number}: {runs.plan(number)}")
    else:
        runs.all()
        runs.say()
    print(f"{'not ok' if runs.failed else 'ok'} 1 - {asked.runs} runs, "
          f"{runs.failed} failed", flush=True)
    sys.exit(1 if runs.failed else 0)


if __name__ == "__main__":
    main()
