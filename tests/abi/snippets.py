# SPDX-License-Identifier: BSD-3-Clause
"""The pieces of code in README, the manual page and the documents compile as
they stand, as C and as C++, and nothing is said about them.

usage: snippets.py SOURCE_ROOT
"""
import os
import re
import shutil
import subprocess
import sys

from symbols import public

COMPILERS = (("gcc", "c", "gnu17"), ("clang", "c", "gnu17"),
             ("g++", "c++", "gnu++20"), ("clang++", "c++", "gnu++20"))
MARKDOWN = re.compile(r"^```c\n(.*?)^```", flags=re.M | re.S)
MANUAL = re.compile(r"^\.EX\n(.*?)^\.EE", flags=re.M | re.S)
# Documents, and how many pieces they have at least.
DOCUMENTS = {"README.md": 1, "docs/embedding.md": 5,
             "docs/dirty-sources.md": 1, "docs/man/libramjet.3": 2}


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def pieces(root, path):
    """Every piece of C in a document, with the line it begins at."""
    text = read(root, path)
    manual = path.endswith(".3")
    for match in (MANUAL if manual else MARKDOWN).finditer(text):
        code = match.group(1)
        if manual:
            code = re.sub(r"\\f.", "", code).replace(r"\-", "-")
        yield text.count("\n", 0, match.start()) + 2, code


def complaints(root, compiler, code, path, line):
    name, language, standard = compiler
    text = ('#include "tests/abi/snippets.h"\n'
            "int snippet(void);\nint snippet(void)\n{\n"
            f'#line {line} "{path}"\n{code}\n;return 0;\n}}\n')
    result = subprocess.run(
        [name, "-x", language, "-std=" + standard, "-Wall", "-Wextra",
         "-Werror", "-I", root, "-I", os.path.join(root, "include"),
         "-fsyntax-only", "-"],
        input=text, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False)
    return result.stdout if result.returncode else ""


def has_all_functions(root):
    """Each *_INIT macro has its function."""
    header = public(os.path.join(root, "include"))
    macros = {name.lower() for name in
              re.findall(r"^#define RAMJET_(\w+)_INIT\b", header, flags=re.M)}
    functions = set(re.findall(r"^void ramjet_(\w+)_init\(", header,
                               flags=re.M))
    return "".join(sorted(f"no ramjet_{name}_init()\n"
                          for name in macros ^ functions))


def main(root):
    tests = [("every macro has its function", has_all_functions(root), None)]
    for path, least in DOCUMENTS.items():
        found = list(pieces(root, path))
        tests.append((f"{path}: {least} pieces or more",
                      "" if len(found) >= least else f"{len(found)}\n", None))
        for line, code in found:
            tests += [(f"{path}:{line} {compiler[0]}", (code, path, line),
                       compiler) for compiler in COMPILERS]
    for compiler in COMPILERS:
        tests.append((f"{compiler[0]}: what is wrong is told",
                      ("struct ramjet_params p; ramjet_params_int(&p);",
                       "sample", 1), compiler))
    print(f"1..{len(tests)}")
    for number, (name, said, compiler) in enumerate(tests, 1):
        if compiler and not shutil.which(compiler[0]):
            print(f"ok {number} - {name} # SKIP no {compiler[0]}")
            continue
        bad = name.endswith("is told")
        if compiler:
            said = complaints(root, compiler, *said)
        if bad:
            said = "" if said else "it is not\n"
        for line in said.splitlines():
            print("# " + line)
        print("not ok" if said else "ok", number, "-", name)


if __name__ == "__main__":
    main(*sys.argv[1:])
