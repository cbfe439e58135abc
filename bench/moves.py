# SPDX-License-Identifier: BSD-3-Clause
"""One move, from a `ramjet send` to a `ramjet recv`."""
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
def _target(ramjet, where, guest, report):
    """A target that waits: the process and its URI."""
    ready, write_end = os.pipe()
    process = subprocess.Popen(
        [*where.target, ramjet, "recv", guest, "--from",
         f"tcp:{where.address}:0", "--ready-fd", str(write_end), "--json",
         report, "--progress", "none"],
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


def both_ends(ramjet, where, guest, to_guest, options,
              heard=lambda process, line: None):
    """The reports of source and target; guests as on the command line. The
    first one's "status" is "completed" only if the target's guest found all its
    memory right, too."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [pathlib.Path(folder, side) for side in ("source", "target")]
        with _target(ramjet, where, to_guest, str(paths[1])) as (target, there), \
                where.way_to(there) as uri:
            said = _source([*where.source, ramjet, "send", guest, "--to", uri,
                            "--json", str(paths[0]), *where.options,
                            *options], heard)
            if not paths[0].exists():
                raise Failed("\n".join(said))
            source = json.loads(paths[0].read_text())
            # Else nobody may ever have come to the target.
            told = (target.communicate(timeout=60)[1].strip()
                    if source["status"] == "completed" else "")
        there = (json.loads(paths[1].read_text()) if paths[1].exists()
                 else {})
    if source["status"] == "completed" and target.returncode:
        source.update(status="damaged", error=told)
    if source["status"] != "completed":
        print(f"  {source['status']}: {source['error']}", flush=True)
    return source, there


def process_guests(guest):
    """Of a dictionary of keys: the source's words, and the target's."""
    keys = ",".join(f"{key}={value}" for key, value in guest.items())
    return f"process:{keys}", f"process:size={guest['size']},prealloc=1"


def move(ramjet, where, guest, options, heard=lambda process, line: None):
    """The source's report, of a process guest: a dictionary of keys."""
    return both_ends(ramjet, where, *process_guests(guest), options, heard)[0]
