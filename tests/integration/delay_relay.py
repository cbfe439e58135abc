# SPDX-License-Identifier: BSD-3-Clause
"""A long path: every byte takes its time, however many are on their way."""
import queue
import socket
import threading
import time

from forwarder import Forwarder

PIECE = 64 << 10
# Pieces on their way, each direction of a connection.
PIECES = 1024


class DelayRelay(Forwarder):
    """Forwards each connection, both ways, `delay_s` later."""

    def __init__(self, uri, delay_s):
        self.delay_s = delay_s
        super().__init__(uri)

    def join(self, source, target):
        for ends in ((source, target), (target, source)):
            self._one_way(*ends)

    def _one_way(self, source, target):
        way = queue.Queue(PIECES)
        for run, args in ((take, (source, way, self.delay_s)),
                          (give, (target, way))):
            threading.Thread(target=run, args=args, daemon=True).start()


def take(source, way, delay_s):
    piece = b"."
    while piece:
        try:
            piece = source.recv(PIECE)
        except OSError:
            piece = b""
        way.put((time.monotonic() + delay_s, piece))


def give(target, way):
    while True:
        due, piece = way.get()
        time.sleep(max(0, due - time.monotonic()))
        try:
            if not piece:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(piece)
        except OSError:
            # Who sends must notice, too.
            target.close()
            return
