#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What does it cost when connections break? One of four channels is reset every
second (`--every`), in turn, on its way through a relay that carries all of them;
beside it, the same move undisturbed. Both arrive whole: that is verified."""
import argparse
import contextlib
import pathlib
import sys
import threading

HERE = pathlib.Path(__file__).resolve()
sys.path.insert(0, str(HERE.parents[1]))
import link  # noqa: E402
import moves  # noqa: E402

sys.path.insert(0, str(HERE.parents[2] / "tests/integration"))
from resetting_relay import ResettingRelay  # noqa: E402

CHANNELS = 4


class Breaking(link.Loopback):
    """A way on which a channel is reset every `every_s`; 0: never."""

    def __init__(self, every_s, cap):
        super().__init__(cap)
        self.name = "broken" if every_s else "whole"
        self.every_s = every_s

    @contextlib.contextmanager
    def way_to(self, uri):
        relay = ResettingRelay(uri)
        over = threading.Event()
        if self.every_s:
            threading.Thread(target=self._break, args=(relay, over),
                             daemon=True).start()
        try:
            yield relay.uri
        finally:
            over.set()
            relay.close()

    def _break(self, relay, over):
        """The oldest connection that is left, the control link apart; once all
        are there, and have been for a moment: before that a loss ends it."""
        number = 1
        while len(relay.links) <= CHANNELS:
            if over.wait(0.01):
                return
        over.wait(0.2)
        while not over.wait(self.every_s):
            if number < len(relay.links):
                relay.reset(number)
                number += 1


def measure(options, way):
    guest = {"size": "64M" if options.quick else options.size,
             "write": options.write, "set": "16M" if options.quick else "256M"}
    report = moves.move(options.ramjet, way, guest,
                        ["--channels", str(CHANNELS), "--verify"])
    return {"way": way.name, "report": report,
            "bytes_per_s": report["throughput_bytes_per_s"] or 0}


def show(row):
    report = row["report"]
    print(f"{row['way']:6}: {row['bytes_per_s'] / 1e6:7.1f} MB/s, "
          f"{report['total_ms']:8.0f} ms, {report['lanes_lost']} lost, "
          f"{report['lanes_rejoined']} came back, "
          f"{report['ram']['resent_pages']} pages again", flush=True)


def run(options):
    every_s = 0.05 if options.quick else options.every
    rows = []
    for _ in range(1 if options.quick else options.runs):
        for way in Breaking(0, options.cap), Breaking(every_s, options.cap):
            rows.append(measure(options, way))
            show(rows[-1])
    rates = {name: [row["bytes_per_s"] for row in rows if row["way"] == name]
             for name in ("whole", "broken")}
    if all(map(sum, rates.values())):
        print(f"broken / whole: "
              f"{sum(rates['broken']) / sum(rates['whole']):.2f}")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    moves.add_arguments(parser)
    parser.add_argument("--every", type=float, default=1.0, metavar="S")
    parser.add_argument("--cap", type=int, default=200_000_000,
                        metavar="BYTES", help="a second")
    parser.add_argument("--size", default="2G")
    parser.add_argument("--write", default="50M")
    parser.add_argument("--runs", type=int, default=3)
    return moves.exit_status(run, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
