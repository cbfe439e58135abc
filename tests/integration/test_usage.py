# SPDX-License-Identifier: BSD-3-Clause
"""Malformed words on the command line: exit status 2 and one clear line."""

import re

import rig

IMAGE = "an image that is there"  # idle, so that it says nothing itself
SEND = ["send", IMAGE, "--to"]
GOOD_URI = "tcp:127.0.0.1:1"

# What is wrong, the arguments, and what the line must name.
WRONG = [
    ("no_such_command", ["frobnicate"], "frobnicate"),
    ("help_of_no_command", ["help", "frobnicate"], "frobnicate"),
    ("help_of_two_commands", ["help", "send", "recv"], "recv"),
    ("send_without_guest", ["send", "--to", GOOD_URI], "guest"),
    ("recv_without_from", ["recv", "process:size=1M"], "--from"),
    ("option_unknown", [*SEND, GOOD_URI, "--frobnicate"], "frobnicate"),
    ("option_without_value", [*SEND, GOOD_URI, "--channels"], "channels"),
    ("second_guest", [*SEND, GOOD_URI, "process:"], "process:"),
    ("uri_empty", [*SEND, ""], "URI|address"),
    ("uri_without_scheme", [*SEND, "127.0.0.1:4000"], "127.0.0.1:4000"),
    ("uri_scheme", [*SEND, "ftp:host:1"], "ftp"),
    ("uri_port_missing", [*SEND, "tcp:localhost"], "port"),
    ("uri_port_text", [*SEND, "tcp:localhost:http"], "http"),
    ("uri_port_large", [*SEND, "tcp:localhost:65536"], "65536"),
    ("uri_bracket", [*SEND, "tcp:[::1:4000"], r"\["),
    ("uri_fd_text", [*SEND, "fd:seven"], "seven"),
    ("uri_fd_negative", [*SEND, "fd:-1"], "-1"),
    ("demo_to_file", ["demo", "--to", "file:x"], "file:x.*wanted tcp:"),
    ("demo_to_exec", ["demo", "--to", "exec:cat"], "exec:cat.*unix:PATH"),
    ("demo_to_fd", ["demo", "--to", "fd:3"], "fd:3.*vsock:CID:PORT"),
    ("uri_vsock", [*SEND, "vsock:1"], "vsock"),
    ("uri_path_long", [*SEND, "unix:/" + 107 * "x"], "108 bytes"),
    ("uri_port_zero_to_send_to", [*SEND, "tcp:localhost:0"], "port 0"),
    ("monitor_path_long", [*SEND, GOOD_URI, "--monitor",
                           "unix:/" + 107 * "x"], "108 bytes"),
    ("helpers_no_address", [*SEND, GOOD_URI, "--helpers", "xx"], "'xx'"),
    ("helpers_no_key", [*SEND, GOOD_URI, "--helpers", "unix:/x"],
     "unix:path="),
    ("helpers_id_empty", [*SEND, GOOD_URI, "--helpers", "unix:path=/x",
                          "--id-list", "a,"], "Id"),
    ("helper_state_max", [*SEND, GOOD_URI, "--helpers", "unix:path=/x",
                          "--helper-state-max", "65M"],
     "--helper-state-max: '65M' is out of range, wanted 1 to 64M"),
    ("helper_timeout", [*SEND, GOOD_URI, "--helpers", "unix:path=/x",
                        "--helper-timeout", "0"],
     "--helper-timeout: '0' is out of range, wanted 1ms to 1h"),
    ("helper_timeout_without_helpers",
     [*SEND, GOOD_URI, "--helper-timeout", "1s"],
     "--helper-timeout: means nothing without --helpers BUS"),
    ("helpers_bus", ["helpers", "list", "--bus", "xx"], "'xx': wanted unix:"),
    ("helpers_no_verb", ["helpers", "--bus", "xx"],
     "wanted: ramjet helpers list.save.load --bus ADDRESS"),
    ("helper_id_empty", ["helper", "run", "--bus", "unix:path=/x", "--id",
                         "", "--file", "/x"], "Id is empty"),
    ("helper_bus", ["helper", "run", "--bus", "xx", "--id", "a", "--file",
                    "/x"], "'xx'"),
    ("guest_kind", ["send", "cloud:size=1M", "--to", GOOD_URI], "cloud"),
    ("guest_key", ["send", "process:colour=red", "--to", GOOD_URI],
     "colour"),
    ("guest_size", ["send", "process:size=1Q", "--to", GOOD_URI], "1Q"),
    ("guest_size_zero", ["send", "process:size=0", "--to", GOOD_URI],
     "size: '0' is too small, wanted 4096"),
    ("guest_size_odd", ["send", "process:size=4097", "--to", GOOD_URI],
     "4097|4096"),
    ("guest_set_larger", ["send", "process:size=1M,set=2M", "--to",
                          GOOD_URI], "set"),
    ("guest_pattern", ["send", "process:pattern=zigzag", "--to", GOOD_URI],
     "zigzag"),
    ("guest_threads", ["send", "process:threads=0", "--to", GOOD_URI],
     "threads"),
    ("guest_zero", ["send", "process:zero=101%", "--to", GOOD_URI], "101"),
    ("guest_file_without_path", ["send", "file:", "--to", GOOD_URI],
     "file"),
    ("channels_zero", [*SEND, GOOD_URI, "--channels", "0"], "channels"),
    ("channels_many", [*SEND, GOOD_URI, "--channels", "257"], "257|256"),
    ("channels_text", [*SEND, GOOD_URI, "--channels", "two"], "two"),
    ("bandwidth", [*SEND, GOOD_URI, "--bandwidth", "fast"], "fast"),
    ("bandwidth_negative", [*SEND, GOOD_URI, "--bandwidth", "-1"], "-1"),
    ("downtime", [*SEND, GOOD_URI, "--downtime-limit", "soon"], "soon"),
    ("downtime_without_unit", [*SEND, GOOD_URI, "--downtime-limit", "300"],
     "--downtime-limit: '300' has no unit, wanted 300ms or 300s"),
    ("timeout_without_unit", [*SEND, GOOD_URI, "--timeout", "1.5"],
     "1.5ms or 1.5s"),
    ("stall_timeout_without_unit", [*SEND, GOOD_URI, "--stall-timeout", "5"],
     "5ms or 5s"),
    ("run_without_unit", ["demo", "--run", "2"], "2ms or 2s"),
    ("storm_without_unit", ["send", "process:write=1M,storm=3", "--to",
                            GOOD_URI], "storm: '3' has no unit"),
    ("helpers_timeout_without_unit", ["helpers", "list", "--bus",
                                      "unix:path=/x", "--timeout", "500"],
     "500ms or 500s"),
    ("set_hold", ["set", "hold=maybe", "/nowhere"],
     "hold: 'maybe' is unknown, wanted on or off"),
    ("set_behaviour", ["set", "on-no-convergence=x", "/nowhere"],
     "on-no-convergence: 'x' is unknown, wanted continue, switch or fail"),
    ("set_channels", ["set", "channels=0", "/nowhere"],
     "channels: '0' is unknown, wanted 1 to 255, or auto"),
    ("set_other_name", ["set", "x-ramjet-backend=x", "/nowhere"],
     "'x-ramjet-backend' does not accept value 'x', wanted auto"),
    ("monitor_of_another_scheme", ["info", "tcp:1"],
     "'tcp:1', wanted unix:PATH"),
    ("helper_nothing", ["helper"], "wanted: ramjet helper run --bus ADDRESS"),
    ("throttle_backwards", [*SEND, GOOD_URI, "--throttle", "99:1:1"],
     "'99:1:1' begins above its end"),
    ("ready_fd_closed", ["recv", "process:size=1M", "--from", "tcp::0",
                         "--ready-fd", "77"],
     "--ready-fd 77: not open in this process"),
    ("set_without_unit", ["set", "downtime-limit=300", "/nowhere"],
     "downtime-limit: '300' has no unit, wanted 300ms or 300s"),
    ("set_no_time_at_all", ["set", "downtime-limit=0", "/nowhere"],
     "downtime-limit: '0' is too short"),
    ("backend", [*SEND, GOOD_URI, "--backend", "epoll"], "epoll"),
    ("progress", [*SEND, GOOD_URI, "--progress", "dance"], "dance"),
    ("timeout", [*SEND, GOOD_URI, "--timeout", "1fortnight"],
     "1fortnight"),
]


