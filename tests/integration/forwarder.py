# SPDX-License-Identifier: BSD-3-Clause
"""A way to a target that does something to what it carries."""
import socket
import threading


class Forwarder:
    """Takes connections at `uri`; join(source, target) has each forwarded."""

    def __init__(self, uri):
        host, port = uri.removeprefix("tcp:").rsplit(":", 1)
        self.target = (host, int(port))
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
            # As proxies do: else small pieces wait for one another's ACK.
            for end in source, target:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.join(source, target)
