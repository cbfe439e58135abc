# SPDX-License-Identifier: BSD-3-Clause
"""C files are as clang-format 14 would write them."""
import shutil
import subprocess

from tree import ROOT, Source, c_sources, run, skip_all

# Other versions disagree in places, so only this one judges.
TOOL = shutil.which("clang-format-14")


def complaints(*arguments, text=None):
    result = subprocess.run(
        [TOOL, "--style=file", "--dry-run", "-Werror", *arguments],
        cwd=ROOT, input=text, text=True, stderr=subprocess.PIPE, check=False)
    first = {}  # of each file: one is enough to know what to run
    for line in result.stderr.splitlines():
        if "error:" in line:
            first.setdefault(line.split(":")[0], line)
    return list(first.values())


def check(source):
    if isinstance(source, list):  # the tree: one process for all
        return complaints(*(each.path for each in source))
    return complaints("--assume-filename=" + source.path, text=source.text)


if __name__ == "__main__":
    if not TOOL:
        skip_all("clang-format-14 is not installed")
    run(check, [list(c_sources())],
        bad=[Source("util/spaces.c", "int f(void)\n{\n    return 0;\n}\n"),
             Source("util/brace.h", "int f(void) {\n\treturn 0;\n}\n")],
        good=[Source("util/fine.c", "int f(void)\n{\n\treturn 0;\n}\n")])
