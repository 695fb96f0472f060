#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every function of the core that a model says it stands for is there.

In a comment of tests/models/*.pml, `hypervisor/FILE: name(), name()` names them;
a name() before any file is an error, for nobody could look it up.
"""
import re

from checks import defines, main

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
TOKEN = re.compile(r"(hypervisor/[\w/]+\.[chS]):|\b(\w+)\(\)")


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


if __name__ == "__main__":
    main(offences)
