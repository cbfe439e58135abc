# SPDX-License-Identifier: BSD-3-Clause
"""A plain QMP client, as the QMP specification has it; no more than what the
Python standard library offers, and nothing of ramjet."""
import array
import json
import socket

DEADLINE_S = 60


class Closed(Exception):
    """The server has closed the connection."""


class QmpError(Exception):
    """The server's answer is an error."""

    def __init__(self, error):
        super().__init__(f"{error['class']}: {error['desc']}")
        self.class_name = error["class"]
        self.desc = error["desc"]


class Client:
    def __init__(self, path, negotiate=True):
        """`path`: where the server listens, or a connection to it."""
        if isinstance(path, socket.socket):
            self.socket = path
        else:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE_S)
        if self.socket is not path:
            self.socket.connect(path)
        self.buffer = b""
        self.events = []  # in the order they came, not yet looked at
        self.greeting = self.receive()
        if negotiate:
            self.execute("qmp_capabilities")

    def close(self):
        self.socket.close()

    # ---- the wire

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next object; lines end with CR LF."""
        while b"\n" not in self.buffer:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                raise Closed()
            self.buffer += piece
        line, self.buffer = self.buffer.split(b"\n", 1)
        if not line.endswith(b"\r"):
            raise AssertionError(f"no CR LF after {line!r}")
        return json.loads(line.decode("ascii"))

    # ---- commands

    def reply(self):
        """The next object that is no event."""
        while True:
            message = self.receive()
            if "event" not in message:
                return message
            self.events.append(message)

    def request(self, command, arguments=None, **members):
        request = {"execute": command, **members}
        if arguments is not None:
            request["arguments"] = arguments
        self.send(json.dumps(request).encode())
        return self.reply()

    def execute(self, command, **arguments):
        """What it returns; underscores stand for dashes."""
        arguments = {name.replace("_", "-"): value
                     for name, value in arguments.items()}
        reply = self.request(command, arguments or None)
        if "error" in reply:
            raise QmpError(reply["error"])
        return reply["return"]

    def send_fd(self, fd, command, **arguments):
        request = json.dumps({"execute": command, "arguments": arguments})
        self.socket.sendmsg(
            [request.encode()],
            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        return self.reply()

    # ---- events

    def event(self):
        return self.events.pop(0) if self.events else self.receive()

    def wait_event(self, name, **data):
        """The next one called `name` with such data; those before it are
        gone."""
        while True:
            event = self.event()
            if (event["event"] == name and
                    data.items() <= event.get("data", {}).items()):
                return event

    def wait_status(self, *statuses):
        """Until a MIGRATION event tells one of these; which."""
        while True:
            status = self.wait_event("MIGRATION")["data"]["status"]
            if status in statuses:
                return status

    def all_events(self):
        """Until the server closes the connection."""
        while True:
            try:
                yield self.event()
            except Closed:
                return

