# SPDX-License-Identifier: BSD-3-Clause
"""The files of the tree, and how a house check reports.

A check is a function from a Source to a list of complaints. So that it can't
rot, it comes with samples it must complain about and samples it must accept;
they are tried before the tree is.
"""
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
C = (".c", ".h", ".cc")
SCRIPTS = (".py", ".sh", ".bash")


class Source:
    """A file by its path from the root, and its text."""

    def __init__(self, path, text=None):
        self.path = path
        self._text = text

    @property
    def text(self):
        if self._text is None:
            with open(os.path.join(ROOT, self.path), encoding="utf-8",
                      errors="replace") as file:
                self._text = file.read()
        return self._text

    def is_script(self):
        return self.path.endswith(SCRIPTS) or (
            "." not in os.path.basename(self.path)
            and self.text.startswith("#!"))


def is_binary(path):
    with open(path, "rb") as file:
        return b"\0" in file.read(4096)


def sources():
    """Every text file of the tree but builds, caches and .git, which is a
    file in a worktree."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = sorted(name for name in folders
                            if not name.startswith("build")
                            and name not in (".git", "__pycache__"))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if name != ".git" and os.path.isfile(path) \
                    and not is_binary(path):
                yield Source(os.path.relpath(path, ROOT))


def c_sources():
    return (source for source in sources() if source.path.endswith(C))


def skip_all(reason):
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def run(check, files, bad, good):
    """Speaks TAP: each sample is a case, and the tree is the last one."""
    print(f"1..{len(bad) + len(good) + 1}")
    number = 0
    for source, wanted in [(s, True) for s in bad] + [(s, False) for s in good]:
        number += 1
        verdict = "ok" if bool(check(source)) == wanted else "not ok"
        word = "refuses" if wanted else "accepts"
        print(f"{verdict} {number} - {word} sample {source.path}")
    complaints = [line for source in files for line in check(source)]
    for line in complaints:
        print("# " + line)
    print(f"{'not ok' if complaints else 'ok'} {number + 1} - the tree is clean")
