# SPDX-License-Identifier: BSD-3-Clause
"""A TCP relay that may be long, resets connections, or lets them fall silent."""
import collections
import os
import selectors
import socket
import struct
import threading
import time

PIECE = 256 << 10
# On their way in one direction of a connection.
UNDER_WAY = 4 << 20
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST


class Half:
    """One end of a connection: what is read here goes to `other`."""

    def __init__(self, connection):
        self.connection = connection
        self.other = None
        self.pending = collections.deque()  # (when, what): to be written here
        self.bytes = 0  # of that
        self.ended = False  # nothing more will be read here
        self.silent = False
        self.full = False  # waits until it can be written to


class Cutter:
    """All sockets belong to the relay's thread; others ask it by _do()."""

    def __init__(self, uri, delay_s=0):
        self.delay_s = delay_s  # each way
        host, port = uri.removeprefix("tcp:").rsplit(":", 1)
        self.target = (host, int(port))
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.uri = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.wake_read, self.wake_write = os.pipe()
        self.selector.register(self.wake_read, selectors.EVENT_READ)
        self.asked = collections.deque()
        self.links = []  # the source's ends, in the order they came
        self.carried = 0
        self.marks = []  # (bytes, event): set once so many were carried
        self.deaf = False
        self.over = False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    # ---- for others

    def close(self):
        if self.thread.is_alive():
            self._do(self._end)
            self.thread.join()
            os.close(self.wake_write)

    def reset(self, which):
        """`which`: picks from a list of connections, the control link first
        and the data channels in the order they came."""
        self._do(lambda: [self._drop(half) for half in which(self._up())])

    def silence(self, which):
        self._do(lambda: self._set_silent(which(self._up()), True))

    def refuse(self):
        """From now on nobody is let in."""
        self._do(lambda: setattr(self, "deaf", True))

    def go_on(self):
        """Whatever is silent speaks again, and new ones are let in."""
        def everything():
            self.deaf = False
            self._set_silent(self._up(), False)
        self._do(everything)

    def after(self, count):
        """-> an event that is set once so many bytes were carried."""
        event = threading.Event()
        self._do(lambda: self._mark(count, event))
        return event

    # ---- the thread

    def _do(self, action):
        self.asked.append(action)
        if not self.over:
            os.write(self.wake_write, b".")

    def _run(self):
        while not self.over:
            for key, mask in self.selector.select(self._wait_s()):
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj == self.wake_read:
                    os.read(self.wake_read, 1)
                    self.asked.popleft()()
                elif self._is_up(key.data):
                    self._serve(key.data, mask)
            if not self.over:
                for half in self._ends():
                    if half.pending and self._is_up(half) \
                            and not (half.silent or half.full):
                        self._serve(half, selectors.EVENT_WRITE)

    def _wait_s(self):
        """Until something that was held back is due. What is due already and
        finds no room waits for that."""
        times = [half.pending[0][0] for half in self._ends()
                 if half.pending and not half.silent and not half.full]
        return max(0, min(times) - time.monotonic()) if times else None

    def _ends(self):
        return [each for half in self._up() for each in (half, half.other)]

    def _end(self):
        self.over = True
        for half in self._up():
            self._drop(half)
        self.listener.close()
        self.selector.close()
        os.close(self.wake_read)
        for _, event in self.marks:
            event.set()

    def _up(self):
        return [half for half in self.links if self._is_up(half)]

    @staticmethod
    def _is_up(half):
        return half.connection.fileno() >= 0

    def _accept(self):
        source, _ = self.listener.accept()
        if self.deaf:
            source.close()
            return
        try:
            target = socket.create_connection(self.target)
        except OSError:
            source.close()
            return
        left, right = Half(source), Half(target)
        left.other, right.other = right, left
        self.links.append(left)
        for half in left, right:
            half.connection.setblocking(False)
            half.connection.setsockopt(socket.IPPROTO_TCP,
                                       socket.TCP_NODELAY, 1)
            self._watch(half)

    def _watch(self, half):
        wanted = 0
        if not half.silent:
            if not half.ended and half.other.bytes < UNDER_WAY:
                wanted |= selectors.EVENT_READ
            if half.full:
                wanted |= selectors.EVENT_WRITE
        known = half.connection in self.selector.get_map()
        if known and wanted:
            self.selector.modify(half.connection, wanted, half)
        elif known:
            self.selector.unregister(half.connection)
        elif wanted:
            self.selector.register(half.connection, wanted, half)

    def _serve(self, half, mask):
        try:
            if mask & selectors.EVENT_WRITE:
                self._write(half)
            if mask & selectors.EVENT_READ:
                self._read(half)
            for each in half, half.other:
                if each.other.ended and not each.pending:
                    each.connection.shutdown(socket.SHUT_WR)
        except OSError:
            self._drop(half)
            return
        if half.ended and half.other.ended and not (half.pending or
                                                    half.other.pending):
            self._drop(half)
            return
        for each in half, half.other:
            self._watch(each)

    def _mark(self, *mark):
        self.marks += [mark] if mark != () else []
        for count, event in self.marks:
            if self.carried >= count:
                event.set()

    def _read(self, half):
        piece = half.connection.recv(PIECE)
        half.ended = not piece
        self.carried += len(piece)
        self._mark()
        if piece:
            half.other.pending.append((time.monotonic() + self.delay_s, piece))
            half.other.bytes += len(piece)
        self._write(half.other)

    @staticmethod
    def _write(half):
        half.full = False
        while half.pending and not half.full and \
                half.pending[0][0] <= time.monotonic():
            when, piece = half.pending.popleft()
            try:
                sent = half.connection.send(piece)
            except BlockingIOError:
                sent = 0
            half.bytes -= sent
            if sent < len(piece):
                half.pending.appendleft((when, piece[sent:]))
                half.full = True

    def _drop(self, half):
        for each in half, half.other:
            if not self._is_up(each):
                continue
            if each.connection in self.selector.get_map():
                self.selector.unregister(each.connection)
            if not (half.ended and half.other.ended):
                each.connection.setsockopt(socket.SOL_SOCKET,
                                           socket.SO_LINGER, RESET)
            each.connection.close()

    def _set_silent(self, halves, silent):
        for half in halves:
            for each in half, half.other:
                each.silent = silent
                self._watch(each)
