# SPDX-License-Identifier: BSD-3-Clause
"""C files are as clang-format 14 would write them."""
import os
import shutil
import subprocess

from tree import C, ROOT, Source, run, skip_all, sources

# Other versions disagree in places, so only this one judges.
TOOL = shutil.which("clang-format-14")


def check(source):
    if not source.path.endswith(C):
        return []
    result = subprocess.run(
        [TOOL, "--style=file", "--dry-run", "-Werror",
         "--assume-filename=" + source.path],
        cwd=ROOT, input=source.text, text=True, stderr=subprocess.PIPE,
        check=False)
    return [line for line in result.stderr.splitlines() if "error:" in line]


if __name__ == "__main__":
    if not TOOL:
        skip_all("clang-format-14 is not installed")
    run(check, sources(),
        bad=[Source("util/spaces.c", "int f(void)\n{\n    return 0;\n}\n"),
             Source("util/brace.h", "int f(void) {\n\treturn 0;\n}\n")],
        good=[Source("util/fine.c", "int f(void)\n{\n\treturn 0;\n}\n")])
