# SPDX-License-Identifier: BSD-3-Clause
"""scripts/totals.py counts what happened, and says so in one last line."""
import json
import os
import subprocess
import sys
import tempfile

from tree import ROOT

TOTALS = os.path.join(ROOT, "scripts", "totals.py")


def entry(result, stdout="", stderr="", name="t"):
    return {"name": name, "result": result, "stdout": stdout,
            "stderr": stderr}


# What is tried, broken builds, the log, the closing line, exit status, and
# what must be said before.
CASES = [
    ("cases of TAP are counted one by one", 0,
     [entry("OK", "1..3\nok 1 - a\nok 2 - b\nok 3 - c # SKIP no KVM\n")],
     "2 passed, 0 failed, 1 skipped", 0, "no KVM"),
    ("cmocka's skip has its reason on the line above", 0,
     [entry("OK", "1..2\n# needs root\nok 1 # SKIP a\nok 2 - b\n")],
     "1 passed, 0 failed, 1 skipped", 0, "t a: needs root"),
    ("a failed case brings its log", 0,
     [entry("FAIL", "1..2\nok 1 - a\n# it rained\nnot ok 2 - b\n")],
     "1 passed, 1 failed, 0 skipped", 1, "it rained"),
    ("a crash after good cases is a failure", 0,
     [entry("ERROR", "1..2\nok 1 - a\n", "Segmentation fault")],
     "1 passed, 1 failed, 0 skipped", 1, "Segmentation fault"),
    ("a timeout without a word is a failure", 0,
     [entry("TIMEOUT"), entry("OK")],
     "1 passed, 1 failed, 0 skipped", 1, "TIMEOUT"),
    ("a whole program skipped", 0,
     [entry("SKIP", "1..0 # SKIP ctags is not installed\n"), entry("OK")],
     "1 passed, 0 failed, 1 skipped", 0, "ctags is not installed"),
    ("a broken build is a failure", 1, [entry("OK")],
     "1 passed, 1 failed, 0 skipped", 1, ""),
    ("nothing passed is a failure", 0, [],
     "0 passed, 0 failed, 0 skipped", 1, ""),
]


def total(broken, log):
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(folder + "/meson-logs")
        with open(folder + "/meson-logs/testlog.json", "w",
                  encoding="utf-8") as file:
            file.writelines(json.dumps(test) + "\n" for test in log)
        return subprocess.run([sys.executable, "-B", TOTALS, str(broken),
                               folder], stdout=subprocess.PIPE, text=True,
                              check=False)


print(f"1..{len(CASES)}")
for number, (what, broken, log, line, status, said) in enumerate(CASES, 1):
    result = total(broken, log)
    good = (result.stdout.splitlines()[-1] == line and said in result.stdout
            and result.returncode == status)
    if not good:
        print("# wanted: " + line)
        print("\n".join("# " + got for got in result.stdout.splitlines()))
    print(f"{'ok' if good else 'not ok'} {number} - {what}")
