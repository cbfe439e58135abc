# SPDX-License-Identifier: BSD-3-Clause
"""A long path: every byte takes its time, however many are on their way."""
import queue
import socket
import threading
import time

PIECE = 64 << 10
# Pieces on their way, each direction of a connection.
PIECES = 1024


class DelayRelay:
    """Forwards each connection, both ways, `delay_s` later."""

    def __init__(self, uri, delay_s):
        host, port = uri.removeprefix("tcp:").rsplit(":", 1)
        self.target = (host, int(port))
        self.delay_s = delay_s
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
            for ends in ((source, target), (target, source)):
                self._join(*ends)

    def _join(self, source, target):
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
