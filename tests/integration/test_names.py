# SPDX-License-Identifier: BSD-3-Clause
"""Names and odd networks, in a network namespace with a DNS server that does
what it is told."""
import ctypes
import os
import signal
import subprocess
import sys

import monitor_rig
import name_server
import rig

GUEST = "process:size=16M,write=0"
PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE = 24, 10


class Case(monitor_rig.Case):
    def setUp(self):
        super().setUp()
        self.server = name_server.Server()
        self.addCleanup(self.server.close)

    def listening(self, uri, *options):
        """A target, with all the lines that say where it listens."""
        ready, child_end = os.pipe()
        command = self.migrating("recv", GUEST, "--from", uri, "--ready-fd",
                                 str(child_end), *options,
                                 pass_fds=(child_end,))
        os.close(child_end)
        with os.fdopen(ready) as stream:
            command.uris = stream.read().split()
        self.assertTrue(command.uris, command.story())
        return command


class Names(Case):
    def test_channels_go_where_the_control_link_went(self):
        # The next look-up would give a host where nobody listens.
        self.server.names["turns.test"] = [["127.0.0.2"], ["127.0.0.3"]]
        target = self.listening("tcp:127.0.0.2:0")
        port = target.uris[0].split(":")[2]
        source = self.send(GUEST, f"tcp:turns.test:{port}", "--channels", "4")
        self.both_end(source, target)
        self.assertEqual(len(source.json["channels"]), 4)

    def test_a_target_listens_on_all_addresses_of_its_name(self):
        self.server.names["both.test"] = [["127.0.0.2", "127.0.0.3"]]
        for which in (0, 1):
            target = self.listening("tcp:both.test:0")
            first, second = sorted(target.uris)
            self.assertRegex(first, r"^tcp:127\.0\.0\.2:\d+$")
            self.assertRegex(second, r"^tcp:127\.0\.0\.3:\d+$")
            self.assertEqual(first.split(":")[2], second.split(":")[2])
            for uri in target.uris:
                target.wait_for(f"listening on {uri}\n")
            self.both_end(self.send(GUEST, (first, second)[which]), target)

    def test_addresses_of_other_hosts_are_passed_over(self):
        self.server.names["far.test"] = [["192.0.2.1", "127.0.0.2"]]
        target = self.listening("tcp:far.test:0")
        self.assertEqual(len(target.uris), 1, target.uris)
        self.assertRegex(target.uris[0], r"^tcp:127\.0\.0\.2:\d+$")
        self.both_end(self.send(GUEST, target.uris[0]), target)

    def test_a_monitor_tells_all_addresses(self):
        self.server.names["both.test"] = [["127.0.0.2", "127.0.0.3"]]
        client = self.client(self.target(guest=GUEST))
        client.execute("migrate-incoming", uri="tcp:both.test:0")
        addresses = client.execute("query-migrate")["socket-address"]
        self.assertEqual(sorted(each["host"] for each in addresses),
                         ["127.0.0.2", "127.0.0.3"])
        self.assertEqual(len({each["port"] for each in addresses}), 1)

    def test_an_unknown_name_is_named(self):
        self.ends(self.send(GUEST, "tcp:no.test:1"), 1, "tcp:no.test:1.*name")


class SlowNames(Case):
    """The server takes the question, and never answers."""

    def setUp(self):
        super().setUp()
        self.server.names["slow.test"] = None

    def asks(self, verb, *options):
        to = "--to" if verb == "send" else "--from"
        self.server.queries.clear()
        command = self.migrating(verb, GUEST, to, "tcp:slow.test:1",
                                 *options)
        self.server.wait_query("slow.test")
        return command

    def test_a_signal_ends_the_look_up(self):
        for verb in ("send", "recv"):
            command = self.asks(verb)
            command.process.send_signal(signal.SIGTERM)
            self.ends(command, 1, "cancelled by signal 15")

    def test_the_timeout_ends_the_look_up(self):
        for verb in ("send", "recv"):
            command = self.asks(verb, "--timeout", "200ms")
            self.ends(command, 1, "slow.test.*timed out|--timeout")

    def test_a_signal_ends_the_look_up_of_a_monitor(self):
        target = self.target(guest=GUEST)
        client = self.client(target)
        client.send(b'{"execute": "migrate-incoming", "arguments": '
                    b'{"uri": "tcp:slow.test:1"}}')
        self.server.wait_query("slow.test")
        target.process.send_signal(signal.SIGTERM)
        self.assertIn("cancelled by signal 15",
                      client.reply()["error"]["desc"])
        self.ends(target, 1)


class Networks(Case):
    def test_any_of_ipv6_takes_ipv4_as_well(self):
        for host in ("127.0.0.1", "[::1]"):
            target = self.listening("tcp:[::]:0")
            port = target.uris[0].rsplit(":", 1)[1]
            self.assertEqual(target.uris, [f"tcp:[::]:{port}"])
            self.both_end(self.send(GUEST, f"tcp:{host}:{port}"), target)

    def test_hosts_without_ipv4(self):
        script = ("ip link set lo up && ip addr del 127.0.0.1/8 dev lo && "
                  'exec "$0" "$@"')

        def run(*words):
            result = subprocess.run(
                ["unshare", "--net", "sh", "-c", script, rig.RAMJET, *words],
                text=True, stdin=subprocess.DEVNULL, check=False,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                env=rig.environment(), timeout=rig.DEADLINE_S)
            self.assertEqual(result.returncode, 0, result.stdout)
            return result.stdout

        self.assertIn("Moved.", run("demo", "process:size=16M,write=1M"))
        features = run("features")
        self.assertIn("pacing", features)
        self.assertNotIn("no TCP here", features)

    def test_link_local_without_its_interface(self):
        self.ends(self.send(GUEST, "tcp:[fe80::1]:7"), 1,
                  r"\[fe80::1\]:7: a link-local address, which wants the "
                  r"interface it is on, as in \[fe80::1%eth0\]")
        self.ends(self.migrating("recv", GUEST, "--from", "tcp:[fe80::1]:7"),
                  2, "link-local address, which wants the interface")

    def test_privileged_ports_are_said_to_be(self):
        def drop():
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.prctl(PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE, 0, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")

        result = subprocess.run(
            [rig.RAMJET, "recv", GUEST, "--from", "tcp:127.0.0.1:80"],
            text=True, stdin=subprocess.DEVNULL, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            preexec_fn=drop, timeout=rig.DEADLINE_S)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertRegex(result.stdout, "ports below 1024 are privileged "
                         "here.*CAP_NET_BIND_SERVICE")


if __name__ == "__main__":
    WHY_NOT = name_server.enter()
    if WHY_NOT:
        print(f"1..0 # SKIP {WHY_NOT}")
        sys.exit(0)
    rig.main()
