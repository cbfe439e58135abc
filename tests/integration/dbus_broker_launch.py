# SPDX-License-Identifier: BSD-3-Clause
"""Becomes dbus-broker-launch: LAUNCHER CONFIG SOCKET.

It wants systemd's journal, a listening socket as number 3, and a session
bus. In a mount namespace of its own it gets a socket nobody reads, the test's
socket, and itself.
"""
import os
import socket
import subprocess
import sys


def main(launcher, config, path):
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    os.makedirs("/run/systemd/journal")
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind("/run/systemd/journal/socket")
    journal.set_inheritable(True)

    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(64)
    listener.setblocking(False)
    if listener.fileno() == 3:
        listener.set_inheritable(True)
    else:
        # The journal's socket is 3: it moves away first.
        os.set_inheritable(os.dup(journal.fileno()), True)
        os.dup2(listener.fileno(), 3)
    print("listening", flush=True)
    os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()),
                      DBUS_SESSION_BUS_ADDRESS="unix:path=" + path)
    os.execv(launcher, [launcher, "--scope", "user",
                        "--config-file=" + config])


if __name__ == "__main__":
    main(*sys.argv[1:])
