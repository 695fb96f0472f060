#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Our headers against Xen's (libxen-dev): the same sizes, offsets and numbers,
and no name of theirs that we neither have nor have decided to leave out.

Exit status 77 (skipped) where Xen's headers are not installed.
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

import abi_headers

ROOT = pathlib.Path(os.environ.get("srcdir", pathlib.Path(__file__).parent.parent.parent)).resolve()
CC = shlex.split(os.environ.get("CC", "cc"))
FLAGS = ["-std=gnu17", "-O0", f"-I{ROOT}"]
SOURCE = ROOT / "tests/abi/print_layout.c"
LEFT_OUT = ROOT / "tests/abi/left_out.txt"


def have_xen_headers():
    probe = subprocess.run([*CC, "-E", "-x", "c", "-"], input="#include <xen/xen.h>\n", text=True,
                           capture_output=True, check=False)
    return probe.returncode == 0


def layout(folder, name, *flags):
    program = pathlib.Path(folder) / name
    subprocess.run([*CC, *FLAGS, *flags, str(SOURCE), "-o", str(program)], check=True)
    out = subprocess.run([str(program)], check=True, capture_output=True, text=True).stdout
    return out.splitlines()


def xen_headers():
    """The headers of theirs that headers_xen.h leads to."""
    out = subprocess.run([*CC, *FLAGS, "-M", "-DABI_XEN", str(SOURCE)], check=True,
                         capture_output=True, text=True).stdout
    paths = out.replace("\\\n", " ").split()
    return [pathlib.Path(path) for path in paths if re.search(r"/xen/.*\.h$", path)]


def names(text):
    """Macros, enumerators and tags; a rough reader, as theirs are free in form."""
    text = abi_headers.COMMENT.sub(" ", text).replace("\\\n", " ")
    found = set(re.findall(r"^\s*#\s*define\s+(\w+)", text, re.M))
    found |= set(re.findall(r"\b(?:struct|union)\s+(\w+)\s*\{", text))
    for body in re.findall(r"\benum\s*\w*\s*\{([^}]*)\}", text):
        found |= {part.split("=")[0].strip() for part in body.split(",")}
    return {name for name in found if re.fullmatch(r"\w+", name)}


def our_names():
    found = set()
    for header in abi_headers.read_all(ROOT):
        found |= {name for name, _, _ in header.macros}
        found |= set(header.typedefs) | set(header.enumerators)
        found |= {record.split()[1] for record, _ in header.records}
    return found


def left_out():
    patterns = [line.split()[0] for line in LEFT_OUT.read_text().splitlines()
                if line.strip() and not line.startswith("#")]
    return patterns


def main():
    if not have_xen_headers():
        print("libxen-dev is not installed: nothing to compare with")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        ours = layout(folder, "ours")
        xen = layout(folder, "xen", "-DABI_XEN")
    bad = [(a, b) for a, b in zip(ours, xen) if a != b]
    for a, b in bad:
        print(f"ours: {a}\n xen: {b}")
    if not ours or len(ours) != len(xen):
        print(f"{len(ours)} rows of ours, {len(xen)} of theirs")
        return 1

    theirs = set()
    for path in xen_headers():
        theirs |= names(path.read_text())
    patterns = left_out()
    missing = sorted(theirs - our_names())
    unknown = [name for name in missing
               if not any(re.fullmatch(pattern, name) for pattern in patterns)]
    for name in unknown:
        print(f"in Xen's headers, but neither in ours nor in left_out.txt: {name}")
    idle = [pattern for pattern in patterns
            if not any(re.fullmatch(pattern, name) for name in missing)]
    for pattern in idle:
        print(f"left_out.txt: {pattern} matches nothing that is missing")
    print(f"{len(ours)} sizes, offsets and numbers compared: {len(bad)} differ; "
          f"{len(theirs)} names of theirs: {len(missing)} left out, {len(unknown)} unknown")
    return 1 if bad or unknown or idle else 0


sys.exit(main())
