#!/bin/sh
# SPDX-License-Identifier: MIT
# clang-tidy over the tree (.clang-tidy and tests/.clang-tidy say which checks) and cppcheck over what
# is shipped.  Run in the build directory.  ANALYZER=yes (`make lint`): clang's path-sensitive
# analyzer too over what is shipped, which takes many times as long.
set -eu
build=$PWD
cd "${srcdir:-.}"
for tool in clang-tidy cppcheck; do
    if ! command -v $tool >/dev/null; then
        echo "$tool is not installed"
        exit 77
    fi
done
failed=0
jobs=$(nproc 2>/dev/null || echo 1)
checks=-clang-analyzer-*
together=8 # files for one process

sources()
{
    find "$@" -name '*.c' ! -name asm-offsets.c | LC_ALL=C sort
}
core=$(sources hypervisor)
tools=$(sources libvmctl dom0-tools)
hosted=$(sources tests/unit tests/fake tests/fuzz tests/cli tests/abi/test_ring.c tests/system/load \
    tests/system/dom0 tests/system/guest/hammer.c tests/mutation; find tests/bench -maxdepth 1 -name '*.c')
ours=$(sources tests/guests tests/bench/kernel tests/system/guest | grep -v /hammer.c)
common="-std=gnu17 -I. -I$build -Wno-unknown-warning-option -DPACKAGE_VERSION=\"lint\""
places='-DPKGDATADIR="/lint" -DPKGLIBEXECDIR="/lint"'
libxml2=$(pkg-config --cflags-only-I libxml-2.0 | sed 's/-I/-isystem /g')

# tidy FILES FLAGS...: as many processes at a time as there are CPUs.  A fault in a header is told once,
# and what is no fault of a file as it was said.
tidy()
{
    files=$1
    shift
    if ! said=$(printf '%s\n' "$files" | xargs -P "$jobs" -n $together sh -c '
        checks=$1 flags=$2
        shift 2
        clang-tidy --quiet --checks="$checks" "$@" -- $flags' sh "$checks" "$*" 2>&1); then
        faults=$(printf '%s\n' "$said" | sed -n "s|^$PWD/||; /: error: /p" | LC_ALL=C sort -u)
        printf '%s\n' "${faults:-$said}"
        failed=1
    fi
}

# What it warns of here: comparePointers, when symbols of the linker script mark the two ends
# of a section; legacyUninitvar, when a variable's first value comes from inline assembly.
check()
{
    cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --suppress=comparePointers --suppress=legacyUninitvar -j "$jobs" \
        --std=c11 --platform=unix64 -I. -I"$build" "$@" || failed=1
}

# shellcheck disable=SC2086 # flags and files are lists of words
{
    # With a second file in its process, clang 14's analyzer takes each va_list for uninitialized.
    [ -z "${ANALYZER:-}" ] || { checks= && together=1; }
    tidy "$core" $common -DPARAVANE_CORE -ffreestanding -mgeneral-regs-only \
        -include hypervisor/lib/visibility.h
    tidy "$tools" $common -D_GNU_SOURCE $places $libxml2
    checks=-clang-analyzer-* together=8
    tidy "$hosted" $common -D_GNU_SOURCE -DMUTANTS=1 $libxml2
    tidy "$(sources tests/attack)" $common -D_GNU_SOURCE -include tests/attack/cpu.h
    tidy "$ours" $common -ffreestanding '-DTEST_NAME="lint"'
    check -DPARAVANE_CORE $core
    check $tools
}
exit $failed
