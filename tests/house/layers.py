# SPDX-License-Identifier: BSD-3-Clause
"""Includes go one way: include <- util <- {dirty, ringio, dbus} <- engine <- cli.

Siblings never include each other; cli, examples and the throughput benchmarks
see the library through ramjet.h only. docs/architecture.md draws the picture.
"""
import re

from tree import Source, c_sources, run

UNRESTRICTED = None  # tests may look at everything
MAY_INCLUDE = {
    "include": {"ramjet.h", "ramjet-helper.h"},
    "util": {"ramjet.h", "util"},
    "dirty": {"ramjet.h", "util", "dirty"},
    "ringio": {"ramjet.h", "util", "ringio"},
    "dbus": {"ramjet.h", "util", "dbus"},
    "engine": {"ramjet.h", "util", "dirty", "ringio", "dbus", "engine"},
    "cli": {"ramjet.h", "util", "cli"},
    "examples": {"ramjet.h"},
    "bench": {"ramjet.h", "bench"},
    "bench/micro": {"ramjet.h", "bench", "util", "dirty", "ringio", "dbus",
                    "engine"},
    "tests": UNRESTRICTED,
}
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)


def rule(path):
    parts = path.split("/")[:-1]
    for depth in range(len(parts), 0, -1):
        folder = "/".join(parts[:depth])
        if folder in MAY_INCLUDE:
            return folder, MAY_INCLUDE[folder]
    return "", set()


def check(source):
    folder, allowed = rule(source.path)
    if allowed is UNRESTRICTED:
        return []
    return [f'{source.path}: includes "{name}"; {folder or "the root"} may '
            f'only include from: {", ".join(sorted(allowed)) or "nothing"}'
            for name in INCLUDE.findall(source.text)
            if name.split("/")[0] not in allowed]


def sample(path, include):
    return Source(path, f'#include <stdio.h>\n#include "{include}"\n')


if __name__ == "__main__":
    run(check, c_sources(),
        bad=[sample("util/up.c", "engine/block.h"),
             sample("dirty/sideways.c", "ringio/channel.h"),
             sample("cli/internal.c", "engine/source.h"),
             sample("examples/internal.c", "util/error.h"),
             sample("bench/throughput.c", "engine/source.h"),
             sample("engine/neighbour.c", "neighbour.h"),
             sample("engine/relative.c", "../cli/main.h"),
             sample("newfolder/unknown.c", "util/error.h")],
        good=[sample("engine/down.c", "ringio/channel.h"),
              sample("cli/own.c", "cli/guest/guest.h"),
              sample("bench/micro/scan.c", "dirty/bitmap.h"),
              sample("tests/unit/util/test_x.c", "util/error.h"),
              sample("util/api.c", "ramjet.h")])
