# SPDX-License-Identifier: BSD-3-Clause
"""What breaks on the way: before COMMIT the source's guest runs on and says
so; after it, a lost answer is exit status 3."""
import os
import re
import shutil
import signal
import socket
import subprocess

import rig
import wire
from relay import Cut, Relay, hold_at
from rig import MIB

LIVE = "process:size=32M,write=20M,set=8M"


def cut_at(kind):
    def rule(relay, _, frame_kind, frame):
        if frame_kind == kind:
            relay.reached.set()
            raise Cut
        return frame
    return rule


def cut_all_at(kind):
    def rule(relay, _, frame_kind, frame):
        if frame_kind == kind:
            relay.cut_all()
            raise Cut
        return frame
    return rule


class Failures(rig.Case):
    def start(self, rule, *options):
        target = self.recv(LIVE)
        relay = Relay(target.uri, rule)
        self.addCleanup(relay.close)
        return self.send(LIVE, relay.uri, *options), target, relay

    def test_connection_refused(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        source = self.send(LIVE, f"tcp:127.0.0.1:{port}")
        self.ends(source, 1, "refused", f"127.0.0.1:{port}", "runs on")

    def test_no_such_unix_socket(self):
        source = self.send(LIVE, "unix:" + self.path("nobody"))
        self.ends(source, 1, re.escape(self.path("nobody")), "runs on")

    def test_name_that_does_not_resolve(self):
        source = self.send(LIVE, "tcp:does-not-exist.invalid:4000")
        self.ends(source, 1, r"does-not-exist\.invalid", "runs on")

    def test_address_in_use(self):
        target = self.recv(LIVE)
        other = self.migrating("recv", LIVE, "--from", target.uri)
        self.ends(other, 1, "in use")

    def test_peer_that_never_answers(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            source = self.send(LIVE, f"tcp:127.0.0.1:{port}", "--timeout",
                               "500ms")
            self.ends(source, 1, "runs on")

    def test_sizes_that_differ(self):
        target = self.recv(f"file:{self.path('B')},size=16M")
        source = self.send(f"file:{self.image('A', 'random', 32 * MIB)}",
                           target.uri)
        for side in (source, target):
            self.ends(side, 1, "ram0", str(32 * MIB), str(16 * MIB))

    def test_no_room_to_populate(self):
        folder = self.path("tmpfs")
        os.mkdir(folder)
        alone = ["unshare", "--user", "--map-root-user", "--mount"]
        mount = ["mount", "-t", "tmpfs", "-o", "size=1M", "none", folder]
        if not shutil.which("unshare") or subprocess.run(
                [*alone, *mount], stderr=subprocess.DEVNULL).returncode:
            self.skipTest("no mount namespace is to be had")
        recv = [rig.RAMJET, "recv", f"file:{folder}/B,size=64M,prealloc=1",
                "--from", "tcp:127.0.0.1:0"]
        result = subprocess.run(
            [*alone, "sh", "-c", f'{" ".join(mount)} && exec "$@"', "sh",
             *recv], timeout=rig.DEADLINE_S, text=True,
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertIn("prealloc=1 of 67108864 bytes: No space left",
                      result.stderr)

    def test_source_file_cut_short_under_a_worker(self):
        """One that has looked how far the file reaches, and by its cap stays
        with the same 2 MiB for some seconds: it reads where nothing is. One
        way, where pages are copied before they are sent: else the kernel
        would be the first to find out."""
        image = self.path("A")
        with open(image, "wb") as file:
            for page in range(2 * MIB // rig.PAGE):
                # In runs of a page each, looked at one after another.
                file.write(os.urandom(rig.PAGE) if page % 2
                           else bytes([page % 251 + 1]) * rig.PAGE)
        source = self.send(
            f"file:{image}", "exec:head -c 4096 >/dev/null; "
            f"truncate -s 4096 {image}; cat >/dev/null", "--bandwidth",
            "256K", "--channels", "1")
        self.ends(source, 1, "channel 0: block ram0, offset 4096: nothing is "
                  "there: its file ends at 4096")

    def test_a_signal_that_is_no_fault_ends_it_as_usual(self):
        target = self.recv(LIVE)
        target.process.send_signal(signal.SIGBUS)
        # A sanitizer has a handler of its own, which then is asked.
        self.assertIn(target.wait(), (-signal.SIGBUS, rig.SANITIZER_EXIT),
                      target.story())

    def test_target_killed_in_the_first_round(self):
        source, target, relay = self.start(hold_at(wire.PAGES, 3))
        relay.wait_reached()
        target.kill()
        relay.release()
        self.ends(source, 1, "runs on")
        self.move(LIVE, LIVE)

    def test_target_killed_when_ready(self):
        source, target, relay = self.start(hold_at(wire.READY))
        relay.wait_reached()
        target.kill()
        target.process.wait(rig.DEADLINE_S)
        relay.cut_all()
        self.ends(source, 1, "runs on")

    def test_source_killed_in_the_first_round(self):
        source, target, relay = self.start(hold_at(wire.PAGES, 3))
        relay.wait_reached()
        source.kill()
        source.process.wait(rig.DEADLINE_S)
        relay.release()
        self.ends(target, 1)

    def test_source_killed_before_commit(self):
        source, target, relay = self.start(hold_at(wire.COMMIT))
        relay.wait_reached()
        source.kill()
        source.process.wait(rig.DEADLINE_S)
        relay.cut_all()
        self.ends(target, 1)

    def test_control_link_cut_at_each_step(self):
        for kind in (wire.BLOCKS, wire.ACCEPT, wire.APPLIED,
                     wire.SWITCHOVER, wire.DIGESTS, wire.READY):
            with self.subTest(frame=kind):
                source, target, _ = self.start(cut_all_at(kind))
                self.ends(source, 1, "runs on")
                self.ends(target, 1)

    def test_connection_cut_before_hello(self):
        """Nothing had begun: the target waits for the next source."""
        source, target, _ = self.start(cut_all_at(wire.HELLO))
        self.ends(source, 1, "runs on")
        target.wait_for("refused")
        self.both_end(self.send(LIVE, target.uri), target)

    def test_running_never_comes(self):
        source, target, _ = self.start(cut_at(wire.RUNNING))
        self.ends(source, 3, "by hand")
        # The target had its COMMIT, so its guest runs.
        self.ends(target, 0)

    def test_commit_never_comes(self):
        source, target, _ = self.start(cut_at(wire.COMMIT))
        self.ends(source, 3, "by hand")
        self.ends(target, 1)

    def test_damaged_page_is_found_before_commit(self):
        def rule(_relay, _direction, kind, frame):
            if kind == wire.PAGES and len(frame) > 8192:
                return frame[:-1] + bytes([frame[-1] ^ 1])
            return frame
        target = self.recv(f"file:{self.path('B')},size=16M")
        relay = Relay(target.uri, rule)
        self.addCleanup(relay.close)
        source = self.send(f"file:{self.image('A', 'random', 16 * MIB)}",
                           relay.uri)
        self.ends(source, 1, "ram0", "differ|digest")
        self.ends(target, 1, "ram0", "differ|digest")

    def test_damaged_header_names_channel_and_offset(self):
        count = [0]

        def rule(_relay, _direction, kind, frame):
            count[0] += kind == wire.PAGES
            if kind == wire.PAGES and count[0] == 3:
                return b"\xff" + frame[1:]
            return frame
        target = self.recv(f"file:{self.path('B')},size=16M")
        relay = Relay(target.uri, rule)
        self.addCleanup(relay.close)
        source = self.send(f"file:{self.image('A', 'random', 16 * MIB)}",
                           relay.uri)
        self.ends(target, 1, r"channel \d", r"offset \d+", "magic")
        self.ends(source, 1)


if __name__ == "__main__":
    rig.main()
