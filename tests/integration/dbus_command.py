# SPDX-License-Identifier: BSD-3-Clause
"""`ramjet helper run` and `ramjet helpers` as people use them."""
import os
import signal

import dbus_rig
import rig
from dbus_rig import blob, pattern


class Command(dbus_rig.Case):
    def test_states_move_between_two_buses(self):
        source, target = self.bus("source"), self.bus("target")
        states = {"net": pattern(1, 70000), "tpm": b"", "fs": b"\0" * 10}
        for one, data in states.items():
            self.helper(source, one, data)
        paths = {one: self.helper(target, one) for one in states}
        file = self.path("moved")
        saved = self.run_helpers("save", "--bus", source, "--file", file)
        self.assertEqual(saved.returncode, 0, saved.stderr)
        self.assertIn(b"70000 bytes, saved in", saved.stdout)
        loaded = self.run_helpers("load", "--bus", target, "--file", file)
        self.assertEqual(loaded.returncode, 0, loaded.stderr)
        for one, path in paths.items():
            self.assertEqual(self.contents(path), states[one])

    def test_id_list_picks_who_takes_part(self):
        address = self.bus()
        for one in ("a", "b", "c"):
            self.helper(address, one, one.encode())
        result = self.run_helpers("save", "--bus", address, "--id-list",
                                  "c,a")
        self.assertEqual(result.stdout, blob({"a": b"a", "c": b"c"}))
        self.assertIn(b"not listed", result.stderr)

    def test_a_target_without_a_bus_names_who_lacks_a_helper(self):
        address = self.bus()
        self.helper(address, "net", b"state")
        guest = "process:size=16M,write=0"
        target = self.ramjet("recv", guest, "--from", "unix:" + self.path("to"))
        target.wait_for("listening on")
        source = self.ramjet("send", guest, "--to", "unix:" + self.path("to"),
                             "--helpers", address)
        for side in (source, target):
            self.assertEqual(side.wait(), 1, side.story())
            self.assertIn("'net'", side.err)
            self.assertIn("no helpers are configured here", side.err)
        self.assertIn("the source guest runs on", source.err)

    def test_missing_ids_are_all_named(self):
        address = self.bus()
        self.helper(address, "a", b"")
        result = self.run_helpers("save", "--bus", address, "--id-list",
                                  "x,a,y")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"'x', 'y'", result.stderr)
        self.assertEqual(result.stdout, b"")
        result = self.run_helpers("list", "--bus", address, "--id-list",
                                  "x,a,y")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout.count(b"PROBLEM"), 2)

    def test_failed_save_says_why_and_writes_nothing(self):
        address = self.bus()
        path = self.helper(address, "net", b"1")
        os.unlink(path)
        file = self.path("out")
        result = self.run_helpers("save", "--bus", address, "--file", file)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"'net'", result.stderr)
        self.assertIn(b"No such file", result.stderr)
        self.assertFalse(os.path.exists(file))

    def test_state_over_the_limit_says_the_figures(self):
        address = self.bus()
        self.helper(address, "net", bytes((1 << 20) + 1), "--limit", "2M")
        result = self.run_helpers("save", "--bus", address)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"1048577 bytes of state, the limit is 1048576",
                      result.stderr)
        result = self.run_helpers("save", "--bus", address, "--limit", "1.5M")
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_damaged_file_reaches_no_helper(self):
        address = self.bus()
        path = self.helper(address, "net", b"old")
        good = blob({"net": b"new"})
        for bad in (good[:-1], good + b"\0", b""[:0] + good[:7]):
            result = self.run_helpers("load", "--bus", address, stdin=bad)
            self.assertEqual(result.returncode, 1)
            self.assertIn(b"helpers' state:", result.stderr)
        self.assertEqual(self.contents(path), b"old")

    def test_nothing_is_not_state(self):
        address = self.bus()
        path = self.helper(address, "net", b"old")
        empty = self.path("empty")
        with open(empty, "wb"):
            pass
        for words, name in (([], "standard input"), (["--file", empty],
                                                     empty)):
            result = self.run_helpers("load", "--bus", address, *words)
            self.assertEqual(result.returncode, 1, result.stdout)
            self.assertEqual(
                result.stderr.decode(), f"ramjet helpers load: {name}: "
                "empty, wanted helpers' state\n")
        self.assertEqual(self.contents(path), b"old")
        # No helpers at all are saved as their number, and can be loaded.
        nobody = self.bus("nobody")
        saved = self.run_helpers("save", "--bus", nobody)
        loaded = self.run_helpers("load", "--bus", nobody,
                                  stdin=saved.stdout)
        self.assertEqual(loaded.returncode, 0, loaded.stderr)

    def test_state_without_its_helper_reaches_nobody(self):
        address = self.bus()
        path = self.helper(address, "net", b"old")
        result = self.run_helpers("load", "--bus", address, stdin=blob(
            {"net": b"new", "tpm": b"new"}))
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"'tpm'", result.stderr)
        self.assertEqual(self.contents(path), b"old")

    def test_helper_ends_well_on_sigterm(self):
        address = self.bus()
        process = self.processes[self.helper(address, "net", b"")]
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(rig.DEADLINE_S), 0)
        result = self.run_helpers("list", "--bus", address)
        self.assertEqual(result.stdout, b"no helpers\n")

    def test_wrong_words_are_usage_errors(self):
        for args in (["list"], ["--bus", "unix:path=/x"], ["frobnicate"],
                     ["list", "--bus"], ["list", "--frobnicate"],
                     ["list", "--bus", "unix:path=/x", "--timeout", "soon"],
                     ["list", "--bus", "unix:path=/x", "--helper-uid", "me"],
                     ["list", "--bus", "xx"], ["list", "--bus", "tcp:host=x"],
                     ["list", "--bus", "unix:path=/x", "--id-list", "a,"],
                     ["list", "--bus", "unix:path=/x", "--limit", "0"],
                     ["list", "--bus", "unix:path=/x", "--limit", "65M"],
                     ["list", "--bus", "unix:path=/x", "--timeout", "0"],
                     ["list", "--bus", "unix:path=/x", "--timeout", "2h"]):
            result = self.run_helpers(*args)
            self.assertEqual(result.returncode, 2, args)
            self.assertIn(b"see 'ramjet helpers --help'", result.stderr)
        result = self.run_helpers("--help")
        self.assertEqual(result.returncode, 0)
        self.assertIn(b"--id-list", result.stdout)

    def test_too_many_helpers_are_seen_before_a_migration(self):
        """65, of which 64 may take part: `list` says what `send` would."""
        address = self.bus()
        for n in range(65):
            self.helper(address, f"h{n:02}", b"")
        listed = self.run_helpers("list", "--bus", address)
        self.assertEqual(listed.returncode, 1, listed.stdout)
        self.assertEqual(listed.stdout.count(b"PROBLEM: one of 65 helpers, "
                                             b"the limit is 64"), 1)
        ids = ",".join(f"h{n:02}" for n in range(64))
        listed = self.run_helpers("list", "--bus", address, "--id-list", ids)
        self.assertEqual(listed.returncode, 0, listed.stderr)
        sent = self.ramjet("send", "process:size=1M,write=0", "--to",
                           "unix:" + self.path("nobody"), "--helpers",
                           address)
        self.assertEqual(sent.wait(), 1, sent.story())
        self.assertIn("65 are on the bus, the limit is 64", sent.err)

    def test_wrong_bus_is_one_clear_line(self):
        result = self.run_helpers("list", "--bus", "unix:path=/nonexistent")
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stderr.count(b"\n"), 1)
        self.assertIn(b"/nonexistent", result.stderr)
        self.assertIn(b"No such file or directory", result.stderr)


if __name__ == "__main__":
    rig.main()
