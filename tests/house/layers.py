# SPDX-License-Identifier: BSD-3-Clause
"""Includes go one way: include <- util <- {dirty, ringio, dbus} <- engine <- cli.

Siblings never include each other; cli, examples and the throughput benchmarks
see the library through the public headers only, of which ramjet.h needs none but
ramjet-params.h, ramjet-features.h and ramjet-savings.h, parts of it.
docs/architecture.md draws the picture.
"""
import re

from tree import Source, c_sources, run

UNRESTRICTED = None  # tests may look at everything
PUBLIC = {"ramjet.h", "ramjet-connect.h", "ramjet-dirty.h", "ramjet-kvm.h", "ramjet-helper.h",
          "ramjet-features.h", "ramjet-params.h", "ramjet-remote.h",
          "ramjet-savings.h"}
MAY_INCLUDE = {
    "include": {"ramjet.h", "ramjet-params.h", "ramjet-features.h",
                "ramjet-savings.h", "ramjet-dirty.h"},
    "util": {"ramjet.h", "util"},
    "dirty": {"ramjet.h", "ramjet-dirty.h", "ramjet-kvm.h", "ramjet-remote.h",
              "util", "dirty"},
    "ringio": {"ramjet.h", "ramjet-connect.h", "util", "ringio"},
    "dbus": {"ramjet.h", "ramjet-helper.h", "util", "dbus"},
    "engine": PUBLIC | {"util", "dirty", "ringio", "dbus", "engine"},
    "cli": PUBLIC | {"util", "cli"},
    "examples": PUBLIC,
    "bench": PUBLIC | {"bench"},
    "bench/micro": PUBLIC | {"bench", "util", "dirty", "ringio", "dbus",
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
             sample("include/ramjet.h", "ramjet-kvm.h"),
             sample("ringio/helped.c", "ramjet-helper.h"),
             sample("newfolder/unknown.c", "util/error.h")],
        good=[sample("engine/down.c", "ringio/channel.h"),
              sample("cli/own.c", "cli/guest/guest.h"),
              sample("bench/micro/scan.c", "dirty/bitmap.h"),
              sample("tests/unit/util/test_x.c", "util/error.h"),
              sample("util/api.c", "ramjet.h")])
