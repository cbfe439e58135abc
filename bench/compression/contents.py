#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""RAM images of several contents, the same ones each time.

As a command: makes them in a folder, and says by how much zstd(1), where it is
installed, shrinks 128 KiB of each at some levels: what a window of ours holds.

  random  nothing shrinks it
  zero    nothing but zero pages
  text    sentences of made-up words and phrases, as frequent as in a language:
          zstd shrinks it about as it does *.txt of /usr (2.1, 2.5, 3.1, 3.3 times
          at levels -5, -1, 1 and 3)
  usr     pages of files below /usr, whichever a seed picks: so those of this
          machine
  guest   the memory of a small Linux that has worked (linux_memory.py), kept
          beside the build
  mixed   runs of 1 to 256 pages: zero 30 %, usr 40 %, text 15 %, random 15 %
"""
import argparse
import hashlib
import itertools
import os
import pathlib
import random
import shutil
import stat
import subprocess
import sys
import tempfile

import linux_memory

SEED = 20261128
PAGE = 4096
MIB = 1 << 20
# What is made up repeats after this much: far more than a window of zstd's
# (128 KiB here, up to 8 MiB in other people's use) can see.
PERIOD = 32 * MIB
FILE_MAX = 4 * MIB  # of one file: a few large ones would be most of it
WORDS = 12000
PHRASES = 8000
PHRASE_SHARE = 20000  # of them, to 20000 words
MIXTURE = {"zero": 30, "usr": 40, "text": 15, "random": 15}


def random_parts():
    dice = random.Random(SEED)
    return [dice.randbytes(MIB) for _ in range(PERIOD // MIB)]


def _vocabulary(dice):
    starts = ["b", "c", "d", "f", "g", "h", "l", "m", "n", "p", "r", "s", "t",
              "st", "tr", "th", "w", "pr", "ch", ""]
    middles = ["a", "e", "i", "o", "u", "ea", "ou", "io", "ai"]
    ends = ["", "", "n", "r", "s", "t", "l", "nd", "ng", "st", "d"]
    words = {}
    while len(words) < WORDS:
        # The frequent ones are short.
        syllables = 1 + (len(words) > 60) + (len(words) > dice.randrange(8000))
        words["".join(dice.choice(part) for _ in range(syllables)
                      for part in (starts, middles, ends))] = None
    return list(words), _by_rank(len(words))


def _by_rank(count):
    """For choices(): the n-th comes 1/n times as often as the first."""
    return list(itertools.accumulate(1 / (place + 2.7)
                                     for place in range(count)))


def _phrases(dice, words, weights):
    made = [" ".join(dice.choices(words, cum_weights=weights,
                                  k=dice.randrange(2, 6)))
            for _ in range(PHRASES)]
    return made, _by_rank(PHRASES)


def text_parts():
    dice = random.Random(SEED + 1)
    words, weights = _vocabulary(dice)
    phrases, ranks = _phrases(dice, words, weights)
    text = []
    size = 0
    while size < PERIOD:
        chosen = (dice.choices(words, cum_weights=weights, k=20000) +
                  dice.choices(phrases, cum_weights=ranks, k=PHRASE_SHARE))
        dice.shuffle(chosen)
        at = 0
        while at < len(chosen):
            length = dice.randrange(4, 22)
            piece = " ".join(chosen[at:at + length]).capitalize() + (
                dice.choice([". ", ". ", ".\n", ", ", f" {dice.random():.4} "]))
            text.append(piece)
            size += len(piece)
            at += length
    whole = "".join(text).encode()
    return [whole[at:at + MIB] for at in range(0, PERIOD, MIB)]


def usr_files(folder="/usr"):
    """Regular files that hold something, in the seed's order."""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(where, name)
            told = os.lstat(path)
            if stat.S_ISREG(told.st_mode) and told.st_size:
                found.append(path)
    return sorted(found, key=lambda path: hashlib.sha256(
        f"{SEED} {path}".encode()).digest())


