# SPDX-License-Identifier: BSD-3-Clause
"""A target that meets a bad peer says what was wrong, where, and ends with 1;
it never crashes and touches nothing but its blocks."""
import os
import random
import resource
import socket
import struct

import rig
import wire
from rig import MIB
from wire import Frame

SIZE = 16 * MIB
PAGES = SIZE // rig.PAGE
SESSION = b"0123456789abcdef"


class BadTarget(rig.Case):
    """A target, and how to speak to it."""

    def setUp(self):
        super().setUp()
        self.image("B", "random", SIZE)
        with open(self.path("B"), "rb") as file:
            self.before = file.read()
        self.target = self.recv(f"file:{self.path('B')},size=16M")
        host, port = self.target.uri.removeprefix("tcp:").rsplit(":", 1)
        self.address = host, int(port)

    def connect(self, *frames):
        connection = socket.create_connection(self.address, rig.DEADLINE_S)
        self.addCleanup(connection.close)
        for frame in frames:
            self.give(connection, frame)
        return connection

    @staticmethod
    def give(connection, frame):
        data = frame if isinstance(frame, bytes) else frame.encode()
        try:
            connection.sendall(data)
        except OSError:
            pass  # it has had enough of us, which is what we want

    def handshake(self, *frames):
        """The control link, and these frames after its HELLO."""
        return self.connect(wire.hello(wire.CONTROL, session=SESSION),
                            *frames)

    def session(self):
        """A good handshake: (control, data)."""
        control = self.handshake(wire.blocks(("ram0", SIZE)))
        self.assertEqual(wire.receive(control)[0], wire.HELLO)
        self.assertEqual(wire.receive(control)[0], wire.ACCEPT)
        return control, self.connect(wire.hello(wire.DATA, session=SESSION))

    def refuses(self, *needles):
        self.ends(self.target, 1, *needles)

    def turns_away(self, *needles):
        """It said so, listens on, and takes the source that comes next."""
        for needle in needles:
            self.target.wait_for("refused .*" + needle)
        source = self.send(f"file:{self.image('A', 'random', SIZE)}",
                           self.target.uri)
        self.both_end(source, self.target)
        self.same(self.path("A"), self.path("B"))


