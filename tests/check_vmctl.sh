#!/bin/sh
# SPDX-License-Identifier: MIT
# The vmctl program over a fake library.
exec "${PYTHON:-python3}" -B "${srcdir:-.}/tests/cli/run.py" tests/cli/vmctl \
    dom0-tools/vmctl/paravane-check-schema
