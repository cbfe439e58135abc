# SPDX-License-Identifier: BSD-3-Clause
"""Guests that write to the same pages again and again, which go last."""
import rig

# Some 1.2 MiB are hot, 30 ms at the cap.
GUEST = "process:size=16M,write=120M,set=12M,pattern=hot,zero=0%"
CAP = ["--bandwidth", "40M", "--throttle", "auto"]


class HotPages(rig.Case):
    def moves(self, *options, guest=GUEST):
        source, target = self.move(guest, guest, *CAP, *options)
        ram = source.json["ram"]
        self.assertEqual(ram["remaining_bytes"], 0)
        self.assertEqual(sum(each["pages"] for each in source.json["rounds"]),
                         ram["normal_pages"] + ram["zero_pages"]
                         + ram["compressed_pages"] + ram["delta_pages"])
        return {path["name"]: path["chosen"]
                for path in source.json["fast_paths"]}["hot pages"]

    def test_they_go_last(self):
        self.assertEqual(self.moves("--downtime-limit", "150ms"), "last")

    def test_they_fit_into_no_pause(self):
        self.assertEqual(self.moves("--downtime-limit", "15ms"), "last")

    def test_they_go_in_turn(self):
        self.assertEqual(self.moves("--downtime-limit", "150ms",
                                    "--hot-pages", "in-turn"), "in turn")


if __name__ == "__main__":
    rig.main()
