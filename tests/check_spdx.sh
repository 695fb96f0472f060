#!/bin/sh
# SPDX-License-Identifier: MIT
# Every source file names its licence in its first two lines.
set -eu
cd "${srcdir:-.}"

files=$(find . \( -name .git -o -name build -o -name 'build-*' -o -name autom4te.cache \
    -o -name __pycache__ -o -name _build -o -name _inst -o -name docs -o -name corpus \) -prune -o -type f \
    \( -name '*.[chSs]' -o -name '*.py' -o -name '*.sh' -o -name '*.am' -o -name '*.ac' \
    -o -name '*.lds' -o -name '*.ld' -o -name bootstrap \) ! -name asm_offsets.h -print |
    LC_ALL=C sort)
if [ -z "$files" ]; then
    echo "no source files found under $PWD"
    exit 1
fi

failed=0
for file in $files; do
    if ! head -n 2 "$file" | grep -q 'SPDX-License-Identifier: MIT'; then
        echo "$file: no SPDX line"
        failed=1
    fi
done
exit $failed