def usr_parts(size):
    """Files one after another, each from a page of its own, as they lie in a
    page cache; all over again if there are too few."""
    room = bytearray()
    for path in itertools.cycle(usr_files()):
        try:
            with open(path, "rb") as file:
                room += file.read(FILE_MAX)
        except OSError:
            continue
        room += bytes(-len(room) % PAGE)
        while len(room) >= MIB:
            yield bytes(room[:MIB])
            del room[:MIB]
            size -= MIB
            if size <= 0:
                return


def mixed_parts(size):
    dice = random.Random(SEED + 2)
    made = {"random": itertools.cycle(random_parts()),
            "text": itertools.cycle(text_parts()),
            "usr": usr_parts(size), "zero": itertools.repeat(bytes(MIB))}
    rooms = dict.fromkeys(MIXTURE, b"")
    out = bytearray()
    while size > 0:
        kind = dice.choices(list(MIXTURE), list(MIXTURE.values()))[0]
        length = int(2 ** dice.uniform(0, 8)) * PAGE
        if len(rooms[kind]) < length:
            rooms[kind] += next(made[kind])
        out += rooms[kind][:length]
        rooms[kind] = rooms[kind][length:]
        while len(out) >= MIB and size > 0:
            yield bytes(out[:MIB])
            del out[:MIB]
            size -= MIB


def guest_parts(size):
    with open(linux_memory.image(size // MIB, usr_files), "rb") as file:
        while part := file.read(MIB):
            yield part


NAMES = {
    "random": lambda size: itertools.cycle(random_parts()),
    "zero": lambda size: itertools.repeat(bytes(MIB)),
    "text": lambda size: itertools.cycle(text_parts()),
    "usr": usr_parts,
    "guest": guest_parts,
    "mixed": mixed_parts,
}


def make(name, path, size):
    """An image of `size` bytes, whole MiB, all there: no holes."""
    with open(path, "wb") as file:
        for part in itertools.islice(NAMES[name](size), size // MIB):
            file.write(part)
    if os.path.getsize(path) != size:
        raise ValueError(f"{path}: {os.path.getsize(path)} bytes, "
                         f"wanted {size}")
    return path


def thinned(path, thinner, size):
    """Of a larger image every n-th MiB: smaller, and still the like of it."""
    step = os.path.getsize(path) // size
    with open(path, "rb") as file, open(thinner, "wb") as out:
        for part in range(size // MIB):
            file.seek(part * step * MIB)
            out.write(file.read(MIB))
    return thinner


# ---- as a command

SAMPLE = 128 << 10


def shrinks(path, level):
    """By how much, in pieces of 128 KiB, 64 of them."""
    size = os.path.getsize(path)
    before = after = 0
    with open(path, "rb") as file, tempfile.TemporaryDirectory() as folder:
        pieces = []
        for number in range(64):
            file.seek(number * (size // 64) // PAGE * PAGE)
            pieces.append(os.path.join(folder, f"{number:02}"))
            before += pathlib.Path(pieces[-1]).write_bytes(file.read(SAMPLE))
        # --fast=5 is level -5.
        word = f"--fast={-level}" if level < 0 else f"-{level}"
        subprocess.run(["zstd", "-q", "--no-check", word, *pieces], check=True)
        after = sum(os.path.getsize(piece + ".zst") for piece in pieces)
    return before / after


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--size", type=int, default=256, help="MiB")
    parser.add_argument("--contents", default=",".join(NAMES))
    parser.add_argument("--levels", default="-5,-1,1,3,9")
    chosen = parser.parse_args()
    chosen.folder.mkdir(exist_ok=True)
    for name in chosen.contents.split(","):
        path = make(name, chosen.folder / name, chosen.size * MIB)
        found = [f"{level} {shrinks(path, int(level)):.2f}"
                 for level in chosen.levels.split(",")
                 ] if shutil.which("zstd") else ["no zstd(1) here"]
        print(f"{name:7} {chosen.size} MiB; zstd: " + ", ".join(found),
              flush=True)


if __name__ == "__main__":
    main()
