# SPDX-License-Identifier: BSD-3-Clause
"""Stands between ramjet and a QEMU's monitor: sees each command before QEMU
does, so that a test acts at exactly that moment; descriptors pass too."""
import os
import re
import select
import socket
import threading

import rig

EXECUTE = re.compile(rb'"execute"\s*:\s*"([^"]+)"')
DESCRIPTORS_MAX = 4


class Relay:
    def __init__(self, case, qemu, name=None):
        self.qemu = qemu
        case.count += 1
        self.path = case.path(f"relay{case.count}.qmp")
        self.actions = {}  # command -> what is done before QEMU gets it
        self.commands = []  # all that were seen
        self.seen = threading.Condition()
        self.closed = False
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(self.path)
        self.server.listen(4)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()
        case.addCleanup(self.close)

    @property
    def guest(self):
        """As ramjet calls a QEMU behind it: the socket's peer is this."""
        return f"qemu:{self.path},pid={self.qemu.pid}{self.qemu.keys}"

    def before(self, command, action):
        """`action` is called in the relay's thread, once."""
        self.actions[command] = action

    def wait_command(self, command):
        with self.seen:
            if not self.seen.wait_for(lambda: command in self.commands,
                                      rig.DEADLINE_S):
                raise AssertionError(f"no {command} among {self.commands}")

    def close(self):
        """No more clients; who is connected sees the end."""
        if self.closed:
            return
        self.closed = True
        # Wakes accept() and the loop that forwards.
        self.server.shutdown(socket.SHUT_RDWR)
        self.thread.join(rig.DEADLINE_S)
        self.server.close()
        if os.path.exists(self.path):
            os.unlink(self.path)

    # ---- its thread

    def _serve(self):
        while not self.closed:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            with client, socket.socket(socket.AF_UNIX) as there:
                try:
                    there.connect(self.qemu.qmp)
                    self._forward(client, there)
                except OSError:
                    pass  # one of them has gone: so do we

    def _forward(self, client, there):
        while True:
            ready, _, _ = select.select([client, there, self.server], [], [])
            if self.closed:
                return
            for one, other in ((client, there), (there, client)):
                if one in ready and not self._pass_on(one, other, client):
                    return
            if ready == [self.server]:
                # Another client waits: QEMU serves one, and so do we.
                select.select([client, there], [], [])

    def _pass_on(self, one, other, client):
        data, fds, _, _ = socket.recv_fds(one, 65536, DESCRIPTORS_MAX)
        if not data:
            return False
        if one is client:
            for command in EXECUTE.findall(data):
                self._act(command.decode())
        socket.send_fds(other, [data], fds)
        for fd in fds:
            os.close(fd)
        return True

    def _act(self, command):
        with self.seen:
            self.commands.append(command)
            self.seen.notify_all()
        action = self.actions.pop(command, None)
        if action:
            action()
