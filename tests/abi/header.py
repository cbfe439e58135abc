# SPDX-License-Identifier: BSD-3-Clause
"""ramjet.h compiles alone, without a warning, as C11, C17 and C++.

usage: header.py INCLUDE_DIR CC [CXX]
"""
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef",
            "-Werror"]
# g++ takes a function with a struct's name (as stat(2) is) for shadowing.
C_ONLY = ["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wshadow"]
USE = """#include <ramjet.h>
#include <ramjet.h>
int use(void);
int use(void)
{
	return ramjet_version() != 0;
}
"""


def compiles(compiler, language, standard, include, text):
    extra = C_ONLY if language == "c" else []
    return subprocess.run(
        [*compiler.split(), "-x", language, "-std=" + standard, *WARNINGS,
         *extra, "-I", include, "-fsyntax-only", "-"],
        input=text, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False)


def main(include, cc, cxx=""):
    cases = [(cc, "c", "c11"), (cc, "c", "c17"), (cxx, "c++", "c++11"),
             (cxx, "c++", "c++17")]
    print(f"1..{len(cases) + 1}")
    bad = compiles(cc, "c", "c11", include, USE + "int f() { int a; }\n")
    print("ok" if bad.returncode else "not ok", "1 - a warning is an error")
    for number, (compiler, language, standard) in enumerate(cases, 2):
        if not compiler:
            print(f"ok {number} - {standard} # SKIP no C++ compiler")
            continue
        result = compiles(compiler, language, standard, include, USE)
        for line in result.stdout.splitlines():
            print("# " + line)
        print("not ok" if result.returncode else "ok", number, "-", standard)


if __name__ == "__main__":
    main(*sys.argv[1:])
