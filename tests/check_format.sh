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
# shellcheck disable=SC2086 # our file names have no blanks
clang-format --dry-run -Werror $files
