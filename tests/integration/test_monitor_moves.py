# SPDX-License-Identifier: BSD-3-Clause
"""Migrations driven through the monitor by a client that knows QMP only."""
import json
import socket

import monitor_rig
import qmp_client
import rig
import wire
from monitor_rig import GUEST, SLOW
from relay import Cut, Relay, hold_at


class Moves(monitor_rig.Case):
    # ---- from beginning to end

    def test_greeting_to_completed(self):
        source, target, at_source, at_target = self.both()
        self.assertEqual(at_source.execute("query-status"),
                         {"running": True, "status": "running"})
        self.assertEqual(at_target.execute("query-status"),
                         {"running": False, "status": "inmigrate"})
        self.assertEqual(at_source.execute("query-migrate"), {})
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.assertEqual(at_source.execute("query-status")["status"],
                         "postmigrate")
        self.assertEqual(at_target.execute("query-status")["status"],
                         "running")
        info = at_source.execute("query-migrate")
        self.assertEqual(info["status"], "completed")
        self.assertEqual(info["ram"]["total"], 32 * rig.MIB)
        self.assertEqual(info["ram"]["remaining"], 0)
        self.assertGreater(info["ram"]["transferred"], 0)
        self.assertEqual(info["ram"]["page-size"], rig.PAGE)
        self.assertGreater(info["x-ramjet-downtime-us"], 0)
        self.assertNotIn("error-desc", info)
        self.quits(source, at_source)
        self.quits(target, at_target)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_migrate_has_begun_when_it_returns(self):
        """Both in one piece, so that no time lies between them."""
        source = self.source(guest="process:size=4M,write=0")
        client = self.client(source)
        both = b"".join(json.dumps(each).encode() for each in (
            {"execute": "migrate",
             "arguments": {"uri": "unix:" + self.path("nobody")}},
            {"execute": "query-migrate"},
            {"execute": "x-ramjet-query-report"}))
        for _ in range(100):
            client.send(both)
            self.assertEqual(client.reply(), {"return": {}})
            info = client.reply()["return"]
            self.assertIn(info["status"], ("setup", "failed"))
            self.assertIn(info["x-ramjet-state"], ("setup", "failed"))
            report = client.reply()["return"]
            self.assertEqual(
                report["exit_status"],
                {"setup": None, "failed": 1}[report["status"]])
            client.wait_status("failed")
        self.quits(source, client, status=1)

    def test_events_come_in_order(self):
        # A pause that fits however busy the machine is: none is called off.
        source, target, at_source, at_target = self.both("--downtime-limit",
                                                         "20s")
        at_source.execute("migrate", uri=self.incoming(at_target))
        seen, passes = {}, []
        for client in (at_source, at_target):
            events, at = [], (0, 0)
            while "completed" not in events:
                event = client.event()
                before, at = at, (event["timestamp"]["seconds"],
                                  event["timestamp"]["microseconds"])
                self.assertGreaterEqual(at, before)
                self.assertGreater(at[0], 1 << 30)
                self.assertLess(at[1], 1000000)
                if event["event"] == "MIGRATION_PASS":
                    passes.append(event["data"]["pass"])
                else:
                    events.append(event.get("data", {}).get(
                        "status", event["event"]))
            seen[client] = events
        self.assertEqual(seen[at_source],
                         ["setup", "active", "device", "STOP", "completed"])
        self.assertEqual(seen[at_target],
                         ["setup", "active", "device", "RESUME", "completed"])
        self.assertEqual(passes, sorted(set(passes)))
        self.assertEqual(passes[0], 1)
        self.quits(source, at_source)
        self.quits(target, at_target)

    def test_client_that_comes_at_once_misses_nothing(self):
        for turn in range(10):
            path = self.path(f"quick{turn}")
            target = self.migrating("recv", GUEST, "--from", "defer",
                                    "--monitor", "unix:" + path)
            client = None
            while client is None and target.process.poll() is None:
                try:
                    client = qmp_client.Client(path)
                except (FileNotFoundError, ConnectionRefusedError):
                    pass
            self.addCleanup(client.close)
            client.execute("migrate-incoming", uri="tcp:127.0.0.1:0")
            client.wait_status("setup")
            self.quits(target, client, 1)

    def test_command_ends_with_the_last_client(self):
        source, target, at_source, at_target = self.both()
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        at_source.close()
        at_target.close()
        self.both_end(source, target)

    def test_command_line_may_say_where_to(self):
        target = self.recv(GUEST)
        source = self.source("--to", target.uri, "--hold")
        client = self.client(source)
        source.wait_for("held")
        client.execute("migrate-continue", state="pre-switchover")
        self.assertEqual(client.wait_status("completed"), "completed")
        # It was all that was asked for, so it ends although we still listen.
        self.both_end(source, target)

    # ---- cancel, failure, again

    def test_cancel_and_move_again(self):
        source, target, at_source, at_target = self.under_way()
        self.refused(at_source, "migration process in progress", "migrate",
                     uri="tcp:127.0.0.1:1")
        at_source.execute("migrate_cancel")
        at_source.wait_status("cancelled")
        self.assertEqual(at_source.execute("query-migrate")["status"],
                         "cancelled")
        self.assertEqual(at_source.execute("query-status")["status"],
                         "running")
        self.assertEqual(at_target.wait_status("failed"), "failed")
        at_source.execute("migrate-set-parameters", max_bandwidth=0)
        self.moves(source, target, at_source, at_target)

    def test_cancel_without_a_migration_is_fine(self):
        source = self.source()
        self.assertEqual(self.client(source).execute("migrate_cancel"), {})

    def test_cancel_of_the_target(self):
        source, target, at_source, at_target = self.under_way()
        at_target.execute("migrate_cancel")
        at_target.wait_status("cancelled")
        at_source.wait_status("failed")
        self.assertIn("cancel", at_source.execute("query-migrate")
                      ["error-desc"])
        at_source.execute("migrate-set-parameters", max_bandwidth=0)
        self.moves(source, target, at_source, at_target)

    def test_failed_migrate_then_another(self):
        source, target, at_source, at_target = self.both()
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        at_source.execute("migrate", uri=f"tcp:127.0.0.1:{port}")
        at_source.wait_status("failed")
        info = at_source.execute("query-migrate")
        self.assertEqual(info["status"], "failed")
        self.assertRegex(info["error-desc"], "refused")
        self.assertIn("ram", info)
        self.assertEqual(at_source.execute("query-status")["status"],
                         "running")
        self.moves(source, target, at_source, at_target)

    def test_target_whose_source_died_takes_another(self):
        # Memory that arrived must not shine through in the second move.
        first = self.source(guest=GUEST + ",seed=7,zero=0%")
        second = self.source(guest=GUEST + ",seed=8,zero=60%")
        target = self.target()
        at_first, at_target = self.client(first), self.client(target)
        at_first.execute("migrate-set-parameters", max_bandwidth=10000000)
        at_first.execute("migrate", uri=self.incoming(at_target))
        while at_target.execute("query-migrate")["ram"]["normal"] < 500:
            pass
        first.kill()
        at_target.wait_status("failed")
        self.moves(second, target, None, at_target)

    def test_quit_cancels(self):
        source, target, at_source, at_target = self.under_way()
        self.quits(source, at_source, 1)
        self.assertEqual(source.json["status"], "cancelled")
        at_target.wait_status("failed")
        self.quits(target, at_target, 1)

    def test_quit_before_anything(self):
        source = self.source()
        self.quits(source, self.client(source), 1)
        self.assertIn("ended before anything was moved", source.err)

    def test_signal_ends_an_idle_command(self):
        target = self.target()
        self.client(target)
        target.interrupt()
        self.ends(target, 1, "ended before anything was moved")

    # ---- switchover

    def test_pause_before_switchover_and_continue(self):
        source, target, at_source, at_target = self.both()
        self.refused(at_source, "not in the state", "migrate-continue",
                     state="pre-switchover")
        at_source.execute("migrate-set-capabilities", capabilities=[
            {"capability": "pause-before-switchover", "state": True}])
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("pre-switchover")
        self.assertEqual(at_source.execute("query-migrate")["status"],
                         "pre-switchover")
        self.refused(at_source, "does not accept value 'device'",
                     "migrate-continue", state="device")
        at_source.execute("migrate-continue", state="pre-switchover")
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.quits(source, at_source)
        self.quits(target, at_target)

    def test_unconfirmed_wants_an_explicit_word(self):
        def cut(_relay, _direction, kind, frame):
            if kind == wire.RUNNING:
                raise Cut()
            return frame

        source, target, at_source, at_target = self.both()
        relay = Relay(self.incoming(at_target), cut)
        self.addCleanup(relay.close)
        at_source.execute("migrate", uri=relay.uri)
        at_source.wait_status("failed")
        info = at_source.execute("query-migrate")
        self.assertEqual(info["x-ramjet-state"], "unconfirmed")
        self.refused(at_source, "x-ramjet-cont-unconfirmed", "cont")
        self.refused(at_source, "unconfirmed", "migrate", uri="tcp::1")
        self.assertFalse(at_source.execute("query-status")["running"])
        at_source.execute("x-ramjet-cont-unconfirmed")
        at_source.wait_event("RESUME")
        self.assertTrue(at_source.execute("query-status")["running"])
        self.quits(source, at_source, 3)

    # ---- settings

    def test_bandwidth_changes_while_it_runs(self):
        source, target, at_source, at_target = self.under_way()
        info = at_source.execute("query-migrate")
        self.assertLess(info["ram"]["transferred"], 32 * rig.MIB)
        at_source.execute("migrate-set-parameters",
                          max_bandwidth=1000 * rig.MIB)
        self.assertEqual(at_source.execute("query-migrate-parameters")
                         ["max-bandwidth"], 1000 * rig.MIB)
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.quits(source, at_source)
        self.quits(target, at_target)

    def test_channels_follow_multifd(self):
        for capability, channels, wanted in ((True, 3, 3), (False, 3, 1)):
            source, target, at_source, at_target = self.both()
            at_source.execute("migrate-set-capabilities", capabilities=[
                {"capability": "multifd", "state": capability}])
            at_source.execute("migrate-set-parameters",
                              multifd_channels=channels)
            self.moves(source, target, at_source, at_target)
            self.assertEqual(len(source.json["channels"]), wanted)

    def test_events_can_be_switched_off(self):
        source, target, at_source, at_target = self.both()
        at_source.execute("migrate-set-capabilities", capabilities=[
            {"capability": "events", "state": False}])
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_target.wait_status("completed")
        while (at_source.execute("query-migrate")["status"] not in
               ("completed", "failed")):
            pass
        self.assertEqual({each["event"] for each in at_source.events}, {"STOP"})
        self.quits(source, at_source)
        self.quits(target, at_target)

    def test_human_monitor_commands(self):
        source, target, at_source, at_target = self.under_way()

        def human(line):
            return at_source.execute("human-monitor-command",
                                     command_line=line)

        self.assertRegex(human("info migrate"),
                         r"(?s)Migration status: active\r\ntotal time: \d+ ms"
                         r".*total ram: 98304 kbytes\r\n")
        self.assertEqual(human("migrate_set_downtime 0.5"), "")
        self.assertEqual(human("migrate_set_speed nonsense"),
                         "invalid size\r\n")
        self.assertEqual(human("migrate_set_speed 1.5G"), "")
        parameters = at_source.execute("query-migrate-parameters")
        self.assertEqual(parameters["downtime-limit"], 500)
        self.assertEqual(parameters["max-bandwidth"], 3 << 29)
        at_source.wait_status("completed")

    def test_a_move_by_human_commands(self):
        source, target, at_source, at_target = self.both()

        def human(line, client=at_source):
            return client.execute("human-monitor-command", command_line=line)

        self.assertEqual(human("migrate_set_parameter max-bandwidth 1"), "")
        self.assertIn("max-bandwidth: 1048576 bytes/second\r\n",
                      human("info migrate_parameters"))
        self.assertEqual(human("migrate_set_capability auto-converge on"), "")
        self.assertIn("auto-converge: on\r\n",
                      human("info migrate_capabilities"))
        uri = self.incoming(at_target)
        self.assertEqual(human(f"migrate -d {uri}"), "")
        self.assertRegex(human(f"migrate -d {uri}"), "Error: .*in progress")
        at_source.wait_status("active")
        self.assertEqual(human("migrate_cancel"), "")
        at_source.wait_status("cancelled")
        at_target.wait_status("failed", "cancelled")
        self.assertEqual(human("migrate_set_parameter max-bandwidth 1G"), "")
        self.assertIn("continuing detached",
                      human(f"migrate {self.incoming(at_target)}"))
        at_source.wait_status("completed")
        at_target.wait_status("completed")

    def test_what_changes_nothing_is_accepted_while_it_runs(self):
        source, target, at_source, at_target = self.under_way()
        at_source.execute("migrate-set-parameters",
                          **at_source.execute("query-migrate-parameters"))
        at_source.execute(
            "migrate-set-capabilities",
            capabilities=at_source.execute("query-migrate-capabilities"))
        self.refused(at_source, "while a migration is under way",
                     "migrate-set-parameters", multifd_channels=7)
        self.refused(at_source, "in progress", "migrate-set-capabilities",
                     capabilities=[{"capability": "auto-converge",
                                    "state": True}])
        at_source.execute("migrate_cancel")
        at_source.wait_status("cancelled")


