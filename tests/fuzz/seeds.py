# SPDX-License-Identifier: BSD-3-Clause
"""Writes the inputs that fuzz targets of whole sides begin with (script.h): sessions
that go well, in all ways there are, and some that nearly do.

usage: seeds.py CORPUS-FOLDER

Made by hand, so that each way through the code is there from the start; what the
fuzzers found beyond them lies beside them, under its hash.
"""
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration"))
import wire  # pylint: disable=wrong-import-position
from wire import Frame  # pylint: disable=wrong-import-position

PAGE = 4096
WORD, ZSTD, JOINED, DELTA, SAME = 2, 3, 4, 5, 6
OTHER, CLOSE, AS_IT_IS = 0x20, 0x40, 0x80
# SCRIPT_AWAIT() of fuzz_target.c, and of fuzz_source.c
T_HELLO, T_ACCEPT, T_APPLIED, T_READY, T_LOST, T_JOINED = 1, 2, 3, 4, 5, 6
S_HELLO, S_BLOCKS, S_FENCE, S_SWITCHOVER, S_COMMIT, S_PAGES = 1, 2, 3, 4, 5, 6
IN_BAND, ONE_WAY, MANY, LISTENS = 0, 1, 2, 3
FRESH, PLAIN, STATELESS, JUDGES = 4, 8, 16, 32


def step(frame, where=0, wait=0, more=0):
    data = frame if isinstance(frame, bytes) else frame.encode()
    return bytes([where | wait << 2 | more]) + data


def script(head, *steps):
    return bytes([head]) + b"".join(steps)


# ---- what a source says

BLOCKS = wire.blocks(("ram0", 64 * PAGE), ("ram1", 5 * PAGE))
STATE = Frame(wire.STATE, aux=1, payload=bytes(range(100)))
SWITCHOVER = Frame(wire.SWITCHOVER)
COMMIT = Frame(wire.COMMIT, payload=b"t" * 8)
OFFER = Frame(wire.OFFER, flags=wire.OPTIONAL,
              payload=struct.pack("<I12x", 0x7c))
FINAL = Frame(wire.FENCE, flags=wire.FINAL)
RAW = Frame(wire.PAGES, runs=[wire.run(3, 1)], payload=b"page" * 1024)
ZERO = Frame(wire.PAGES, runs=[wire.run(0, 64, wire.ZERO)])
WORDS = Frame(wire.PAGES, block=1, runs=[wire.run(0, 4, WORD), 0x1234567])


def told(kind, size):
    return size | kind << 60


def rle(pages, byte):
    """A frame of Zstandard with its size told, and one block that is a byte again and
    again."""
    size = pages * PAGE
    return (b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", size)
            + ((size << 3) | 2 | 1).to_bytes(3, "little") + bytes([byte]))


def zstd(first, pages, then=0):
    data = rle(pages + then, 0x42)
    runs = [wire.run(first, pages, ZSTD), told(ZSTD, len(data))]
    if then:
        runs.append(wire.run(first + pages + 2, then, JOINED))
    return Frame(wire.PAGES, runs=runs, payload=data)


def delta(round_, page, base):
    """Length, sum of what was, and a stretch: keep 5 bytes, replace 2."""
    body = bytes([0, 5, 2]) + b"ab"
    data = struct.pack("<HQ", len(body), base) + body
    return Frame(wire.PAGES, round=round_,
                 runs=[wire.run(page, 1, DELTA), told(DELTA, len(data))],
                 payload=data)


def hello(role, **more):
    return wire.hello(role, **more)


def digests(count=2, aux=0):
    return Frame(wire.DIGESTS, aux=aux, payload=bytes(16 * count))


PARTS = Frame(wire.STATE, flags=wire.OPTIONAL, aux=3,
              payload=struct.pack("<QQ", 5, 15) * 512)
HELPERS = Frame(wire.STATE, aux=2, payload=struct.pack(">I", 0))
PING = Frame(wire.PING, payload=b"ping" * 2)


def in_band(*middle, end=(STATE,), role=wire.BOTH, ready=T_READY):
    return (step(hello(role)), step(OFFER), step(BLOCKS), *map(step, middle),
            step(FINAL), *map(step, end), step(SWITCHOVER),
            step(COMMIT, wait=ready))


