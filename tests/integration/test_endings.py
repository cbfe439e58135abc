# SPDX-License-Identifier: BSD-3-Clause
"""How the command ends: the outcome decides the exit status, whatever becomes
of the words about it; signals; limits."""

import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import time

import rig
import wire
from relay import Relay, hold_at
from rig import MIB

LIVE = "process:size=32M,write=20M,set=8M"
IDLE = "process:size=1M,write=0"


class Raw(rig.Case):
    def raw(self, *args, **options):
        """A command as subprocess has it, for other ends than pipes."""
        options.setdefault("stdout", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.PIPE)
        process = subprocess.Popen([rig.RAMJET, *args],
                                   stdin=subprocess.DEVNULL,
                                   env=rig.environment(), **options)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        if process.stderr:
            self.addCleanup(process.stderr.close)
        return process

    def ended(self, process):
        """(status, standard error)"""
        err = process.communicate(timeout=rig.DEADLINE_S)[1]
        return process.returncode, (err or b"").decode()


class Reports(Raw):
    def test_what_cannot_be_reported_has_happened_all_the_same(self):
        target = self.recv(IDLE)
        source = self.ramjet("send", IDLE, "--to", target.uri, "--json",
                             "/dev/full")
        self.ends(target, 0)
        self.ends(source, 0, "--json /dev/full: write: No space left",
                  "the guest has moved all the same")
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))

    def test_a_folder_that_vanished_is_said(self):
        folder = self.path("reports")
        for who in ("send", "recv"):
            with self.subTest(who=who):
                os.mkdir(folder)
                path = os.path.join(folder, "x.json")
                target = self.ramjet("recv", IDLE, "--from",
                                     "tcp:127.0.0.1:0", *(
                    ("--json", path) if who == "recv" else ()))
                relay = Relay(target.wait_for(r"listening on (\S+)")[1],
                              hold_at(wire.COMMIT))
                self.addCleanup(relay.close)
                source = self.ramjet("send", IDLE, "--to", relay.uri, *(
                    ("--json", path) if who == "send" else ()))
                relay.wait_reached()
                shutil.rmtree(folder)
                relay.release()
                loser, other = ((target, source) if who == "recv"
                                else (source, target))
                self.assertEqual(other.wait(), 0, other.story())
                self.assertEqual(loser.wait(), 0, loser.story())
                self.assertRegex(loser.err, "x.json.*No such file")

    def test_past_a_file_size_limit(self):
        """LimitFSIZE=: the outcome's status, not a death by SIGXFSZ."""
        target = self.recv(IDLE)
        path = self.path("x.json")
        source = self.raw(
            "send", IDLE, "--to", target.uri, "--json", path,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                  (512, 512)))
        status, err = self.ended(source)
        self.ends(target, 0)
        self.assertEqual(status, 0, err)
        self.assertRegex(err, "--json .*x.json: write: File too large")
        self.assertFalse(os.path.exists(path))
        self.assertEqual(
            [n for n in os.listdir(self.folder) if "x.json" in n], [])

    def test_few_descriptors_are_ours_to_complain_of(self):
        """Nobody else (libnuma) prints anything, whatever the limit."""
        for limit in range(5, 13):
            with self.subTest(limit=limit):
                target = self.recv(IDLE, "unix:" + self.path(f"u{limit}"))
                status, err = self.ended(self.raw(
                    "send", IDLE, "--to", target.uri, "--channels", "1",
                    "--timeout", "30s", preexec_fn=lambda:
                    resource.setrlimit(resource.RLIMIT_NOFILE,
                                       (limit, limit))))
                self.assertIn(status, (0, 1), err)
                for line in err.splitlines():
                    self.assertTrue(line.startswith("ramjet send: "), err)
                if status:
                    self.assertIn("Too many open files", err)
                    target.interrupt()
                target.wait()

    def test_a_log_file_at_its_limit_costs_lines_and_no_guest(self):
        target = self.recv("process:size=8M")
        with open(self.path("log"), "wb") as log:
            source = self.raw(
                "send", "process:size=8M,write=20M", "--to", target.uri,
                "--log", "debug", "--monitor", "unix:" + self.path("mon"),
                stderr=log, preexec_fn=lambda: resource.setrlimit(
                    resource.RLIMIT_FSIZE, (1, 1)))
            self.assertEqual(source.wait(rig.DEADLINE_S), 0)
        self.ends(target, 0)

    def test_the_old_report_is_there_until_the_new_one_is(self):
        target = self.recv(LIVE)
        path = self.path("x.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write("old")
        relay = Relay(target.uri, hold_at(wire.PAGES, 3))
        self.addCleanup(relay.close)
        source = self.ramjet("send", LIVE, "--to", relay.uri, "--json", path)
        relay.wait_reached()
        source.kill()
        source.wait()
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "old")

    def test_no_empty_report_after_a_kill(self):
        target = self.recv(LIVE)
        relay = Relay(target.uri, hold_at(wire.PAGES, 3))
        self.addCleanup(relay.close)
        source = self.send(LIVE, relay.uri)
        relay.wait_reached()
        source.kill()
        source.wait()
        self.assertFalse(os.path.exists(source.json_path))

    def test_minus_is_standard_output_and_nothing_else_is_there(self):
        target = self.ramjet("recv", IDLE, "--from", "tcp:127.0.0.1:0",
                             "--json", "-")
        uri = target.wait_for(r"listening on (\S+)")[1]
        source = self.ramjet("send", IDLE, "--to", uri, "--json", "-")
        for command in (source, target):
            self.ends(command, 0, "completed: tcp")
            self.assertEqual(json.loads(command.out)["status"], "completed")
        features = self.ramjet("features", "--json", "-")
        self.ends(features, 0, "io_uring")
        self.assertIn("features", json.loads(features.out))
        demo = self.ramjet("demo", "process:size=2M", "--no-helpers",
                           "--json", "-")
        self.ends(demo, 0, "Moved.")
        self.assertEqual(json.loads(demo.out)["status"], "completed")
        self.assertFalse(os.path.exists("-"))

    def test_another_name_of_standard_output(self):
        target = self.recv(IDLE)
        source = self.ramjet("send", IDLE, "--to", target.uri, "--json",
                             "/dev/stdout")
        self.both_end(source, target)
        self.assertEqual(json.loads(source.out)["status"], "completed")

    def test_a_named_pipe_stays_one(self):
        target = self.recv(IDLE)
        path = self.path("fifo")
        os.mkfifo(path)
        source = self.ramjet("send", IDLE, "--to", target.uri, "--json", path)
        with open(path, encoding="utf-8") as fifo:
            self.assertEqual(json.load(fifo)["status"], "completed")
        self.both_end(source, target)
        self.assertTrue(stat.S_ISFIFO(os.stat(path).st_mode))

    def test_a_named_pipe_without_a_reader_keeps_nobody(self):
        target = self.recv(IDLE)
        path = self.path("fifo")
        os.mkfifo(path)
        source = self.ramjet("send", IDLE, "--to", target.uri, "--json", path)
        self.ends(target, 0)
        self.ends(source, 0, "nobody takes the report",
                  "the guest has moved all the same")

    def test_a_link_stays_one(self):
        target = self.recv(IDLE)
        os.symlink("real.json", self.path("link.json"))
        source = self.ramjet("send", IDLE, "--to", target.uri, "--json",
                             self.path("link.json"))
        self.both_end(source, target)
        self.assertTrue(os.path.islink(self.path("link.json")))
        with open(self.path("real.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["status"], "completed")


class Words(Raw):
    def test_words_that_cannot_be_written_were_not_said(self):
        for words in (["version"], ["--version"], ["help"], ["help", "send"],
                      ["send", "--help"], ["features"], ["info", "--help"],
                      ["helpers", "--help"], ["helper", "--help"]):
            with self.subTest(words=words), open("/dev/full", "w") as full:
                status, err = self.ended(self.raw(*words, stdout=full))
                self.assertEqual(status, 1, err)
                self.assertIn("standard output: No space left", err)

    def test_a_migration_keeps_its_status(self):
        target = self.recv(IDLE)
        with open("/dev/full", "w") as full:
            source = self.raw("send", IDLE, "--to", target.uri, stdout=full)
            status, err = self.ended(source)
        self.ends(target, 0)
        self.assertEqual(status, 0, err)
        self.assertIn("standard output: No space left", err)

    def test_version_names_the_build(self):
        command = self.ramjet("version")
        self.ends(command, 0)
        here = os.path.dirname(os.path.abspath(__file__))
        commit = subprocess.run(
            ["git", "-C", here, "rev-parse", "HEAD"], capture_output=True,
            text=True, check=False)
        if commit.returncode:
            self.skipTest("this is no git work tree: " + commit.stderr)
        self.assertRegex(command.out,
                         r"^ramjet \d+\.\d+\.\d+ \([0-9a-f]{12,}(-dirty)?\)$")


class Readers(Raw):
    """Nobody reads what the command says: it goes on all the same."""

    def full_pipe(self):
        ends = os.pipe()
        self.addCleanup(os.close, ends[0])
        self.addCleanup(os.close, ends[1])
        os.set_blocking(ends[1], False)
        try:
            while True:
                os.write(ends[1], bytes(4096))
        except BlockingIOError:
            os.set_blocking(ends[1], True)
        return ends[1]

    def test_a_move_whose_logs_nobody_reads(self):
        for who in ("send", "recv", "both"):
            with self.subTest(who=who):
                stuck = self.full_pipe()
                logs = {name: stuck if who in (name, "both") else
                        subprocess.DEVNULL for name in ("send", "recv")}
                ready, child_end = os.pipe()
                target = self.raw(
                    "recv", LIVE, "--from", "tcp:127.0.0.1:0", "--log",
                    "debug", "--ready-fd", str(child_end),
                    stderr=logs["recv"], pass_fds=(child_end,))
                os.close(child_end)
                with os.fdopen(ready) as stream:
                    uri = stream.readline().strip()
                source = self.raw("send", LIVE, "--to", uri, "--log", "debug",
                                  stderr=logs["send"])
                self.assertEqual(source.wait(rig.DEADLINE_S), 0)
                self.assertEqual(target.wait(rig.DEADLINE_S), 0)

    def stuck_and_held(self, *options):
        """A source that holds while nobody reads its progress."""
        target = self.recv(LIVE)
        relay = Relay(target.uri, hold_at(wire.PAGES, 3))
        self.addCleanup(relay.close)
        source = self.raw("send", LIVE, "--to", relay.uri, "--progress",
                          "plain", "--log", "debug", "--json",
                          self.path("x.json"), *options,
                          stderr=self.full_pipe())
        relay.wait_reached()
        return source, relay, target

    def cancelled(self, source, relay, target):
        self.assertEqual(source.wait(rig.DEADLINE_S), 1)
        with open(self.path("x.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["status"], "cancelled")
        relay.release()
        self.assertEqual(target.wait(), 1)

    def test_sigterm_needs_no_reader(self):
        moving = self.stuck_and_held()
        moving[0].terminate()
        self.cancelled(*moving)

    def test_timeout_needs_no_reader(self):
        source, relay, target = self.stuck_and_held("--timeout", "1s")
        self.assertEqual(source.wait(rig.DEADLINE_S), 1)
        relay.release()
        self.assertEqual(target.wait(), 1)

    def test_a_demo_whose_words_nobody_reads(self):
        demo = self.raw("demo", "process:size=2M", "--no-helpers",
                        stdout=self.full_pipe())
        status, err = self.ended(demo)
        self.assertEqual(status, 0, err)
        self.assertIn("nobody reads standard output", err)

    def test_a_result_and_a_report_that_nobody_takes(self):
        target = self.recv(IDLE)
        stuck = self.full_pipe()
        source = self.raw("send", IDLE, "--to", target.uri, stdout=stuck,
                          stderr=subprocess.PIPE)
        status, err = self.ended(source)
        self.ends(target, 0)
        self.assertEqual(status, 0, err)
        self.assertIn("nobody reads standard output", err)
        target = self.recv(IDLE)
        source = self.raw("send", IDLE, "--to", target.uri, "--json", "-",
                          stdout=stuck)
        status, err = self.ended(source)
        self.ends(target, 0)
        self.assertEqual(status, 0, err)
        self.assertIn("nobody takes the report", err)


class Signals(Raw):
    def held(self, **options):
        target = self.recv(LIVE)
        relay = Relay(target.uri, hold_at(wire.PAGES, 3))
        self.addCleanup(relay.close)
        source = self.raw("send", LIVE, "--to", relay.uri, "--json",
                          self.path("x.json"), **options)
        relay.wait_reached()
        return source, relay, target

    def cancelled(self, source, relay, target):
        status, err = self.ended(source)
        self.assertEqual(status, 1, err)
        with open(self.path("x.json"), encoding="utf-8") as file:
            self.assertEqual(json.load(file)["status"], "cancelled")
        self.assertIn("runs on", err)
        relay.release()
        self.ends(target, 1)

    def test_two_at_once_are_one(self):
        for _ in range(5):
            moving = self.held()
            before = time.monotonic()
            moving[0].send_signal(signal.SIGTERM)
            moving[0].send_signal(signal.SIGINT)
            moving[0].send_signal(signal.SIGHUP)
            if time.monotonic() - before < 0.5:
                self.cancelled(*moving)
                return
            moving[0].kill()  # a machine too busy to say it "at once"
            moving[1].release()
        self.skipTest("no two signals within half a second, five times")

    def test_hanging_up_cancels(self):
        # The tests themselves may run under nohup.
        moving = self.held(
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
        moving[0].send_signal(signal.SIGHUP)
        self.cancelled(*moving)

    def test_under_nohup_it_does_not(self):
        source, relay, target = self.held(
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        source.send_signal(signal.SIGHUP)
        relay.release()
        status, err = self.ended(source)
        self.assertEqual(status, 0, err)
        self.ends(target, 0)

    def test_what_was_inherited_as_blocked_is_heard(self):
        moving = self.held(preexec_fn=lambda: signal.pthread_sigmask(
            signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT}))
        moving[0].terminate()
        self.cancelled(*moving)

    def test_a_command_that_moves_nothing_is_not_deaf_either(self):
        path = self.path("mon")
        target = self.ramjet("recv", LIVE, "--from", "defer", "--monitor",
                             "unix:" + path)
        target.wait_for("monitor on")
        watch = self.raw(
            "watch", path, stdout=subprocess.PIPE,
            preexec_fn=lambda: signal.pthread_sigmask(
                signal.SIG_BLOCK, {signal.SIGTERM}))
        watch.terminate()
        self.assertEqual(self.ended(watch)[0], -signal.SIGTERM)
        target.interrupt()
        target.wait()

    def test_ignored_children_are_ours_all_the_same(self):
        """SIGCHLD ignored by whoever started us: exec: has its status."""
        image = self.image("A", "mixed", MIB)
        source = self.raw(
            "send", "file:" + image, "--to", "exec:cat >/dev/null",
            preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
        status, err = self.ended(source)
        self.assertEqual(status, 0, err)


if __name__ == "__main__":
    rig.main()
