# SPDX-License-Identifier: BSD-3-Clause
"""Streams in files: what was there before is lost only to a whole new one."""
import fcntl
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import threading

import rig
from rig import MIB

SIZE = 16 * MIB
BACKENDS = ("uring", "syscalls")
OLD = b"the older dump"


class Limit:
    """Children may not write longer files."""

    def __init__(self, size):
        self.size = size

    def __enter__(self):
        self.old = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.old[1]))

    def __exit__(self, *_):
        resource.setrlimit(resource.RLIMIT_FSIZE, self.old)


class Streams(rig.Case):
    def old_dump(self, name="dump", mode=0o644, folder=None):
        path = os.path.join(folder or self.folder, name)
        with open(path, "wb") as file:
            file.write(OLD)
        os.chmod(path, mode)
        return path

    def still_old(self, path):
        with open(path, "rb") as file:
            self.assertEqual(file.read(), OLD)
        folder = os.path.dirname(path)
        self.assertEqual([name for name in os.listdir(folder)
                          if name.endswith(".new")], [])

    def loads(self, stream, image):
        self.ends(self.recv(f"file:{self.path('B')},size=16M",
                            f"file:{stream}"), 0)
        self.same(image, self.path("B"))
        os.unlink(self.path("B"))

    def test_disk_that_is_full(self):
        folder = self.path("small")
        os.mkdir(folder)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder],
            capture_output=True, text=True, check=False)
        if mounted.returncode:
            self.skipTest("cannot mount a small disk here: "
                          + mounted.stderr.strip())
        self.addCleanup(subprocess.run, ["umount", folder], check=True)
        image, stream = self.image("A", "random", SIZE), f"{folder}/dump"
        for backend in BACKENDS:
            for given in (False, True):
                self.old_dump(folder=folder)
                self.full(f"file:{image}", stream, backend, given)

    def full(self, guest, stream, backend, given):
        """Backends that this machine lacks fail otherwise."""
        if not given:
            source = self.send(guest, f"file:{stream}", "--backend", backend)
            self.ends(source, 1, "No space left on device|io_uring")
            self.still_old(stream)
            return
        with open(stream, "r+b", buffering=0) as file:
            fd = file.fileno()
            source = self.send(guest, f"fd:{fd}", "--backend", backend,
                               pass_fds=(fd,))
            self.ends(source, 1, "No space left on device|io_uring")

    def test_file_that_may_grow_no_more(self):
        image, dump = self.image("A", "random", SIZE), self.old_dump()
        for backend in BACKENDS:
            with Limit(8 * MIB + 1000):
                source = self.send(f"file:{image}", f"file:{dump}",
                                   "--backend", backend)
            self.ends(source, 1, "File too large|io_uring")
            self.still_old(dump)

    def names_of(self, image):
        """Ways to say the same file."""
        os.link(image, self.path("hard"))
        os.symlink(image, self.path("soft"))
        os.symlink("soft", self.path("softer"))
        return [image, self.path("hard"), self.path("soft"),
                self.path("softer")]

    def test_guest_and_stream_are_one_file(self):
        image = self.image("A", "random", SIZE)
        copy = self.path("copy")
        subprocess.run(["cp", image, copy], check=True)
        for name in self.names_of(image):
            self.one_file(image, f"file:{name}")
            self.same(image, copy)
        with open(image, "r+b") as file:
            fd = file.fileno()
            self.one_file(image, f"fd:{fd}", (fd,))
        self.same(image, copy)

    def one_file(self, image, uri, fds=()):
        for words in (("send", f"file:{image}", "--to", uri),
                      # An equal size, so that only the identity is wrong.
                      ("recv", f"file:{image},size=16M", "--from", uri)):
            command = self.ramjet(*words, pass_fds=fds)
            self.assertIn(command.wait(), (1, 2), command.story())
            self.assertRegex(command.err, "same file|guest itself",
                             command.story())

    def test_cancelled_dump_leaves_the_older_one(self):
        dump = self.old_dump()
        source = self.send("process:size=8M", f"file:{dump}", "--hold",
                           "--log", "info")
        source.wait_for("setup -> active")
        source.interrupt()
        self.ends(source, 1)
        self.still_old(dump)

    def test_name_that_is_taken_meanwhile(self):
        """Too late for a failure: what may be the only copy is kept."""
        dump = self.path("dump")
        source = self.send("process:size=8M,write=10M,set=1M",
                           f"file:{dump}", "--hold", "--log", "info")
        source.wait_for("setup -> active")
        os.mkdir(dump)
        source.process.send_signal(signal.SIGUSR1)
        self.ends(source, 3, "Is a directory")
        kept = re.search(r"giving its name to (\S+), which holds all of it",
                         source.err).group(1)
        self.ends(self.recv("process:size=8M,write=10M,set=1M",
                            f"file:{self.path(kept)}"), 0)

    def test_new_dump_is_the_owners_alone(self):
        image, dump = self.image("A", "mixed", SIZE), self.old_dump()
        self.ends(self.send(f"file:{image}", f"file:{dump}"), 0)
        self.assertEqual(stat.S_IMODE(os.stat(dump).st_mode), 0o600)
        self.loads(dump, image)

    def test_link_stays_a_link(self):
        image, dump = self.image("A", "mixed", SIZE), self.old_dump()
        link = self.path("link")
        os.symlink("dump", link)
        self.ends(self.send(f"file:{image}", f"file:{link}"), 0)
        self.assertTrue(os.path.islink(link))
        self.loads(dump, image)

    def test_named_pipe_stays_a_pipe(self):
        image, pipe = self.image("A", "mixed", SIZE), self.path("pipe")
        os.mkfifo(pipe)
        taken = []

        def read():
            with open(pipe, "rb") as stream:
                taken.append(stream.read())

        reader = threading.Thread(target=read)
        # So that the writer finds a reader whichever is first.
        keeper = os.open(pipe, os.O_RDWR)
        reader.start()
        source = self.send(f"file:{image}", f"file:{pipe}")
        self.ends(source, 0)
        os.close(keeper)
        reader.join(rig.DEADLINE_S)
        self.assertTrue(stat.S_ISFIFO(os.stat(pipe).st_mode))
        with open(self.path("dump"), "wb") as file:
            file.write(taken[0])
        self.loads(self.path("dump"), image)

    def test_named_pipe_is_read_once_somebody_writes(self):
        image, pipe = self.image("A", "mixed", SIZE), self.path("pipe")
        os.mkfifo(pipe)
        target = self.recv(f"file:{self.path('B')},size=16M", f"file:{pipe}")
        source = self.send(f"file:{image}", f"file:{pipe}")
        self.both_end(source, target)
        self.same(image, self.path("B"))
        target = self.recv(f"file:{self.path('C')},size=16M", f"file:{pipe}")
        target.interrupt()
        self.ends(target, 1, "cancelled")

    def test_longer_file_given_open_ends_with_the_stream(self):
        image, dump = self.image("A", "mixed", SIZE), self.path("dump")
        with open(dump, "wb") as file:
            file.truncate(4 * SIZE)
        with open(dump, "r+b", buffering=0) as file:
            fd = file.fileno()
            self.ends(self.send(f"file:{image}", f"fd:{fd}", pass_fds=(fd,)),
                      0)
            # Whoever goes on writing does so behind it.
            self.assertEqual(file.tell(), os.stat(dump).st_size)
        self.loads(dump, image)

    def test_streams_follow_one_another_in_a_file_given_open(self):
        image, dump = self.image("A", "mixed", SIZE), self.path("dump")
        with open(dump, "ab", buffering=0) as file:
            fd = file.fileno()
            file.write(b"a header of its own")
            self.ends(self.send(f"file:{image}", f"fd:{fd}", pass_fds=(fd,)),
                      0)
        with open(dump, "rb", buffering=0) as file:
            fd = file.fileno()
            file.seek(len(b"a header of its own"))
            self.ends(self.recv(f"file:{self.path('B')},size=16M",
                                f"fd:{fd}", pass_fds=(fd,)), 0)
        self.same(image, self.path("B"))

    def test_one_way_stream_out_of_a_socket(self):
        """As some carriers give it, ssh and nc among them."""
        image, dump = self.image("A", "mixed", SIZE), self.path("dump")
        self.ends(self.send(f"file:{image}", f"file:{dump}"), 0)
        ours, theirs = socket.socketpair()
        fd = theirs.fileno()
        target = self.recv(f"file:{self.path('B')},size=16M", f"fd:{fd}",
                           pass_fds=(fd,))
        theirs.close()
        with ours, open(dump, "rb") as file:
            ours.sendall(file.read())
        self.ends(target, 0)
        self.same(image, self.path("B"))

    def test_dump_in_use(self):
        image, dump = self.image("A", "mixed", SIZE), self.old_dump()
        with open(dump, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            source = self.send(f"file:{image}", f"file:{dump}")
            self.ends(source, 1, "in use by another ramjet")
        self.still_old(dump)
        self.ends(self.send(f"file:{image}", f"file:{dump}"), 0)
        with open(dump, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            target = self.ramjet("recv", f"file:{self.path('B')},size=16M",
                                 "--from", f"file:{dump}")
            self.ends(target, 1, "in use by another ramjet")


if __name__ == "__main__":
    rig.main()