def targets():
    yield "in-band", script(IN_BAND, *in_band(RAW, ZERO, WORDS))
    yield "one-way-unchecked", script(ONE_WAY, *in_band(
        RAW, ZERO, role=wire.ONE_WAY, ready=0))
    checked = Frame(wire.PAGES, flags=wire.CHECKED, runs=[wire.run(9, 2)],
                    payload=b"sum!" * 2048)
    yield "checked", script(ONE_WAY | FRESH, *in_band(
        checked, role=wire.ONE_WAY, ready=0))
    yield "one-way-over-two", script(IN_BAND, *in_band(
        checked, role=wire.ONE_WAY, ready=0))
    yield "zstd", script(IN_BAND, *in_band(zstd(0, 2), zstd(8, 3, then=2)))
    yield "zstd-unwanted", script(IN_BAND | PLAIN, *in_band(zstd(0, 2)))
    yield "delta", script(
        IN_BAND | FRESH, step(hello(wire.BOTH)), step(OFFER), step(BLOCKS),
        step(Frame(wire.PAGES, runs=[wire.run(3, 2)],
                   payload=b"page" * 2048)),
        step(Frame(wire.FENCE)), step(delta(1, 3, 0xa335906c49ec0c51)),
        step(Frame(wire.PAGES, round=1, runs=[wire.run(4, 1, SAME)])),
        step(Frame(wire.FENCE, round=1, flags=wire.FINAL)), step(STATE),
        step(Frame(wire.SWITCHOVER, round=1)), step(COMMIT, wait=T_READY))
    rounds = [Frame(wire.FENCE, round=r) for r in range(3)]
    yield "rounds", script(
        IN_BAND, step(hello(wire.BOTH)), step(BLOCKS), step(RAW),
        *(step(f, wait=T_APPLIED if f.round else 0) for f in rounds),
        step(Frame(wire.FENCE, round=3, flags=wire.FINAL)), step(STATE),
        step(Frame(wire.SWITCHOVER, round=3)), step(COMMIT, wait=T_READY))
    yield "digests", script(IN_BAND | FRESH, *in_band(
        end=(STATE, PARTS, digests())))
    yield "digests-all", script(IN_BAND | FRESH, *in_band(
        ZERO, end=(digests(aux=1), STATE)))
    pieces = [Frame(wire.STATE, aux=1, flags=wire.MORE, payload=b"") for _ in
              range(2)] + [STATE]
    yield "state-in-pieces", script(IN_BAND, *in_band(end=pieces))
    yield "stateless", script(IN_BAND | STATELESS, *in_band(end=()))
    yield "helpers", script(IN_BAND, *in_band(end=(STATE, HELPERS)))
    yield "described", script(
        IN_BAND | JUDGES, step(hello(wire.BOTH)),
        step(Frame(wire.GUEST, payload=b"a guest")), step(BLOCKS),
        step(FINAL), step(STATE), step(SWITCHOVER), step(COMMIT, wait=T_READY))
    yield "paused", script(IN_BAND, *in_band()[:-1], step(
        Frame(wire.COMMIT, flags=wire.PAUSED, payload=bytes(8)), wait=T_READY))
    yield "ping", script(IN_BAND, *in_band(PING, PING, RAW))
    yield "cancelled", script(IN_BAND, *in_band(RAW)[:4],
                              step(Frame(wire.CANCEL)))
    yield "failed", script(IN_BAND, *in_band(RAW)[:4], step(
        Frame(wire.FAILED, payload=struct.pack("<II", 5, 0) + b"why \x07")))
    yield "optional", script(IN_BAND, *in_band(
        Frame(0x7e, flags=wire.OPTIONAL, payload=b"future"), RAW))
    yield "unknown-block", script(IN_BAND, step(hello(wire.BOTH)), step(
        wire.blocks(("ram0", 64 * PAGE), ("disk", 5 * PAGE))))
    yield "cut", script(IN_BAND, *in_band(RAW)[:3], step(RAW.encode()[:99]))


