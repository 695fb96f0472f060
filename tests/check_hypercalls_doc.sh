#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/hypercalls.md is what tests/make_hypercalls_doc.py makes of the source.
set -eu
cd "${srcdir:-.}"
srcdir=.
export srcdir

if ! "${PYTHON:-python3}" -B tests/make_hypercalls_doc.py | diff -u docs/hypercalls.md -; then
    echo "docs/hypercalls.md is out of date: tests/make_hypercalls_doc.py > docs/hypercalls.md"
    exit 1
fi
