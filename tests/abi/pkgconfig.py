# SPDX-License-Identifier: BSD-3-Clause
"""An installed ramjet serves a program that knows nothing but ramjet.pc.

usage: pkgconfig.py BUILD_DIR EXAMPLE.c CC MESON
"""
import glob
import os
import subprocess
import sys
import tempfile


def call(*command, **env):
    """Returns the standard output; failure ends the test with both."""
    result = subprocess.run(command, env={**os.environ, **env}, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            stdin=subprocess.DEVNULL, check=False)
    if result.returncode:
        print(" ".join(command), result.stdout, result.stderr, sep="\n")
        sys.exit(1)
    return result.stdout


def main(build, example, cc, meson):
    with tempfile.TemporaryDirectory() as root:
        call(*meson.split(), "install", "-C", build, "--no-rebuild",
             "--destdir", root)
        pc = glob.glob(root + "/**/ramjet.pc", recursive=True)
        assert len(pc) == 1, f"installed ramjet.pc: {pc}"
        env = {"PKG_CONFIG_PATH": os.path.dirname(pc[0]),
               "PKG_CONFIG_SYSROOT_DIR": root}
        flags = call("pkg-config", "--cflags", "--libs", "ramjet", **env)
        # The system's own libraries are not below root.
        flags = [f for f in flags.split()
                 if not f.startswith(("-I", "-L")) or os.path.isdir(f[2:])]
        program = os.path.join(root, "embed")
        call(*cc.split(), "-std=gnu17", "-Wall", "-Werror", example, "-o",
             program, *flags, "-lpthread")
        libraries = {os.path.dirname(path) for path in
                     glob.glob(root + "/**/libramjet.so*", recursive=True)}
        assert libraries, "libramjet.so is not installed"
        headers = sorted(os.path.basename(path) for path in glob.glob(
            root + "/**/include/**/*.h", recursive=True))
        assert headers == [
            "ramjet-connect.h", "ramjet-dirty.h", "ramjet-features.h",
            "ramjet-helper.h", "ramjet-kvm.h", "ramjet-params.h",
            "ramjet-remote.h", "ramjet-savings.h", "ramjet.h"], \
            f"installed headers: {headers}"
        print(call(program, LD_LIBRARY_PATH=":".join(libraries)))


if __name__ == "__main__":
    main(*sys.argv[1:])