def targets_of_many():
    yield "many", script(
        MANY | FRESH, step(hello(wire.CONTROL, count=2)), step(OFFER),
        step(BLOCKS),
        step(hello(wire.DATA, index=0, count=2), 1, T_ACCEPT),
        step(hello(wire.DATA, index=1, count=2), 2), step(RAW, 1),
        step(zstd(8, 2), 2), step(WORDS, 2), step(PING),
        step(Frame(wire.FENCE), 1), step(Frame(wire.FENCE), 2),
        step(Frame(wire.PAGES, round=1, runs=[wire.run(3, 1)],
                   payload=b"late" * 1024), 2, T_APPLIED),
        step(Frame(wire.FENCE, round=1, flags=wire.FINAL), 1),
        step(Frame(wire.FENCE, round=1, flags=wire.FINAL), 2), step(STATE),
        step(Frame(wire.SWITCHOVER, round=1)), step(COMMIT, wait=T_READY))
    yield "many-one-lost", script(
        MANY, step(hello(wire.CONTROL, count=2)), step(BLOCKS),
        step(hello(wire.DATA, index=0, count=2), 1, T_ACCEPT),
        step(hello(wire.DATA, index=1, count=2), 2), step(RAW, 1, 0, CLOSE),
        step(RAW, 2), step(FINAL, 2), step(STATE), step(SWITCHOVER),
        step(COMMIT, wait=T_READY))
    yield "many-strangers", script(
        MANY, step(b"GET / HTTP/1.1\r\n" * 2, 3, 0, AS_IT_IS),
        step(hello(wire.CONTROL)), step(BLOCKS),
        step(hello(wire.DATA, session=b"x" * 16), 2, T_ACCEPT),
        step(hello(wire.DATA), 1), step(FINAL, 1), step(STATE),
        step(SWITCHOVER), step(COMMIT, wait=T_READY))


def fence(round_, final=False):
    return Frame(wire.FENCE, round=round_, flags=wire.FINAL if final else 0)


def targets_that_lose():
    begin = (step(hello(wire.CONTROL, count=2)), step(wire.keeps(10000)),
             step(BLOCKS),
             step(hello(wire.DATA, index=0, count=2), 1, T_ACCEPT),
             step(hello(wire.DATA, index=1, count=2), 2))
    end = (step(STATE), step(Frame(wire.SWITCHOVER, round=1)),
           step(COMMIT, wait=T_READY))
    yield "lost-lane", script(
        LISTENS, *begin, step(RAW, 1), step(RAW.encode()[:99], 2, 0, CLOSE),
        step(wire.lane_round(wire.BACK, 1, 0, 1), wait=T_LOST),
        step(fence(0), 1), step(fence(1, True), 1), *end)
    yield "lost-lane-returns", script(
        LISTENS | FRESH, *begin, step(RAW, 2, 0, CLOSE),
        step(wire.lane_round(wire.BACK, 1, 0, 1), wait=T_LOST),
        step(fence(0), 1),
        step(hello(wire.DATA, index=1, count=2, epoch=1), 3),
        step(Frame(wire.PAGES, round=1, runs=[wire.run(3, 1)],
                   payload=b"late" * 1024), 3, T_JOINED),
        step(fence(1, True), 3), step(fence(1, True), 1), *end)
    yield "lost-lane-says-source", script(
        LISTENS, *begin, step(wire.lost(1, 0)),
        step(wire.lane_round(wire.BACK, 1, 0, 1), wait=T_LOST),
        step(fence(0), 1), step(fence(1, True), 1), *end)
    yield "lost-both", script(LISTENS, *begin, step(RAW, 1, 0, CLOSE),
                              step(RAW, 2, 0, CLOSE), step(PING, wait=T_LOST),
                              step(PING, wait=T_LOST))
    yield "listens", script(
        LISTENS, step(hello(wire.CONTROL)), step(BLOCKS),
        step(hello(wire.DATA), 1, T_ACCEPT), step(RAW, 1), step(FINAL, 1),
        step(STATE), step(SWITCHOVER), step(COMMIT, wait=T_READY))


# ---- what a target says

def accept(count):
    return Frame(wire.ACCEPT, payload=struct.pack("<H14x", count))


def ready(blocks=0):
    return Frame(wire.READY, payload=struct.pack("<I4xQQQQ8x", blocks, 1, 2, 3,
                                                 4))


RUNNING = Frame(wire.RUNNING, payload=struct.pack("<QQ", 7, 0))
TAKES = Frame(wire.TAKES, flags=wire.OPTIONAL,
              payload=struct.pack("<I12x", 0x1c))
APPLIED = Frame(wire.APPLIED)


def answers(role, channels, verified=0, takes=None, rounds=3):
    """As many rounds as a guest that does not write has."""
    said = [step(hello(role, count=channels), wait=S_HELLO)]
    wait = S_BLOCKS
    if takes:
        said.append(step(takes, wait=wait))
        wait = 0
    return said + [
        step(accept(channels), wait=wait),
        *(step(APPLIED, wait=S_FENCE) for _ in range(rounds)),
        step(ready(verified), wait=S_SWITCHOVER), step(RUNNING, wait=S_COMMIT)]


