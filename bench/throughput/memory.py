# SPDX-License-Identifier: BSD-3-Clause
"""Places for RAM images: tmpfs of huge and of small pages, mounted where only
this process and its children see them."""
import contextlib
import ctypes
import os
import pathlib
import shutil
import subprocess
import tempfile

CLONE_NEWNS = 0x00020000


def _mount(kind, path):
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"huge={kind},size=90%",
                    "ramjet", str(path)], check=True)


@contextlib.contextmanager
def places():
    """{"huge": path, "small": path}; without rights, small pages only."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ramjet-bench-",
                                           dir="/dev/shm"))
    found = {"small": folder}
    try:
        if os.geteuid() == 0 and not ctypes.CDLL(None).unshare(CLONE_NEWNS):
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            _mount("always", folder / "huge")
            _mount("never", folder / "small")
            found = {"huge": folder / "huge", "small": folder / "small"}
        yield found
    finally:
        for name, path in found.items():
            if path != folder:
                subprocess.run(["umount", str(path)], check=False)
        shutil.rmtree(folder)
