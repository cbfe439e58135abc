# SPDX-License-Identifier: BSD-3-Clause
"""One move of a process guest, from a `ramjet send` to a `ramjet recv`."""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

import link

BUILD = pathlib.Path(__file__).resolve().parents[1] / "build"
MIB = 1 << 20


class Failed(Exception):
    """The command could not be run, or left no report."""


def add_arguments(parser):
    """What every benchmark that moves guests is told."""
    parser.add_argument("ramjet", nargs="?", help="the command (build's)",
                        default=os.environ.get("RAMJET",
                                               str(BUILD / "cli/ramjet")))
    parser.add_argument("--json", type=pathlib.Path,
                        help="write everything here")
    parser.add_argument("--quick", action="store_true",
                        help="small guests: says that it works, no more")


def exit_status(run, options):
    """Of a benchmark whose run(options) returns rows, each with a report."""
    try:
        rows = run(options)
    except link.Unavailable as reason:
        print(f"skipped: {reason}")
        return link.SKIP
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))
    return any(row["report"]["status"] != "completed" for row in rows)


@contextlib.contextmanager
def _target(ramjet, where, size):
    """A target that waits: the process and its URI."""
    ready, write_end = os.pipe()
    process = subprocess.Popen(
        [*where.target, ramjet, "recv", f"process:size={size},prealloc=1",
         "--from", f"tcp:{where.address}:0", "--ready-fd", str(write_end),
         "--progress", "none"],
        pass_fds=[write_end], stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True)
    os.close(write_end)
    try:
        with os.fdopen(ready) as pipe:
            uri = pipe.readline().strip()
        if not uri:
            raise Failed(process.communicate()[1].strip())
        yield process, uri
    finally:
        process.kill()
        process.wait()


def _source(words, heard):
    """Its messages, each told to heard(process, line) as it comes."""
    said = []
    with subprocess.Popen(words, stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                said.append(line.rstrip())
                heard(process, said[-1])
        except BaseException:
            process.kill()
            raise
    return said


def move(ramjet, where, guest, options, heard=lambda process, line: None):
    """The source's report; `guest` is a dictionary of keys. Its "status" is
    "completed" only if the target's guest found all its memory right, too."""
    keys = ",".join(f"{key}={value}" for key, value in guest.items())
    with _target(ramjet, where, guest["size"]) as (target, there), \
            where.way_to(there) as uri, \
            tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "source.json")
        said = _source([*where.source, ramjet, "send", f"process:{keys}",
                        "--to", uri, "--json", str(path), *where.options,
                        *options], heard)
        if not path.exists():
            raise Failed("\n".join(said))
        report = json.loads(path.read_text())
        told = target.communicate(timeout=60)[1].strip()
    if report["status"] == "completed" and target.returncode:
        report.update(status="damaged", error=told)
    if report["status"] != "completed":
        print(f"  {report['status']}: {report['error']}", flush=True)
    return report
