#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Count lines of code: those that are neither blank nor only comment.

C and assembly (.c .h .S); in assembly, # begins a comment unless the line is a
directive of the C preprocessor.
"""
import argparse
import collections
import pathlib
import re
import sys

# What can hide the start of a comment, and the comments themselves.
TOKEN = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<char>'(?:\\.|[^'\\\n])+')
      | (?P<block>/\*.*?(?:\*/|\Z))
      | (?P<line>//[^\n]*)
      | (?P<hash>\#[^\n]*)""",
    re.VERBOSE | re.DOTALL)
DIRECTIVE = re.compile(
    r"#\s*(include|define|undef|if|ifdef|ifndef|elif|else|endif|error|warning|pragma|line)\b")


def without_comments(text, assembly):
    def keep(match):
        token = match.group(0)
        if match["string"] or match["char"]:
            return token
        if match["hash"]:
            if not assembly:
                # Only the sign itself is plain; what follows may hold a comment.
                return "#" + without_comments(token[1:], assembly)
            begins_line = text[:match.start()].rpartition("\n")[2].strip() == ""
            if begins_line and DIRECTIVE.match(token):
                return token
            return ""
        return "\n" * token.count("\n")
    return TOKEN.sub(keep, text)


def code_lines(file):
    text = without_comments(file.read_text(encoding="utf-8"), file.suffix == ".S")
    return sum(1 for line in text.splitlines() if line.strip())


def count(root):
    lines = collections.Counter()
    for file in sorted(root.rglob("*.[chS]")):
        folder = file.relative_to(root).parts[0] if file.parent != root else "."
        lines[folder] += code_lines(file)
    return lines


def main(arguments=None):
    parser = argparse.ArgumentParser(description="count lines of code by folder")
    parser.add_argument("--limit", type=int, help="fail when the total is above this")
    parser.add_argument("root", type=pathlib.Path)
    options = parser.parse_args(arguments)

    lines = count(options.root)
    for folder, number in sorted(lines.items()):
        print(f"{number:7}  {options.root.name}/{folder}")
    total = sum(lines.values())
    print(f"{total:7}  total" + (f" (limit {options.limit})" if options.limit else ""))
    if total == 0:
        print(f"no code found under {options.root}")
        return 1
    return 1 if options.limit and total > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
