# SPDX-License-Identifier: BSD-3-Clause
"""Protocol v2 from docs/protocol.md, written a second time, for peers that
misbehave and for relays that look into the stream."""
import struct

MAGIC = 0x314A4D52
HEADER = struct.Struct("<IBBHIIIIII")
RUN_BYTES = 8

HELLO, BLOCKS, ACCEPT, FAILED, CANCEL, PING, PONG = 1, 2, 3, 4, 5, 6, 7
OFFER, TAKES, GUEST = 0x08, 0x09, 0x0A
PAGES, FENCE = 0x10, 0x14
STATE, DIGESTS = 0x20, 0x21
APPLIED, SWITCHOVER, READY, COMMIT, RUNNING = 0x30, 0x31, 0x32, 0x33, 0x34
LOST, BACK, JOINED, TAKEN = 0x38, 0x39, 0x3A, 0x3B
RESUME, KEEPS, HEARD = 0x3C, 0x3D, 0x3E

OPTIONAL, MORE, FINAL, CHECKED, PAUSED = 1, 2, 4, 8, 32
CONTROL, DATA, BOTH, ONE_WAY = 0, 1, 2, 3
RAW, ZERO = 0, 1

MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = (0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F,
                      0x165667B19E3779F9, 0x85EBCA77C2B2AE63,
                      0x27D4EB2F165667C5)


def rotate(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & MASK


def lane(accumulator, word):
    return rotate((accumulator + word * P2) & MASK, 31) * P1 & MASK


def xxh64(data):
    """XXH64 with seed 0."""
    position = 0
    if len(data) >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while position + 32 <= len(data):
            words = struct.unpack_from("<4Q", data, position)
            lanes = [lane(a, w) for a, w in zip(lanes, words)]
            position += 32
        value = sum(rotate(a, r) for a, r in zip(lanes, (1, 7, 12, 18))) & MASK
        for each in lanes:
            value = ((value ^ lane(0, each)) * P1 + P4) & MASK
    else:
        value = P5
    value = (value + len(data)) & MASK
    while position + 8 <= len(data):
        word, = struct.unpack_from("<Q", data, position)
        value = (rotate(value ^ lane(0, word), 27) * P1 + P4) & MASK
        position += 8
    if position + 4 <= len(data):
        word, = struct.unpack_from("<I", data, position)
        value = (rotate(value ^ (word * P1 & MASK), 23) * P2 + P3) & MASK
        position += 4
    for byte in data[position:]:
        value = rotate(value ^ (byte * P5 & MASK), 11) * P1 & MASK
    value = (value ^ (value >> 33)) * P2 & MASK
    value = (value ^ (value >> 29)) * P3 & MASK
    return value ^ (value >> 32)


class Frame:
    """A frame whose fields may be as wrong as one likes."""

    def __init__(self, kind, *, flags=0, block=0, round=0, runs=(),
                 payload=b"", aux=0, magic=MAGIC, reserved=0, run_count=None,
                 payload_bytes=None, check=None):
        self.kind = kind
        self.flags = flags
        self.block = block
        self.round = round
        self.table = b"".join(struct.pack("<Q", run) for run in runs)
        self.payload = payload
        self.aux = aux
        self.magic = magic
        self.reserved = reserved
        self.run_count = len(runs) if run_count is None else run_count
        self.payload_bytes = (len(payload) if payload_bytes is None
                              else payload_bytes)
        self.check = check

    def encode(self):
        head = HEADER.pack(self.magic, self.kind, self.flags, self.block,
                           self.round, self.run_count, self.payload_bytes,
                           self.aux, self.reserved, 0)[:28]
        check = self.check
        if check is None:
            covered = b"" if self.kind == PAGES else self.payload
            check = xxh64(head + self.table + covered) & 0xFFFFFFFF
        return head + struct.pack("<I", check) + self.table + self.payload


def run(page, count, kind=RAW):
    return page | count << 40 | kind << 60


def hello(role, index=0, count=1, session=b"s" * 16, versions=(2, 2), epoch=0):
    return Frame(HELLO, payload=struct.pack(
        "<HHB3xHHI16sI4x", *versions, role, index, count, 4096, session, epoch))


def lost(lane, epoch, frames=0, finished=False):
    return Frame(LOST, payload=struct.pack("<HHIQ8x", lane, finished, epoch, frames))


def lane_round(kind, lane, epoch, round):
    """BACK or JOINED."""
    return Frame(kind, payload=struct.pack("<HxxII4x", lane, epoch, round))


def keeps(reconnect_ms, features=3):
    return Frame(KEEPS, flags=OPTIONAL,
                 payload=struct.pack("<II8x", reconnect_ms, features))


def blocks(*entries):
    """entries: (name, bytes)."""
    body = struct.pack("<II", len(entries), 0)
    for name, size in entries:
        body += struct.pack("<QIIH6x", size, 4096, 0, len(name))
        body += name.encode()
    return Frame(BLOCKS, payload=body)


def receive_exactly(connection, count):
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(min(count - len(data), 1 << 20))
        if not piece:
            return None
        data += piece
    return bytes(data)


def receive(connection):
    """(kind, whole frame as bytes), or (None, b"") at the end."""
    head = receive_exactly(connection, HEADER.size)
    if head is None:
        return None, b""
    _, kind, _, _, _, runs, payload, *_ = HEADER.unpack(head)
    rest = receive_exactly(connection, runs * RUN_BYTES + payload)
    if rest is None:
        return None, b""
    return kind, head + rest