class BadPeers(BadTarget):
    # ---- before the handshake is over

    def test_somebody_else_s_protocol(self):
        self.connect(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 4)
        self.turns_away("magic")

    def test_random_bytes(self):
        self.connect(random.Random(1).randbytes(4096))
        self.turns_away("magic")

    def test_end_before_anything(self):
        self.connect().close()
        self.turns_away("closed at once")

    def test_end_in_the_middle_of_a_header(self):
        self.connect(wire.hello(wire.CONTROL).encode()[:20]).close()
        self.turns_away("HELLO")

    def test_silence(self):
        for _ in range(3):
            self.connect()
        self.turns_away()

    def test_protocol_of_the_future(self):
        self.connect(wire.hello(wire.CONTROL, versions=(7, 9)))
        self.turns_away("versions 7 to 9, this side speaks 2")

    def test_the_protocol_before(self):
        """Version 1 is told why, both versions named."""
        control = self.connect(wire.hello(wire.CONTROL, versions=(1, 1)))
        kind, frame = wire.receive(control)
        self.assertEqual(kind, wire.FAILED)
        self.assertIn(b"peer speaks protocol version 1, this side speaks 2",
                      frame)
        self.turns_away("version 1, this side speaks 2")

    def test_wrong_check_word(self):
        frame = wire.hello(wire.CONTROL)
        frame.check = 0x12345678
        self.connect(frame)
        self.turns_away("check.*0x12345678")

    def test_hello_with_too_many_channels(self):
        self.connect(wire.hello(wire.CONTROL, count=999))
        self.turns_away("999.*256")

    def test_pages_instead_of_a_hello(self):
        self.connect(Frame(wire.PAGES, round=0, runs=[wire.run(0, 1)],
                           payload=bytes(4096)))
        self.turns_away("PAGES")

    def test_frame_of_an_unknown_mandatory_type(self):
        self.handshake(Frame(0x7F))
        self.refuses("0x7f")

    def test_too_many_blocks(self):
        self.handshake(wire.blocks(*((f"b{i}", SIZE) for i in range(1025))))
        self.refuses("1025", "1024")

    def test_unknown_block(self):
        self.handshake(wire.blocks(("disk", SIZE)))
        self.refuses("disk|ram0")

    # ---- on the data channel

    def hostile(self, frame, *needles):
        _, data = self.session()
        self.give(data, frame)
        self.refuses("channel 0", r"(offset|byte) \d+", *needles)
        self.untouched()

    def untouched(self):
        with open(self.path("B"), "rb") as file:
            self.assertEqual(len(file.read()), SIZE)

    def test_garbage_on_the_data_channel(self):
        self.hostile(b"\xff" * 4096, "magic")

    def test_page_beyond_the_block(self):
        self.hostile(Frame(wire.PAGES, round=0, runs=[wire.run(PAGES, 1)],
                           payload=bytes(4096)), str(PAGES))

    def test_run_that_leaves_the_block(self):
        self.hostile(Frame(wire.PAGES, round=0, runs=[wire.run(PAGES - 1, 2)],
                           payload=bytes(8192)), str(PAGES - 1))

    def test_page_number_that_would_overflow(self):
        self.hostile(Frame(wire.PAGES, round=0,
                           runs=[wire.run((1 << 40) - 1, 0xFFFFF, wire.ZERO)]))

    def test_zero_run_beyond_the_block(self):
        self.hostile(Frame(wire.PAGES, round=0,
                           runs=[wire.run(0, PAGES + 1, wire.ZERO)]))

    def test_overlapping_runs(self):
        self.hostile(Frame(wire.PAGES, round=0,
                           runs=[wire.run(5, 2), wire.run(6, 1)],
                           payload=bytes(3 * 4096)), "overlap|ascend")

    def test_empty_run(self):
        self.hostile(Frame(wire.PAGES, round=0, runs=[wire.run(5, 0)]),
                     "empty")

    def test_unknown_kind_of_run(self):
        self.hostile(Frame(wire.PAGES, round=0, runs=[wire.run(5, 1, 9)]),
                     "kind 9")

    def test_payload_shorter_than_its_runs(self):
        self.hostile(Frame(wire.PAGES, round=0, runs=[wire.run(5, 2)],
                           payload=bytes(4096)))

    def test_payload_longer_than_its_runs(self):
        self.hostile(Frame(wire.PAGES, round=0, runs=[wire.run(5, 1)],
                           payload=bytes(8192)))

    def test_block_that_does_not_exist(self):
        self.hostile(Frame(wire.PAGES, round=0, block=3,
                           runs=[wire.run(5, 1)], payload=bytes(4096)),
                     "block 3")

    def test_runs_without_end(self):
        self.hostile(Frame(wire.PAGES, round=0, run_count=5000,
                           payload_bytes=0).encode(), "5000", "1023")

    def test_payload_without_end(self):
        self.hostile(Frame(wire.PAGES, round=0, runs=[wire.run(0, 1)],
                           payload_bytes=0xFFFFF000).encode())

    def test_round_that_jumps(self):
        self.hostile(Frame(wire.FENCE, round=77), "77")

    def test_reserved_bytes(self):
        self.hostile(Frame(wire.PAGES, round=0, reserved=1,
                           runs=[wire.run(5, 1)], payload=bytes(4096)),
                     "reserved")

    def test_control_frame_on_a_data_channel(self):
        self.hostile(Frame(wire.COMMIT, payload=bytes(8)), "COMMIT")

    def test_end_in_the_middle_of_a_page(self):
        _, data = self.session()
        self.give(data, Frame(wire.PAGES, round=0, runs=[wire.run(5, 1)],
                              payload=bytes(100), payload_bytes=4096).encode())
        data.shutdown(socket.SHUT_RDWR)
        self.refuses("channel 0")

    # ---- on the control link

    def commands(self, *frames):
        control, _ = self.session()
        for frame in frames:
            self.give(control, frame)

    def test_commit_out_of_the_blue(self):
        self.commands(Frame(wire.COMMIT, payload=bytes(8)))
        self.refuses("COMMIT")

    def test_ready_from_the_source(self):
        self.commands(Frame(wire.READY, payload=bytes(48)))
        self.refuses("READY")

    def test_state_of_an_unknown_kind(self):
        self.commands(Frame(wire.STATE, aux=99, payload=b"x"))
        self.refuses("99|STATE")

    def test_unknown_optional_frame_is_skipped(self):
        self.commands(Frame(0x7F, flags=wire.OPTIONAL, payload=b"future"),
                      Frame(wire.COMMIT, payload=bytes(8)))
        self.refuses("COMMIT")


