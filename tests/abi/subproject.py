# SPDX-License-Identifier: BSD-3-Clause
"""A VMM built with meson may have ramjet as a subproject, and then asks for
dependency('ramjet') as it would for an installed one. What was switched off
isn't built, and nothing is asked for that nobody uses.

usage: subproject.py SOURCE_ROOT MESON
"""
import json
import os
import subprocess
import sys
import tempfile

PROJECT = """project('vmm', 'c', meson_version: '>=1.0.0')
executable('vmm', 'vmm.c', dependencies: dependency('ramjet',
  default_options: ['tests=false', 'bench=disabled']))
"""
WRAP = """[wrap-file]
directory = ramjet
"""
PROGRAM = """#include <ramjet.h>
int main(void) { return !ramjet_version(); }
"""


def call(*command):
    """Its standard output; failure ends the test with both."""
    # Whatever is installed here must not be found instead.
    environment = {**os.environ, "PKG_CONFIG_PATH": ""}
    result = subprocess.run(command, env=environment, text=True, check=False,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            stdin=subprocess.DEVNULL)
    if result.returncode:
        print(" ".join(command), result.stdout, sep="\n")
        sys.exit(1)
    return result.stdout


def main(source, meson):
    meson = meson.split()
    with tempfile.TemporaryDirectory() as root:
        def write(name, text):
            with open(os.path.join(root, name), "w",
                      encoding="utf-8") as file:
                file.write(text)

        build = os.path.join(root, "build")
        os.mkdir(os.path.join(root, "subprojects"))
        os.symlink(source, os.path.join(root, "subprojects", "ramjet"))
        write("meson.build", PROJECT)
        write("vmm.c", PROGRAM)
        write("subprojects/ramjet.wrap", WRAP + "\n[provide]\n"
              "dependency_names = ramjet\n")
        call(*meson, "setup", "--wrap-mode", "forcefallback", build, root)

        def look(what):
            return json.loads(call(*meson, "introspect", "--" + what, build))

        targets = {each["name"]: each for each in look("targets")}
        assert {"vmm", "ramjet"} <= set(targets), sorted(targets)
        defined = {os.path.relpath(os.path.realpath(each["defined_in"]),
                                   os.path.realpath(source))
                   for each in targets.values()}
        assert not {name for name in defined
                    if name.startswith(("bench", "tests"))}, defined
        wanted = {each["name"] for each in look("dependencies")}
        assert "benchmark" not in wanted, wanted
    print("ok: the project is configured, and the parts left out are")


if __name__ == "__main__":
    main(*sys.argv[1:])
