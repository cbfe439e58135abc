# SPDX-License-Identifier: BSD-3-Clause
"""Where a run takes place: plain loopback, or two network namespaces joined
by a veth pair whose rate `tbf` limits. Needs root for the latter."""
import contextlib
import os
import subprocess


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Loopback:
    name = "lo"
    address = "127.0.0.1"
    source = target = []


class Shaped:
    address = "10.77.0.2"

    def __init__(self, rate):
        tag = f"rjb{os.getpid()}"
        self.name = f"tbf {rate}"
        self.ends = [f"{tag}s", f"{tag}t"]
        self.source = ["ip", "netns", "exec", self.ends[0]]
        self.target = ["ip", "netns", "exec", self.ends[1]]
        self.rate = rate

    def up(self):
        source, target = self.ends
        for end in self.ends:
            _ip("netns", "add", end)
        _ip("link", "add", "rjb0", "netns", source, "type", "veth", "peer",
            "name", "rjb0", "netns", target)
        for end, host in zip(self.ends, (1, 2)):
            _ip("-n", end, "addr", "add", f"10.77.0.{host}/24", "dev", "rjb0")
            _ip("-n", end, "link", "set", "rjb0", "up")
            _ip("-n", end, "link", "set", "lo", "up")
            subprocess.run(
                ["ip", "netns", "exec", end, "tc", "qdisc", "add", "dev",
                 "rjb0", "root", "tbf", "rate", self.rate, "burst", "256k",
                 "latency", "20ms"], check=True, capture_output=True)

    def down(self):
        for end in self.ends:
            subprocess.run(["ip", "netns", "del", end], capture_output=True)


@contextlib.contextmanager
def shaped(rate):
    link = Shaped(rate)
    try:
        link.up()
        yield link
    finally:
        link.down()
