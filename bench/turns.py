# SPDX-License-Identifier: BSD-3-Clause
"""Settings that are compared in one run, in turns: A B A B. So what the machine
does beside comes to all of them, and each is compared with its neighbour."""
import datetime
import os
import pathlib
import platform
import statistics
import subprocess

MEMORY_KIB = 1024 * 1024  # in a GiB


def _first(path, start, otherwise=""):
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                if line.startswith(start):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return otherwise


def machine():
    """What a figure is worth nothing without."""
    memory = _first("/proc/meminfo", "MemTotal", "0 kB").split()[0]
    return {
        "processor": _first("/proc/cpuinfo", "model name", platform.machine()),
        "processors": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory) / MEMORY_KIB, 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "date": datetime.datetime.now().isoformat(" ", "minutes"),
    }


def version_of(ramjet):
    done = subprocess.run([ramjet, "version"], capture_output=True, text=True,
                          check=True)
    return done.stdout.strip()


def say_machine(found, command):
    print(f"{found['date']}: {found['processors']} x {found['processor']}, "
          f"{found['memory_gib']} GiB, Linux {found['kernel']}, load "
          f"{found['load_before']:.1f}; {command}", flush=True)


def take(settings, pairs, one):
    """{setting: [one(setting), ...]}: each comes `pairs` times, in turns; every
    other time the other way round, so that none always comes first."""
    found = {setting: [] for setting in settings}
    for turn in range(pairs):
        for setting in settings if turn % 2 == 0 else settings[::-1]:
            found[setting].append(one(setting))
    return found


def median(rows, figure):
    known = [row[figure] for row in rows if row.get(figure) is not None]
    return statistics.median(known) if known else None


def ratio(base, other, figure):
    """How many times less than `base` the other one takes: the median of the
    turns' own ratios. None: it isn't known."""
    pairs = [(row[figure], than[figure]) for row, than in zip(base, other)
             if row.get(figure) and than.get(figure)]
    return statistics.median(a / b for a, b in pairs) if pairs else None


def table(title, columns, rows):
    """Rows of strings, aligned: the first column to the left."""
    print(title)
    lines = [columns, *rows]
    widths = [max(len(line[i]) for line in lines)
              for i in range(len(columns))]
    for line in lines:
        print("  " + "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths))))
    print(flush=True)


def number(value, form="{:.0f}"):
    return "-" if value is None else form.format(value)


def folder_of_images():
    """Where images are: memory, where there is such a place."""
    shared = pathlib.Path("/dev/shm")
    return shared if os.access(shared, os.W_OK) else pathlib.Path("/tmp")
