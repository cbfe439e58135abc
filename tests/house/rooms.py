# SPDX-License-Identifier: BSD-3-Clause
"""Folders have rooms, and rooms an order: a room may use those below it.

Also: no two units (NAME.c and NAME.h) need each other, neither by what they
include nor by what they call. docs/rooms.md is the picture, drawn from the
includes: `tests/house/rooms.py --draw` writes it anew.
"""
import os
import re
import sys

from tree import ROOT, Source, c_sources, run

# Bottom to top; those in one list do not see each other. "": what lies in the
# folder itself.
ORDER = {
    "engine": [["process", "wire"], ["stats"], ["guest"], ["link"], ["page"],
               ["migration"], ["placement"], ["send", "receive"], ["forecast"],
               ["source", "target"], [""]],
    "dirty": [[""], ["kvm", "remote"]],
    "cli": [["base"], ["guest"], ["kvm", "options", "qmp"],
            ["report", "attach", "guardian"], ["qemu"],
            ["outside"],
            ["monitor"], ["session"], ["remote"], [""], ["commands"]],
}
PICTURE = "docs/rooms.md"
LIBRARY = ("util", "dirty", "ringio", "dbus", "engine")
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.M)
NOISE = re.compile(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/', re.S)
NAME = re.compile(r"\b(?:rj|ramjet)_\w+\b")
DEFINITION = re.compile(r"^(?!static)[A-Za-z_][^\n;{}=]*?"
                        r"\b((?:rj|ramjet)_\w+)\([^;{}]*?\)[^;{}]*?\{", re.M)


def room_of(path):
    """(folder, room) of a file, or None where there are no rooms."""
    parts = path.split("/")
    if parts[0] not in ORDER or len(parts) > 3:
        return None
    return parts[0], parts[1] if len(parts) == 3 else ""


def level(folder, room):
    for height, rooms in enumerate(ORDER[folder]):
        if room in rooms:
            return height
    return None


def check_order(source):
    here = room_of(source.path)
    if not here:
        return []
    folder, room = here
    if level(folder, room) is None:
        return [f"{source.path}: no room of {folder}/ is called '{room}'"]
    complaints = []
    for name in INCLUDE.findall(source.text):
        there = room_of(name)
        if not there or there[0] != folder or there[1] == room:
            continue
        if (level(*there) or 0) >= level(folder, room):
            complaints.append(f'{source.path}: includes "{name}", which is '
                              "not below it")
    return complaints


def unit(path):
    """What is absent on some machines is one unit with what stands in."""
    return os.path.splitext(path)[0].removesuffix("_absent")


def plain(source):
    return NOISE.sub("", INCLUDE.sub("", source.text))


def needs(files):
    """unit -> units that it includes or calls."""
    files = [f for f in files if f.path.split("/")[0] in LIBRARY + ("cli",)]
    homes = {}  # several where one of them is chosen when it is linked
    for f in files:
        if f.path.endswith(".c"):
            for name in DEFINITION.findall(plain(f)):
                homes.setdefault(name, set()).add(unit(f.path))
    graph = {unit(f.path): set() for f in files}
    for f in files:
        edges = graph[unit(f.path)]
        edges |= {unit(i) for i in INCLUDE.findall(f.text)
                  if unit(i) in graph}
        if f.path.endswith(".c"):
            for name in NAME.findall(plain(f)):
                # The command calls the library as everybody does.
                if unit(f.path) not in homes.get(name, ()) and not (
                        name.startswith("ramjet_")
                        and f.path.startswith("cli/")):
                    edges |= homes.get(name, set())
    for name, edges in graph.items():
        edges.discard(name)
    return graph


def reached(graph, start):
    seen, left = set(), list(graph[start])
    while left:
        name = left.pop()
        if name not in seen:
            seen.add(name)
            left += graph[name]
    return seen


def circles(files):
    """Units that need each other, as complaints."""
    graph = needs(files)
    reach = {name: reached(graph, name) for name in graph}
    found = {frozenset([a] + [b for b in reach[a] if a in reach[b]])
             for a in graph if a in reach[a]}
    return ["they need each other: " + ", ".join(sorted(c))
            for c in sorted(found, key=sorted)]


def arrows(folder, files):
    """room -> rooms of the same folder that it includes from."""
    out = {room: set() for rooms in ORDER[folder] for room in rooms}
    for f in files:
        here = room_of(f.path)
        if not here or here[0] != folder:
            continue
        for name in INCLUDE.findall(f.text):
            there = room_of(name)
            if there and there[0] == folder and there != here:
                out[here[1]].add(there[1])
    return out


def draw(files):
    """The picture: a grid, and the same as a graph."""
    out = ["# Rooms", "",
           "Drawn by `tests/house/rooms.py --draw` from the includes, and held "
           "by the same script:", "a room uses those below it only, so every "
           "dot is left of the diagonal (·).", ""]
    for folder in ORDER:
        names = [room for rooms in ORDER[folder] for room in rooms]
        edges = arrows(folder, files)
        out += [f"## {folder}/", "", "| uses | " + " | ".join(
            n or f"{folder}/" for n in names) + " |",
            "|---|" + ":-:|" * len(names)]
        for i, name in reversed(list(enumerate(names))):
            out.append(f"| **{name or folder + '/'}** | " + " | ".join(
                "●" if other in edges[name] else "" if j < i else "·"
                for j, other in enumerate(names)) + " |")
        out += ["", "```mermaid", "flowchart TD"]
        for name in reversed(names):
            out += [f"  {name or 'top'} --> {other or 'top'}"
                    for other in sorted(edges[name])]
        out += ["```", ""]
    return "\n".join(out)


def check(source):
    """A sample may be several files: its text names them by '== path' lines."""
    if not source.path.endswith(".txt"):
        return check_order(source)
    parts = re.split(r"^== (\S+)\n", source.text, flags=re.M)[1:]
    return circles([Source(p, t) for p, t in zip(parts[::2], parts[1::2])])


def whole_tree(files):
    yield from files
    complaints = circles(files)
    path = os.path.join(ROOT, PICTURE)
    with open(path, encoding="utf-8") as file:
        if file.read() != draw(files):
            complaints.append(f"{PICTURE} shows other arrows than there are; "
                              "run tests/house/rooms.py --draw")
    for line in complaints:
        yield Complaint(line)


class Complaint(Source):
    """Something about the tree as a whole."""

    def __init__(self, line):
        super().__init__("engine/tree.h", "")
        self.line = line


def check_tree(source):
    return [source.line] if isinstance(source, Complaint) else check(source)


def sample(path, include):
    return Source(path, f'#include <stdio.h>\n#include "{include}"\n')


CALLS = ("== util/a.c\nint rj_a(void)\n{\n\treturn rj_b();\n}\n"
         "== util/b.c\nint rj_b(void)\n{\n\treturn %s;\n}\n")

if __name__ == "__main__":
    TREE = sorted(c_sources(), key=lambda s: s.path)
    if "--draw" in sys.argv:
        with open(os.path.join(ROOT, PICTURE), "w", encoding="utf-8") as out:
            out.write(draw(TREE))
        sys.exit(0)
    run(check_tree, whole_tree(TREE),
        bad=[sample("engine/wire/up.c", "engine/link/link.h"),
             sample("engine/send/across.c", "engine/receive/fences.h"),
             sample("engine/source/across.c", "engine/target/incoming.h"),
             sample("engine/drawer/x.c", "util/error.h"),
             Source("calls.txt", CALLS % "rj_a()"),
             Source("includes.txt", '== util/a.h\n#include "util/b.h"\n'
                                    '== util/b.c\n#include "util/a.h"\n')],
        good=[sample("engine/link/down.c", "engine/wire/wire.h"),
              sample("engine/wire/out.c", "ringio/channel.h"),
              sample("engine/features.c", "engine/receive/fences.h"),
              sample("util/none.c", "util/error.h"),
              Source("calls.txt", CALLS % "0")])
