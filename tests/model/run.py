# SPDX-License-Identifier: BSD-3-Clause
"""Checks the model of the switchover with spin, every state of it.

A model that cannot fail proves nothing: variants with one rule broken must be
caught, and each good and bad end must be reachable.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

MODEL = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                     "switchover.pml")
HOLDS = [
    ("at most one side runs, whatever fails when", []),
    ("a one-way stream never runs twice", ["ONE_WAY"]),
]
CAUGHT = [
    ("a target that starts on READY", ["BROKEN_START_ON_READY"]),
    ("a target that answers READY before the fences",
     ["BROKEN_READY_WITHOUT_FENCES"]),
    ("a target that starts when the link is lost", ["BROKEN_START_WHEN_LOST"]),
    ("a target that waits for COMMIT for ever", ["BROKEN_DEAF_AFTER_READY"]),
    ("a source that resumes when RUNNING does not come",
     ["BROKEN_RESUME_UNCONFIRMED"]),
    ("a source that cancels after COMMIT", ["BROKEN_CANCEL_AFTER_COMMIT"]),
    ("a target that cancels after READY", ["BROKEN_CANCEL_AFTER_READY"]),
    ("the completed end", ["REACH_COMPLETED"]),
    ("the unconfirmed end", ["REACH_UNCONFIRMED"]),
    ("the end where the target could not start", ["REACH_REFUSED"]),
    ("the cancelled end", ["REACH_CANCELLED"]),
]
DEPTH = 100000


def skip(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def search(defines, folder):
    """Returns (complaint or None, number of states)."""
    subprocess.run(["spin", *("-D" + d for d in defines), "-a", MODEL],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([CC, "-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-o", "pan",
                    "pan.c"], cwd=folder, check=True)
    out = subprocess.run(["./pan", f"-m{DEPTH}"], cwd=folder, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    if "search depth too small" in out or "out of memory" in out:
        sys.exit("Bail out! the search was cut short")
    errors = int(re.search(r"errors: (\d+)", out).group(1))
    states = int(re.search(r"(\d+) states, stored", out).group(1))
    found = re.search(r"pan:\d+: (.*)", out)
    return (found.group(1) if errors else None), states


def main():
    print(f"1..{len(HOLDS) + len(CAUGHT)}")
    number = failures = 0
    for name, defines in HOLDS + CAUGHT:
        number += 1
        with tempfile.TemporaryDirectory() as folder:
            complaint, states = search(defines, folder)
        good = (complaint is None) == ((name, defines) in HOLDS)
        failures += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}: "
              f"{states} states, {complaint or 'no error'}".replace("#", ""))
    return failures > 0


if __name__ == "__main__":
    CC = os.environ.get("CC", "cc").split()[0]
    if not shutil.which("spin"):
        skip("spin is not installed")
    if not shutil.which(CC):
        skip("no C compiler at run time")
    sys.exit(main())
