# SPDX-License-Identifier: BSD-3-Clause
"""A small DNS server, and a network namespace in which it is the only one.

Names end in .test. What a name means is what names[...] says: a list of lists
of IPv4 addresses, of which each query gets the next; None: no answer, ever.
"""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading

ADDRESS = "127.0.0.53"
INSIDE = "RAMJET_TEST_NAMESPACE"
RESOLV_CONF = f"nameserver {ADDRESS}\noptions timeout:30 attempts:1\n"
NSSWITCH_CONF = "hosts: files dns\n"
UNSHARE = ["unshare", "--user", "--map-root-user", "--net", "--mount"]
TYPE_A = 1


def enter():
    """Run this program again, in namespaces of its own where the server's
    address is the resolver. Returns why not, or only when inside."""
    if os.environ.get(INSIDE):
        prepare()
        return None
    if not shutil.which("ip"):
        return "no ip command"
    if not shutil.which("unshare"):
        return "no unshare command"
    result = subprocess.run([*UNSHARE, "ip", "link", "set", "lo", "up"],
                            stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode:
        return f"no namespaces here: {result.stderr.strip()}"
    os.execvpe(UNSHARE[0], [*UNSHARE, sys.executable, "-B", *sys.argv],
               {**os.environ, INSIDE: "1"})


def prepare():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for path, text in (("/etc/resolv.conf", RESOLV_CONF),
                       ("/etc/nsswitch.conf", NSSWITCH_CONF)):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            os.chmod(file.name, 0o644)
            # It stays as long as it is mounted.
            subprocess.run(["mount", "--bind", file.name,
                            os.path.realpath(path)], check=True)


class Server:
    def __init__(self):
        self.names = {}
        self.asked = threading.Condition()
        self.queries = []  # names, in the order they were asked for
        self.turns = {}
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ADDRESS, 53))
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self):
        self.socket.sendto(b"", (ADDRESS, 53))  # the end
        self.thread.join()
        self.socket.close()

    def wait_query(self, name, deadline_s=60):
        """Until somebody has asked for it."""
        with self.asked:
            if not self.asked.wait_for(lambda: name in self.queries,
                                       deadline_s):
                raise AssertionError(f"nobody asked for {name}")

    def serve(self):
        while True:
            query, peer = self.socket.recvfrom(4096)
            if not query:
                return
            reply = self.reply(query)
            if reply:
                self.socket.sendto(reply, peer)

    def reply(self, query):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode())
            at += 1 + query[at]
        name = ".".join(labels)
        kind, = struct.unpack(">H", query[at + 1:at + 3])
        question = query[12:at + 5]
        answers = self.answers(name, kind)
        with self.asked:
            self.queries.append(name)
            self.asked.notify_all()
        if answers is None:
            return None
        known = name in self.names
        head = struct.pack(">2sHHHHH", query[:2], 0x8180 | (0 if known else 3),
                           1, len(answers), 0, 0)
        return head + question + b"".join(
            struct.pack(">HHHIH4s", 0xc00c, TYPE_A, 1, 0, 4,
                        socket.inet_aton(address)) for address in answers)

    def answers(self, name, kind):
        choices = self.names.get(name, [[]])
        if choices is None:
            return None
        if kind != TYPE_A:
            return []
        turn = self.turns.get(name, 0)
        self.turns[name] = turn + 1
        return choices[turn % len(choices)]
