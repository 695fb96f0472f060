#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Link the core, with a table of its own symbols for back-traces.

The table needs the addresses that only linking gives, so the image is linked
twice: with an empty table, and with the table read from the first image.  The
linker script puts the table behind everything that has a symbol worth naming,
so both passes must agree on the address of every function; that is checked.

The table, in section .rodata.symbols, sorted by address:
    symbol_count         u32
    symbol_addresses     u32 each, relative to _start_of_core
    symbol_name_offsets  u32 each, into symbol_names
    symbol_names         the names, each ended by a NUL
"""
import argparse
import os
import shlex
import subprocess
import sys

BASE = "_start_of_core"


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"link_core: failed: {shlex.join(command)}")
    return done.stdout


def link(options, objects, table, image):
    run(shlex.split(options.ld)
        + ["-nostdlib", "-static", "-m", "elf_x86_64", "-z", "max-page-size=4096",
           "-z", "noexecstack", "--build-id=sha1", "--fatal-warnings", "--no-undefined",
           "-T", options.script, "-o", image] + objects + [table])


def functions(options, image):
    """Pairs (address relative to the base, name), one name an address."""
    base = None
    found = {}
    for line in run(shlex.split(options.nm) + ["-n", image]).splitlines():
        fields = line.split()
        if len(fields) != 3:
            continue
        address, kind, name = int(fields[0], 16), fields[1], fields[2]
        if name == BASE:
            base = address
        if kind in "tTwW" and not name.startswith("."):
            found.setdefault(address, name)
    if base is None:
        sys.exit(f"link_core: the linker script defines no {BASE}")
    return [(address - base, name) for address, name in sorted(found.items())
            if 0 <= address - base < 1 << 32]


def table_source(symbols):
    lines = ['.section .rodata.symbols, "a", @progbits', ".balign 4"]

    def array(label, rows):
        lines.extend([f".globl {label}", f".hidden {label}", f"{label}:"])
        lines.extend(rows)

    array("symbol_count", [f".long {len(symbols)}"])
    array("symbol_addresses", [f".long {address:#x}" for address, _ in symbols])
    offsets, offset = [], 0
    for _, name in symbols:
        offsets.append(f".long {offset}")
        offset += len(name) + 1
    array("symbol_name_offsets", offsets)
    array("symbol_names", [f'.asciz "{name}"' for _, name in symbols])
    lines.append('.section .note.GNU-stack, "", @progbits')
    return "\n".join(lines) + "\n"


def assemble_table(options, symbols, stem):
    with open(f"{stem}.s", "w", encoding="ascii") as file:
        file.write(table_source(symbols))
    run(shlex.split(options.cc) + ["-c", "-o", f"{stem}.o", f"{stem}.s"])
    return f"{stem}.o"


def main():
    parser = argparse.ArgumentParser(description="link the core in two passes")
    parser.add_argument("--ld", required=True)
    parser.add_argument("--nm", required=True)
    parser.add_argument("--cc", required=True)
    parser.add_argument("--script", required=True)
    parser.add_argument("-o", dest="output", required=True)
    parser.add_argument("objects", nargs="+")
    options = parser.parse_args()

    stem = f"{options.output}.symbols"
    first = f"{options.output}.pass1"
    second = f"{options.output}.pass2"
    try:
        link(options, options.objects, assemble_table(options, [], stem), first)
        symbols = functions(options, first)
        link(options, options.objects, assemble_table(options, symbols, stem), second)
        if functions(options, second) != symbols:
            sys.exit("link_core: functions moved between the passes; "
                     "is .rodata.symbols last in .rodata?")
        os.replace(second, options.output)
    finally:
        for leftover in (first, second, f"{stem}.s", f"{stem}.o"):
            if os.path.exists(leftover):
                os.unlink(leftover)


if __name__ == "__main__":
    main()
