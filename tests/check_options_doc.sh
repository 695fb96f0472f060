#!/bin/sh
# SPDX-License-Identifier: MIT
# docs/user/options.md is what tests/make_options_doc.py makes of the source.
set -eu
cd "${srcdir:-.}"
srcdir=.
export srcdir

if ! "${PYTHON:-python3}" -B tests/make_options_doc.py | diff -u docs/user/options.md -; then
    echo "docs/user/options.md is out of date: tests/make_options_doc.py > docs/user/options.md"
    exit 1
fi
