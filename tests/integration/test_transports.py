# SPDX-License-Identifier: BSD-3-Clause
"""Every kind of address carries an image, and the two are the same."""
import os
import socket

import rig
from rig import MIB

SIZE = 64 * MIB


def vsock_port():
    """A free port on the local vsock, or None where there is no such thing."""
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as listener:
            listener.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY))
            listener.listen()
            port = listener.getsockname()[1]
            with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM) as probe:
                probe.settimeout(5)
                probe.connect((1, port))
            return port
    except OSError:
        return None


class Transports(rig.Case):
    def carries(self, uri, *options):
        image = self.image("A", "mixed", SIZE)
        source, _ = self.move(f"file:{image}",
                              f"file:{self.path('B')},size=64M", *options,
                              uri=uri)
        self.same(image, self.path("B"))
        return source

    def test_tcp_over_ipv4(self):
        source = self.carries("tcp:127.0.0.1:0", "--channels", "2")
        self.assertEqual(len(source.json["channels"]), 2)

    def test_both_sides_say_the_port_that_was_bound(self):
        source, target = self.move("process:size=4M", "process:size=4M")
        self.assertNotRegex(target.uri, ":0$")
        for side in (source, target):
            self.assertEqual(side.json["uri"], target.uri)
            self.assertIn(f"completed: {target.uri}\n", side.out)

    def test_tcp_over_ipv6(self):
        if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
            self.skipTest("no IPv6 here")
        self.carries("tcp:[::1]:0", "--channels", "2")

    def test_tcp_by_name(self):
        try:
            socket.getaddrinfo("localhost", 0)
        except OSError:
            self.skipTest("localhost does not resolve here")
        self.carries("tcp:localhost:0")

    def test_unix(self):
        path = self.path("socket")
        self.carries("unix:" + path, "--channels", "2")
        self.assertFalse(os.path.exists(path), "the socket file stayed")

    def test_unix_socket_is_ours_alone(self):
        path = self.path("socket")
        target = self.recv(f"file:{self.path('B')},size=1M", "unix:" + path)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        target.interrupt()
        self.ends(target, 1)

    def test_vsock(self):
        port = vsock_port()
        if port is None:
            self.skipTest("no vsock loopback here (module vsock_loopback)")
        self.carries(f"vsock:1:{port}", "--channels", "2")

    def test_fd_of_a_socket_goes_both_ways(self):
        ends = socket.socketpair()
        self.addCleanup(ends[0].close)
        self.addCleanup(ends[1].close)
        image = self.image("A", "mixed", SIZE)
        fds = [end.fileno() for end in ends]
        target = self.recv(f"file:{self.path('B')},size=64M", f"fd:{fds[1]}",
                           pass_fds=fds[1:])
        source = self.send(f"file:{image}", f"fd:{fds[0]}", pass_fds=fds[:1])
        self.both_end(source, target)
        self.same(image, self.path("B"))
        self.assertTrue(source.json["verify"]["identical"])

    def test_fd_of_a_socket_that_a_listening_target_accepted(self):
        image = self.image("A", "mixed", SIZE)
        for uri in ("tcp:127.0.0.1:0", "unix:" + self.path("socket")):
            target = self.recv(f"file:{self.path('B')},size=64M", uri)
            if uri.startswith("tcp"):
                end = socket.create_connection(
                    ("127.0.0.1", int(target.uri.split(":")[2])))
            else:
                end = socket.socket(socket.AF_UNIX)
                end.connect(uri.split(":")[1])
            with end:
                source = self.send(f"file:{image}", f"fd:{end.fileno()}",
                                   pass_fds=(end.fileno(),))
            self.both_end(source, target)
            self.same(image, self.path("B"))
            self.assertTrue(source.json["verify"]["identical"])
            os.unlink(self.path("B"))

    def test_fd_of_a_pipe(self):
        ends = os.pipe()
        image = self.image("A", "mixed", SIZE)
        target = self.recv(f"file:{self.path('B')},size=64M", f"fd:{ends[0]}",
                           pass_fds=ends[:1])
        source = self.send(f"file:{image}", f"fd:{ends[1]}",
                           pass_fds=ends[1:])
        for end in ends:
            os.close(end)
        self.both_end(source, target)
        self.same(image, self.path("B"))

    def test_exec_into_a_file_and_back(self):
        image, stream = self.image("A", "mixed", SIZE), self.path("stream")
        self.ends(self.send(f"file:{image}", f"exec:cat > {stream}"), 0)
        self.ends(self.recv(f"file:{self.path('B')},size=64M",
                            f"exec:cat {stream}"), 0)
        self.same(image, self.path("B"))

    def test_file_and_back(self):
        image, stream = self.image("A", "mixed", SIZE), self.path("stream")
        self.ends(self.send(f"file:{image}", f"file:{stream}"), 0)
        self.ends(self.recv(f"file:{self.path('B')},size=64M",
                            f"file:{stream}"), 0)
        self.same(image, self.path("B"))

    def test_a_stream_carries_its_proof(self):
        image, stream = self.image("A", "random", 8 << 20), self.path("stream")
        source = self.send(f"file:{image}", f"file:{stream}", "--verify")
        self.ends(source, 0)
        self.assertIn("in the stream",
                      [path["chosen"] for path in source.json["fast_paths"]
                       if path["name"] == "verify"])
        target = self.recv(f"file:{self.path('B')},size=8M", f"file:{stream}")
        self.ends(target, 0)
        self.assertTrue(target.json["verify"]["identical"])
        with open(stream, "r+b") as file:
            file.seek(3000000)
            byte = file.read(1)
            file.seek(3000000)
            file.write(bytes([byte[0] ^ 1]))
        target = self.recv(f"file:{self.path('C')},size=8M", f"file:{stream}")
        self.ends(target, 1)
        self.assertRegex(target.err, r"channel 0, offset \d+: PAGES frame: "
                         "payload's sum .*: the stream is damaged")

    def test_live_guest_through_a_file_wakes_up_where_it_was(self):
        guest, stream = "process:size=64M,write=50M,set=16M", self.path("s")
        self.ends(self.send(guest, f"file:{stream}"), 0)
        self.ends(self.recv(guest, f"file:{stream}"), 0)

    def test_exec_command_that_fails(self):
        image = self.image("A", "random", SIZE)
        source = self.send(f"file:{image}", "exec:exit 7")
        self.ends(source, 1)
        target = self.recv(f"file:{self.path('B')},size=64M", "exec:exit 7")
        self.ends(target, 1)

    def test_exec_command_that_fails_at_the_end(self):
        image = self.image("A", "zero", SIZE)
        source = self.send(f"file:{image}", "exec:cat > /dev/null; exit 7")
        # COMMIT was written, so the stream may be whole all the same.
        self.ends(source, 3, "7")


if __name__ == "__main__":
    rig.main()
