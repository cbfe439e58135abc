# SPDX-License-Identifier: BSD-3-Clause
"""A QEMU's guest that changes 64 bytes of each page it writes, moved on and on,
by other means each time: nothing is lost."""
import qemu_rig
import rig

# Codec, deltas, hot pages, backend, channels.
WAYS = (("zstd:3", "auto", "last", "uring", "4"),
        ("none", "auto", "in-turn", "syscalls", "2"),
        ("zstd:-5", "off", "last", "syscalls", "16"),
        ("auto", "auto", "last", "uring", "1"))


HAS_ZSTD = rig.has_zstd()


class QemuCodecs(qemu_rig.Case):
    def test_one_guest_by_all_means(self):
        source = self.boot(backing="memfd", asks="write=50M set=32M touch=64")
        for codec, deltas, hot, backend, channels in WAYS:
            if codec.startswith("zstd") and not HAS_ZSTD:
                print(f"# {codec}: not part of this build")
                continue
            target, send = self.move_qemu(
                source, "--compress", codec, "--delta-cache", deltas,
                "--hot-pages", hot, "--backend", backend, "--channels",
                channels)
            ram = send.json["ram"]
            print(f"# {codec}: compressed {ram['compressed_pages']}, deltas "
                  f"{ram['delta_pages']}, normal {ram['normal_pages']}")
            source = target


if __name__ == "__main__":
    rig.main()
