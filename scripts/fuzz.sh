#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Builds the libFuzzer programs of tests/fuzz with ASan and UBSan, and runs each for a
# while; one line each says how many inputs were tried, what they covered, and what was
# found. Exit 1: something was found; it lies in build-fuzz/findings/.
#   scripts/fuzz.sh                   all of them, 20 minutes each, one at a time
#   scripts/fuzz.sh --seconds 15 --jobs 2
#   scripts/fuzz.sh --seconds 300 target source
#   scripts/fuzz.sh --keep target     what the runs have found out goes into the
#                                     repository's corpus, as few small files as can be
# The inputs that a run has made stay in build-fuzz/corpus/, and the next goes on with
# them. An input is tried alone by `build-fuzz/tests/fuzz/fuzz_NAME FILE`; with FUZZ_STORY=1
# target and source say what came of it.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 2
. scripts/setup.sh

seconds=1200
jobs=1
keep=
names=()
while [ $# -gt 0 ]; do
    case $1 in
    --seconds) seconds=${2:?} && shift ;;
    --jobs) jobs=${2:?} && shift ;;
    --keep) keep=yes ;;
    -*) die "usage: scripts/fuzz.sh [--seconds N] [--jobs N] [--keep] [NAME...]" ;;
    *) names+=("$1") ;;
    esac
    shift
done

can_fuzz() {
    local dir rc
    dir=$(mktemp -d) || return 1
    echo 'int LLVMFuzzerTestOneInput(const char *d, long n) { return !d && n; }' >"$dir/a.c"
    clang -fsanitize=fuzzer,address,undefined -o "$dir/a" "$dir/a.c" >/dev/null 2>&1
    rc=$?
    rm -rf "$dir"
    return $rc
}
if ! can_fuzz; then
    say "fuzzing: skipped: clang is not there, or has no libFuzzer (Debian: clang, libclang-rt-14-dev)"
    exit 0
fi

build=build-fuzz
say "$build: building"
CC=clang configure "$build" -Dfuzz=true -Dtests=true -Dbench=disabled \
    -Db_sanitize=address,undefined -Db_lundef=false &&
    quietly "$build" ninja --quiet -C "$build" fuzzers || exit 1
[ ${#names[@]} -gt 0 ] || for program in "$build"/tests/fuzz/fuzz_*; do
    [ -f "$program" ] && names+=("${program##*/fuzz_}")
done
mkdir -p "$build/findings"

# What a target begins with: as in tests/fuzz/meson.build.
seeds_of() {
    case $1 in
    frame) echo tests/golden/frame/v2 tests/golden/frame-errors/v2 tests/fuzz/corpus/frame ;;
    helpers_blob) echo tests/golden/helpers-blob tests/golden/helpers-blob-errors ;;
    *) echo "tests/fuzz/corpus/$1" ;;
    esac
}

# Of whole sides, in which threads wait for each other: slow inputs are worth less.
longest_of() {
    case $1 in
    target | source) echo 16384 ;;
    *) echo 65536 ;;
    esac
}

# Files that are added to a corpus at once: a plain run replays all of them.
KEEP_MAX=16

options=(-timeout=60 -rss_limit_mb=2048 -print_final_stats=1)
export ASAN_OPTIONS=detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1

# fuzz_one NAME: its line, and 1 if something was found.
fuzz_one() {
    local name=$1 log="$build/fuzz_$1.log" rc
    mkdir -p "$build/corpus/$name"
    # shellcheck disable=SC2046 # a list of folders
    "$build/tests/fuzz/fuzz_$name" "${options[@]}" -max_total_time="$seconds" \
        -max_len="$(longest_of "$name")" -artifact_prefix="$build/findings/$name-" \
        "$build/corpus/$name" $(seeds_of "$name") >"$log" 2>&1 </dev/null
    rc=$?
    local tried edges
    tried=$(sed -n 's/^stat::number_of_executed_units: //p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1)
    printf '%-14s %9s inputs  %-12s %s\n' "$name" "${tried:-?}" "${edges:-cov: ?}" \
        "$([ $rc -eq 0 ] && echo "nothing found" || echo "FOUND, see $log")"
    return $rc
}

# Edges alone count: that makes few files. The smallest of those that add something are
# taken, named by their hash, as libFuzzer does; what has a name of its own stays.
keep_one() {
    local name=$1 folder="tests/fuzz/corpus/$1" least="$build/least/$1" path
    rm -rf "$least" && mkdir -p "$least" "$folder"
    # shellcheck disable=SC2046 # a list of folders
    "$build/tests/fuzz/fuzz_$name" -use_counters=0 -merge=1 -max_len=4500 "$least" \
        $(seeds_of "$name") "$build/corpus/$name" >"$build/merge_$name.log" 2>&1 || return 1
    # shellcheck disable=SC2046
    find $(seeds_of "$name") -type f -exec sha1sum {} + |
        while read -r path _; do
            rm -f "$least/$path"
        done
    find "$least" -type f -printf '%s %p\n' | sort -n | head -n "$KEEP_MAX" |
        while read -r _ path; do
            cp "$path" "$folder/$(basename "$path" | cut -c 1-12)"
        done
    say "$name: $(find "$folder" -type f | wc -l) files in $folder"
}

if [ -n "$keep" ]; then
    for name in "${names[@]}"; do
        keep_one "$name"
    done
    exit 0
fi

say "fuzzing: $seconds s each, $jobs at a time"
found=0
running=()
for name in "${names[@]}"; do
    fuzz_one "$name" &
    running+=($!)
    if [ ${#running[@]} -eq "$jobs" ]; then
        wait "${running[0]}" || found=$((found + 1))
        running=("${running[@]:1}")
    fi
done
for pid in "${running[@]}"; do
    wait "$pid" || found=$((found + 1))
done
[ "$found" -eq 0 ] || say "fuzzing: $found of ${#names[@]} have found something"
exit $((found > 0))
