# SPDX-License-Identifier: BSD-3-Clause
"""Stands between source and target, and passes on, holds back, changes or
cuts what goes through, frame by frame."""
import socket
import threading

import wire

DEADLINE_S = 60
TO_TARGET, TO_SOURCE = "to target", "to source"


class Cut(Exception):
    """Raised by a rule: both ends of this connection are closed."""


class Relay:
    """Rules are called for each frame as rule(relay, direction, role, frame)
    with the kind and bytes of the frame; they return the bytes to pass on.
    They run on the relay's threads, so a rule that waits holds its direction
    of its connection back, and nothing else."""

    def __init__(self, target_uri, rule):
        self.rule = rule
        host, port = target_uri.removeprefix("tcp:").rsplit(":", 1)
        self.target = (host.strip("[]"), int(port))
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = "tcp:127.0.0.1:%d" % self.listener.getsockname()[1]
        self.released = threading.Event()
        self.reached = threading.Event()
        self.links = []
        self.lock = threading.Lock()
        self.passed = 0  # bytes of page frames
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                source, _ = self.listener.accept()
            except OSError:
                return
            try:
                target = socket.create_connection(self.target)
            except OSError:  # who comes back finds it gone
                source.close()
                continue
            with self.lock:
                self.links.append((source, target))
            for left, right, direction in ((source, target, TO_TARGET),
                                           (target, source, TO_SOURCE)):
                threading.Thread(target=self._pump, daemon=True,
                                 args=(left, right, direction)).start()

    def _pump(self, left, right, direction):
        try:
            while True:
                kind, frame = wire.receive(left)
                if kind is None:
                    break
                frame = self.rule(self, direction, kind, frame)
                with self.lock:
                    self.passed += len(frame) if kind == wire.PAGES else 0
                right.sendall(frame)
            right.shutdown(socket.SHUT_WR)
        except (Cut, OSError):
            self._close(left, right)

    @staticmethod
    def _close(*ends):
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is down already

    def hold(self):
        """For rules: tell the test, then wait until it lets go."""
        self.reached.set()
        if not self.released.wait(DEADLINE_S):
            raise Cut

    def wait_reached(self):
        if not self.reached.wait(DEADLINE_S):
            raise AssertionError("the stream never came to that frame")

    def release(self):
        self.released.set()

    def cut_all(self):
        with self.lock:
            for link in self.links:
                self._close(*link)

    def close(self):
        self.release()
        self.listener.close()
        self.cut_all()
        for link in self.links:
            for end in link:
                end.close()


def hold_at(kind, count=1):
    """A rule: the count-th frame of this kind is held back, and all that
    would follow it on its connection."""
    lock = threading.Lock()
    seen = [0]

    def rule(relay, _, frame_kind, frame):
        if frame_kind == kind:
            with lock:
                seen[0] += 1
                hit = seen[0] >= count
            if hit:
                relay.hold()
        return frame
    return rule
