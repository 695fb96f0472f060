#!/bin/sh
# SPDX-License-Identifier: MIT
# The core's image is what a freestanding, W^X core must be.
set -eu
NM=${NM:-nm}
image=hypervisor/paravane.elf
failed=0

complain()
{
    echo "$image: $1"
    failed=1
}

if [ ! -f "$image" ]; then
    echo "$image: not built (run from the build directory)"
    exit 1
fi

undefined=$($NM -u "$image")
[ -z "$undefined" ] || complain "undefined symbols: $undefined"

readelf -lW "$image" | awk '/LOAD/ && /RWE/' | grep -q . && complain "a segment is writable and executable"
readelf -SW "$image" | grep -q ' WAX ' && complain "a section is writable and executable"
readelf -SW "$image" | grep -Eq '\.(rela?|got|plt|dynamic|eh_frame)' &&
    complain "it has relocations, a GOT, a PLT or unwind tables"
readelf -nW "$image" | grep -q 'Build ID' || complain "it has no build-id"

# No floating point or vector registers, except to save and load them; no
# landing pads; no thread-local storage of a host's C library.
code=$(objdump -d --no-show-raw-insn "$image")
printf '%s\n' "$code" | awk '
    /^[0-9a-f]+ <.*>:$/ { function_name = $2 }
    /%[xyz]mm[0-9]|%st(\(|,|$)|%mm[0-7]|%k[0-7]|endbr|%fs:/ ||
    $2 ~ /^f/ && $2 !~ /^(fninit|fx(save|rstor)(64)?|fs|file)$/ { print function_name, $0; found = 1 }
    END { exit found }' ||
    complain "it uses vector or x87 registers, endbr or %fs"

exit $failed
