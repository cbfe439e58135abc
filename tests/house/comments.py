# SPDX-License-Identifier: BSD-3-Clause
"""An SPDX line on top of each source file, no `//` in C, no leftovers."""
import re

from tree import C, Source, run, sources

SPDX = "SPDX-License-Identifier: BSD-3-Clause"
# Assembled, so that this file passes its own check.
LEFTOVERS = re.compile(r"\b(?:%s)\b" % "|".join(["TO" "DO", "FIX" "ME",
                                                 "X" "XX"]))
OTHERS = (".S", ".pml", ".map")
# Literals and block comments; what is left of "//" opens a line comment.
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
                   r"|/\*.*?\*/|//[^\n]*", re.S)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check(source):
    is_c = source.path.endswith(C)
    if not is_c and not source.path.endswith(OTHERS) and \
            not source.is_script():
        return []
    complaints = []
    if SPDX not in "".join(source.text.splitlines(True)[:3]):
        complaints.append(f"{source.path}:1: no line '{SPDX}' on top")
    complaints += [f"{source.path}:{line_of(source.text, m.start())}: "
                   f"'{m.group()}' left behind"
                   for m in LEFTOVERS.finditer(source.text)]
    if is_c:
        complaints += [f"{source.path}:{line_of(source.text, m.start())}: "
                       "a '//' comment"
                       for m in TOKEN.finditer(source.text)
                       if m.group().startswith("//")]
    return complaints


def sample(path, body):
    return Source(path, f"/* {SPDX} */\n{body}\n")


if __name__ == "__main__":
    run(check, sources(),
        bad=[Source("util/nolicence.c", "int x;\n"),
             Source("scripts/nolicence.sh", "#!/bin/sh\n"),
             Source("nolicence", "#!/bin/sh\n"),
             Source("cli/nolicence.S", "nop\n"),
             sample("util/slashes.c", "int x; // why not"),
             sample("util/after.c", 'char *a = "\\""; // b'),
             sample("util/later.c", "/* TO" "DO: later */"),
             sample("util/broken.h", "/* FIX" "ME */")],
        good=[sample("util/string.c", 'char *u = "http://a"; char q = \'"\';'),
              sample("util/block.c", "/* see http://a */"),
              sample("util/template.c", 'char t[] = "x-XXXXXX";'),
              Source("docs/plain.md", "// prose\n")])
