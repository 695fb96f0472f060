#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The documents, and comments in the source, name only what exists: functions, files, pages.

A function is a name followed by (), on a page in backquotes; where a file in brackets follows, it is
defined there.  A file is a word with a slash and an ending known here; it is looked for from the
root, hypervisor/, docs/ and its own folder; * and {a,b} are patterns.
"""
import re

from checks import defines, main

SOURCES = ("hypervisor", "guest-pv-headers", "libvmctl", "dom0-tools", "tests")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
FUNCTION = re.compile(r"`(\w+)\(\)`(?: \(([\w./-]+\.[chS])\b)?")
FUNCTION_IN_COMMENT = re.compile(r"(?<![\w.])([a-z]\w+)\(\)()")
FILE = re.compile(r"(?<![\w/.<-])((?:[\w.-]|\\?\*|\{[\w,]+\})+(?:/(?:[\w.-]|\\?\*|\{[\w,]+\})+)+"
                  r"\.(?:c|h|S|py|sh|md|am|txt|elf))\b")
LINK = re.compile(r"\]\(([^)#:]+)\)")
# Made by the build.
BUILT = {"hypervisor/paravane.elf", "hypervisor/x86/asm_offsets.h"}
# On the machine of whoever installs: not ours.
FOREIGN = ("boot/",)


def code_of(root):
    """Of each source file its text without comments; Python's, with them."""
    code = {}
    for top in SOURCES:
        for path in (root / top).rglob("*"):
            if path.suffix in (".c", ".h", ".S", ".py"):
                text = path.read_text(encoding="utf-8")
                code[path] = text if path.suffix == ".py" else COMMENT.sub(" ", text)
    return code


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


def missing(root, page, line, functions, code, words):
    """What a line of a page, or a comment, names that is not there."""
    for name, file in functions.findall(line):
        if name not in words:
            yield f"there is no {name}()"
        elif file and not any(defines(text, name) for path, text in code.items()
                              if path.as_posix().endswith("/" + file)):
            yield f"{file} has no {name}()"
    for pattern in FILE.findall(line):
        for file in spell_out(pattern.replace("\\", "")):
            if not exists(root, page, file):
                yield f"there is no {file}"


def offences(root):
    code = code_of(root)
    words = {word for text in code.values() for word in re.findall(r"\w+", text)}
    pages = sorted((root / "docs").rglob("*.md"))
    if not pages or not words:
        yield f"no pages or no sources under {root}: nothing was checked"
    for page in pages:
        name = page.relative_to(root).as_posix()
        for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
            for what in missing(root, page, line, FUNCTION, code, words):
                yield f"{name}:{number}: {what}"
            for target in LINK.findall(line):
                if not (page.parent / target).exists():
                    yield f"{name}:{number}: the link {target} leads nowhere"
    for path in sorted(code):
        if path.suffix == ".py":
            continue
        text = path.read_text(encoding="utf-8")
        for comment in COMMENT.finditer(text):
            number = text.count("\n", 0, comment.start()) + 1
            for what in missing(root, path, comment[0], FUNCTION_IN_COMMENT, code, words):
                yield f"{path.relative_to(root).as_posix()}:{number}: {what}"


if __name__ == "__main__":
    main(offences)
