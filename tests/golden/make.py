#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the golden vectors that do not exist yet; never changes one.

A vector, once released, stays as it is for ever. No test runs this script.
"""
import os
import sys

from frames import (BOTH, CHECKED, CONTROL, DATA, DELTA, FINAL, JOINED, MORE, ONE_WAY,
                    OPTIONAL, PAGE, PAUSED, RAW, SAME, WORD, ZERO, ZSTD, block, blocks,
                    delta, delta_run, explain, failed, frame, hello, pages, run, u8, u16, u32, u64, word_run, zeros, zstd,
                    zstd_run)

HERE = os.path.dirname(os.path.abspath(__file__))
TIB = 1 << 40
TOKEN = 0xfedcba9876543210


def hello_frame(*args, **kw):
    return frame("HELLO", body=hello(*args, **kw))


def digest(low, high):
    return [u64(low, "digest, low half"), u64(high, "digest, high half")]


def ready(count, reserved=0, tail=0):
    return frame("READY", body=[
        u32(count, "blocks verified"), u32(reserved, "reserved, 0"),
        u64(11, "us from SWITCHOVER to the last page"),
        u64(22, "us for digests"), u64(33, "us for load_state"),
        u64(44, "us for helpers"), u64(tail, "reserved, 0")])


def accept(count, tail=0):
    return frame("ACCEPT", body=[u16(count, "channels"), zeros(13),
                                 u8(tail, "reserved, 0")])


def kinds(kind, bits, tail=0):
    return frame(kind, flags=OPTIONAL, body=[
        u32(bits, "kinds of runs, a bit each"), zeros(11),
        u8(tail, "reserved, 0")])


def commit(flags=0):
    return frame("COMMIT", flags=flags, body=[u64(TOKEN, "token")])


def running(us):
    return frame("RUNNING", body=[u64(us, "us from COMMIT to the start"),
                                  u64(TOKEN, "token of COMMIT")])


def lost(lane, epoch, frames, *, finished=0, tail=0):
    return frame("LOST", body=[
        u16(lane, "lane"), u16(finished, "flags"), u32(epoch, "epoch"),
        u64(frames, "PAGES frames in memory"), u64(tail, "reserved, 0")])


def lane_round(kind, lane, epoch, round_, *, gap=0, tail=0):
    return frame(kind, body=[
        u16(lane, "lane"), u16(gap, "reserved, 0"), u32(epoch, "epoch"),
        u32(round_, "round"), u32(tail, "reserved, 0")])


def taken(*lanes):
    """lanes: (epoch, flags, frames)."""
    return frame("TAKEN", body=[piece for epoch, flags, frames in lanes for piece in (
        u32(epoch, "epoch"), u32(flags, "flags: waits at a fence" if flags else "flags"),
        u64(frames, "PAGES frames in memory"))])


def keeps(reconnect_ms, features, tail=0):
    return frame("KEEPS", flags=OPTIONAL, body=[
        u32(reconnect_ms, "ms to reconnect in"), u32(features, "features"),
        u64(tail, "reserved, 0")])


def resume(heard, tail=0):
    return frame("RESUME", body=[u64(heard, "frames heard"), u64(tail, "reserved, 0")])


def token(kind, value):
    return frame(kind, body=[u64(value, "token")])


def checked(**kw):
    """Pages with the sum of their payload."""
    return frame("PAGES", flags=CHECKED, sum_=True, **kw)


def state(data, aux, flags=0):
    return frame("STATE", flags=flags, aux=aux,
                 body=[(data, "piece of the state")] if data else [])


def group(content, told=None, **kw):
    """A group of page 4 alone, in a frame of zstd that is what kw says."""
    body = zstd(content, **kw)
    size = sum(len(data) for data, _ in body) if told is None else told
    return frame("PAGES", table=zstd_run(4, 1, size), body=body)


ONE_BLOCK = blocks(block("ram0", 1024 * PAGE))
FIRST_PAGES = frame(
    "PAGES", block=1, round_=3, body=pages(2, 3, 9),
    table=[run(2, 2, RAW), run(4, 5, ZERO), run(9, 1, RAW)])

# Ways by which one page changes: stretches, two of them; and one that does not.
CHANGED = delta(0x0123456789abcdef, bytes([0, 5, 1, 9, 0x8f, 0xf8, 2, 7, 7]))
UNCHANGED = u16(0, "length of the delta: none, the page is as it was")

GOOD = {
    "hello_control": hello_frame(CONTROL, 0, 4),
    "hello_data": hello_frame(DATA, 3, 4),
    "hello_last_channel": hello_frame(DATA, 255, 256),
    "hello_both": hello_frame(BOTH),
    "hello_one_way": hello_frame(ONE_WAY),
    "hello_newer_peer_too": hello_frame(CONTROL, 0, 2, versions=(1, 7)),
    "blocks_one": frame("BLOCKS", body=ONE_BLOCK),
    "blocks_three": frame("BLOCKS", body=blocks(
        block("ram0", 3 * TIB, 1 << 30), block("pc.ram \u00e9", PAGE),
        block("n" * 63, 6 << 20, 2 << 20))),
    "guest": frame("GUEST", body=[(b"\0what the VMM says", "the guest's description")]),
    "guest_empty": frame("GUEST"),
    "accept": accept(4),
    "accept_most": accept(256),
    "offer": kinds("OFFER", 0x7c),
    "offer_unknown_kinds": kinds("OFFER", 0xfffc),
    "takes": kinds("TAKES", 0x64),
    "takes_nothing": kinds("TAKES", 0),
    "ping": token("PING", 0x0123456789abcdef),
    "pong": token("PONG", 0x0123456789abcdef),
    "failed": frame("FAILED", body=failed(
        22, "block ram0: source has 4096 bytes, target 8192")),
    "failed_without_text": frame("FAILED", body=failed(5, "")[:2]),
    "failed_longest": frame("FAILED", body=failed(4095, "x" * 504)),
    "cancel": frame("CANCEL"),
    "pages_raw": frame("PAGES", body=pages(0), table=[run(0, 1, RAW)]),
    "pages_zero": frame("PAGES", round_=1, table=[run(7, 1017, ZERO)]),
    "pages_mixed": FIRST_PAGES,
    "pages_checked": checked(block=1, round_=3, body=pages(2, 3, 9), table=[
        run(2, 2, RAW), run(4, 5, ZERO), run(9, 1, RAW)]),
    "pages_words": frame("PAGES", block=1, round_=4, body=pages(9), table=[
        *word_run(2, 5, 0x1122334455667788), *word_run(7, 1, 2**64 - 1),
        run(8, 1, ZERO), run(9, 1, RAW), *word_run(10, 1014, 1)]),
    "pages_checked_words": checked(table=word_run(4, 5, 1 << 63)),
    # 13 bytes for the pages 2, 3, 8 and 12; page 10 is raw behind them.
    "pages_group": frame("PAGES", block=1, round_=4, body=zstd(4 * PAGE) + pages(10),
                         table=[*zstd_run(2, 2, 13), run(4, 4, ZERO), run(8, 1, JOINED),
                                run(10, 1, RAW), run(12, 1, JOINED)]),
    "pages_two_groups": frame(
        "PAGES", body=zstd(32 * PAGE, descriptor=0x80, window=[7 << 3]) + zstd(PAGE),
        table=[*zstd_run(0, 32, 14), *zstd_run(32, 1, 13)]),
    "pages_checked_group": checked(
        body=pages(1) + zstd(2 * PAGE),
        table=[run(1, 1, RAW), *zstd_run(4, 1, 13), run(9, 1, JOINED)]),
    # Page 2: 9 at 5 and 7 to the last two bytes. Page 3 is as it was.
    "pages_deltas": frame(
        "PAGES", block=1, round_=5, body=CHANGED + [UNCHANGED],
        table=[*delta_run(2, 2, 21), run(4, 1, ZERO), run(6, 3, SAME)]),
    "pages_checked_same": checked(round_=1, table=[run(0, 1024, SAME)]),
    "pages_checked_zero": checked(table=[run(4, 5, ZERO)]),
    "pages_most_runs": frame("PAGES", round_=2, table=[
        run(i, 1, ZERO) for i in range(1023)]),
    "pages_highest": frame("BLOCKS", body=blocks(
        block("ram0", PAGE << 40))) + frame("PAGES", table=[
            run((1 << 40) - 0xfffff, 0xfffff, ZERO)]),
    "fence": frame("FENCE", round_=5),
    "fence_final": frame("FENCE", round_=0xffffffff, flags=FINAL),
    "state_more": state(b"\0device\0", 1, MORE),
    "state_last": state(b"", 1),
    "state_helpers": state(bytes(4), 2),
    "state_optional_kind": state(b"?", 77, OPTIONAL),
    "digests": frame("DIGESTS", body=digest(
        0x0123456789abcdef, 0xfedcba9876543210) + digest(0, 0)),
    "applied": frame("APPLIED", round_=5),
    "switchover": frame("SWITCHOVER", round_=6),
    "ready": ready(2),
    "commit": commit(),
    "commit_paused": commit(PAUSED),
    "running": running(1234567),
    "hello_control_returns": hello_frame(CONTROL, 0, 4, epoch=1),
    "hello_data_returns": hello_frame(DATA, 3, 4, epoch=2**32 - 1),
    "lost_says_source": lost(3, 0, 0),
    "lost_says_target": lost(255, 7, 0x0123456789abcdef),
    "lost_after_the_end": lost(0, 1, 12, finished=1),
    "back": lane_round("BACK", 3, 7, 0x01020304),
    "joined": lane_round("JOINED", 255, 8, 5),
    "taken": taken((0, 0, 1000), (3, 1, 2**64 - 1)),
    "taken_of_one": taken((0, 0, 0)),
    "keeps": keeps(10000, 3),
    "keeps_nothing": keeps(0, 0),
    "keeps_unknown_features": keeps(2**32 - 1, 2**32 - 1),
    "resume": resume(0x0123456789abcdef),
    "heard": token("HEARD", 64),
    "optional_unknown": frame(0x7f, flags=OPTIONAL, block=9, round_=9, aux=9,
                              table=[u64(2**64 - 1, "a table entry")],
                              body=[(b"hello", "payload")]) +
    commit(),
    "optional_unknown_checked": frame(0x7e, flags=OPTIONAL | CHECKED,
                                      sum_=2**64 - 1, body=[(b"?", "payload")]),
    "optional_known": frame("APPLIED", round_=1, flags=OPTIONAL),
    "one_way_stream":
        hello_frame(ONE_WAY) +
        frame("BLOCKS", body=blocks(block("ram0", 4 * PAGE),
                                    block("ram1", 16 * PAGE))) +
        checked(body=pages(1), table=[run(1, 1, RAW)]) +
        frame("FENCE", round_=0) +
        checked(block=1, round_=1, body=pages(2, 9, seed=7),
                table=[run(2, 1, RAW), run(4, 5, ZERO), run(9, 1, RAW)]) +
        frame("FENCE", round_=1, flags=FINAL) +
        state(b"device", 1) +
        frame("DIGESTS", body=digest(1, 2) + digest(3, 4)) +
        frame("SWITCHOVER", round_=1) + commit(),
    "one_way_described":
        hello_frame(ONE_WAY) +
        frame("GUEST", body=[(b"what the VMM says", "the guest's description")]) +
        frame("BLOCKS", body=blocks(block("ram0", 4 * PAGE))) +
        checked(body=pages(1), table=[run(1, 1, RAW)]) +
        frame("FENCE", round_=0, flags=FINAL) +
        frame("SWITCHOVER", round_=0) + commit(),
}


def one_run(page, count, kind=ZERO, **kw):
    return frame("PAGES", table=[run(page, count, kind)], **kw)


def bad_blocks(*entries, **kw):
    return frame("BLOCKS", body=blocks(*entries, **kw))


ERRORS = {
    "magic": (frame("CANCEL", magic=b"QEVM"),
              "bad magic 0x4d564551, wanted 0x314a4d52: this is not a ramjet "
              "stream"),
    "flags_unknown": (frame("CANCEL", flags=0x12),
                      "unknown frame flags 0x12"),
    "flags_of_another_type": (frame("CANCEL", flags=FINAL),
                              "CANCEL frame: flags 0x04, allowed 0x00"),
    "header_reserved": (frame("CANCEL", reserved=0x80000000),
                        "reserved header bytes are 0x80000000, wanted 0"),
    "type_unknown": (frame(0x7f), "unknown mandatory frame type 0x7f"),
    "flags_checked_without_pages": (
        frame("CANCEL", flags=CHECKED, sum_=0),
        "CANCEL frame: flags 0x08, allowed 0x00"),
    **{"type_reserved_for_" + name.replace(" ", "_").replace("-", "_"): (
        frame(kind), f"frame type 0x{kind:02x} is reserved for {name}, which "
        "this side does not know") for kind, name in (
            (0x11, "page codecs"), (0x18, "disks"),
            (0x22, "auditing"), (0x40, "post-copy"))},
    # They were, when these were written.
    "type_reserved_for_rejoining": (
        frame(0x38), "LOST frame: payload of 0 bytes, wanted 24 to 24"),
    "type_reserved_for_negotiation": (
        frame(0x08), "OFFER frame: payload of 0 bytes, wanted 16 to 16"),
    "offer_raw": (kinds("OFFER", 0x5),
                  "OFFER: kinds of runs 0x00000005, wanted some of 0x0000fffc"),
    "offer_kind_16": (
        kinds("OFFER", 0x10004),
        "OFFER: kinds of runs 0x00010004, wanted some of 0x0000fffc"),
    "offer_reserved": (kinds("OFFER", 0x4, 1), "OFFER: malformed"),
    "takes_reserved": (kinds("TAKES", 0x4, 1), "TAKES: malformed"),
    "takes_zero": (
        kinds("TAKES", 0x2),
        "TAKES: kinds of runs 0x00000002, wanted some of 0x0000fffc"),
    "runs_too_many": (frame(0x7f, flags=OPTIONAL, runs=1024),
                      "frame type 0x7f: 1024 runs, at most 1023 allowed"),
    "payload_too_large": (
        frame(0x7f, flags=OPTIONAL, size=0xffffffff),
        "frame type 0x7f: payload of 4294967295 bytes, at most 4194304 "
        "allowed"),
    "payload_short": (frame("HELLO", body=hello(CONTROL)[:-2]),
                      "HELLO frame: payload of 32 bytes, wanted 40 to 40"),
    "payload_unwanted": (frame("FENCE", body=[u8(0, "?")]),
                         "FENCE frame: payload of 1 bytes, wanted 0 to 0"),
    "guest_too_large": (
        frame("GUEST", size=(512 << 10) + 1),
        "GUEST frame: payload of 524289 bytes, wanted 0 to 524288"),
    "state_piece_too_large": (
        frame("STATE", aux=1, size=(1 << 20) + 1),
        "STATE frame: payload of 1048577 bytes, wanted 0 to 1048576"),
    "pages_half": (frame("PAGES", table=[run(0, 1, RAW)],
                         body=[(bytes(2048), "half a page")]),
                   "PAGES frame: payload of 2048 bytes, wanted a multiple of "
                   "4096"),
    "digests_half": (frame("DIGESTS", body=digest(1, 2) + digest(3, 4)[:1]),
                     "DIGESTS frame: payload of 24 bytes, wanted a multiple "
                     "of 16"),
    "pages_without_runs": (frame("PAGES"),
                           "PAGES frame: 0 runs, wanted at least 1"),
    "runs_unwanted": (frame("CANCEL", table=[run(0, 1, ZERO)]),
                      "CANCEL frame: 1 runs, wanted none"),
    "round_unwanted": (frame("CANCEL", round_=1),
                       "CANCEL frame: block 0, round 1, aux 0: fields it does "
                       "not use must be 0"),
    "block_unwanted": (frame("FENCE", block=2),
                       "FENCE frame: block 2, round 0, aux 0: fields it does "
                       "not use must be 0"),
    "aux_unwanted": (one_run(0, 1, aux=3),
                     "PAGES frame: block 0, round 0, aux 3: fields it does "
                     "not use must be 0"),
    "state_kind": (frame("STATE", aux=3),
                   "STATE frame: unknown mandatory kind 3"),
    "run_kind": (one_run(0, 1, 15), "run 0: unknown kind 15"),
    "run_word_zero": (
        frame("PAGES", table=[run(0, 1, ZERO), *word_run(1, 2, 0)]),
        "run 1: its word is 0: wanted a zero run"),
    "run_word_missing": (
        frame("PAGES", table=[run(0, 1, ZERO), run(1, 2, WORD)]),
        "run 1: the table ends, wanted its word"),
    "run_word_past_the_end": (
        frame("PAGES", table=word_run(1023, 2, 7)),
        "run 0: pages 1023 + 2, the block has 1024"),
    "delta_without_size": (
        frame("PAGES", table=[run(1, 1, DELTA)]),
        "run 0: the table ends, wanted its payload's size"),
    "delta_of_nothing": (
        frame("PAGES", table=delta_run(1, 1, 0)),
        "run 0: payload of 0 bytes, wanted 1 to what its 1 pages are"),
    "delta_longer_than_its_page": (
        frame("PAGES", body=CHANGED + [(bytes(4096), "more")],
              table=delta_run(1, 1, 4115)),
        "run 0: payload of 4115 bytes, wanted 1 to what its 1 pages are"),
    "delta_size_is_a_run": (
        frame("PAGES", body=CHANGED, table=[run(1, 1, DELTA), run(2, 1, SAME)]),
        "run 0: entry 0x6000010000000002 after it, wanted its payload's size"),
    "same_past_the_end": (
        frame("PAGES", table=[run(1023, 2, SAME)]),
        "run 0: pages 1023 + 2, the block has 1024"),
    "group_not_begun": (
        frame("PAGES", table=[run(0, 1, ZERO), run(1, 2, JOINED)]),
        "run 1: joins a group, and none has begun"),
    "group_too_large": (
        frame("PAGES", body=zstd(33 * PAGE), table=zstd_run(1, 33, 13)),
        "run 0: more than 32 pages in the group that began with run 0"),
    "group_joined_by_too_many": (
        frame("PAGES", body=zstd(33 * PAGE),
              table=[*zstd_run(1, 16, 13), run(17, 9, ZERO), run(30, 17, JOINED)]),
        "run 3: more than 32 pages in the group that began with run 0"),
    "group_longer_than_its_pages": (
        frame("PAGES", body=zstd(PAGE) + [(bytes(4096), "more")],
              table=zstd_run(1, 1, 4109)),
        "run 0: payload of 4109 bytes, wanted 1 to what its 1 pages are"),
    "group_of_nothing": (
        frame("PAGES", table=zstd_run(1, 1, 0)),
        "run 0: payload of 0 bytes, wanted 1 to what its 1 pages are"),
    "group_without_size": (
        frame("PAGES", table=[run(1, 1, ZSTD)]),
        "run 0: the table ends, wanted its payload's size"),
    "group_size_is_a_run": (
        frame("PAGES", body=zstd(PAGE), table=[run(1, 1, ZSTD), run(2, 1, ZERO)]),
        "run 0: entry 0x1000010000000002 after it, wanted its payload's size"),
    "group_payload": (
        frame("PAGES", body=zstd(PAGE), table=zstd_run(1, 1, 12)),
        "PAGES frame: payload of 13 bytes, its runs name 12"),
    "zstd_says_more": (
        group(PAGE, says=4097),
        "page 4 and its group: the zstd frame says it holds 4097 bytes, its pages "
        "are 4096"),
    "zstd_says_far_more": (
        group(PAGE, says=1 << 62, descriptor=0xe0, size_bytes=8),
        "page 4 and its group: the zstd frame says it holds 4611686018427387904 "
        "bytes, its pages are 4096"),
    "zstd_says_nothing": (
        group(PAGE, descriptor=0, window=[7 << 3], size_bytes=0),
        "page 4 and its group: the zstd frame does not say how much it holds"),
    "zstd_window": (
        group(PAGE, descriptor=0x80, window=[7 << 3 | 1]),
        "page 4 and its group: the zstd frame wants a window of 147456 bytes, at "
        "most 131072 are given"),
    "zstd_checksum": (
        group(PAGE, descriptor=0xa4, tail=[u32(0, "checksum")]),
        "page 4 and its group: the zstd frame has a checksum, wanted none"),
    "zstd_dictionary": (
        group(PAGE, descriptor=0xa1, window=[7]),
        "page 4 and its group: the zstd frame wants a dictionary"),
    "zstd_trailing": (
        group(PAGE, tail=[u8(0, "a byte too many")]),
        "page 4 and its group: 1 bytes follow the zstd frame"),
    "zstd_twice": (
        group(PAGE, tail=zstd(PAGE)),
        "page 4 and its group: 13 bytes follow the zstd frame"),
    "zstd_cut_short": (
        frame("PAGES", table=zstd_run(4, 1, 12), body=zstd(PAGE)[:-1]),
        "page 4 and its group: the zstd frame is cut short"),
    "zstd_skippable": (
        frame("PAGES", table=zstd_run(4, 1, 21), body=[
            u32(0x184d2a50, "a skippable frame"), u32(0, "of 0 bytes")] + zstd(PAGE)),
        "page 4 and its group: it begins 0x184d2a50, wanted a zstd frame"),
    "run_empty": (one_run(5, 0), "run 0: empty"),
    "run_past_the_end": (one_run(1023, 2),
                         "run 0: pages 1023 + 2, the block has 1024"),
    "run_beyond_the_end": (one_run(1024, 1),
                           "run 0: pages 1024 + 1, the block has 1024"),
    "run_largest": (one_run((1 << 40) - 1, 0xfffff),
                    "run 0: pages 1099511627775 + 1048575, the block has "
                    "1024"),
    "run_twice": (
        frame("PAGES", table=[run(3, 1, ZERO), run(3, 1, ZERO)]),
        "run 1: page 3 comes before page 4: runs must ascend and not overlap"),
    "run_overlap": (
        frame("PAGES", table=[run(0, 8, ZERO), run(7, 2, ZERO)]),
        "run 1: page 7 comes before page 8: runs must ascend and not overlap"),
    "run_descending": (
        frame("PAGES", table=[run(9, 1, ZERO), run(2, 1, ZERO)]),
        "run 1: page 2 comes before page 10: runs must ascend and not "
        "overlap"),
    "pages_fewer_than_runs": (
        frame("PAGES", table=[run(0, 2, RAW)], body=pages(0)),
        "PAGES frame: payload of 4096 bytes, its runs name 8192"),
    "pages_more_than_runs": (
        frame("PAGES", table=[run(0, 2, ZERO)], body=pages(0)),
        "PAGES frame: payload of 4096 bytes, its runs name 0"),
    "hello_too_new": (hello_frame(CONTROL, versions=(3, 4)),
                      "HELLO: peer speaks protocol versions 3 to 4, this side "
                      "speaks 2"),
    "hello_too_old": (hello_frame(CONTROL, versions=(0, 1)),
                      "HELLO: peer speaks protocol versions 0 to 1, this side "
                      "speaks 2"),
    "hello_version_1": (hello_frame(CONTROL, versions=(1, 1)),
                        "HELLO: peer speaks protocol version 1, this side "
                        "speaks 2"),
    "hello_reserved_gap": (hello_frame(CONTROL, gap=1),
                           "HELLO: reserved bytes not 0"),
    "hello_reserved_tail": (hello_frame(CONTROL, tail=1),
                            "HELLO: reserved bytes not 0"),
    "hello_both_returns": (
        hello_frame(BOTH, epoch=1),
        "HELLO: role 2 of epoch 1: only connections of their own return"),
    "lost_reserved": (lost(0, 0, 0, tail=1), "LOST: malformed"),
    "lost_flags": (lost(0, 0, 0, finished=2), "LOST: malformed"),
    "lost_no_lane": (lost(256, 0, 0), "LOST: lane 256, the session has 256"),
    "back_reserved": (lane_round("BACK", 0, 0, 0, gap=1), "BACK: malformed"),
    "back_no_lane": (lane_round("BACK", 300, 0, 0), "BACK: lane 300, the session has 256"),
    "joined_reserved": (lane_round("JOINED", 0, 0, 0, tail=1), "JOINED: malformed"),
    "taken_none": (frame("TAKEN"), "TAKEN frame: payload of 0 bytes, wanted 16 to 4096"),
    "taken_half": (frame("TAKEN", body=[zeros(24)]),
                   "TAKEN frame: payload of 24 bytes, wanted a multiple of 16"),
    "taken_flags": (taken((0, 0, 0), (0, 2, 0)), "TAKEN: malformed"),
    "keeps_reserved": (keeps(1, 1, 1), "KEEPS: malformed"),
    "resume_reserved": (resume(1, 1), "RESUME: malformed"),
    "heard_short": (frame("HEARD", body=[u32(1, "half a count")]),
                    "HEARD frame: payload of 4 bytes, wanted 8 to 8"),
    "hello_role": (hello_frame(4), "HELLO: unknown role 4"),
    "hello_page_size": (hello_frame(CONTROL, page=16384),
                        "HELLO: pages of 16384 bytes, not 4096"),
    "hello_no_channels": (hello_frame(CONTROL, 0, 0),
                          "HELLO: channel 0 of 0, at most 256 allowed"),
    "hello_channels_too_many": (hello_frame(DATA, 0, 257),
                                "HELLO: channel 0 of 257, at most 256 "
                                "allowed"),
    "hello_index_is_count": (hello_frame(DATA, 4, 4),
                             "HELLO: channel 4 of 4, at most 256 allowed"),
    "hello_numbered_control": (hello_frame(CONTROL, 1, 4),
                               "HELLO: role 0 as channel 1 of 4: only data "
                               "connections are numbered"),
    "hello_both_of_two": (hello_frame(BOTH, 0, 2),
                          "HELLO: role 2 as channel 0 of 2: only data "
                          "connections are numbered"),
    "blocks_none": (bad_blocks(), "BLOCKS: 0 blocks, wanted 1 to 1024"),
    "blocks_too_many": (bad_blocks(count=1025),
                        "BLOCKS: 1025 blocks, wanted 1 to 1024"),
    "blocks_head": (bad_blocks(block("a", PAGE), reserved=1),
                    "BLOCKS: malformed head"),
    "blocks_cut_short": (bad_blocks(block("a", PAGE), count=2),
                         "BLOCKS: block 1 is cut short"),
    "blocks_name_empty": (bad_blocks(block("", PAGE)),
                          "BLOCKS: block 0: name of 0 bytes, wanted 1 to 63 "
                          "within the message"),
    "blocks_name_too_long": (bad_blocks(block("n" * 64, PAGE)),
                             "BLOCKS: block 0: name of 64 bytes, wanted 1 to "
                             "63 within the message"),
    "blocks_name_past_the_end": (bad_blocks(block("abc", PAGE, length=4)),
                                 "BLOCKS: block 0: name of 4 bytes, wanted 1 "
                                 "to 63 within the message"),
    "blocks_reserved": (bad_blocks(block("a", PAGE, gap=1)),
                        "BLOCKS: block 0: reserved bytes not 0"),
    "blocks_name_with_zero": (bad_blocks(block(b"a\0b", PAGE)),
                              "BLOCKS: block 0: its name is not printable "
                              "UTF-8"),
    "blocks_name_with_escape": (bad_blocks(block("\x1b[2J", PAGE)),
                                "BLOCKS: block 0: its name is not printable "
                                "UTF-8"),
    "blocks_name_cut_character": (bad_blocks(block(b"ram\xe2\x82", PAGE)),
                                  "BLOCKS: block 0: its name is not printable "
                                  "UTF-8"),
    "blocks_name_twice": (bad_blocks(block("ram0", PAGE), block("b", PAGE),
                                     block("ram0", PAGE)),
                          "BLOCKS: blocks 0 and 2 are both named ram0"),
    "blocks_empty": (bad_blocks(block("ram0", 0)),
                     "BLOCKS: block ram0: 0 bytes, wanted whole pages, 1 to "
                     "2^40 of them"),
    "blocks_half_page": (bad_blocks(block("ram0", PAGE + 512)),
                         "BLOCKS: block ram0: 4608 bytes, wanted whole pages, "
                         "1 to 2^40 of them"),
    "blocks_too_large": (bad_blocks(block("ram0", (PAGE << 40) + PAGE)),
                         "BLOCKS: block ram0: 4503599627374592 bytes, wanted "
                         "whole pages, 1 to 2^40 of them"),
    "blocks_backing_page": (bad_blocks(block("ram0", PAGE, 5000)),
                            "BLOCKS: block ram0: backing pages of 5000 bytes, "
                            "wanted a power of two from 4096"),
    "blocks_backing_page_small": (bad_blocks(block("ram0", PAGE, 2048)),
                                  "BLOCKS: block ram0: backing pages of 2048 "
                                  "bytes, wanted a power of two from 4096"),
    "blocks_trailing": (frame("BLOCKS", body=ONE_BLOCK + [zeros(3)]),
                        "BLOCKS: 3 bytes after the last block"),
    "failed_reserved": (frame("FAILED", body=failed(5, "x", 1)),
                        "FAILED: malformed"),
    "failed_code_zero": (frame("FAILED", body=failed(0, "x")),
                         "FAILED: code 0, wanted an errno"),
    "failed_code_too_large": (frame("FAILED", body=failed(4096, "x")),
                              "FAILED: code 4096, wanted an errno"),
    "ready_reserved": (ready(1, 1), "READY: malformed"),
    "ready_reserved_tail": (ready(1, tail=1), "READY: malformed"),
    "running_short": (frame("RUNNING", body=[u64(1, "us")]),
                      "RUNNING frame: payload of 8 bytes, wanted 16 to 16"),
    "accept_reserved": (accept(1, tail=1), "ACCEPT: malformed"),
    "accept_none": (accept(0), "ACCEPT: 0 channels, wanted 1 to 256"),
    "accept_too_many": (accept(257), "ACCEPT: 257 channels, wanted 1 to 256"),
    "ping_short": (frame("PING", body=[u32(1, "half a token")]),
                   "PING frame: payload of 4 bytes, wanted 8 to 8"),
}


def damaged(kind, **kw):
    """A frame with a wrong check word, and the message that names both."""
    right = int.from_bytes(b"".join(p[0] for p in frame(kind, **kw))[28:32],
                           "little")
    return (frame(kind, damage=1, **kw),
            f"{kind} frame: check word 0x{right ^ 1:08x}, computed "
            f"0x{right:08x}: the stream is damaged")


ERRORS["damaged_header"] = damaged("CANCEL")
ERRORS["damaged_table"] = damaged("PAGES", table=[run(1, 2, ZERO)])
ERRORS["damaged_body"] = damaged("FAILED", body=failed(5, "x"))


def write(folder, name, pieces, first_line):
    path = os.path.join(HERE, folder, name)
    data = b"".join(p[0] for p in pieces)
    if os.path.exists(path + ".bin"):
        with open(path + ".bin", "rb") as file:
            if file.read() != data:
                print(f"{folder}/{name}: differs; left as it is")
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".bin", "wb") as file:
        file.write(data)
    with open(path + ".txt", "w", encoding="utf-8") as file:
        file.write(first_line + "\n\n" + explain(pieces))
    print(f"{folder}/{name}: written")


def main():
    for name, pieces in GOOD.items():
        write("frame/v2", name, pieces, name.replace("_", " "))
    for name, (pieces, message) in ERRORS.items():
        write("frame-errors/v2", name, pieces, message)


if __name__ == "__main__":
    sys.exit(main())
