# SPDX-License-Identifier: BSD-3-Clause
"""A path on which connections break: each has a number, in the order in which they
were made; the control link is the first."""
import socket
import struct
import threading

from forwarder import Forwarder

PIECE = 64 << 10
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: no time to say goodbye


class ResettingRelay(Forwarder):
    """`after_bytes`: data connections break by themselves, each once it has
    carried so many; as long as there are `breaks` left."""

    def __init__(self, uri, after_bytes=0, breaks=0):
        self.after_bytes, self.breaks = after_bytes, breaks
        self.lock = threading.Lock()
        self.links = []
        self.refuses = False
        super().__init__(uri)

    def join(self, source, target):
        with self.lock:
            number = len(self.links)
            self.links.append((source, target))
        if self.refuses:
            self.reset(number)
            return
        for ends in ((source, target, number), (target, source, 0)):
            threading.Thread(target=self._forward, args=ends,
                             daemon=True).start()

    def reset(self, number):
        for end in self.links[number]:
            try:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                end.shutdown(socket.SHUT_RD)  # wakes who reads it
                end.close()
            except OSError:
                pass  # it is gone already

    def reset_data(self, refuse=False):
        """All data connections there are; others come to nothing, or do."""
        self.refuses = refuse
        with self.lock:
            count = len(self.links)
        for number in range(1, count):
            self.reset(number)

    def _is_due(self, number, carried):
        with self.lock:
            due = number and self.after_bytes and self.breaks > 0 and \
                carried >= self.after_bytes
            self.breaks -= 1 if due else 0
            return due

    def _forward(self, source, target, number):
        carried = 0
        try:
            while piece := source.recv(PIECE):
                target.sendall(piece)
                carried += len(piece)
                if self._is_due(number, carried):
                    self.reset(number)
                    return
            target.shutdown(socket.SHUT_WR)
        except OSError:
            # The peer must notice, too.
            for end in (source, target):
                end.close()
