#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The documents, and comments in the source, name only what exists: functions, files, pages, tests.

A function is a name followed by (), on a page in backquotes; where a file follows, after a bracket or
a comma, it is defined there.  A file is a word with an ending known here; with a slash, it is looked
for from the root, hypervisor/, docs/ and its own folder, and * and {a,b} are patterns.  On
docs/promises.md what the third column has in backquotes is a test: a file, `make` and a target, or
what the file before it has: a case, a row, an option.
"""
import fnmatch
import re

from checks import defines, main

SOURCES = ("hypervisor", "guest-pv-headers", "libvmctl", "dom0-tools", "tests")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
FUNCTION = re.compile(r"`(\w+)\(\)`(?:(?: \(|, )([\w./-]+\.[chS])\b)?")
FUNCTION_IN_COMMENT = re.compile(r"(?<![\w.])([a-z]\w+)\(\)()")
FILE = re.compile(r"(?<![\w/.<-])((?:[\w.-]|\\?\*|\{[\w,]+\})+(?:/(?:[\w.-]|\\?\*|\{[\w,]+\})+)+"
                  r"\.(?:c|h|S|py|sh|md|am|txt|elf|pml))\b")
BARE_FILE = re.compile(r"(?<![\w/.<*}\]-])([A-Za-z]\w*\.(?:c|S|py|sh|pml))\b")
LINK = re.compile(r"\]\(([^)#:]+)\)")
TARGET = re.compile(r"^([\w -]+):(?!=)", re.MULTILINE)
QUOTED = re.compile(r'"([\w{}-]+)"')
# Made by the build.
BUILT = {"hypervisor/paravane.elf", "hypervisor/x86/asm_offsets.h"}
# On the machine of whoever installs: not ours.
FOREIGN = ("boot/",)


class Tree:
    """What there is to be named."""

    def __init__(self, root):
        self.root = root
        self.files = [path for top in SOURCES for path in (root / top).rglob("*")]
        self.file_names = {path.name for path in self.files}
        # Of each source file its text without comments; Python's, with them.
        self.code = {}
        for path in self.files:
            if path.suffix in (".c", ".h", ".S", ".py"):
                text = path.read_text(encoding="utf-8")
                self.code[path] = text if path.suffix == ".py" else COMMENT.sub(" ", text)
        self.words = {word for text in self.code.values() for word in re.findall(r"\w+", text)}
        # make check is automake's.
        self.targets = {"check"} | {word for path in root.rglob("*.am")
                                    for words in TARGET.findall(path.read_text(encoding="utf-8"))
                                    for word in words.split()}

    def has(self, page, name):
        if name in BUILT or name.startswith(FOREIGN):
            return True
        for folder in (self.root, self.root / "hypervisor", self.root / "docs", page.parent):
            if any(True for _ in folder.glob(name)):
                return True
        return False

    def defines(self, file, name):
        return any(defines(text, name) for path, text in self.code.items()
                   if path.as_posix().endswith("/" + file))


def spell_out(pattern):
    """a{b,c}d as abd and acd."""
    found = re.search(r"\{([\w,]+)\}", pattern)
    if found is None:
        return [pattern]
    return [name for word in found[1].split(",")
            for name in spell_out(pattern[:found.start()] + word + pattern[found.end():])]


def missing(tree, page, line, functions):
    """What a line of a page, or a comment, names that is not there."""
    for name, file in functions.findall(line):
        if name not in tree.words:
            yield f"there is no {name}()"
        elif file and not tree.defines(file, name):
            yield f"{file} has no {name}()"
    for pattern in FILE.findall(line):
        for file in spell_out(pattern.replace("\\", "")):
            if not tree.has(page, file):
                yield f"there is no {file}"
    for file in BARE_FILE.findall(line):
        if file not in tree.file_names:
            yield f"there is no {file} in any folder"


def untested(tree, row):
    """What a row of promises names as a test that is none.

    A case or a row of figures is any quoted word of the file that is named.
    """
    cells = row.split("|")
    if len(cells) != 6:
        yield "a row has four columns"
        return
    tests = re.findall(r"`([^`]+)`", cells[3])
    if not tests and "no test yet" not in cells[3]:
        yield "it names no test"
    if re.search("`: [^`]", cells[3]):
        yield "what a file has is not in backquotes"
    file, has = "", set()
    for test in tests:
        word, *more = test.split()
        if word == "make":
            file, has, more = "make", tree.targets, more[:1]
        elif (tree.root / word).is_file():
            file, has = word, set(QUOTED.findall((tree.root / word).read_text(encoding="utf-8")))
        else:
            more = [word]
        for name in more:
            if not fnmatch.filter(has, name):
                yield f"{file} has no {name}"


def offences(root):
    tree = Tree(root)
    pages = sorted((root / "docs").rglob("*.md"))
    if not pages or not tree.words:
        yield f"no pages or no sources under {root}: nothing was checked"
    for page in pages:
        name = page.relative_to(root).as_posix()
        for number, line in enumerate(page.read_text(encoding="utf-8").split("\n"), 1):
            found = list(missing(tree, page, line, FUNCTION))
            found += [f"the link {target} leads nowhere" for target in LINK.findall(line)
                      if not (page.parent / target).exists()]
            if name == "docs/promises.md" and re.match(r"\| (?!promise )", line):
                found += untested(tree, line)
            yield from (f"{name}:{number}: {what}" for what in found)
    for path in sorted(tree.code):
        if path.suffix == ".py":
            continue
        text = path.read_text(encoding="utf-8")
        for comment in COMMENT.finditer(text):
            number = text.count("\n", 0, comment.start()) + 1
            for what in missing(tree, path, comment[0], FUNCTION_IN_COMMENT):
                yield f"{path.relative_to(root).as_posix()}:{number}: {what}"


if __name__ == "__main__":
    main(offences)