class Usage(rig.Case):
    def refused(self, arguments, needle):
        image = "file:" + self.image("A", "zero", rig.MIB)
        command = self.ramjet(*(image if word is IMAGE else word
                                for word in arguments))
        self.ends(command, 2, needle)
        # One line says it all; a pointer to the help may follow.
        lines = [line for line in command.err.splitlines()
                 if not re.fullmatch(r"ramjet \w+: see '.* --help'", line)]
        self.assertEqual(len(lines), 1, command.story())
        self.assertEqual(command.out, "")
        self.assertRegex(command.err, "^ramjet")

    def test_nothing_at_all(self):
        command = self.ramjet()
        self.ends(command, 2)
        self.assertIn("send", command.err)

    def test_help_is_one_screen_and_no_error(self):
        for words in (["--help"], ["send", "--help"], ["recv", "--help"],
                      ["demo", "--help"], ["features", "--help"]):
            with self.subTest(words=words):
                command = self.ramjet(*words)
                self.ends(command, 0)
                lines = command.out.splitlines()
                self.assertTrue(3 <= len(lines) <= 60, command.story())
                self.assertLessEqual(max(map(len, lines)), 100)

    def test_demo_offers_only_what_its_target_can_listen_at(self):
        command = self.ramjet("demo", "--help")
        self.ends(command, 0)
        self.assertNotRegex(command.out, "fd:|exec:|write to")
        self.assertIn("vsock:CID:PORT", command.out)

    def test_help_of_a_command_is_its_own(self):
        for name in ("send", "recv", "demo", "features", "info", "set",
                     "helper", "helpers"):
            with self.subTest(name=name):
                own, asked = (self.ramjet(*words) for words in
                              ((name, "--help"), ("help", name)))
                self.ends(own, 0)
                self.ends(asked, 0)
                self.assertEqual(asked.out, own.out)

    def test_version(self):
        command = self.ramjet("--version")
        self.ends(command, 0)
        self.assertRegex(command.out, r"\d+\.\d+\.\d+")

    def test_features_each_with_what_was_seen(self):
        command = self.ramjet("features")
        self.ends(command, 0)
        for name in ("io_uring", "io_uring_send_zc", "tcp_pacing", "vsock"):
            self.assertRegex(command.out, rf"(?m)^(yes|no) +{name} +\S")

    def test_image_that_is_not_there(self):
        command = self.ramjet("send", "file:" + self.path("none"), "--to",
                              GOOD_URI)
        self.ends(command, 1, "none", "No such file")

    def test_image_that_is_a_folder(self):
        command = self.ramjet("send", "file:" + self.folder, "--to", GOOD_URI)
        self.ends(command, 1, self.folder)

    def test_json_that_cannot_be_written(self):
        command = self.ramjet("send", "process:size=1M", "--to", GOOD_URI,
                              "--json", self.path("none/x.json"))
        self.assertIn(command.wait(), (1, 2))
        self.assertIn("none/x.json", command.err)

    def test_fd_that_is_not_open(self):
        command = self.ramjet("send", "file:" + self.image("A", "zero",
                                                           rig.MIB),
                              "--to", "fd:99")
        self.ends(command, 2, "99")

    def test_what_is_well_formed_but_absent_is_no_usage_error(self):
        image = "file:" + self.image("A", "zero", rig.MIB)
        absent = self.path("nobody")
        for words in (["send", image, "--to", "unix:" + absent,
                       "--timeout", "300ms"],
                      ["send", image, "--to", GOOD_URI, "--helpers",
                       "unix:path=" + absent, "--timeout", "300ms"],
                      ["helper", "run", "--bus", "unix:path=" + absent,
                       "--id", "a", "--file", absent]):
            with self.subTest(words=words):
                self.ends(self.ramjet(*words), 1)


def add(name, arguments, needle):
    def test(self):
        self.refused(arguments, needle)
    setattr(Usage, "test_" + name, test)


for row in WRONG:
    add(*row)


if __name__ == "__main__":
    rig.main()
