# SPDX-License-Identifier: BSD-3-Clause
"""Functions of at most 70 lines, files of 600, a public header of 650."""
import os
import shutil
import subprocess
import tempfile

from tree import C, Source, run, skip_all, sources

FUNCTION_LINES = 70
FILE_LINES = 600
PUBLIC_HEADER_LINES = 650


def functions(source):
    """Yields (name, first line, last line) of each function, from ctags."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, os.path.basename(source.path))
        with open(path, "w", encoding="utf-8") as file:
            file.write(source.text)
        tags = subprocess.run(
            ["ctags", "--fields=+ne", "--c-kinds=f", "--c++-kinds=f",
             "--python-kinds=fm", "--sort=no", "-f", "-", path],
            check=True, stdout=subprocess.PIPE, text=True).stdout
    for tag in tags.splitlines():
        name, _, *fields = tag.split("\t")
        place = dict(f.split(":", 1) for f in fields if ":" in f)
        if "line" in place and "end" in place:
            yield name, int(place["line"]), int(place["end"])


def check(source):
    if not (source.path.endswith(C) or source.is_script()):
        return []
    limit = (PUBLIC_HEADER_LINES if source.path.startswith("include/")
             else FILE_LINES)
    lines = source.text.count("\n")
    complaints = []
    if lines > limit:
        complaints.append(f"{source.path}: {lines} lines, at most {limit}")
    if lines > FUNCTION_LINES and source.path.endswith(C + (".py",)):
        complaints += [f"{source.path}:{first}: {name}() has "
                       f"{last - first + 1} lines, at most {FUNCTION_LINES}"
                       for name, first, last in functions(source)
                       if last - first + 1 > FUNCTION_LINES]
    return complaints


def function_of(lines):
    return "void f(void)\n{\n" + "\t;\n" * (lines - 3) + "}\n"


if __name__ == "__main__":
    if not shutil.which("ctags"):
        skip_all("ctags is not installed (universal-ctags)")
    run(check, sources(),
        bad=[Source("util/long_function.c", function_of(71)),
             Source("util/long_file.c", "int x;\n" * 601),
             Source("include/long.h", "int x;\n" * 651),
             Source("scripts/long.sh", "true\n" * 601)],
        good=[Source("util/function.c", function_of(70) + "\n" * 5),
              Source("docs/long.md", "text\n" * 700)])
