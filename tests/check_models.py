#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every function of the core that a model says it stands for is there.

In a comment of tests/models/*.pml, `hypervisor/FILE: name(), name()` names them;
a name() before any file is an error, for nobody could look it up.
"""
import os
import pathlib
import re
import sys

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
TOKEN = re.compile(r"(hypervisor/[\w/]+\.[chS]):|\b(\w+)\(\)")


def defines(text, name):
    """A definition: the name at the outer level of C, a macro, or a label."""
    return re.search(rf"^(?!\s|/|\*)[^\n;=]*\b{name}\(|^#define {name}\(|^{name}:", text,
                     re.MULTILINE) is not None


def offences(root):
    models = sorted((root / "tests/models").glob("*.pml"))
    named = 0
    for model in models:
        for comment in COMMENT.findall(model.read_text(encoding="utf-8")):
            text = file = None
            for path, name in TOKEN.findall(comment):
                if path:
                    file = path
                    text = ((root / path).read_text(encoding="utf-8")
                            if (root / path).exists() else "")
                elif text is None:
                    yield f"{model.name}: {name}() of no file"
                else:
                    named += 1
                    if not defines(text, name):
                        yield f"{model.name}: {file} has no {name}()"
    if named == 0:
        yield "no function named in any model: nothing was checked"


def main():
    root = pathlib.Path(os.environ.get("srcdir", ".")).resolve()
    found = list(offences(root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
