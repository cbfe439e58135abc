# SPDX-License-Identifier: BSD-3-Clause
"""Every public struct can grow: it begins with its `size`, is in no other one by
value, and its last field ends where it ends, since a field that fell into
padding would change no size, and nobody could tell that it is there.

usage: growth.py HEADER_FOLDER CC
"""
import glob
import os
import re
import subprocess
import sys

# Callers own them and pass them everywhere: they are what they are for ever.
FIXED = {"ramjet_error", "ramjet_memory_range"}
STRUCT = re.compile(r"^struct (\w+) \{\n(.*?)^\};", flags=re.M | re.S)


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.S)


def structs(text):
    """(name, [members]) of each struct that is defined."""
    for name, body in STRUCT.findall(without_comments(text)):
        yield name, [" ".join(member.split()) for member in body.split(";")
                     if member.strip()]


def last_name(member):
    pointer = re.search(r"\(\*(\w+)\)", member)
    return pointer.group(1) if pointer else re.search(
        r"(\w+)(?:\[\w+\])?$", member).group(1)


def complaints(text, cc):
    found, said = list(structs(text)), []
    asserts = ""
    for name, members in found:
        if name in FIXED:
            continue
        if members[0] != "size_t size":
            said.append(f"{name}: does not begin with size_t size")
        said += [f"{name}: '{member}' can't grow inside of it"
                 for member in members
                 if re.match(r"(const )?struct \w+ \w", member)]
        last = last_name(members[-1])
        asserts += (
            f"_Static_assert(sizeof(struct {name}) == "
            f"offsetof(struct {name}, {last}) + "
            f"sizeof(((struct {name} *)0)->{last}), \"{name}: padding "
            f"after {last}\");\n")
    result = subprocess.run(
        [*cc.split(), "-x", "c", "-std=c11", "-fsyntax-only", "-"],
        input=text + "\n" + asserts, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False)
    if result.returncode:
        said += re.findall(r"error:.*", result.stdout) or [result.stdout]
    return said


def main(folder, cc):
    text = ""
    # ramjet.h first: the others begin by including it.
    for path in sorted(glob.glob(os.path.join(folder, "*.h")),
                       key=lambda path: (not path.endswith("ramjet.h"), path)):
        with open(path, encoding="utf-8") as file:
            text += re.sub(r'^#include "ramjet.*"', "", file.read(),
                           flags=re.M)
    head = "#include <stddef.h>\n#include <stdint.h>\n"
    good = "struct a {\n\tsize_t size;\n\tuint64_t b;\n};\n"
    samples = {
        "no size": "struct a {\n\tuint64_t b;\n};\n",
        "padding": "struct a {\n\tsize_t size;\n\tchar b;\n};\n",
        "a struct inside": good + "struct c {\n\tsize_t size;\n"
                                  "\tstruct a a;\n};\n",
    }
    tests = [(f"{name} is found", [] if complaints(head + sample, cc)
              else ["it is not"]) for name, sample in samples.items()]
    tests += [("what grows is taken", complaints(head + good, cc)),
              ("there are structs", [] if len(list(structs(text))) > 15
               else ["too few"]),
              ("all public structs can grow", complaints(text, cc))]
    print(f"1..{len(tests)}")
    for number, (name, said) in enumerate(tests, 1):
        for line in said:
            print("# " + line)
        print("not ok" if said else "ok", number, "-", name)


if __name__ == "__main__":
    main(*sys.argv[1:])
