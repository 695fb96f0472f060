#!/bin/sh
# SPDX-License-Identifier: MIT
# A unit test that no sources.am names is a test that nobody runs; so is a fuzz target without a corpus.
set -eu
cd "${srcdir:-.}"
failed=0
found=0

for file in tests/unit/test_*.c; do
    found=1
    case " ${unit_tests:-} " in
    *" ${file%.c} "*) ;;
    *)
        echo "$file: not in unit_tests of a sources.am"
        failed=1
        ;;
    esac
done
for file in tests/fuzz/fuzz_*.c tests/attack/fuzz_*.c; do
    name=${file##*/fuzz_}
    if [ ! -d "tests/fuzz/corpus/${name%.c}" ]; then
        echo "$file: no tests/fuzz/corpus/${name%.c}"
        failed=1
    fi
done
if [ $found = 0 ]; then
    echo "no unit tests found under $PWD"
    exit 1
fi
exit $failed
