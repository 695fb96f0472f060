#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Who may include whom.  The table is the architecture (docs/architecture.md).

A folder may always include itself, hypervisor/lib and guest-pv-headers where
its row says so.  The core may include only headers a freestanding compiler has.
"""
import re

from checks import main

ABI = "guest-pv-headers"

# From the bottom up; a layer may name those below it.
CORE_LAYERS = [
    ["lib"],
    ["x86", "mm"],
    ["drivers"],
    ["domain"],
    ["event", "grant", "sched", "time"],
    ["pv", "control"],
    ["hypercalls"],
    ["boot"],
]

# Files that tie layers together by design: the folders above their own that each may name.
# A right that is not used any more is an error too.
TIES = {
    # A vCPU holds its timers.
    "hypervisor/domain/domain.h": {"time"},
    # To make and to end a domain is to make and to end what each subsystem holds for it.
    "hypervisor/domain/domain.c": {"event", "grant", "pv", "sched", "time"},
    "hypervisor/domain/destroy.c": {"event", "grant", "pv", "sched", "time"},
    # Offsets of everybody's structures, for assembly.
    "hypervisor/x86/asm-offsets.c": {"domain"},
    # The machine's entry to the core: a trap is for a vCPU, an interrupt for a timer.
    "hypervisor/x86/traps.c": {"domain", "time"},
    # The way out: what ran, to the console, then reset.
    "hypervisor/x86/panic_dump.c": {"domain", "drivers"},
    # A CPU that comes up: found by ACPI, it joins the clock and the scheduler.
    "hypervisor/x86/smp.c": {"drivers", "sched", "time"},
}


def table():
    rows = {ABI: set(), "libvmctl": {ABI}, "dom0-tools": {"libvmctl", ABI}}
    below = {ABI}
    for layer in CORE_LAYERS:
        names = {f"hypervisor/{name}" for name in layer}
        for name in names:
            # Folders of one layer may know each other: they are peers, not strangers.
            rows[name] = below | names
        below = below | names
    return rows


MAY_INCLUDE = table()
FREESTANDING = {"float.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h",
                "stddef.h", "stdint.h", "stdnoreturn.h"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
SYSTEM = re.compile(r"^\s*#\s*include\s+<([^>]+)>", re.MULTILINE)


def folder_of(name):
    """The row a file belongs to, or None when it is outside the table."""
    parts = name.split("/")
    if parts[0] == "hypervisor":
        return "/".join(parts[:2]) if len(parts) > 2 else None
    return parts[0] if parts[0] in MAY_INCLUDE else None


def offences(root):
    files = [file for top in ("hypervisor", ABI, "libvmctl", "dom0-tools")
             for file in sorted((root / top).rglob("*.[chS]"))]
    if not files:
        yield f"no source files under {root}: nothing was checked"
    unused = {(name, folder) for name, folders in TIES.items() for folder in folders}
    for file in files:
        name = file.relative_to(root).as_posix()
        row = folder_of(name)
        if row not in MAY_INCLUDE:
            yield f"{name}: folder {row or 'hypervisor'} has no row in the table of layers"
            continue
        text = file.read_text(encoding="utf-8")
        if row.startswith("hypervisor/"):
            for header in sorted(set(SYSTEM.findall(text)) - FREESTANDING):
                yield f"{name}: <{header}> is not there in a freestanding core"
        for target in INCLUDE.findall(text):
            wanted = folder_of(target)
            if wanted is None:
                yield f'{name}: "{target}" is not named from the root of the tree'
            elif wanted == row or wanted in MAY_INCLUDE[row]:
                continue
            elif wanted.rpartition("/")[2] in TIES.get(name, set()):
                unused.discard((name, wanted.rpartition("/")[2]))
            else:
                yield f"{name}: {row} may not include {target}"
    for name, folder in sorted(unused):
        yield f"{name}: has the right to include {folder} but does not"


if __name__ == "__main__":
    main(offences)
