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
failed=0
for file in $files; do
    if ! clang-format --dry-run -Werror "$file" 2>/dev/null; then
        echo "$file: clang-format -i would change it"
        failed=1
    fi
done
exit $failed
