#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Where a run takes place: loopback, with a cap or without; or two network
namespaces joined by a veth pair whose rate `tbf` limits, which needs root.

As a command: what a plain transfer over each link gives.
"""
import contextlib
import os
import pathlib
import signal
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] /
                    "tests/integration"))
import delay_relay  # noqa: E402

# Of tbf: rate, burst, latency. A burst is what the rate brings in some 2 ms:
# with much less a fast link gives less than its rate.
LINKS = {"500mbit": ("500mbit", "256k", "20ms"),
         "1gbit": ("1gbit", "256k", "20ms"),
         "10gbit": ("10gbit", "4m", "20ms")}
# Seconds, each way.
RELAYS = {"relay10": 0.01, "relay50": 0.05, "proxy100": 0.1}
# What TCP carries of a link's rate: 1448 bytes of 1514, as tbf counts them.
GOODPUT = 1448 / 1514 / 8
UNITS = {"gbit": 1e9, "mbit": 1e6}
SKIP = 77  # meson's exit status of a test that was skipped


class Unavailable(Exception):
    """This machine, or this user, can't have such a link."""


def _run(*words):
    try:
        done = subprocess.run(words, capture_output=True, text=True)
    except FileNotFoundError:
        raise Unavailable(f"{words[0]} is not installed (iproute2)") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().split("\n")[0]
        raise Unavailable(f"{' '.join(words)}: {said}")


class Way:
    @contextlib.contextmanager
    def way_to(self, uri):
        """Where the source has to connect to."""
        yield uri


def _sent(device, where=()):
    """What this device has sent so far, headers and all."""
    done = subprocess.run([*where, "cat", "/proc/net/dev"], check=True,
                          capture_output=True, text=True)
    for line in done.stdout.splitlines():
        name, _, figures = line.partition(":")
        if name.strip() == device:
            return int(figures.split()[8])
    raise Unavailable(f"no {device} in /proc/net/dev")


class Loopback(Way):
    address = "127.0.0.1"
    source = target = []

    def __init__(self, cap=None):
        self.name = "cap" if cap else "lo"
        self.bytes_per_s = cap
        self.options = ["--bandwidth", str(cap)] if cap else []

    def sent_bytes(self):
        """By everybody, both ways."""
        return _sent("lo")


class Relay(Loopback):
    """Loopback, through a process that takes every connection as its own and
    hands each byte on `delay_s` later, both ways: TCP's round trip ends there.
    """

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.delay_s = RELAYS[name]

    @contextlib.contextmanager
    def way_to(self, uri):
        relay = delay_relay.DelayRelay(uri, self.delay_s)
        try:
            yield relay.uri
        finally:
            relay.close()


class Shaped(Way):
    address = "10.77.0.2"
    options = []

    def __init__(self, name):
        tag = f"rjb{os.getpid()}-{name}"
        self.name = name
        self.bytes_per_s = int(float(name[:-4]) * UNITS[name[-4:]] * GOODPUT)
        self.ends = [f"{tag}-s", f"{tag}-t"]
        self.source = ["ip", "netns", "exec", self.ends[0]]
        self.target = ["ip", "netns", "exec", self.ends[1]]

    def sent_bytes(self):
        """Both ways."""
        return _sent("rjb0", self.source) + _sent("rjb0", self.target)

    def set_rate(self, name, verb="change"):
        """Also under way: as this one of LINKS from now on."""
        rate, burst, latency = LINKS[name]
        for end in self.ends:
            _run("tc", "-n", end, "qdisc", verb, "dev", "rjb0", "root", "tbf",
                 "rate", rate, "burst", burst, "latency", latency)

    def up(self):
        if os.geteuid():
            raise Unavailable("a shaped link needs root")
        for end in self.ends:
            _run("ip", "netns", "add", end)
        _run("ip", "link", "add", "rjb0", "netns", self.ends[0], "type",
             "veth", "peer", "name", "rjb0", "netns", self.ends[1])
        for end, host in zip(self.ends, (1, 2)):
            _run("ip", "-n", end, "addr", "add", f"10.77.0.{host}/24", "dev",
                 "rjb0")
            _run("ip", "-n", end, "link", "set", "rjb0", "up")
            _run("ip", "-n", end, "link", "set", "lo", "up")
        self.set_rate(self.name, "add")

    def down(self):
        for end in self.ends:
            with contextlib.suppress(Unavailable):
                _run("ip", "netns", "del", end)


@contextlib.contextmanager
def shaped(names):
    """{name: link} of LINKS, gone afterwards; Unavailable with the reason."""
    # Killed by whoever ran out of patience: nothing may stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    with contextlib.ExitStack() as stack:
        links = {name: Shaped(name) for name in names}
        for link in links.values():
            stack.callback(link.down)
            link.up()
        yield links


# ---- as a command

RECEIVE = """
import socket, time
listener = socket.create_server(("10.77.0.2", 7077))
print(flush=True)
peer = listener.accept()[0]
room, got = bytearray(1 << 20), peer.recv(1)
begun, total = time.monotonic(), 0
while got:
    got = peer.recv_into(room)
    total += got
print(total / (time.monotonic() - begun))
"""
SEND = """
import socket, time
peer = socket.create_connection(("10.77.0.2", 7077))
data, end = bytes(1 << 20), time.monotonic() + 2
while time.monotonic() < end:
    peer.sendall(data)
"""


def measure(link):
    """Bytes/s of one plain TCP connection, over 2 s."""
    receiver = subprocess.Popen([*link.target, sys.executable, "-c", RECEIVE],
                                stdout=subprocess.PIPE, text=True)
    try:
        receiver.stdout.readline()
        subprocess.run([*link.source, sys.executable, "-c", SEND], check=True)
        return float(receiver.communicate(timeout=30)[0])
    finally:
        receiver.kill()
        receiver.wait()


def main():
    try:
        with shaped(sys.argv[1:] or ["1gbit", "10gbit"]) as links:
            for link in links.values():
                rate = measure(link)
                print(f"{link.name:6} {rate / 1e6:7.1f} MB/s, "
                      f"{100 * rate / link.bytes_per_s:.1f} % of what TCP "
                      "can have of it", flush=True)
    except Unavailable as reason:
        print(f"skipped: {reason}")
        return SKIP
    return 0


if __name__ == "__main__":
    sys.exit(main())
