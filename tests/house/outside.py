# SPDX-License-Identifier: BSD-3-Clause
"""The tree stands alone: nothing refers to folders of one machine."""
import re

from tree import Source, run, sources

# Assembled, so that this file passes its own check.
OUTSIDE = re.compile("|".join([r"\.\./" "shared", "/work" "/",
                               "/tmp/[a-z]+-" "study"]))


def check(source):
    return [f"{source.path}:{number}: refers to '{match.group()}'"
            for number, line in enumerate(source.text.splitlines(), 1)
            for match in OUTSIDE.finditer(line)]


if __name__ == "__main__":
    run(check, sources(),
        bad=[Source("docs/bad.md", "see ../" "shared/DESIGN.md\n"),
             Source("util/bad.c", "/* /work" "/main/x */\n")],
        good=[Source("docs/good.md", "see docs/architecture.md, network/x\n")])
