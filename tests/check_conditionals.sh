#!/bin/sh
# SPDX-License-Identifier: MIT
# No thickets of #if: at most one in a .c file and four in a header, #elif counted, none three deep.
# Not counted are guards: against a second inclusion, and of what assembly cannot read.
set -eu
cd "${srcdir:-.}"

files=$(find hypervisor guest-pv-headers libvmctl dom0-tools -name '*.[chS]' | LC_ALL=C sort)
if [ -z "$files" ]; then
    echo "no source files found under $PWD"
    exit 1
fi
# shellcheck disable=SC2086 # a list of names without blanks
awk '
    FNR == 1 { count = depth = level = 0; limit = FILENAME ~ /\.h$/ ? 4 : 1 }
    /^[ \t]*#[ \t]*if/ {
        depth += counts[++level] = !/^#ifndef [A-Z0-9_]*_H$|^#ifndef __ASSEMBLER__$/
        if (counts[level] && depth > 2) { print FILENAME ":" FNR ": #if within #if within #if"; found = 1 }
    }
    /^[ \t]*#[ \t]*(el)?if/ && counts[level] && ++count > limit { print FILENAME ":" FNR ": too many #if"; found = 1 }
    /^[ \t]*#[ \t]*endif/ { depth -= counts[level--] }
    END { exit found }' $files
