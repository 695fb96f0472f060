#!/bin/sh
# SPDX-License-Identifier: MIT
# clang-tidy and cppcheck over the tree: lint.sh SOURCE-DIR BUILD-DIR
set -eu
cd "$1"
build=$2
failed=0

core=$(find hypervisor -name '*.c' ! -name asm-offsets.c | LC_ALL=C sort)
tools=$(find libvmctl dom0-tools -name '*.c' 2>/dev/null | LC_ALL=C sort)
common="-std=gnu17 -I. -I$build -Wno-unknown-warning-option"

for file in $core; do
    # shellcheck disable=SC2086 # flags are lists of words
    clang-tidy --quiet "$file" -- $common -DPARAVANE_CORE -ffreestanding -mgeneral-regs-only \
        -include hypervisor/lib/visibility.h || failed=1
done
for file in $tools; do
    # shellcheck disable=SC2086
    clang-tidy --quiet "$file" -- $common -D_GNU_SOURCE || failed=1
done

# shellcheck disable=SC2086
cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
    --std=c11 --platform=unix64 -I. -I"$build" -DPARAVANE_CORE $core || failed=1
if [ -n "$tools" ]; then
    # shellcheck disable=SC2086
    cppcheck --quiet --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
        --std=c11 --platform=unix64 -I. $tools || failed=1
fi
exit $failed
