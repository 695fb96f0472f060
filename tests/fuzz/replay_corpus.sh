#!/bin/sh
# SPDX-License-Identifier: MIT
# Every fuzz target eats its corpus: what once was found stays a test.
set -eu
for corpus in "${srcdir:-.}"/tests/fuzz/corpus/*/; do
    target=tests/fuzz/fuzz_$(basename "$corpus")
    echo "$target:"
    "$target" "$corpus"*
done
