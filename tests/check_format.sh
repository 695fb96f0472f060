#!/bin/sh
# SPDX-License-Identifier: MIT
# Every C file is as clang-format (.clang-format) would write it.
set -eu
cd "${srcdir:-.}"
if ! command -v clang-format >/dev/null; then
    echo "clang-format is not installed"
    exit 77
fi

files=$(find hypervisor guest-pv-headers libvmctl dom0-tools tests -name '*.[ch]' 2>/dev/null |
    LC_ALL=C sort)
if [ -z "$files" ]; then
    echo "no C files found under $PWD"
    exit 1
fi
# shellcheck disable=SC2086 # a list of names without blanks
said=$(clang-format --dry-run -Werror $files 2>&1) && exit 0
# A line for each file; anything else clang-format may complain of stays as it is.
printf '%s\n' "$said" | sed -n -e 's/^\([^ :]*\):[0-9].*clang-format-violations.*/\1: clang-format -i would change it/p' \
    -e '/^\.clang-format\|^YAML\|^Error/p' | LC_ALL=C sort -u
exit 1
