# SPDX-License-Identifier: BSD-3-Clause
"""What a manager does to the guest, and gives to it, around its moves."""
import os
import socket

import monitor_rig
import rig
import wire
from relay import Relay, hold_at


class Guests(monitor_rig.Case):
    def test_stop_and_cont(self):
        source, target, at_source, at_target = self.both()
        at_source.execute("stop")
        at_source.wait_event("STOP")
        self.assertEqual(at_source.execute("query-status"),
                         {"running": False, "status": "paused"})
        at_source.execute("stop")
        at_source.execute("cont")
        at_source.wait_event("RESUME")
        self.assertTrue(at_source.execute("query-status")["running"])
        self.moves(source, target, at_source, at_target)

    def arrives_paused(self, source, target, at_source, at_target):
        """Nothing runs before `cont`; then all of it is there."""
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.assertEqual(at_target.execute("query-status"),
                         {"running": False, "status": "paused"})
        at_target.execute("cont")
        at_target.wait_event("RESUME")
        self.assertEqual(at_target.execute("query-status"),
                         {"running": True, "status": "running"})
        self.quits(source, at_source)
        self.quits(target, at_target)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_guest_stopped_mid_migration_arrives_paused(self):
        sides = source, target, at_source, at_target = self.under_way()
        at_source.execute("stop")
        at_source.wait_event("STOP")
        self.assertEqual(at_source.execute("query-status")["status"],
                         "paused")
        self.assertEqual(at_source.execute("query-migrate")["status"],
                         "active")
        at_source.execute("migrate-set-parameters", max_bandwidth=0)
        self.arrives_paused(*sides)

    def test_guest_continued_mid_migration_arrives_running(self):
        source, target, at_source, at_target = self.both()
        at_source.execute("stop")
        at_source.execute("migrate-set-parameters", max_bandwidth=1000000)
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("active")
        at_source.execute("cont")
        at_source.wait_event("RESUME")
        at_source.execute("migrate-set-parameters", max_bandwidth=0)
        at_target.wait_event("RESUME")
        at_target.wait_status("completed")
        self.quits(source, at_source)
        self.quits(target, at_target)
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_guest_stopped_before_its_migration_arrives_paused(self):
        sides = source, target, at_source, at_target = self.both()
        at_source.execute("stop")
        at_source.execute("migrate", uri=self.incoming(at_target))
        self.arrives_paused(*sides)

    def test_stop_at_a_target_that_waits(self):
        sides = source, target, at_source, at_target = self.both()
        at_target.execute("stop")
        self.assertEqual(at_target.execute("query-status")["status"],
                         "inmigrate")
        at_source.execute("migrate", uri=self.incoming(at_target))
        self.arrives_paused(*sides)

    def test_cont_at_a_target_that_waits(self):
        source, target, at_source, at_target = self.both()
        at_target.execute("stop")
        at_target.execute("cont")
        self.moves(source, target, at_source, at_target)

    def test_paused_guest_arrives_where_there_is_no_monitor(self):
        source = self.source()
        at_source = self.client(source)
        target = self.recv(monitor_rig.GUEST)
        at_source.execute("stop")
        at_source.execute("migrate", uri=target.uri)
        at_source.wait_status("completed")
        self.quits(source, at_source)
        self.ends(target, 0, "arrived paused; it runs for its self-check")
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_paused_guest_stays_paused_when_its_migration_fails(self):
        source, target, at_source, at_target = self.both()
        relay = Relay(self.incoming(at_target), hold_at(wire.SWITCHOVER))
        self.addCleanup(relay.close)
        at_source.execute("stop")
        at_source.execute("migrate", uri=relay.uri)
        relay.wait_reached()
        at_source.execute("migrate_cancel")
        at_source.wait_status("cancelled")
        self.assertEqual(at_source.execute("query-status")["status"],
                         "paused")
        relay.release()
        at_target.wait_status("failed")
        at_source.execute("cont")
        self.moves(source, target, at_source, at_target)

    def test_guest_that_has_arrived_is_sent_on(self):
        self.is_sent_on(monitor_rig.GUEST)

    def test_kvm_guest_that_has_arrived_is_sent_on(self):
        if not os.access("/dev/kvm", os.R_OK | os.W_OK):
            self.skipTest("no /dev/kvm")
        self.is_sent_on("kvm:size=32M,write=20M,set=8M")

    def is_sent_on(self, guest):
        source, target, at_source, at_target = self.both(guest=guest)
        at_source.execute("migrate", uri=self.incoming(at_target))
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.quits(source, at_source)
        # A failure on the way leaves it here.
        with socket.create_server(("127.0.0.1", 0)) as closed:
            port = closed.getsockname()[1]
        at_target.execute("migrate", uri=f"tcp:127.0.0.1:{port}")
        at_target.wait_status("failed")
        self.assertTrue(at_target.execute("query-status")["running"])
        third = self.target(guest=guest)
        at_third = self.client(third)
        at_target.execute("migrate-set-parameters", x_ramjet_verify=True)
        at_target.execute("migrate", uri=self.incoming(at_third))
        at_target.wait_status("completed")
        at_third.wait_status("completed")
        self.assertEqual(at_target.execute("query-status")["status"],
                         "postmigrate")
        self.refused(at_target, "handed over", "cont")
        self.assertTrue(at_third.execute("query-status")["running"])
        self.quits(target, at_target)
        self.quits(third, at_third)
        self.assertEqual(target.json["role"], "source")
        self.assertTrue(target.json["verify"]["identical"], target.story())
        self.assertTrue(third.json["self_check"]["clean"], third.story())

    def test_descriptors_of_a_client_carry_a_migration(self):
        source, target, at_source, at_target = self.both()
        left, right = socket.socketpair()
        with left, right:
            self.assertEqual(at_source.send_fd(left.fileno(), "getfd",
                                               fdname="mig"), {"return": {}})
            at_target.send_fd(right.fileno(), "getfd", fdname="mig")
        at_target.execute("migrate-incoming", uri="fd:mig")
        at_source.execute("migrate", uri="fd:mig")
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.refused(at_source, "'mig' not found", "closefd", fdname="mig")
        self.quits(source, at_source)
        self.quits(target, at_target)

    def test_descriptor_of_a_connection_to_a_listening_target(self):
        source, target, at_source, at_target = self.both()
        host, port = self.incoming(at_target).split(":")[1:]
        with socket.create_connection((host, int(port))) as end:
            at_source.send_fd(end.fileno(), "getfd", fdname="mig")
        at_source.execute("migrate", uri="fd:mig")
        at_source.wait_status("completed")
        at_target.wait_status("completed")
        self.quits(source, at_source)
        self.quits(target, at_target)
        self.assertTrue(source.json["verify"]["identical"], source.story())
        self.assertTrue(target.json["self_check"]["clean"], target.story())

    def test_numbers_of_the_process_itself_are_no_client_s(self):
        image = self.image("A", size=4 * rig.MIB)
        with open(image, "rb") as file:
            before = file.read()
        ends = ((self.source(guest=f"file:{image}"), "migrate"),
                (self.target(guest=f"file:{self.path('B')},size=4M"),
                 "migrate-incoming"))
        for command, verb in ends:
            client = self.client(command)
            for number in range(32):
                self.refused(client, f"'{number}' not found: wanted a name",
                             verb, uri=f"fd:{number}")
                self.refused(client, f"'{number}' not found: wanted a name",
                             verb, channels=[{
                                 "channel-type": "main",
                                 "addr": {"transport": "socket", "type": "fd",
                                          "str": str(number)}}])
            self.assertEqual(client.execute("query-migrate"), {})
        with open(image, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_channels_say_where_to_as_a_uri_does(self):
        for addr in ({"transport": "socket", "type": "inet",
                      "host": "127.0.0.1", "port": "0"},
                     {"transport": "socket", "type": "unix",
                      "path": self.path("socket")}):
            source, target, at_source, at_target = self.both()
            at_target.execute("migrate-incoming", channels=[
                {"channel-type": "main", "addr": addr}])
            bound, = at_target.execute("query-migrate")["socket-address"]
            at_source.execute("migrate", channels=[
                {"channel-type": "main",
                 "addr": {"transport": "socket", **bound}}])
            at_source.wait_status("completed")
            at_target.wait_status("completed")
            self.quits(source, at_source)
            self.quits(target, at_target)

    def test_descriptors_are_named_and_closed(self):
        source = self.source()
        client = self.client(source)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.refused(client, "No file descriptor supplied", "getfd",
                     fdname="x")
        reply = client.send_fd(writer, "getfd", fdname="3")
        self.assertIn("not starting with a digit", reply["error"]["desc"])
        client.send_fd(writer, "getfd", fdname="x")
        os.close(writer)
        client.execute("closefd", fdname="x")
        # Nobody else has it now, so the pipe is at its end.
        self.assertEqual(os.read(reader, 1), b"")
        self.refused(client, "'x' not found", "migrate", uri="fd:x")


if __name__ == "__main__":
    rig.main()
