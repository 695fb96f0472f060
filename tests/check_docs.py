#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The documents name only what exists: functions, files, pages.

A function is a name followed by () in backquotes.  A file is a word with a slash and
an ending known here; it is looked for from the root, hypervisor/, docs/ and the page's
own folder; * and {a,b} are patterns.
"""
import os
import pathlib
import re
import sys

SOURCES = ("hypervisor", "guest-pv-headers", "libvmctl", "dom0-tools", "tests")
FUNCTION = re.compile(r"`(\w+)\(\)`")
FILE = re.compile(r"(?<![\w/.<-])((?:[\w.-]|\\?\*|\{[\w,]+\})+(?:/(?:[\w.-]|\\?\*|\{[\w,]+\})+)+"
                  r"\.(?:c|h|S|py|sh|md|am|txt|elf))\b")
LINK = re.compile(r"\]\(([^)#:]+)\)")
# Made by the build.
BUILT = {"hypervisor/paravane.elf", "hypervisor/x86/asm_offsets.h"}
# On the machine of whoever installs: not ours.
FOREIGN = ("boot/",)


def words_of_sources(root):
    words = set()
    for top in SOURCES:
        for path in (root / top).rglob("*"):
            if path.suffix in (".c", ".h", ".S", ".py"):
                words.update(re.findall(r"\w+", path.read_text(encoding="utf-8")))
    return words


def spell_out(pattern):
    """a{b,c}d as abd and acd."""
    found = re.search(r"\{([\w,]+)\}", pattern)
    if found is None:
        return [pattern]
    return [name for word in found[1].split(",")
            for name in spell_out(pattern[:found.start()] + word + pattern[found.end():])]


def exists(root, page, name):
    if name in BUILT or name.startswith(FOREIGN):
        return True
    for folder in (root, root / "hypervisor", root / "docs", page.parent):
        if any(True for _ in folder.glob(name)):
            return True
    return False


def offences(root):
    known = words_of_sources(root)
    pages = sorted((root / "docs").rglob("*.md"))
    if not pages or not known:
        yield f"no pages or no sources under {root}: nothing was checked"
    for page in pages:
        name = page.relative_to(root).as_posix()
        for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
            for function in FUNCTION.findall(line):
                if function not in known:
                    yield f"{name}:{number}: there is no {function}()"
            for pattern in FILE.findall(line):
                for file in spell_out(pattern.replace("\\", "")):
                    if not exists(root, page, file):
                        yield f"{name}:{number}: there is no {file}"
            for target in LINK.findall(line):
                if not (page.parent / target).exists():
                    yield f"{name}:{number}: the link {target} leads nowhere"


def main():
    root = pathlib.Path(os.environ.get("srcdir", ".")).resolve()
    found = list(offences(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
