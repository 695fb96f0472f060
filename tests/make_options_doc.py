#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/user/options.md, made from the table of options in hypervisor/boot/options.c.

    make_options_doc.py > docs/user/options.md      after a change of the table

tests/check_options_doc.sh compares the two.
"""
import os
import pathlib
import re
import sys

SOURCE = "hypervisor/boot/options.c"
START = "static const struct option {"
TEXT = r'(?:"(?:[^"\\]|\\.)*"\s*)+'
ROW = re.compile(rf"\{{\s*({TEXT}),\s*({TEXT}),\s*({TEXT}),\s*(\w+),\s*&?[\w.]+\s*\}}")

HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tests/make_options_doc.py from hypervisor/boot/options.c; do not edit. -->
# Options of the core

They stand on the core's own line in the boot loader, not on dom0's, separated by spaces. A word that is
longer than 127 characters, unknown or malformed is named on the console (`option ...: ...; ignored`) and
ignored. Of an option given twice the last one counts. Sizes end in K, M, G or T; without a letter they are bytes.

| option | what it does |
|---|---|
"""

TAIL = """
`dom0_mem=512M,max:512M`, as users of Xen write it, is taken; only the first number counts. Options without
a value may be given one: `noreboot=0` is the same as leaving it out, `noreboot=1` the same as `noreboot`.

What each option does when things go wrong: [troubleshooting](troubleshooting.md).
"""


def string(literals):
    """C string literals, side by side, as one text."""
    parts = re.findall(r'"((?:[^"\\]|\\.)*)"', literals)
    return "".join(parts).replace('\\"', '"').replace("\\\\", "\\")


def rows(source):
    start = source.index(START)
    table = source[start:source.index("\n};", start)]
    found = ROW.findall(table)
    if len(found) != table.count("read_"):
        sys.exit(f"{SOURCE}: a row of the table is not understood")
    return [tuple(string(text) for text in row[:3]) for row in found]


def page(source):
    lines = []
    for name, argument, help_text in rows(source):
        option = f"{name}={argument}" if argument else name
        option = option.replace("|", "\\|")  # or it would end the cell
        lines.append(f"| `{option}` | {help_text} |\n")
    return HEAD + "".join(lines) + TAIL


def main():
    root = pathlib.Path(os.environ.get("srcdir", "."))
    sys.stdout.write(page((root / SOURCE).read_text(encoding="ascii")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
