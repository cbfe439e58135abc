# SPDX-License-Identifier: BSD-3-Clause
"""The public headers, libramjet.map and what libramjet.so exports name the same
functions.

usage: symbols.py HEADER_FOLDER MAP LIBRARY
"""
import glob
import os
import re
import subprocess
import sys


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def declared(text):
    return set(re.findall(r"^(?!typedef)[a-z][^;{}#]*?\b(\w+)\([^;{]*\);",
                          without_comments(text), flags=re.M))


def mapped(text):
    return {name for block in re.findall(r"global:(.*?)(?:local:|\})",
                                         without_comments(text), flags=re.S)
            for name in re.findall(r"[^\s;]+", block)}


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                           stdout=subprocess.PIPE, text=True).stdout
    names = {}
    for line in lines.splitlines():
        kind, name = line.split()[-2:]
        if kind != "A":  # the version node itself
            symbol, _, version = name.partition("@")
            names[symbol] = version.strip("@")
    return names


def differences(left, left_name, right, right_name):
    return ([f"{name}: in {left_name}, not in {right_name}"
             for name in sorted(left - right)]
            + [f"{name}: in {right_name}, not in {left_name}"
               for name in sorted(right - left)])


def public(folder):
    """All of the public headers, one after the other."""
    texts = []
    for path in sorted(glob.glob(os.path.join(folder, "*.h"))):
        with open(path, encoding="utf-8") as file:
            texts.append(file.read())
    return "\n".join(texts)


def main(headers, map_file, library):
    functions = declared(public(headers))
    names = mapped(open(map_file, encoding="utf-8").read())
    symbols = exported(library)
    tests = [
        ("a missing name is found",
         [] if differences({"a", "b"}, "x", {"a"}, "y") else ["it is not"]),
        ("the header declares functions",
         [] if len(functions) > 20 else [f"only {sorted(functions)}"]),
        ("header and map agree",
         differences(functions, "header", names, "map")),
        ("map and library agree",
         differences(names, "map", set(symbols), "library")),
        ("every symbol has a version",
         [name for name, version in symbols.items()
          if not version.startswith("RAMJET_")]),
    ]
    print(f"1..{len(tests)}")
    for number, (name, complaints) in enumerate(tests, 1):
        for line in complaints:
            print("# " + line)
        print(f"{'not ok' if complaints else 'ok'} {number} - {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
