# SPDX-License-Identifier: BSD-3-Clause
"""Disks of the guests that qemu_rig.py starts: images that both ends share,
and a way to make real ones slow."""
import os
import struct

import rig

BUS_OF_SCSI = "scsi-hd"


def empty_qcow2(size):
    """Of up to 512 MiB; qemu-img is not everywhere. The format is in QEMU's
    docs/interop/qcow2.txt: header, table of tables of reference counts, one
    of these, and the first level of addresses, a cluster of 64 KiB each."""
    cluster = 1 << 16
    header = struct.pack(
        ">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", 3, 0, 0, 16, size, 0,
        1, 3 * cluster,  # addresses: entries, where
        cluster, 1, 0, 0,  # counts: where, clusters; no snapshots
        0, 0, 0, 4, 104)  # no features; 16 bits a count; the header's length
    counts = struct.pack(">Q", 2 * cluster)
    used = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(cluster, b"\0")
                    for part in (header, counts, used, b""))


class Disk:
    """An image that source and target share. `how`: what the guest does with
    it (see tests/qemu/guest/main.c), without the device's name."""

    def __init__(self, path, how=":direct:readers=2", kind="disk", mib=32,
                 aio="threads", direct=True, form="raw", bus="virtio-blk-pci"):
        self.path = path
        self.how = how
        self.kind = kind
        self.aio = aio
        self.direct = "on" if direct else "off"
        self.form = form
        self.bus = bus
        with open(path, "wb") as file:
            if form == "qcow2":
                file.write(empty_qcow2(mib * rig.MIB))
            else:
                file.truncate(mib * rig.MIB)

    def options(self, number, first_of_bus):
        node = f"disk{number}"
        options = ["-blockdev",
                   f"driver={self.form},node-name={node},cache.direct="
                   f"{self.direct},file.driver=file,file.filename={self.path},"
                   f"file.aio={self.aio},file.cache.direct={self.direct}"]
        if self.bus == BUS_OF_SCSI and first_of_bus:
            options += ["-device", "virtio-scsi-pci"]
        return options + ["-device", f"{self.bus},drive={node}"]

    def asked_for(self, index_on_bus):
        device = "sd" if self.bus == BUS_OF_SCSI else "vd"
        device = f"/dev/{device}{'abcdefgh'[index_on_bus]}"
        return f"wait={device} {self.kind}={device}{self.how}"


def all_options(disks):
    """-> (QEMU's options, what the guest is asked for)."""
    options, asked, seen = [], [], {True: 0, False: 0}
    for number, disk in enumerate(disks):
        scsi = disk.bus == BUS_OF_SCSI
        options += disk.options(number, seen[scsi] == 0)
        asked.append(disk.asked_for(seen[scsi]))
        seen[scsi] += 1
    return options, asked


# ---- slow disks: the kernel holds requests back, their memory pinned

def io_group(name):
    """-> (folder, file, line's form) of a new group with limited reads, or a
    reason why there is none."""
    old = "/sys/fs/cgroup/blkio"
    if os.path.exists(os.path.join(old, "cgroup.procs")):
        return (os.path.join(old, name), "blkio.throttle.read_bps_device",
                "{device} {rate}")
    try:
        with open("/sys/fs/cgroup/cgroup.subtree_control",
                  encoding="utf-8") as file:
            if "io" in file.read().split():
                return (os.path.join("/sys/fs/cgroup", name), "io.max",
                        "{device} rbps={rate}")
    except OSError:
        pass
    return "no group of processes whose disk can be made slow"


def slow_reads(case, pid, path, rate):
    """From now on process `pid` reads from the disk of `path` at `rate`
    bytes a second; skips the test with a reason where that can't be."""
    group = io_group(f"ramjet-test-{os.getpid()}-{pid}")
    if isinstance(group, str):
        case.skipTest(group)
    folder, limit, form = group
    device = os.stat(path).st_dev
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, limit), "w", encoding="utf-8") as file:
            file.write(form.format(
                device=f"{os.major(device)}:{os.minor(device)}", rate=rate))
        with open(os.path.join(folder, "cgroup.procs"), "w",
                  encoding="utf-8") as file:
            file.write(str(pid))
    except OSError as error:
        case.skipTest(f"no slow disk: {error}")
    # Tests clean up from last to first, so the process has not ended yet.
    case.addCleanup(remove_group, folder)


def remove_group(folder):
    root = os.path.dirname(folder)
    with open(os.path.join(folder, "cgroup.procs"), encoding="utf-8") as file:
        left = file.read().split()
    for pid in left:
        with open(os.path.join(root, "cgroup.procs"), "w",
                  encoding="utf-8") as file:
            file.write(pid)
    os.rmdir(folder)