class Crowds(BadTarget):
    """Strangers in numbers: what they may cost a target that listens is what
    docs/security.md says, and the right source is served after them."""
    SEATS = 16
    # Where a stranger is being refused, and where the log goes.
    MORE = 2

    def held(self):
        """Descriptors, threads, and memory in bytes."""
        folder = f"/proc/{self.target.process.pid}"
        with open(folder + "/statm", encoding="ascii") as file:
            resident = int(file.read().split()[1]) * rig.PAGE
        return (len(os.listdir(folder + "/fd")),
                len(os.listdir(folder + "/task")), resident)

    def reset(self, connection):
        """As a port scanner ends it."""
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
        connection.close()

    def scan(self, count):
        hello = wire.hello(wire.CONTROL).encode()
        for i in range(count):
            connection = socket.create_connection(self.address, rig.DEADLINE_S)
            self.addCleanup(connection.close)
            if i % 4 == 0:
                self.reset(connection)
            elif i % 4 == 1:
                self.give(connection, hello[:1 + i % len(hello)])
            elif i % 4 == 2:
                self.give(connection, b"\x16\x03\x01\x02\x00\x01\x00")
            yield connection

    def test_a_scan_costs_seats_and_nothing_else(self):
        before = self.held()
        for _ in self.scan(200):
            fds, threads, resident = self.held()
            self.assertLessEqual(fds, before[0] + self.SEATS + self.MORE)
            self.assertEqual(threads, before[1])
            self.assertLess(resident, before[2] + 16 * MIB)
        self.turns_away("magic")

    def test_without_descriptors_it_waits_and_then_serves(self):
        pid = self.target.process.pid
        limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE,
                         (self.held()[0] + 3, limits[1]))
        for _ in range(8):
            self.connect()
        self.target.wait_for("Too many open files.*have to wait")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        self.turns_away()

    def test_strangers_do_not_keep_a_session_s_channels_out(self):
        control = self.handshake(wire.blocks(("ram0", SIZE)))
        self.assertEqual(wire.receive(control)[0], wire.HELLO)
        self.assertEqual(wire.receive(control)[0], wire.ACCEPT)
        before = self.held()
        for _ in self.scan(60):
            self.assertLessEqual(self.held()[0],
                                 before[0] + self.SEATS + self.MORE)
        data = self.connect(wire.hello(wire.DATA, session=SESSION))
        self.give(data, b"\xff" * 64)
        self.refuses("channel 0", "magic")

    def test_too_much_is_refused_before_it_is_stored(self):
        """A header that announces more than may come is refused by itself."""
        control = self.handshake()
        self.assertEqual(wire.receive(control)[0], wire.HELLO)
        self.give(control, Frame(wire.BLOCKS, payload_bytes=(1 << 20) + 1))
        self.refuses("BLOCKS frame: payload of 1048577 bytes")


class BadStreams(rig.Case):
    """A recorded stream, damaged a byte at a time."""

    def setUp(self):
        super().setUp()
        self.ends(self.send(f"file:{self.image('A', 'mixed', 4 * MIB)}",
                            f"file:{self.path('stream')}"), 0)
        with open(self.path("stream"), "rb") as file:
            self.stream = bytearray(file.read())

    def loads(self, stream):
        with open(self.path("damaged"), "wb") as file:
            file.write(stream)
        target = self.recv(f"file:{self.path('B')},size=4M",
                           "file:" + self.path("damaged"))
        status = target.wait()
        self.assertIsNone(rig.SANITIZER.search(target.err), target.story())
        self.assertIn(status, (0, 1), target.story())
        return status

    def test_whole(self):
        self.assertEqual(self.loads(self.stream), 0)
        self.same(self.path("A"), self.path("B"))

    def test_cut_short(self):
        chooser = random.Random(2)
        for _ in range(12):
            length = chooser.randrange(len(self.stream))
            with self.subTest(length=length):
                self.assertEqual(self.loads(self.stream[:length]), 1)

    def test_a_bit_flipped(self):
        chooser = random.Random(3)
        for _ in range(24):
            damaged = bytearray(self.stream)
            at = chooser.randrange(len(damaged))
            damaged[at] ^= 1 << chooser.randrange(8)
            with self.subTest(offset=at):
                self.assertEqual(self.loads(damaged), 1)

    def test_empty(self):
        self.assertEqual(self.loads(b""), 1)


if __name__ == "__main__":
    rig.main()
