# SPDX-License-Identifier: BSD-3-Clause
"""The memory of a real Linux, as a RAM image: the small one that the tests
move (scripts/qemu-lab.sh, tests/qemu/guest), in a QEMU by TCG.

It is given files of /usr, unpacks them to a tmpfs, compresses, sorts and
removes some of it, and keeps writing to memory of its own: so there are a page
cache, processes' memory, the kernel's own, pages that were freed, and pages
that were never touched. Then it is stopped, and QMP's pmemsave writes it out.

Kept in build/bench-guests (RAMJET_BENCH_GUESTS), since it takes some 20 s.
"""
import os
import pathlib
import sys
import tarfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests/integration"))
import qemu_disks  # noqa: E402
import qemu_rig  # noqa: E402

KEPT = pathlib.Path(os.environ.get("RAMJET_BENCH_GUESTS",
                                   ROOT / "build/bench-guests"))
MIB = 1 << 20
# Of the memory: files that are brought, and what one of its programs writes.
FILES_SHARE = 0.3
SET_SHARE = 0.1
WORK = ("mkdir /tmp/usr; tar -xf /dev/vda -C /tmp/usr; cd /tmp/usr; ls > /tmp/l;"
        " cat 0* | gzip > /tmp/some.gz; cat 1* | head -c {sorted} | sort "
        "> /tmp/sorted; rm -r 2* 3*; sync")


class Unavailable(Exception):
    pass


class Lab(qemu_rig.Case):
    def runTest(self):
        pass


class Tar(qemu_disks.Disk):
    """A disk that the guest only finds there."""

    def __init__(self, path, files, size):
        super().__init__(path, mib=1, direct=False)
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for number, name in enumerate(files):
                if size <= 0:
                    break
                told = tar.gettarinfo(name, f"{number % 10}{number:06}")
                if told.size > 4 * MIB or not told.isreg():
                    continue  # a second name of a file is no file here
                with open(name, "rb") as file:
                    tar.addfile(told, file)
                size -= told.size
        os.truncate(path, -(-os.path.getsize(path) // MIB) * MIB)

    def asked_for(self, index_on_bus):
        return "wait=/dev/vda"


def _save(lab, path, mib, files):
    tar = Tar(lab.path("disk"), files, int(FILES_SHARE * mib) * MIB)
    qemu = lab.boot(memory=mib, disks=[tar], asks="write=20M check=0 "
                    f"set={int(SET_SHARE * mib)}M")
    place = qemu.console.place
    qemu.console.say("run " + WORK.format(sorted=mib * MIB // 32))
    if qemu.console.wait_for(r"^run ended: (-?\d+)", place)[1] != "0":
        raise RuntimeError("the guest's work failed:\n" + qemu.console.text())
    qemu.execute("stop")
    qemu.execute("pmemsave", val=0, size=mib * MIB, filename=str(path))
    qemu.quit()


def image(mib, files):
    """Where one of that size is; made, with what files() lists, if there is
    none."""
    path = KEPT / f"linux-{mib}.ram"
    if path.exists():
        return path
    why = qemu_rig.missing()
    if why:
        raise Unavailable(why)
    KEPT.mkdir(parents=True, exist_ok=True)
    fresh = KEPT / f"linux-{mib}.new"
    lab = Lab()
    lab.setUp()
    try:
        _save(lab, fresh, mib, files())
    finally:
        lab.doCleanups()
    os.rename(fresh, path)
    return path
