# SPDX-License-Identifier: BSD-3-Clause
"""Each public header compiles alone, without a warning, as C11, C17 and C++.

usage: header.py INCLUDE_DIR CC [CXX]
"""
import os
import subprocess
import sys

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef",
            "-Werror"]
# g++ takes a function with a struct's name (as stat(2) is) for shadowing.
C_ONLY = ["-Wstrict-prototypes", "-Wmissing-prototypes", "-Wshadow"]
USE = """int use(void);
int use(void)
{
	return ramjet_version() != 0;
}
"""
# What C++20 can say, the macros say as well.
MACROS = """struct ramjet_guest_ops ops = { RAMJET_GUEST_OPS_INIT };
struct ramjet_block block = { RAMJET_BLOCK_INIT };
struct ramjet_kvm_slot slot = { RAMJET_KVM_SLOT_INIT };
struct ramjet_dirty_ops dirty = { RAMJET_DIRTY_OPS_INIT };
struct ramjet_dirty_bitmap bitmap = { RAMJET_DIRTY_BITMAP_INIT };
struct ramjet_dirty_kvm_log log_ = { RAMJET_DIRTY_KVM_LOG_INIT };
struct ramjet_dirty_kvm_ring ring = { RAMJET_DIRTY_KVM_RING_INIT };
struct ramjet_connection_ops operations = { RAMJET_CONNECTION_OPS_INIT };
struct ramjet_connection connection = { RAMJET_CONNECTION_INIT };
struct ramjet_connector connector = { RAMJET_CONNECTOR_INIT };
struct ramjet_params params = { RAMJET_PARAMS_INIT };
struct ramjet_memory_ops memory = { RAMJET_MEMORY_OPS_INIT };
struct ramjet_process_memory_options process = {
    RAMJET_PROCESS_MEMORY_OPTIONS_INIT };
struct ramjet_helper_options helpers = { RAMJET_HELPER_OPTIONS_INIT };
"""


def compiles(compiler, language, standard, include, text):
    # g++ misses members in designated initializers, which C lets out.
    extra = C_ONLY if language == "c" else ["-Wno-missing-field-initializers"]
    return subprocess.run(
        [*compiler.split(), "-x", language, "-std=" + standard, *WARNINGS,
         *extra, "-I", include, "-fsyntax-only", "-"],
        input=text, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, check=False)


def twice(header):
    return f"#include <{header}>\n" * 2


def main(include, cc, cxx=""):
    headers = sorted(name for name in os.listdir(include)
                     if name.endswith(".h"))
    cases = [(compiler, language, standard, header, twice(header) + USE)
             for header in headers
             for compiler, language, standard in (
                 (cc, "c", "c11"), (cc, "c", "c17"), (cxx, "c++", "c++11"),
                 (cxx, "c++", "c++17"), (cxx, "c++", "c++20"))]
    every = "".join(map(twice, reversed(headers))) + MACROS
    cases += [(cc, "c", "c17", "macros", every),
              (cxx, "c++", "c++20", "macros", every)]
    print(f"1..{len(cases) + 1}")
    bad = compiles(cc, "c", "c11", include,
                   twice("ramjet.h") + USE + "int f() { int a; }\n")
    print("ok" if bad.returncode else "not ok", "1 - a warning is an error")
    for number, (compiler, language, standard, what, text) in enumerate(cases,
                                                                        2):
        if not compiler:
            print(f"ok {number} - {what} {standard} # SKIP no C++ compiler")
            continue
        result = compiles(compiler, language, standard, include, text)
        for line in result.stdout.splitlines():
            print("# " + line)
        print("not ok" if result.returncode else "ok", number, "-", what,
              standard)


if __name__ == "__main__":
    main(*sys.argv[1:])
