# SPDX-License-Identifier: BSD-3-Clause
"""The source is made of parts, and parts don't know the migration.

In engine/source/ a function takes the part it works on and an environment. The
migration itself is known to the entry alone, all parts at once (struct
rj_outgoing) to the conductors, which outgoing.h names; nobody reaches the
migration through the environment but the room migration/.
"""
import re

from rooms import NOISE
from tree import Source, c_sources, run

ROOM = "engine/source/"
PARTS = ROOM + "outgoing.h"
ENTRY = ROOM + "run.c"
MIGRATION = re.compile(r"\bstruct\s+ramjet_migration\b")
ALL_PARTS = re.compile(r"\bstruct\s+rj_outgoing\b")
THROUGH = re.compile(r"\benv\s*(?:\.|->)\s*migration\b")
NAMED = re.compile(r"Conductors: ([a-z_,\s*]+)\.")


def conductors(text):
    """Units, as the header of parts names them."""
    match = NAMED.search(text)
    return set(re.findall(r"[a-z_]+", match.group(1))) if match else set()


def check(source, known=None):
    if not source.path.startswith("engine/") or \
            source.path.startswith("engine/migration/"):
        return []
    if known is None:
        known = conductors(Source(PARTS).text)
    text = NOISE.sub(lambda m: "\n" * m.group().count("\n"), source.text)

    def complain(pattern, what):
        return [f"{source.path}:{text.count(chr(10), 0, m.start()) + 1}: "
                + what for m in pattern.finditer(text)]

    found = []
    found += complain(THROUGH, "reaches the migration through an "
                               "environment")
    if source.path.startswith(ROOM) and source.path != ENTRY:
        found += complain(MIGRATION, "takes the migration, wanted a part and "
                                     "an environment")
    unit = source.path[len(ROOM):].rsplit(".", 1)[0]
    if source.path.startswith(ROOM) and source.path not in (PARTS, ENTRY) \
            and unit not in known:
        found += complain(ALL_PARTS, "takes all parts, and is no conductor "
                                     f"that {PARTS} names")
    return found


def check_tree(source):
    found = check(source)
    if source.path == PARTS:
        used = {s.path[len(ROOM):].rsplit(".", 1)[0] for s in c_sources()
                if s.path.startswith(ROOM) and s.path not in (PARTS, ENTRY)
                and ALL_PARTS.search(NOISE.sub("", s.text))}
        found += [f"{PARTS}: names {unit} as a conductor, which takes parts"
                  for unit in sorted(conductors(source.text) - used - {"run"})]
    return found


if __name__ == "__main__":
    run(check_tree, c_sources(),
        bad=[Source(ROOM + "part.c", "int f(struct ramjet_migration *m);"),
             Source(ROOM + "part.h", "struct ramjet_migration;"),
             Source(ROOM + "part.c", "int f(struct rj_outgoing *out);"),
             Source("engine/send/worker.c", "x = env->migration;"),
             Source(ROOM + "pump.c", "x = out->env.migration;")],
        good=[Source(ENTRY, "int f(struct ramjet_migration *m);"),
              Source(ROOM + "pump.c", "int f(struct rj_outgoing *out);"),
              Source(ROOM + "part.c", "/* not struct ramjet_migration */"),
              Source("engine/migration/env.c", "x = env->migration;"),
              Source("engine/target/pump.c",
                     "int f(struct ramjet_migration *m);")])
