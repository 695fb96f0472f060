#!/bin/sh
# SPDX-License-Identifier: MIT
# Each header compiles alone, and twice in one file, with gcc and with clang; but *_list.h, rows for a macro.
set -eu
cd "${srcdir:-.}"
CC=${CC:-cc}
others=
for other in gcc clang; do
    case " $CC " in
    *[!a-z]"$other"[!a-z]*) ;;
    *) ! command -v $other >/dev/null || others="$others $other" ;;
    esac
done

headers=$(find hypervisor guest-pv-headers libvmctl dom0-tools tests -name '*.h' \
    ! -name '*_list.h' ! -name asm_offsets.h 2>/dev/null | LC_ALL=C sort)
if [ -z "$headers" ]; then
    echo "no headers found under $PWD"
    exit 1
fi

failed=0
for header in $headers; do
    case $header in
    hypervisor/*) flags=${FREESTANDING:--ffreestanding} ;;
    *) flags=-D_GNU_SOURCE ;;
    esac
    for compiler in "$CC" $others; do
        # shellcheck disable=SC2086 # compiler and flags are lists of words
        if ! printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
            $compiler -std=gnu17 -I. $flags -Wall -Wextra -Werror -Wno-unused-function \
                -fsyntax-only -x c -; then
            echo "$header: does not stand alone ($compiler)"
            failed=1
        fi
    done
done
exit $failed
