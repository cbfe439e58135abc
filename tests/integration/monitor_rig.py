# SPDX-License-Identifier: BSD-3-Clause
"""Commands with a monitor, and clients of it."""
import qmp_client
import rig

GUEST = "process:size=32M,write=20M,set=8M"
# At this pace it takes longer than any wait of the tests.
SLOW = 1000000  # bytes/s
LARGE = "process:size=96M,write=5M,set=4M,zero=0%"


class Case(rig.Case):
    def monitored(self, verb, guest, *options, name=None):
        """A command that listens on its monitor; .path is where."""
        path = self.path(name or f"{verb}{self._count}.monitor")
        command = self.migrating(verb, guest, *options, "--monitor",
                                 "unix:" + path)
        command.path = path
        command.wait_for("monitor on unix:")
        return command

    def source(self, *options, guest=GUEST):
        return self.monitored("send", guest, "--verify", *options)

    def target(self, *options, guest=GUEST):
        return self.monitored("recv", guest, "--from", "defer", *options)

    def both(self, *options, guest=GUEST):
        source = self.source(*options, guest=guest)
        target = self.target(guest=guest)
        return source, target, self.client(source), self.client(target)

    def under_way(self):
        """As both(), with a migration that will take for ever."""
        source, target, at_source, at_target = self.both(guest=LARGE)
        at_source.execute("migrate-set-parameters", max_bandwidth=SLOW)
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("active")
        return source, target, at_source, at_target

    def client(self, command, negotiate=True):
        client = qmp_client.Client(command.path, negotiate)
        self.addCleanup(client.close)
        return client

    def incoming(self, client, uri="tcp:127.0.0.1:0"):
        """Let it listen; returns where a source finds it."""
        client.execute("migrate-incoming", uri=uri)
        address, = client.execute("query-migrate")["socket-address"]
        if address["type"] == "inet":
            return f"tcp:{address['host']}:{address['port']}"
        return f"unix:{address['path']}"

    def refused(self, client, needle, command, **arguments):
        with self.assertRaises(qmp_client.QmpError) as caught:
            client.execute(command, **arguments)
        self.assertEqual(caught.exception.class_name, "GenericError")
        self.assertRegex(caught.exception.desc, needle)

    def moves(self, source, target, source_client=None, target_client=None):
        """A whole migration by commands, from beginning to the ends of both
        processes."""
        source_client = source_client or self.client(source)
        target_client = target_client or self.client(target)
        source_client.execute("migrate", uri=self.incoming(target_client))
        self.assertEqual(source_client.wait_status("completed", "failed"),
                         "completed", source.story())
        target_client.wait_status("completed")
        self.quits(source, source_client)
        self.quits(target, target_client)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def quits(self, command, client, status=0):
        client.execute("quit")
        self.ends(command, status)
