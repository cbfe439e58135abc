# SPDX-License-Identifier: BSD-3-Clause
"""The same guest moved by QEMU's own multifd, or by ramjet from outside; each
move starts the target and ends the source."""
import json
import os
import pathlib
import subprocess
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] /
                    "tests/integration"))
import qemu_rig  # noqa: E402

TICK_S = os.sysconf("SC_CLK_TCK")


class Lab(qemu_rig.Case):
    """Places, and what ends with them; no test."""

    def runTest(self):
        pass


class Placed(qemu_rig.Qemu):
    """In a network namespace: `where` is what goes before its command."""

    def __init__(self, case, name, where, **settings):
        self.where = where
        super().__init__(case, name, **settings)

    def start(self, binary, options, env, servers):
        words = [*self.where, binary, *options]
        super().start(words[0], words[1:], env, servers)

    def target(self, where, **other):
        self.case.count += 1
        return Placed(self.case, f"qemu{self.case.count}", where,
                      **{**self.settings, "incoming": True, **other})


def cpu_s(path):
    """User and system seconds, of a process or a thread."""
    with open(f"{path}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK_S


def own_cpu_s(qemu):
    """Of all its threads, gone ones too, but for those that are the guest."""
    vcpus = [cpu["thread-id"] for cpu in qemu.execute("query-cpus-fast")]
    return (cpu_s(f"/proc/{qemu.pid}") -
            sum(cpu_s(f"/proc/{qemu.pid}/task/{tid}") for tid in vcpus))


def forget_events(*qemus):
    for qemu in qemus:
        qemu.execute("query-status")  # those that came before are heard now
        qemu.monitor.events.clear()


def at_ms(event):
    stamp = event["timestamp"]
    return stamp["seconds"] * 1e3 + stamp["microseconds"] / 1e3


def pause_ms(source, target):
    """By QEMU's own clock: from STOP here to RESUME there."""
    stopped = source.monitor.wait_event("STOP")
    return at_ms(target.monitor.wait_event("RESUME")) - at_ms(stopped)


class ByQemu:
    """`capabilities` and `parameters` are QEMU's own, set at both ends."""

    def __init__(self, limit_ms, channels, name="QEMU",
                 capabilities=("multifd",), **parameters):
        self.name = name
        # The source was a target before, and has what that was given.
        self.capabilities = {"events": True, **{
            one: one in capabilities for one in ("multifd", "xbzrle")}}
        self.parameters = {"downtime-limit": limit_ms, "max-bandwidth": 0,
                           "multifd-channels": channels, **parameters}

    def prepare(self, qemu):
        qemu.execute("migrate-set-capabilities", capabilities=[
            {"capability": name, "state": on}
            for name, on in self.capabilities.items()])
        qemu.execute("migrate-set-parameters", **self.parameters)

    def move(self, source, place, address):
        target = source.target(place, without=("-S",))
        begun = own_cpu_s(source)
        self.prepare(source)
        self.prepare(target)
        runs = source.status() == "running"
        forget_events(source, target)
        target.execute("migrate-incoming", uri=f"tcp:{address}:0")
        port = target.execute("query-migrate")["socket-address"][0]["port"]
        source.execute("migrate", uri=f"tcp:{address}:{port}")
        pause = pause_ms(source, target) if runs else None
        status = source.monitor.wait_status("completed", "failed")
        info = source.execute("query-migrate")
        if status != "completed":
            raise RuntimeError(f"QEMU: {info}")
        while not info.get("total-time"):  # counted just after it says so
            info = source.execute("query-migrate")
        ram = info["ram"]
        return target, {
            "total_ms": info["total-time"],
            "pause_ms": pause,
            "said_ms": info["downtime"],
            "bytes": ram["transferred"],
            "cpu_s": own_cpu_s(source) - begun + own_cpu_s(target),
        }


class Ramjet:
    """One side of ramjet's."""

    def __init__(self, command, where, report, *words, pass_fds=()):
        self.report = report
        self.process = subprocess.Popen(
            [*where, command, *words, "--json", report, "--progress", "none"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, pass_fds=pass_fds)

    def end(self):
        said = self.process.communicate()[1]
        if self.process.returncode:
            raise RuntimeError(f"ramjet: {said}")
        with open(self.report, encoding="utf-8") as file:
            return json.load(file)


class ByRamjet:
    def __init__(self, command, limit_ms, channels, name="ramjet", options=()):
        self.name = name
        self.command = command
        self.options = ["--downtime-limit", f"{limit_ms}ms", "--channels",
                        str(channels), *options]

    def receive(self, place, target, address, report):
        ready, theirs = os.pipe()
        there = Ramjet(self.command, place, report, "recv", target.guest,
                       "--from", f"tcp:{address}:0", "--ready-fd",
                       str(theirs), pass_fds=(theirs,))
        os.close(theirs)
        with os.fdopen(ready) as pipe:
            uri = pipe.readline().strip()
        if not uri:
            there.end()
        return there, uri

    def move(self, source, place, address):
        case = source.case
        target = source.target(place)
        begun = own_cpu_s(source)
        runs = source.status() == "running"
        forget_events(source, target)
        there, uri = self.receive(place, target, address,
                                  case.path(f"there{case.count}.json"))
        here = Ramjet(self.command, source.where,
                      case.path(f"here{case.count}.json"), "send",
                      source.guest, "--to", uri, *self.options)
        try:
            report, other = here.end(), there.end()
        finally:
            # Where the source refuses, nobody ever comes to the target.
            there.process.kill()
        return target, {
            "total_ms": report["total_ms"],
            "pause_ms": pause_ms(source, target) if runs else None,
            "said_ms": report["downtime_ms"],
            "bytes": report["ram"]["wire_bytes"],
            "cpu_s": (own_cpu_s(source) - begun + own_cpu_s(target) +
                      sum(sum(one["cpu_s"].values())
                          for one in (report, other))),
            "terms": {term["name"]: term["actual_ms"]
                      for term in report["downtime_terms"]},
            "predicted_ms": report["downtime_predicted_ms"],
        }
