# SPDX-License-Identifier: BSD-3-Clause
"""One move of one image: by the raw loop, and by ramjet."""
import json
import os
import subprocess

GIB = 1 << 30


class Failed(Exception):
    pass


def raw(program, case, channels, send):
    """All payload sizes of the case; the results, as raw prints them."""
    place = ["--file", case.image, "--target-memory", "memfd"]
    if case.stride > 1:  # as steady has it
        place = ["--memory", "4k", "--target-memory", "4k"]
    words = [program, *place, "--bytes", str(case.bytes),
             "--channels", str(channels), "--send", send,
             "--payload", case.payloads, "--stride", str(case.stride),
             "--target", case.target]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def steady(program, case, options):
    """The engine alone, round after round, in memory that is all there."""
    words = [program, "--bytes", str(case.bytes), "--stride",
             str(case.stride), *options]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise Failed(f"{' '.join(words)}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def _guest(path, *keys):
    return ",".join((f"file:{path}", *keys))


def _receive(program, case, ready, report):
    keys = [f"size={case.bytes}"]
    if case.target == "prealloc":
        keys.append("prealloc=1")
    return subprocess.Popen(
        [program, "recv", _guest(case.copy, *keys), "--from",
         "tcp:127.0.0.1:0", "--ready-fd", str(ready), "--json", report,
         "--progress", "none"],
        pass_fds=[ready], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True)


def _send(program, case, uri, report, options, wrap):
    # Mapped, as a running guest's memory is.
    words = [*wrap, program, "send", _guest(case.image, "prealloc=1"), "--to",
             uri, "--json", report, "--progress", "none", *options]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(words)}: {done.stdout}{done.stderr}")


def _ready_uri(fd):
    with os.fdopen(fd) as pipe:
        uri = pipe.readline().strip()
    if not uri:
        raise Failed("ramjet recv did not come up")
    return uri


def _load(path):
    with open(path) as file:
        return json.load(file)


def ramjet(program, case, options, folder, wrap=()):
    """A result of the same shape as raw's."""
    reports = [str(folder / name) for name in ("send.json", "recv.json")]
    source = case.sink
    if source:
        _send(program, case, source, reports[0], options, wrap)
        ends = [_load(reports[0])]
    else:
        reader, writer = os.pipe()
        target = _receive(program, case, writer, reports[1])
        os.close(writer)
        try:
            _send(program, case, _ready_uri(reader), reports[0], options, wrap)
        finally:
            told, _ = target.communicate(timeout=60)
        if target.returncode:
            raise Failed(told)
        ends = [_load(path) for path in reports]
        os.unlink(case.copy)
    return _result(ends)


def _result(ends):
    source = ends[0]
    gib = source["ram"]["normal_pages"] * 4096 / GIB
    seconds = (source["total_ms"] - source["setup_ms"]) / 1000
    cpu = [sum(end["cpu_s"].values()) for end in ends]
    return {
        "seconds": seconds, "gib": gib, "gib_per_s": gib / seconds,
        "cpu_s_per_gib": sum(cpu) / gib, "source_cpu_s": cpu[0],
        "target_cpu_s": sum(cpu[1:]), "downtime_ms": source["downtime_ms"],
        "fast_paths": source["fast_paths"],
    }