class Verbs(monitor_rig.Case):
    """ramjet info, watch, set, cancel, switchover."""

    def setUp(self):
        super().setUp()
        self.target = self.recv(GUEST)
        self.source = self.source("--to", self.target.uri, "--hold")

    def verb(self, *words, status=0):
        command = self.ramjet(*words, "unix:" + self.source.path)
        self.assertEqual(command.wait(), status, command.story())
        return command.out + command.err

    def test_info_set_and_switchover(self):
        self.source.wait_for("held")
        self.assertRegex(self.verb("info"), r"(?s)^held after .*32(\.0)? MiB of "
                         r"guest RAM.*pause .*rounds .*channels ")
        self.assertIn('"status": "held"', self.verb("info", "--json"))
        self.assertEqual(self.verb("set", "downtime-limit=45ms",
                                   "bandwidth=1gbit"), "")
        self.assertRegex(self.verb("info"), "limit 45.0 ms")
        refused = self.verb("set", "nonsense=1", status=2)
        self.assertIn("'nonsense' is no parameter", refused)
        for key in ("hold", "timeout", "stall-timeout", "switchover-timeout",
                    "reply-timeout", "channels"):
            self.assertIn(f" {key}", refused)
        self.assertIn("switching over", self.verb("switchover"))
        self.both_end(self.source, self.target)

    def test_watch_to_the_end(self):
        watch = self.ramjet("watch", "unix:" + self.source.path)
        self.source.wait_for("held")
        self.verb("switchover")
        self.both_end(self.source, self.target)
        self.assertEqual(watch.wait(), 0, watch.story())
        self.assertRegex(watch.out, r"(?s)completed: .* pause ")

    def test_cancel(self):
        watch = self.ramjet("watch", "unix:" + self.source.path)
        self.source.wait_for("held")
        self.assertIn("cancelled", self.verb("cancel"))
        self.assertEqual(watch.wait(), 1, watch.story())
        self.assertIn("no migration is under way", self.verb("cancel",
                                                             status=1))
        self.ends(self.target, 1)
        # With a monitor it stays; the guest runs.
        client = self.client(self.source)
        self.assertTrue(client.execute("query-status")["running"])
        self.quits(self.source, client, 1)

    def test_nobody_there(self):
        command = self.ramjet("info", "unix:" + self.path("nothing"))
        self.assertEqual(command.wait(), 1)
        self.assertIn("nobody listens there", command.err)


class Demo(monitor_rig.Case):
    def test_demo_has_a_monitor(self):
        demo = self.monitored("demo", "process:size=64M,write=20M,set=8M",
                              "--hold")
        client = self.client(demo)
        demo.wait_for("held")
        self.assertEqual(client.execute("query-migrate")["status"],
                         "pre-switchover")
        client.execute("migrate-continue", state="pre-switchover")
        client.wait_status("completed")
        self.ends(demo, 0)


if __name__ == "__main__":
    rig.main()
