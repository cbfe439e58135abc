# SPDX-License-Identifier: BSD-3-Clause
"""Initial RAM disks for the small Linux in which real QEMUs are moved.

    initrd.py base OUT KERNEL_TREE BUSYBOX    drivers and busybox
    initrd.py guest OUT PROGRAM               the guest's own program

Both are archives that Linux unpacks one after the other where one file holds
both; so the large one need not be made again for each build."""
import gzip
import os
import re
import stat
import sys

MODULES = ["virtio_pci", "virtio_blk", "virtio_scsi", "sd_mod", "virtio_balloon",
           "virtio_net", "virtio_console", "virtio_mem", "virtio_rng",
           "crc32c_generic", "ext4"]
APPLETS = ["sh", "mke2fs"]
DIRECTORY = stat.S_IFDIR | 0o755
PROGRAM = stat.S_IFREG | 0o755
DEVICE = stat.S_IFCHR | 0o600


class Archive:
    """A cpio archive in the form "newc", as Linux wants it."""

    def __init__(self):
        self.pieces = []
        self.files = 0

    def add(self, name, mode, data=b"", device=(0, 0)):
        self.files += 1
        encoded = name.encode() + b"\0"
        fields = [self.files, mode, 0, 0, 1, 0, len(data), 0, 0, *device,
                  len(encoded), 0]
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        for piece in (header + encoded, data):
            self.pieces.append(piece + b"\0" * (-len(piece) % 4))

    def write(self, path):
        self.add("TRAILER!!!", 0)
        temporary = f"{path}.{os.getpid()}"
        with open(temporary, "wb") as out:
            # The same bytes each time: no name and no date in the header.
            with gzip.GzipFile("", "wb", 1, out, 0) as packed:
                packed.write(b"".join(self.pieces))
        os.rename(temporary, path)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def module_files(tree):
    found = {}
    for folder, _, names in os.walk(os.path.join(tree, "lib", "modules")):
        for name in names:
            if name.endswith(".ko"):
                found[name[:-3].replace("-", "_")] = os.path.join(folder, name)
    return found


def in_order(names, files):
    """Each after what it needs; what is in the kernel itself is left out."""
    order = []

    def need(name):
        if name in order or name not in files:
            return
        needs = re.search(rb"\0depends=([^\0]*)\0", read(files[name]))
        for other in needs[1].decode().split(",") if needs else []:
            need(other.replace("-", "_"))
        order.append(name)

    for name in names:
        need(name)
    return order


def make_base(out, tree, busybox):
    archive = Archive()
    for name in ("dev", "bin", "modules"):
        archive.add(name, DIRECTORY)
    archive.add("dev/console", DEVICE, device=(5, 1))
    archive.add("bin/busybox", PROGRAM, read(busybox))
    for name in APPLETS:
        archive.add("bin/" + name, stat.S_IFLNK | 0o777, b"busybox")
    files = module_files(tree)
    order = in_order(MODULES, files)
    for name in order:
        archive.add(f"modules/{name}.ko", stat.S_IFREG | 0o644,
                    read(files[name]))
    archive.add("modules/order", stat.S_IFREG | 0o644,
                "".join(f"{name}.ko\n" for name in order).encode())
    archive.write(out)


def make_guest(out, program):
    archive = Archive()
    archive.add("init", PROGRAM, read(program))
    archive.write(out)


if __name__ == "__main__":
    {"base": make_base, "guest": make_guest}[sys.argv[1]](*sys.argv[2:])
