# SPDX-License-Identifier: BSD-3-Clause
"""What a unit test says beside its verdicts is a comment of TAP: '# ...'.

Anything else is nothing that meson knows, and it says so at length.
"""
import re

from tree import Source, c_sources, run

SAYS = re.compile(r'\bprint_message\(\s*"(?!# )')


def check(source):
    if not source.path.startswith("tests/unit/"):
        return []
    return [f"{source.path}:{source.text.count(chr(10), 0, match.start()) + 1}: "
            'a message does not begin with "# "'
            for match in SAYS.finditer(source.text)]


def sample(path, call):
    return Source(path, f"static void f(void)\n{{\n\t{call};\n}}\n")


if __name__ == "__main__":
    run(check, c_sources(),
        bad=[sample("tests/unit/util/test_a.c",
                    r'print_message("skipped: not here\n")'),
             sample("tests/unit/util/test_b.c",
                    'print_message(\n\t\t"%s\\n", why)'),
             sample("tests/unit/util/test_c.c",
                    r'print_message("#held\n")')],
        good=[sample("tests/unit/util/test_d.c",
                     r'print_message("# %s\n", why)'),
              sample("tests/unit/util/test_e.c",
                     r'printf("1..0 # SKIP not here\n")'),
              sample("bench/micro/scan.c", r'print_message("a table\n")')])
