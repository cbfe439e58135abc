# SPDX-License-Identifier: BSD-3-Clause
"""Frames of protocol v2 as docs/protocol.md describes them.

Written from the document, not from engine/wire*.c, XXH64 included, so that
the two check each other. A piece is (bytes, what they mean).
"""
import struct

PAGE = 4096
MAGIC = b"RMJ1"
TYPES = {"HELLO": 1, "BLOCKS": 2, "ACCEPT": 3, "FAILED": 4, "CANCEL": 5,
         "PING": 6, "PONG": 7, "OFFER": 8, "TAKES": 9,
         "GUEST": 0x0a,
         "PAGES": 0x10, "FENCE": 0x14, "STATE": 0x20, "DIGESTS": 0x21,
         "APPLIED": 0x30, "SWITCHOVER": 0x31, "READY": 0x32, "COMMIT": 0x33,
         "RUNNING": 0x34, "LOST": 0x38, "BACK": 0x39, "JOINED": 0x3a,
         "TAKEN": 0x3b, "RESUME": 0x3c, "KEEPS": 0x3d, "HEARD": 0x3e}
OPTIONAL, MORE, FINAL, CHECKED, PAUSED = 1, 2, 4, 8, 32
RAW, ZERO, WORD, ZSTD, JOINED, DELTA, SAME = range(7)
CONTROL, DATA, BOTH, ONE_WAY = range(4)
ROLES = ["control", "data", "both", "one way"]
SESSION = bytes(range(0xa0, 0xb0))

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F,
                      0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def xxh_round(lane, word):
    return rotate((lane + word * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    """XXH64 with seed 0."""
    at = 0
    value = P5
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= len(data):
            words = struct.unpack_from("<4Q", data, at)
            lanes = [xxh_round(l, w) for l, w in zip(lanes, words)]
            at += 32
        value = sum(rotate(l, b) for l, b in zip(lanes, (1, 7, 12, 18))) & MASK
        for lane in lanes:
            value = ((value ^ xxh_round(0, lane)) * P1 + P4) & MASK
    value = (value + len(data)) & MASK
    while at + 8 <= len(data):
        word, = struct.unpack_from("<Q", data, at)
        value = (rotate(value ^ xxh_round(0, word), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(data):
        word, = struct.unpack_from("<I", data, at)
        value = (rotate(value ^ word * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        value = rotate(value ^ byte * P5 & MASK, 11) * P1 & MASK
    value = (value ^ value >> 33) * P2 & MASK
    value = (value ^ value >> 29) * P3 & MASK
    return value ^ value >> 32


SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8"
    "fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364ea"
    "c5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b"
    "16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")
P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D


def word_at(data, at):
    return struct.unpack_from("<Q", data, at)[0]


def fold(left, right):
    product = left * right
    return (product ^ product >> 64) & MASK


def avalanche(value):
    value ^= value >> 37
    value = value * 0x165667919E3779F9 & MASK
    return value ^ value >> 32


def xxh3_64(data):
    """XXH3 64 bits, seed 0, of nothing or of more than 240 bytes."""
    if not data:
        value = word_at(SECRET, 56) ^ word_at(SECRET, 64)
        value = (value ^ value >> 33) * P2 & MASK
        value = (value ^ value >> 29) * P3 & MASK
        return value ^ value >> 32
    assert len(data) > 240
    lanes = [P32_3, P1, P2, P3, P4, P32_2, P5, P32_1]

    def add(at, secret_at):
        for i in range(8):
            value = word_at(data, at + 8 * i)
            key = value ^ word_at(SECRET, secret_at + 8 * i)
            lanes[i ^ 1] = (lanes[i ^ 1] + value) & MASK
            lanes[i] = (lanes[i] + (key & 0xffffffff) * (key >> 32)) & MASK

    stripes = (len(SECRET) - 64) // 8
    blocks_ = (len(data) - 1) // (64 * stripes)
    for number in range(blocks_):
        for i in range(stripes):
            add((number * stripes + i) * 64, 8 * i)
        for i in range(8):
            value = lanes[i] ^ lanes[i] >> 47
            value ^= word_at(SECRET, len(SECRET) - 64 + 8 * i)
            lanes[i] = value * P32_1 & MASK
    for i in range((len(data) - 1 - blocks_ * 64 * stripes) // 64):
        add((blocks_ * stripes + i) * 64, 8 * i)
    add(len(data) - 64, len(SECRET) - 64 - 7)
    value = len(data) * P1 & MASK
    for i in range(4):
        value += fold(lanes[2 * i] ^ word_at(SECRET, 11 + 16 * i),
                      lanes[2 * i + 1] ^ word_at(SECRET, 19 + 16 * i))
    return avalanche(value & MASK)


def join(pieces):
    return b"".join(data for data, _ in pieces)


def u8(value, text):
    return (struct.pack("<B", value), text)


def u16(value, text):
    return (struct.pack("<H", value), text)


def u32(value, text):
    return (struct.pack("<I", value), text)


def u64(value, text):
    return (struct.pack("<Q", value), text)


def zeros(count):
    return (bytes(count), "reserved, 0")


def frame(kind, *, flags=0, block=0, round_=0, table=(), body=(), aux=0,
          magic=MAGIC, reserved=0, runs=None, size=None, damage=0, sum_=None):
    """A frame's pieces. runs, size: lies about the counts. damage: xored to
    the check word. sum_: XXH3 of the payload, for CHECKED pages; true: work it
    out."""
    name = kind if isinstance(kind, str) else "unknown type"
    number = TYPES.get(kind, kind)
    head = [
        (magic, "magic"),
        u8(number, f"type {name}"),
        u8(flags, "flags: " + (", ".join(
            n for b, n in ((OPTIONAL, "OPTIONAL"), (MORE, "MORE"),
                           (FINAL, "FINAL"), (CHECKED, "CHECKED"),
                           (PAUSED, "PAUSED"))
            if flags & b) or "none")),
        u16(block, f"block {block}"),
        u32(round_, f"round {round_}"),
        u32(len(table) if runs is None else runs, "runs in the table"),
        u32(len(join(body)) if size is None else size, "payload bytes"),
    ]
    if sum_ is None:
        head += [u32(aux, f"aux {aux}"), u32(reserved, "reserved, 0")]
    else:
        head += [u64(xxh3_64(join(body)) if sum_ is True else sum_,
                     "XXH3 of the payload")]
    covered = join(head) + join(table)
    if name != "PAGES":
        covered += join(body)
    check = (xxh64(covered) & 0xffffffff) ^ damage
    return head + [u32(check, "check word")] + list(table) + list(body)


def run(page, count, kind):
    word = page | count << 40 | kind << 60
    what = {RAW: "raw", ZERO: "zero", WORD: "word", ZSTD: "zstd, a group begins",
            JOINED: "joined", DELTA: "delta", SAME: "same"}.get(kind, f"kind {kind}")
    return u64(word, f"run: page {page}, {count} pages, {what}")


def word_run(page, count, word):
    """Its two entries."""
    return [run(page, count, WORD), u64(word, "the pages' word")]


def zstd_run(page, count, told):
    """Its two entries."""
    return [run(page, count, ZSTD),
            u64(told | ZSTD << 60, f"the group's payload: {told} bytes")]


def delta_run(page, count, told):
    """Its two entries."""
    return [run(page, count, DELTA),
            u64(told | DELTA << 60, f"the run's payload: {told} bytes")]


def delta(base, coded, length=None):
    """A page's part of a DELTA run: what makes it of a base with this sum."""
    return [u16(len(coded) if length is None else length, "length of the delta"),
            u64(base, "XXH3 of the base"), (coded, "the delta")]


def zstd(content, *, says=None, descriptor=0xa0, window=(), size_bytes=4, tail=()):
    """A frame of zstd that holds the byte 5a again and again."""
    names = {0x80: "size in 4 bytes", 0xa0: "single segment, size in 4 bytes",
             0xa4: "single segment, checksum", 0xa1: "single segment, dictionary"}
    says = content if says is None else says
    return [u32(0xfd2fb528, "zstd's magic"),
            u8(descriptor, "descriptor: " + names.get(descriptor, "?")),
            *[u8(byte, "window") for byte in window],
            *([(struct.pack("<Q", says)[:size_bytes], f"content size {says}")]
              if size_bytes else []),
            (struct.pack("<I", content << 3 | 3)[:3],
             f"block: last, one byte {content} times"),
            (b"\x5a", "that byte"), *tail]


def pages(*kept, seed=1):
    """Raw page content: page i is filled with the byte seed + i."""
    return [(bytes([seed + i]) * PAGE, f"content of page {page}")
            for i, page in enumerate(kept)]


def hello(role, index=0, count=1, *, versions=(2, 2), page=PAGE, gap=0, tail=0,
          session=SESSION, epoch=0):
    return [u16(versions[0], "lowest protocol version"),
            u16(versions[1], "highest protocol version"),
            u8(role, "role: " + (ROLES[role] if role < 4 else "?")),
            (bytes([gap, 0, 0]), "reserved, 0"),
            u16(index, "channel index"), u16(count, "channel count"),
            u32(page, "page bytes"), (session, "session id"),
            u32(epoch, "epoch"), u32(tail, "reserved, 0")]


def block(name, size, page_bytes=PAGE, *, kind=0, length=None, gap=0):
    name = name if isinstance(name, bytes) else name.encode()
    return [u64(size, "block bytes"), u32(page_bytes, "backing page bytes"),
            u32(kind, "kind: RAM" if not kind else "kind"),
            u16(len(name) if length is None else length, "name length"),
            (bytes([gap]) + bytes(5), "reserved, 0")] + (
                [(name, "name")] if name else [])


def blocks(*entries, count=None, reserved=0):
    head = [u32(len(entries) if count is None else count, "number of blocks"),
            u32(reserved, "reserved, 0")]
    return head + [piece for entry in entries for piece in entry]


def failed(code, text, reserved=0):
    text = text if isinstance(text, bytes) else text.encode()
    return [u32(code, "errno"), u32(reserved, "reserved, 0"),
            (text, "text, no zero byte")]


def explain(pieces):
    """The text beside a .bin: offset, bytes, meaning."""
    lines, at = [], 0
    for data, text in pieces:
        shown = data.hex(" ") if len(data) <= 24 else (
            f"{data[:8].hex(' ')} ... {data[-4:].hex(' ')} "
            f"({len(data)} bytes)")
        lines.append(f"{at:6}  {shown:<24}  {text}")
        at += len(data)
    return "\n".join(lines) + "\n"
