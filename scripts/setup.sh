# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What ./demo and ./check share: the packages they need and a build folder.
# Sourced, with the current directory at the root of the tree.

BUILD_PACKAGES="gcc libc6-dev meson ninja-build pkg-config liburing-dev
libnuma-dev libzstd-dev libxxhash-dev libjansson-dev libsystemd-dev"
# shellcheck disable=SC2034 # for ./demo: its helpers sit on a bus
DEMO_PACKAGES="$BUILD_PACKAGES dbus-daemon"
# shellcheck disable=SC2034 # for ./check
CHECK_PACKAGES="$BUILD_PACKAGES g++ clang libclang-rt-14-dev clang-format-14
spin llvm-14 libasan8 libubsan1 libtsan2 libcmocka-dev libbenchmark-dev universal-ctags
python3 python3-dbus python3-gi dbus-daemon dbus-broker qemu-system-x86 iproute2"

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 2; }

have_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# need_packages NAME...: installs what is missing, and only that.
need_packages() {
    local name missing=() root=()
    command -v dpkg-query >/dev/null || {
        say "not a Debian system; taking it that these are there: $*"
        return
    }
    for name in "$@"; do
        have_package "$name" || missing+=("$name")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "installing missing packages: ${missing[*]}"
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null ||
            die "neither root nor sudo; please install them by hand"
        root=(sudo)
    fi
    local log
    log=$(mktemp)
    if ! { "${root[@]}" apt-get update -q &&
        "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -q -y --no-install-recommends "${missing[@]}"
    } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        rm -f "$log"
        die "could not install: ${missing[*]}"
    fi
    rm -f "$log"
}

# configure DIR MESON-OPTION...: once; a later call only sets the options.
configure() {
    local dir=$1
    shift
    if [ ! -f "$dir/build.ninja" ]; then
        quietly "$dir" meson setup "$dir" "$@"
    elif ! grep -qxF -- "$*" "$dir/.options" 2>/dev/null; then
        quietly "$dir" meson configure "$dir" "$@"
    fi
    printf '%s\n' "$*" >"$dir/.options"
}

# quietly NAME COMMAND...: the command's output is shown only if it fails.
quietly() {
    local name=$1 log
    shift
    log=$(mktemp)
    if ! "$@" >"$log" 2>&1 </dev/null; then
        cat "$log" >&2
        rm -f "$log"
        say "$name: failed: $*"
        return 1
    fi
    rm -f "$log"
}
