# SPDX-License-Identifier: MIT
"""What the checks of the source tree have in common."""
import os
import pathlib
import re
import sys


def defines(text, name):
    """A definition in C or assembly: at the outer level, a macro, or a label."""
    return re.search(rf"^(?!\s|/|\*)[^\n;=]*\b{name}\(|^#define {name}\(|^{name}:", text,
                     re.MULTILINE) is not None


def main(offences):
    """Print what `offences`, given the root of the tree, yields; exit with 1 if there is any."""
    found = list(offences(pathlib.Path(os.environ.get("srcdir", ".")).resolve()))
    for line in found:
        print(line)
    sys.exit(1 if found else 0)
