# SPDX-License-Identifier: BSD-3-Clause
"""A path that limits each connection, whatever the others do."""
import socket
import threading
import time

PIECE = 64 << 10
# What a thread that was late may make up for.
LATE_S = 0.01


class PacedRelay:
    """Forwards each connection at `rate` bytes/s at most towards the target."""

    def __init__(self, uri, rate):
        host, port = uri.removeprefix("tcp:").rsplit(":", 1)
        self.target = (host, int(port))
        self.rate = rate
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.uri = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # Wakes accept(), which close() alone does not.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                source, _ = self.listener.accept()
                target = socket.create_connection(self.target)
            except OSError:
                return
            for ends in ((source, target, self.rate), (target, source, 0)):
                threading.Thread(target=forward, args=ends,
                                 daemon=True).start()


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