SINGLE, TWO, VERIFY, COMPRESS, SAVES = 1, 2, 4, 8, 16


def sources():
    yield "many", script(TWO, *answers(wire.CONTROL, 2))
    yield "one", script(0, *answers(wire.CONTROL, 1))
    yield "single", script(SINGLE, *answers(wire.BOTH, 1))
    yield "state", script(TWO | SAVES, *answers(wire.CONTROL, 2))
    yield "verify", script(VERIFY, *answers(wire.CONTROL, 1, verified=1))
    yield "takes", script(COMPRESS, *answers(wire.CONTROL, 1, takes=TAKES))
    yield "fewer", script(TWO, *answers(wire.CONTROL, 2)[:1],
                          *answers(wire.CONTROL, 1)[1:])
    for cut in range(1, 7):
        yield f"end-{cut}", script(SAVES, *answers(wire.CONTROL, 1)[:cut])
    good = answers(wire.CONTROL, 1)
    yield "other-session", script(0, step(hello(wire.CONTROL), wait=S_HELLO,
                                          more=OTHER))
    yield "other-token", script(0, *good[:-1], step(
        RUNNING, wait=S_COMMIT, more=OTHER))
    yield "not-running", script(SAVES, *good[:-1], step(
        Frame(wire.FAILED, payload=struct.pack("<II", 5, 0) + b"no start"),
        wait=S_COMMIT))
    yield "failed", script(0, *good[:2], step(
        Frame(wire.FAILED, payload=struct.pack("<II", 28, 0) + b"no room"),
        wait=S_FENCE))
    yield "cancelled", script(SINGLE, *answers(wire.BOTH, 1)[:2],
                              step(Frame(wire.CANCEL)))
    yield "ping", script(0, *good[:2], step(PING), step(PING), *good[2:])
    yield "greeting", script(0, step(b"SSH-2.0-OpenSSH_9.2\r\n" * 2,
                                     more=AS_IT_IS))
    yield "on-a-channel", script(TWO, *answers(wire.CONTROL, 2)[:2],
                                 step(PING, where=1, wait=S_PAGES))
    yield "unwanted", script(0, *good[:1], step(TAKES, wait=S_BLOCKS))


# ---- who visits a lobby

def lobbies():
    good = hello(wire.DATA, index=3, count=7)
    yield "good", step(good, 0, 1)
    yield "two", step(good, 0) + step(hello(wire.CONTROL), 1, 1)
    yield "halves", step(good, 0, 2)
    yield "stranger", step(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2, 0, 1,
                           AS_IT_IS)
    yield "short", step(good.encode()[:30], 1, 1, CLOSE)
    yield "gone", step(good, 0, 3) + step(good, 0, 3) + step(good, 0, 1)
    yield "crowd", b"".join(step(good.encode()[:40] if i % 3 else b"R", i % 4,
                                 3) for i in range(40))
    yield "failed", step(Frame(wire.FAILED, payload=struct.pack(
        "<II", 93, 0) + b"version"), 0, 1)
    yield "version", step(wire.hello(wire.CONTROL, versions=(3, 9)), 0, 1)
    yield "pages", step(RAW, 0, 1)
    yield "channels", step(hello(wire.CONTROL, count=257), 0, 1)
    yield "role", step(hello(4), 0, 1)


# ---- frames, one after another

def frames():
    yield "blocks-and-all-kinds", b"".join(f.encode() for f in (
        BLOCKS, RAW, ZERO, WORDS, zstd(0, 2), zstd(8, 3, then=2),
        delta(1, 3, 5), Frame(wire.PAGES, runs=[wire.run(4, 1, SAME)])))
    yield "state", b"".join(f.encode() for f in (STATE, PARTS, HELPERS,
                                                 digests()))


# ---- digest parts

def records():
    yield "equal", struct.pack("<Q", 1000) + bytes(4096)
    yield "one-page", struct.pack("<QQQ", 1000, 5, 15)
    yield "many", struct.pack("<Q", 99) + struct.pack("<QQ", 5, 15) * 256
    yield "beyond", struct.pack("<Q", 3) + bytes(4000) + b"x" * 96


def main(folder):
    for name, make in (("target", targets), ("target", targets_of_many),
                       ("target", targets_that_lose),
                       ("source", sources), ("lobby", lobbies),
                       ("frame", frames),
                       ("records", records)):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
        for title, data in make():
            with open(os.path.join(folder, name, title), "wb") as file:
                file.write(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
