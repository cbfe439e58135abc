# SPDX-License-Identifier: BSD-3-Clause
"""The monitor as a server: what any QMP client may rely on, and what a bad
one can't spoil."""
import json
import os
import random
import socket
import stat

import monitor_rig
import qmp_client
import rig
from rig import MIB

IDLE = "process:size=16M,write=0"
LARGE = "process:size=96M,write=5M,set=4M,zero=0%"


class Protocol(monitor_rig.Case):
    def talker(self):
        return self.client(self.source(guest=IDLE))

    def test_greeting_has_qemus_form(self):
        qmp = self.talker().greeting["QMP"]
        self.assertEqual(set(qmp["version"]["qemu"]),
                         {"major", "minor", "micro"})
        self.assertIn("ramjet", qmp["version"]["package"])
        self.assertIsInstance(qmp["capabilities"], list)

    def test_nothing_works_before_negotiation(self):
        client = self.client(self.source(guest=IDLE), negotiate=False)
        error = client.request("query-status")["error"]
        self.assertEqual(error["class"], "CommandNotFound")
        self.assertEqual(client.request("qmp_capabilities"), {"return": {}})
        self.assertTrue(client.execute("query-status")["running"])

    def test_unknown_command_has_its_own_class(self):
        client = self.talker()
        self.assertEqual(
            client.request("device_add", {"x": 1}, id=[7]),
            {"error": {"class": "CommandNotFound",
                       "desc": "The command device_add has not been found"},
             "id": [7]})

    def test_arguments_are_checked(self):
        client = self.talker()
        self.refused(client, "need either 'uri' or 'channels'", "migrate")
        self.refused(client, "need either 'uri' or 'channels'", "migrate",
                     uri="tcp:127.0.0.1:1", channels=[])
        self.refused(client, "only one entry", "migrate", channels=[])
        self.refused(client, "Invalid parameter type for 'uri', expected: "
                     "string", "migrate", uri=3)
        self.refused(client, "'speed' is unexpected", "migrate", uri="tcp::1",
                     speed=1)
        self.refused(client, "'resume' is not offered", "migrate", uri="tcp::1",
                     resume=True)
        self.refused(client, "URI 'nowhere'", "migrate", uri="nowhere")
        self.assertEqual(client.execute("query-migrate"), {})

    def test_commands_of_the_other_side_are_refused(self):
        source = self.talker()
        self.refused(source, "use migrate", "migrate-incoming", uri="tcp::1")
        target = self.client(self.target(guest=IDLE))
        self.refused(target, "waiting for an incoming migration", "migrate",
                     uri="tcp::1")

    def test_pipelined_commands_are_answered_in_order(self):
        client = self.talker()
        ids = [{"n": n, "s": "}\"{" * (n % 3)} for n in range(500)]
        client.send(b"".join(
            json.dumps({"execute": "query-version" if n % 2 else "nonsense",
                        "id": each}).encode() + b"\n" * (n % 4)
            for n, each in enumerate(ids)))
        for n, each in enumerate(ids):
            reply = client.reply()
            self.assertEqual(reply["id"], each)
            self.assertIn("return" if n % 2 else "error", reply)

    def test_commands_may_come_in_halves(self):
        source = self.source(guest=IDLE)
        client, other = self.client(source), self.client(source)
        text = json.dumps({"execute": "query-status", "id": "}\\\""}).encode()
        for cut in range(1, len(text)):
            client.send(text[:cut])
            # Served after that half, so it has arrived.
            other.execute("query-status")
            client.send(text[cut:])
            self.assertEqual(client.reply()["id"], "}\\\"")

    def test_query_commands_tells_what_there_is(self):
        client = self.talker()
        names = {each["name"] for each in client.execute("query-commands")}
        self.assertLessEqual(
            {"migrate", "migrate-incoming", "migrate_cancel",
             "migrate-continue", "query-migrate", "migrate-set-parameters",
             "query-migrate-parameters", "migrate-set-capabilities",
             "query-migrate-capabilities", "query-status", "stop", "cont",
             "query-version", "query-commands", "getfd", "closefd",
             "human-monitor-command", "quit", "qmp_capabilities"}, names)
        for name in names:
            reply = client.request(name, {"no such argument": 1})
            self.assertNotIn("has not been found", str(reply))

    def test_what_managers_ask_of_any_machine(self):
        client = self.talker()
        self.assertEqual(client.execute("query-name"), {})
        self.assertEqual(client.execute("query-uuid"),
                         {"UUID": "00000000-0000-0000-0000-000000000000"})
        kvm = client.execute("query-kvm")
        self.assertFalse(kvm["enabled"])
        self.assertIsInstance(kvm["present"], bool)
        self.assertEqual(client.execute("query-target"),
                         {"arch": os.uname().machine})
        self.assertEqual(client.execute("query-cpus-fast"), [])

    def test_schema_tells_what_there_is(self):
        client = self.talker()
        schema = client.execute("query-qmp-schema")
        named = {entry["name"]: entry for entry in schema}
        self.assertEqual(len(named), len(schema), "a name twice")
        of = {kind: {entry["name"] for entry in schema
                     if entry["meta-type"] == kind}
              for kind in ("command", "event", "enum")}
        offered = {entry["name"]
                   for entry in client.execute("query-commands")}
        self.assertEqual(of["command"], offered - {"qmp_capabilities"})
        self.assertEqual(of["event"],
                         {"MIGRATION", "MIGRATION_PASS", "STOP", "RESUME"})
        # Every type that is named is there.
        for entry in schema:
            types = [entry.get("arg-type"), entry.get("ret-type"),
                     entry.get("element-type")]
            types += [member.get("type")
                      for member in entry.get("members", [])]
            for name in types:
                self.assertTrue(name is None or name in named, (entry, name))
        parameters = named[named["migrate-set-parameters"]["arg-type"]]
        self.assertEqual({member["name"] for member in parameters["members"]},
                         set(client.execute("query-migrate-parameters")))
        self.assertTrue(all(member["default"] is None
                            for member in parameters["members"]))
        self.assertEqual(set(named["MigrationCapability"]["values"]),
                         {row["capability"] for row in
                          client.execute("query-migrate-capabilities")})
        uri, = [member for member in
                named[named["migrate"]["arg-type"]]["members"]
                if member["name"] == "uri"]
        self.assertEqual(uri["type"], "str")

    def test_socket_is_for_its_owner_alone(self):
        source = self.source(guest=IDLE)
        mode = os.stat(source.path).st_mode
        self.assertTrue(stat.S_ISSOCK(mode))
        self.assertEqual(stat.S_IMODE(mode), 0o600)
        self.quits(source, self.client(source), 1)
        self.assertFalse(os.path.exists(source.path))

    def test_path_in_use_is_refused(self):
        source = self.source(guest=IDLE)
        second = self.migrating("send", IDLE, "--monitor",
                                "unix:" + source.path)
        self.ends(second, 1, "somebody listens there")
        self.client(source)


