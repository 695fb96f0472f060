#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Gather what vmctl and its daemons need in a dom0, as a tree to copy over its root.

    make_overlay.py --stage STAGE --shim tests/bench/vmctl.sh DIR

STAGE is what `make install DESTDIR=STAGE` made.  Programs, our library, data files and
the shared libraries of this machine that they are linked with go to the same places in DIR.
"""
import argparse
import os
import pathlib
import shutil
import subprocess
import sys

# What a test's dom0 does not run: headers, manuals, how to boot, and the core itself.  paravane-check-schema
# would bring 40 MB of libraries, only for `vmctl check` to ask the schema as well.
LEFT_OUT = ("include/", "/pkgconfig/", "/man/", "/doc/", "/etc/", ".la", ".a", "paravane.elf",
            "paravane-update-boot", "paravane-check-schema")


def is_elf(file):
    with open(file, "rb") as opened:
        return opened.read(4) == b"\x7fELF"


def libraries(file, search):
    """The shared libraries a program is linked with, by their names on this machine."""
    said = subprocess.run(["ldd", file], capture_output=True, text=True, check=False,
                          env={**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(search)})
    for line in said.stdout.splitlines():
        if "not found" in line:
            sys.exit(f"make_overlay: {file}: {line.strip()}")
        words = line.split()
        for word in words:
            if word.startswith("/"):
                yield pathlib.Path(word)


def copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_symlink():
        target.unlink(missing_ok=True)
        target.symlink_to(os.readlink(source))
    else:
        shutil.copy2(source, target)


def main():
    parser = argparse.ArgumentParser(description="gather vmctl and its daemons for a dom0")
    parser.add_argument("--stage", type=pathlib.Path, required=True)
    parser.add_argument("--shim", type=pathlib.Path, help="the peer's rig drives vmctl by it")
    parser.add_argument("output", type=pathlib.Path)
    options = parser.parse_args()

    ours = [file for file in sorted(options.stage.rglob("*"))
            if (file.is_file() or file.is_symlink())
            and not any(part in str(file) for part in LEFT_OUT)]
    search = sorted({str(file.parent) for file in ours if ".so" in file.name})
    needed = set()
    for file in ours:
        copy(file, options.output / file.relative_to(options.stage))
        if not file.is_symlink() and is_elf(file):
            needed |= set(libraries(file, search))
    for library in sorted(needed):
        if options.stage not in library.parents:
            copy(library.resolve(), options.output / str(library).lstrip("/"))
    if options.shim is not None:
        copy(options.shim, options.output / "rig/ts/vmctl.sh")


if __name__ == "__main__":
    main()
