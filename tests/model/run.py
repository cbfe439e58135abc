# SPDX-License-Identifier: BSD-3-Clause
"""Checks models of the protocol with spin, every state of them: run.py NAME.

A model that cannot fail proves nothing: variants with one rule broken must be
caught, and each good and bad end must be reachable.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# What must hold, and what must be caught: a name, and what is defined for it.
SWITCHOVER = ("switchover.pml", [
    ("at most one side runs, whatever fails when", []),
    ("a one-way stream never runs twice", ["ONE_WAY"]),
], [
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
])
RESUMED = ("switchover.pml", [
    ("at most one side runs, though the control link returns", ["RESUMES"]),
], [
    ("a source that resumes when RUNNING does not come",
     ["RESUMES", "BROKEN_RESUME_UNCONFIRMED"]),
    ("a target that starts when the link is lost",
     ["RESUMES", "BROKEN_START_WHEN_LOST"]),
    ("a source that cancels after COMMIT",
     ["RESUMES", "BROKEN_CANCEL_AFTER_COMMIT"]),
    ("the completed end after a loss", ["RESUMES", "REACH_RESUMED"]),
    ("the unconfirmed end", ["RESUMES", "REACH_UNCONFIRMED"]),
])
RESUME = ("resume.pml", [
    ("what is said arrives once and in order, however often the link breaks",
     ["SAYS=2"]),
], [
    ("a side that goes on from what it had sent",
     ["BROKEN_FROM_WHAT_WAS_SENT"]),
    ("a side that forgets what was not heard", ["BROKEN_FORGETS_ALL"]),
    ("the end", ["REACH_END"]),
    ("something that is said again", ["REACH_AGAIN"]),
    ("something that is forgotten", ["REACH_FORGOT"]),
])
# As large as a search of half a minute allows.
SMALL = ["WRITES=1", "ROUNDS=1", "DEPTH=1"]
LANES = ("lanes.pml", [
    ("no page is lost or stale, whatever lane is lost when", SMALL),
], [
    (name, SMALL + defines) for name, defines in (
        ("a source that does not put back", ["BROKEN_NOT_PUT_BACK"]),
        ("a base that is not at the target yet", ["BROKEN_BASE_NOT_APPLIED"]),
        ("a copy of what did not arrive", ["BROKEN_COPY_KEPT"]),
        ("a lane that returns and claims in an old round",
         ["BROKEN_CLAIMS_AT_ONCE"]),
        ("a final round that ends while a loss is unanswered",
         ["BROKEN_FINAL_UNSETTLED"]),
        ("a final fence of a round that lacks what was lost",
         ["BROKEN_FINAL_STANDS"]),
        ("a target that reads what a lost lane sent", ["BROKEN_LATE_BYTES"]),
        ("rounds that end without any lane",
         ["BROKEN_NO_LANE_IS_ENOUGH", "BREAKS=2", "BOTH"]),
        ("READY", ["REACH_READY"]),
        ("READY after pages went again", ["REACH_AGAIN"]),
        ("a final fence that is void", ["REACH_VOID"]),
        ("READY after a lane returned", ["REACH_RETURN"]),
        ("a change that was built on a copy", ["REACH_BUILT"]),
    )
])
MODELS = {"switchover": [SWITCHOVER], "resumed": [RESUMED, RESUME],
          "lanes": [LANES]}
DEPTH = 100000


def skip(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def search(model, defines, folder):
    """Returns (complaint or None, number of states)."""
    subprocess.run(["spin", *("-D" + d for d in defines), "-a",
                    os.path.join(HERE, model)],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL)
    subprocess.run([CC, "-O2", "-w", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", "-o", "pan",
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
    cases = [(model, name, defines, number < len(holds))
             for model, holds, caught in MODELS[sys.argv[1]]
             for number, (name, defines) in enumerate(holds + caught)]
    failures = 0
    print(f"1..{len(cases)}")
    for number, (model, name, defines, holds) in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as folder:
            complaint, states = search(model, defines, folder)
        good = (complaint is None) == holds
        failures += not good
        print(f"{'ok' if good else 'not ok'} {number} - {name}: "
              f"{states} states, {complaint or 'no error'}".replace("#", ""),
              flush=True)
    return failures > 0


if __name__ == "__main__":
    CC = os.environ.get("CC", "cc").split()[0]
    if not shutil.which("spin"):
        skip("spin is not installed")
    if not shutil.which(CC):
        skip("no C compiler at run time")
    sys.exit(main())
