#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""sandbox.py kill|refuse CALL[,CALL...] COMMAND...

Runs a command under a seccomp filter that kills whoever makes one of these
system calls, or refuses them with EPERM. Exits with 77 where there are no
filters.
"""
import ctypes
import os
import struct
import sys

CALLS = {"userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426,
         "io_uring_register": 427}
ACTIONS = {"kill": 0x80000000, "refuse": 0x00050000 | 1}
ALLOW = 0x7FFF0000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2
LOAD_NUMBER, RETURN, JUMP_IF_EQUAL = 0x20, 0x06, 0x15


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def enter(action, names):
    code = struct.pack("HBBI", LOAD_NUMBER, 0, 0, 0)
    for name in names:
        code += struct.pack("HBBI", JUMP_IF_EQUAL, 0, 1, CALLS[name])
        code += struct.pack("HBBI", RETURN, 0, 0, ACTIONS[action])
    code += struct.pack("HBBI", RETURN, 0, 0, ALLOW)
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    program = Program(len(code) // 8, code)
    return not (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
                or prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program)))


if __name__ == "__main__":
    if not enter(sys.argv[1], sys.argv[2].split(",")):
        sys.exit(77)
    os.execvp(sys.argv[3], sys.argv[3:])