class BadClients(monitor_rig.Case):
    """A migration runs meanwhile, and is not disturbed."""

    def begin(self):
        """(source, its client, target, its client), under way."""
        source, target = self.source(guest=LARGE), self.target(guest=LARGE)
        self.sides = source, target
        self.good, self.target_client = self.client(source), self.client(target)
        # At this pace it takes longer than any wait of the tests.
        self.good.execute("migrate-set-parameters", max_bandwidth=1000000)
        self.good.execute("migrate", uri=self.incoming(self.target_client))
        self.good.wait_status("active")
        return source

    def completes(self):
        source, target = self.sides
        self.good.execute("migrate-set-parameters", max_bandwidth=0)
        self.good.wait_status("completed")
        self.target_client.wait_status("completed")
        self.quits(source, self.good)
        self.quits(target, self.target_client)
        self.assertTrue(source.json["verify"]["identical"])

    def gives(self, bad, data):
        """As much as is taken; the server may hang up meanwhile."""
        try:
            bad.send(data)
            bad.socket.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def hears_errors_to_the_end(self, bad):
        count = 0
        try:
            while True:
                reply = bad.receive()
                self.assertEqual(reply["error"]["class"], "GenericError")
                count += 1
        except qmp_client.Closed:
            pass
        return count

    def test_ten_mib_of_garbage(self):
        source = self.begin()
        noise = random.Random(5).randbytes(10 * MIB)
        for data in (noise, b"\xff" * 10 * MIB, b"x" * 10 * MIB,
                     b"{" * 10 * MIB, b"[\"" * 5 * MIB, b"}\n" * 5 * MIB):
            bad = self.client(source)
            self.gives(bad, data)
            self.assertGreater(self.hears_errors_to_the_end(bad), 0)
            self.good.execute("query-status")
        self.completes()

    def test_command_of_more_than_64_kib(self):
        source = self.begin()
        bad = self.client(source)
        self.gives(bad, b'{"execute": "query-status", "id": "' +
                   b"x" * 65536 + b'"}')
        self.assertIn("more than 64 KiB", bad.reply()["error"]["desc"])
        with self.assertRaises(qmp_client.Closed):
            bad.reply()
        longest = b'{"execute": "query-status", "id": "%s"}'
        longest %= b"x" * (65536 - len(longest) + 2)
        self.good.send(longest)
        self.assertIn("return", self.good.reply())
        self.completes()

    def test_reader_that_never_reads(self):
        source = self.begin()
        lazy = self.client(source)
        # Until it has been cut off: each answer is longer than its command.
        with self.assertRaises((BrokenPipeError, ConnectionResetError)):
            while True:
                lazy.send(b'{"execute": "query-commands"}' * 100)
        self.good.execute("query-status")
        self.completes()

    def test_client_that_goes_in_the_middle_of_a_command(self):
        source = self.begin()
        for data in (b"", b"{", b'{"execute": "qmp_capabilities"}{"exec'):
            bad = self.client(source, negotiate=False)
            bad.send(data)
            bad.close()
        self.good.execute("query-status")
        self.completes()

    def test_too_many_clients(self):
        source = self.begin()
        crowd = [self.client(source) for _ in range(15)]
        more = qmp_client.Client(source.path, negotiate=False)
        self.addCleanup(more.close)
        self.assertIn("too many clients", more.greeting["error"]["desc"])
        for each in crowd:
            each.execute("query-status")
            each.close()
        self.completes()

    def test_two_clients_see_the_same_events(self):
        source = self.begin()
        other = self.client(source)
        self.good.events.clear()
        self.good.execute("migrate_cancel")
        for client in (self.good, other):
            self.assertEqual(client.wait_status("cancelled"), "cancelled")
        self.good.execute("quit")
        other_end = [each["event"] for each in other.all_events()]
        self.assertNotIn("MIGRATION", other_end)
        self.ends(source, 1)


if __name__ == "__main__":
    rig.main()
