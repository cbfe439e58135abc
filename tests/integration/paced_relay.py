# SPDX-License-Identifier: BSD-3-Clause
"""A path that limits each connection, whatever the others do."""
import socket
import threading
import time

from forwarder import Forwarder

PIECE = 64 << 10
# What a thread that was late may make up for.
LATE_S = 0.01


class PacedRelay(Forwarder):
    """Forwards each connection at `rate` bytes/s at most towards the target."""

    def __init__(self, uri, rate):
        self.rate = rate
        super().__init__(uri)

    def join(self, source, target):
        for ends in ((source, target, self.rate), (target, source, 0)):
            threading.Thread(target=forward, args=ends, daemon=True).start()


def forward(source, target, rate):
    due = 0
    try:
        while piece := source.recv(PIECE):
            target.sendall(piece)
            if rate:
                due = max(due, time.monotonic() - LATE_S) + len(piece) / rate
                time.sleep(max(0, due - time.monotonic()))
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # The peer must notice, too.
        for end in (source, target):
            end.close()
