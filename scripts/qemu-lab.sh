#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# What the tests and the demo need to move real virtual machines about: a
# small Linux, and, on wish, the QEMU of Debian's backports.  Everything is
# downloaded and unpacked into one folder; nothing is installed.
#   scripts/qemu-lab.sh            Debian's cloud kernel and busybox-static
#   scripts/qemu-lab.sh qemu10     also QEMU 10 (run it as FOLDER/qemu10/qemu)
# The folder is build-qemu-lab, or $RAMJET_QEMU_LAB.  What is there already is
# left alone: a second call is quick, and needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LAB=${RAMJET_QEMU_LAB:-build-qemu-lab}
MIRROR=${RAMJET_DEBIAN_MIRROR:-http://deb.debian.org/debian}
KEYS=/usr/share/keyrings/debian-archive-keyring.gpg

say() { printf '%s\n' "$*" >&2; }
die() { say "qemu-lab: $*"; exit 1; }

[ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] ||
    die "the small Linux is taken from Debian for amd64, and this is not that"
mkdir -p "$LAB"
LAB=$(cd "$LAB" && pwd)
exec 9>"$LAB/lock"
flock 9 # two at a time would unpack over each other
apt=$LAB/apt
work=$(mktemp -d "$LAB/new.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Lists and packages of our own, so that the system's stay as they are.
# apt_options SOURCES PARTS
apt_options() {
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial"
    options=(-q -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache"
        -o "Dir::Etc::sourcelist=$1" -o "Dir::Etc::sourceparts=$2"
        -o Debug::NoLocking=1 -o APT::Sandbox::User=root)
}

# The package that a meta-package of the kernel stands for.
kernel_package() {
    apt-cache "${options[@]}" depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1
}

# download_linux: the two packages, into the current directory.
download_linux() {
    local kernel
    kernel=$(kernel_package)
    [ -n "$kernel" ] || return 1
    say "qemu-lab: downloading $kernel and busybox-static (28 MB)"
    apt-get "${options[@]}" download "$kernel" busybox-static \
        >download.txt 2>&1 </dev/null
}

make_linux() {
    options=(-q)
    cd "$work"
    # The system's lists may be missing, or name what is no longer offered.
    if ! download_linux; then
        apt_options /etc/apt/sources.list /etc/apt/sources.list.d
        apt-get "${options[@]}" update >update.txt 2>&1 </dev/null ||
            { tail -n 3 update.txt >&2; die "no list of packages"; }
        download_linux || { cat download.txt >&2; die "no download"; }
    fi
    cd - >/dev/null
    for package in "$work"/*.deb; do
        dpkg-deb -x "$package" "$work/tree"
    done
    python3 scripts/initrd.py base "$work/base" "$work/tree" \
        "$work/tree/bin/busybox"
    mv "$work/tree/boot"/vmlinuz-* "$LAB/vmlinuz"
    # Last, since this file says that all is there.
    mv "$work/base" "$LAB/base.cpio.gz"
}

make_qemu10() {
    local suite=bookworm-backports
    # shellcheck disable=SC1091 # the system's own
    . /etc/os-release
    [ "${VERSION_CODENAME-}" = bookworm ] ||
        die "QEMU 10 is taken from $suite; this is ${PRETTY_NAME-unknown}"
    say "qemu-lab: downloading QEMU 10 from $suite (23 MB with its lists)"
    printf "deb [signed-by=$KEYS] $MIRROR %s main\n" \
        bookworm "$suite" >"$work/sources"
    apt_options "$work/sources" /dev/null
    { apt-get "${options[@]}" update &&
        apt-get "${options[@]}" install -y --no-install-recommends \
            --download-only -t "$suite" qemu-system-x86
    } >"$work/apt.txt" 2>&1 </dev/null ||
        { tail -n 5 "$work/apt.txt" >&2; die "no QEMU 10"; }
    for package in "$apt"/cache/archives/*.deb; do
        dpkg-deb -x "$package" "$work/qemu10"
    done
    cat >"$work/qemu10/qemu" <<'END'
#!/bin/sh
# The unpacked QEMU 10, with the arguments of qemu-system-x86_64.
here=$(dirname "$(readlink -f "$0")")
libraries=$here/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH="$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
export QEMU_MODULE_DIR="$libraries/qemu"
exec "$here/usr/bin/qemu-system-x86_64" -L "$here/usr/share/qemu" \
    -L "$here/usr/share/seabios" -L "$here/usr/lib/ipxe/qemu" \
    -L /usr/lib/ipxe/qemu "$@"
END
    chmod +x "$work/qemu10/qemu"
    "$work/qemu10/qemu" --version >/dev/null ||
        die "the unpacked QEMU 10 does not start"
    rm -rf "$LAB/qemu10"
    mv "$work/qemu10" "$LAB/qemu10"
}

if [ ! -e "$LAB/base.cpio.gz" ] ||
    [ scripts/initrd.py -nt "$LAB/base.cpio.gz" ]; then
    make_linux
fi
case ${1-} in
"") ;;
qemu10) [ -x "$LAB/qemu10/qemu" ] || make_qemu10 ;;
*) die "usage: qemu-lab.sh [qemu10]" ;;
esac
rm -rf "$apt"
