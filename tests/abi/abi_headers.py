# SPDX-License-Identifier: MIT
"""What guest-pv-headers/ defines: a reader for the plain C these headers are.

It knows structures and unions (nested ones too), typedefs, enumerations, macros
and DEFINE_RING_TYPES; anything else is an error, so nothing is passed over.
"""
import pathlib
import re

# Padding that the ABI has no name for is called hole, hole0, ... in our headers.
HOLE = re.compile(r"^hole\d*$")

ASSEMBLY = re.compile(r"^#if defined\(__ASSEMBLY__\)[^\n]*\n.*?^#(?:else|endif)", re.S | re.M)
COMMENT = re.compile(r"/\*.*?\*/", re.S)
DEFINE = re.compile(r"^#define\s+(\w+)(\([^)]*\))?[ \t]*(.*)$", re.M)
INLINE = re.compile(r"static inline [^{;]*\{.*?^\}", re.S | re.M)
RING = re.compile(r"DEFINE_RING_TYPES\(\s*(\w+)\s*,\s*([^,]+?)\s*,\s*([^)]+?)\s*\)\s*;")
NAME = re.compile(r"^(.*?)\b(\w+)\s*((?:\[[^\]]*\])*)$", re.S)


class Header:
    """One header: macros, typedefs, enumerators, and records with their fields."""

    def __init__(self, path):
        self.path = path
        self.macros = []     # (name, parameters or None, value)
        self.typedefs = []   # names
        self.enumerators = []
        self.records = []    # ("struct x", [(path, is_flexible)])
        self.rings = []      # (name, request, response)
        self.read(path.read_text())

    def read(self, text):
        text = COMMENT.sub(" ", text).replace("\\\n", " ")
        text = ASSEMBLY.sub("", text)
        for name, parameters, value in DEFINE.findall(text):
            self.macros.append((name, parameters or None, value.strip()))
        text = re.sub(r"^#.*$", "", text, flags=re.M)
        text = INLINE.sub("", text)
        self.rings = RING.findall(text)
        text = RING.sub("", text)
        for declaration in split(text):
            self.declaration(declaration)

    def declaration(self, text):
        if text.startswith("typedef"):
            self.typedefs.append(NAME.match(text).group(2))
        elif text.startswith("enum"):
            body = text[text.index("{") + 1:text.rindex("}")]
            self.enumerators += [part.split("=")[0].strip()
                                 for part in body.split(",") if part.strip()]
        elif re.match(r"(struct|union)\s+\w+\s*\{", text):
            head, body = text.split("{", 1)
            fields = list(members(body[:body.rindex("}")], ""))
            self.records.append((" ".join(head.split()), fields))
        else:
            raise ValueError(f"{self.path}: cannot read: {text[:60]}")


def split(text):
    """Declarations: what ends with a semicolon outside of braces."""
    depth = 0
    start = 0
    for at, char in enumerate(text):
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
        elif char == ";" and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    if text[start:].strip():
        raise ValueError(f"left over: {text[start:].strip()[:60]}")


def members(body, prefix):
    for field in split(body):
        if "{" in field:
            nested = field[field.index("{") + 1:field.rindex("}")]
            name = field[field.rindex("}") + 1:].strip()
            path = f"{prefix}{name}." if name else prefix
            if name:
                yield prefix + name, False
            yield from members(nested, path)
            continue
        _, name, dimensions = NAME.match(field).groups()
        if not HOLE.match(name):
            yield prefix + name, dimensions == "[]"


def read_all(root):
    folder = pathlib.Path(root) / "guest-pv-headers"
    return [Header(path) for path in sorted(folder.rglob("*.h"))]
