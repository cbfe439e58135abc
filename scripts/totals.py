# SPDX-License-Identifier: BSD-3-Clause
"""Adds up the tests of several build folders.

usage: totals.py BROKEN_BUILDS DIR...

Reads DIR/meson-logs/testlog.json, prints what failed with its log and what
was skipped with its reason, and one closing line. A test that speaks TAP
counts once for each of its cases.
"""
import json
import re
import sys

CASE = re.compile(r"(not )?ok\b *\d* *(?:- )?(.*?) *(?:# *(SKIP)\b *(.*))?$", re.I)
LOG_LINES = 60


def cases(stdout):
    """Yields (outcome, name, reason) for each line of TAP."""
    said = ""
    for line in stdout.splitlines():
        match = CASE.match(line)
        if not match:
            if not line.startswith(("1..", "TAP version")):
                said = line.strip("# \t")
            continue
        bad, name, skip, text = match.groups()
        if skip:
            # cmocka writes the name after SKIP and the reason above.
            yield "skip", name or text, text if name else said
        else:
            yield "fail" if bad else "pass", name, ""
        said = ""


def outcomes(test):
    """What one entry of testlog.json counts as: a list of cases."""
    stdout = test.get("stdout", "")
    result = test["result"]
    found = list(cases(stdout)) if re.search(r"^1\.\.\d", stdout, re.M) else []
    good = result in ("OK", "EXPECTEDFAIL", "SKIP")
    if found:
        if not good and all(what != "fail" for what, _, _ in found):
            found.append(("fail", result, ""))
        return found
    if result == "SKIP":
        lines = (stdout + test.get("stderr", "")).strip().splitlines()
        reason = lines[-1] if lines else "no reason given"
        if re.match(r"1\.\.0\s*#\s*SKIP", reason, re.I):
            reason = reason.split("#", 1)[1][5:].strip()
        return [("skip", "", reason)]
    return [("pass" if good else "fail", "", "")]


def tail(test):
    text = test.get("stdout", "") + test.get("stderr", "")
    return "\n".join("    " + line for line in text.splitlines()[-LOG_LINES:])


def read(folder):
    """Yields every test of a build folder; a missing log is one failure."""
    path = folder + "/meson-logs/testlog.json"
    try:
        with open(path, encoding="utf-8") as log:
            yield from (json.loads(line) for line in log)
    except OSError as error:
        yield {"name": "meson test", "result": "ERROR", "stdout": str(error)}


def main(broken, folders):
    count = {"pass": 0, "fail": broken, "skip": 0}
    skipped = {}
    for folder in folders:
        for test in read(folder):
            found = outcomes(test)
            for what, name, reason in found:
                count[what] += 1
                if what == "skip":
                    label = " ".join(filter(None, (test["name"], name)))
                    skipped.setdefault((label, reason), []).append(folder)
            if any(what == "fail" for what, _, _ in found):
                print(f"FAILED in {folder}: {test['name']} ({test['result']})")
                print(tail(test))
    for (label, reason), where in skipped.items():
        print(f"skipped: {label}: {reason or 'no reason given'}"
              f" ({', '.join(where)})")
    print("{pass} passed, {fail} failed, {skip} skipped".format(**count))
    return 1 if count["fail"] or not count["pass"] else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
