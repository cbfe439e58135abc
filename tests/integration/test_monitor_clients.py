# SPDX-License-Identifier: BSD-3-Clause
"""`ramjet info`, `watch`, `set` and `cancel` against servers that aren't
ramjet, or mean no good: one clear line, nothing of theirs on the terminal."""
import json
import re
import socket
import threading

import rig

GREETING = (b'{"QMP": {"version": {"qemu": {"major": 0, "minor": 1, "micro": '
            b'0}, "package": "x"}, "capabilities": []}}\r\n')
# Every C0 and C1 control but the line's end, and DEL.
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\ufffd]")
HOSTILE = "\x1b]0;owned\x07\x1b[2J\u009b2J\x7f"


class Server:
    """Says `greeting`, then for each line that comes what answer() gives."""

    def __init__(self, path, greeting, answer=None):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(8)
        self.greeting = greeting
        self.answer = answer
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,),
                             daemon=True).start()

    def _talk(self, client):
        with client:
            try:
                client.sendall(self.greeting)
                self._answer(client)
            except OSError:
                pass

    def _answer(self, client):
        decoder, text = json.JSONDecoder(), ""
        while True:
            piece = client.recv(65536)
            if not piece:
                return
            text += piece.decode()
            while text:
                try:
                    request, end = decoder.raw_decode(text)
                except ValueError:
                    break
                text = text[end:].lstrip()
                client.sendall(self.answer(request["execute"]))


def returns(value):
    return json.dumps({"return": value}).encode() + b"\r\n"


class Clients(rig.Case):
    def server(self, greeting=GREETING, answer=lambda command: returns({})):
        self._count += 1
        path = self.path(f"server{self._count}")
        server = Server(path, greeting, answer)
        self.addCleanup(server.close)
        return "unix:" + path

    def client(self, status, *words):
        command = self.ramjet(*words)
        self.ends(command, status)
        shown = command.out + command.err
        self.assertIsNone(CONTROLS.search(shown), repr(shown))
        self.assertLess(len(command.err.splitlines()), 3, command.story())
        return command

    def test_greetings_that_are_none(self):
        for greeting in (b"[]\n", b"[[]]\n", b"7\n", b"null\n", b"{}\n",
                         b'"QMP"\n', b"SSH-2.0-x\r\n", b"\xff\xfe\n",
                         b"\0\n", b"", b"[" * 100000 + b"\n"):
            for words in (["info"], ["watch"], ["set", "bandwidth=1M"],
                          ["cancel"], ["switchover"]):
                with self.subTest(greeting=greeting[:20], words=words):
                    at = self.server(greeting, lambda command: b"")
                    if not greeting:
                        at = at + ".absent"
                    command = self.client(1, *words, at)
                    self.assertRegex(command.err, "monitor ?.*: ")

    def test_answers_that_are_none(self):
        for answer in (b"[]\n", b"{}\n", b'{"return": {}} x\n',
                       b'{"error": 3}\n', b'{"event": 3}\n' b"[]\n"):
            for words in (["info"], ["watch"], ["set", "bandwidth=1M"],
                          ["cancel"]):
                with self.subTest(answer=answer, words=words):
                    at = self.server(answer=lambda command: returns({})
                                     if command == "qmp_capabilities"
                                     else answer)
                    self.client(1, *words, at)

    def test_an_event_that_is_none(self):
        """What comes while `watch` waits for events."""
        for line in (b"[]\n", b'{"return": {}}\n', b"3\n"):
            with self.subTest(line=line):
                at = self.server(
                    answer=lambda command: returns({})
                    if command == "qmp_capabilities"
                    else returns({"x-ramjet-state": "active"}) + line)
                self.client(1, "watch", at)

    def test_events_without_end_are_not_kept(self):
        flood = b'{"event": "X", "data": "' + 1000 * b"x" + b'"}\r\n'
        at = self.server(answer=lambda command: 20000 * flood + returns({}))
        command = self.client(0, "info", at)
        self.assertIn("no migration yet", command.out)

    def test_a_line_without_end_is_refused(self):
        at = self.server(b"{" + (8 << 20) * b" ")
        self.assertRegex(self.client(1, "info", at).err,
                         "an answer of more than 4194304 bytes")

    def test_an_error_is_shown_without_its_controls(self):
        bad = {"error": {"class": "GenericError", "desc": HOSTILE + "no"}}
        at = self.server(answer=lambda command: json.dumps(bad).encode()
                         + b"\n")
        for words in (["info"], ["set", "bandwidth=1"], ["watch"]):
            command = self.client(1, *words, at)
            self.assertIn(r"\x1b]0;owned\x07\x1b[2J\xc2\x9b2J\x7fno",
                          command.err)

    def test_what_is_shown_has_no_controls(self):
        every = dict.fromkeys(
            ("status", "x-ramjet-uri", "error-desc", "role", "state", "name",
             "chosen", "reason"), HOSTILE)
        huge = dict.fromkeys(
            ("total_ms", "downtime_ms", "ms", "mbps", "dirty-sync-count",
             "rounds_total", "rtt_us", "throughput_bytes_per_s"), 1e300)
        whole = {"rounds": [{**huge, "pages": -1}], "channels": [every],
                 "fast_paths": [every], "downtime_terms": [{**every, **huge}],
                 "blocked-reasons": [HOSTILE], "ram": huge}
        for role in ("source", "target", HOSTILE):
            for state in ("failed", HOSTILE):
                at = self.server(answer=lambda command: returns(
                    {**every, **huge, **whole, "role": role,
                     "x-ramjet-state": state}))
                self.client(0, "info", at)
                self.client(0, "info", "--json", at)
                if state == "failed":
                    self.client(1, "watch", at)

    def test_set_refuses_what_qmp_cannot_carry(self):
        command = self.ramjet("set", b"x-ramjet-backend=\xff\xfe",
                              self.server())
        self.assertEqual(command.wait(), 2)
        self.assertIn(r"'\xff\xfe' is no UTF-8", command.err)


if __name__ == "__main__":
    rig.main()
