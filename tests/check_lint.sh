#!/bin/sh
# SPDX-License-Identifier: MIT
# clang-tidy and cppcheck over the tree: lint.sh SOURCE-DIR BUILD-DIR
set -eu
cd "$1"
build=$2
failed=0
jobs=$(nproc 2>/dev/null || echo 1)

core=$(find hypervisor -name '*.c' ! -name asm-offsets.c | LC_ALL=C sort)
tools=$(find libvmctl dom0-tools -name '*.c' 2>/dev/null | LC_ALL=C sort)
common="-std=gnu17 -I. -I$build -Wno-unknown-warning-option"
places='-DPKGDATADIR="/lint" -DPKGLIBEXECDIR="/lint"'
libxml2=$(pkg-config --cflags-only-I libxml-2.0 | sed 's/-I/-isystem /g')

# tidy FILES FLAGS...: a process for each file, as many at a time as there are CPUs.
tidy()
{
    files=$1
    shift
    # shellcheck disable=SC2086 # a list of names
    printf '%s\n' $files | xargs -P "$jobs" -I FILE clang-tidy --quiet FILE -- "$@" || failed=1
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
    tidy "$core" $common -DPARAVANE_CORE '-DPACKAGE_VERSION="lint"' \
        -ffreestanding -mgeneral-regs-only -include hypervisor/lib/visibility.h
    tidy "$tools" $common -D_GNU_SOURCE $places '-DPACKAGE_VERSION="lint"' $libxml2
    check -DPARAVANE_CORE $core
    check $tools
}
exit $failed
