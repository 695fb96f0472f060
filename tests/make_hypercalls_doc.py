#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""docs/hypercalls.md, made from hypervisor/domain/hypercall_list.h and the guests' headers.

    make_hypercalls_doc.py > docs/hypercalls.md      after a change of the list

What a call is for comes from the comment in guest-pv-headers that begins with its
name and arguments; SAID_HERE is for those that have none there.
tests/check_hypercalls_doc.sh compares the page with what this makes.
"""
import os
import pathlib
import re
import sys

LIST = "hypervisor/domain/hypercall_list.h"
NUMBERS = "guest-pv-headers/xen.h"
ROW = re.compile(r"X\(\s*(\d+),\s*(\w+),\s*(\w+),\s*(\d),\s*(\w+)\)")
DEFINE = re.compile(r"^#define __HYPERVISOR_(\w+)\s+(\d+)", re.MULTILINE)
SAID = r"(?:/\* | \* ){name}\(([^)]*)\):((?:[^*]|\*(?!/))*?)(?:\n \*\n|\*/)"

# name: (arguments, what it is for)
# These win over a comment that is about details.
SAID_HERE = {
    "mmu_update": ("requests, count, done, foreign",
                   "Writes entries of page tables and of the machine-to-physical table."),
    "mmuext_op": ("requests, count, done, foreign",
                  "Pins and base pointers of page tables, flushes, the LDT, clearing and copying a page."),
    "event_channel_op": ("command, argument", "Makes, binds, raises and closes ports."),
    "grant_table_op": ("command, array, count",
                       "The grant table, and mapping and copying what was granted."),
    "multicall": ("entries, count", "Runs each entry as one hypercall, in order."),
    "xenpmu_op": ("command, request", "Performance counters: always -EOPNOTSUPP."),
    "set_gdt": ("frames, entries",
                "The vCPU's descriptor table: its frames, which the guest cannot write while in use."),
    "stack_switch": ("ss, sp", "Where the kernel's stack is when user mode is left."),
    "set_callbacks": ("event, failsafe, syscall", "Three callbacks of callback_op at once."),
    "fpu_taskswitch": ("set", "Sets or clears the vCPU's CR0.TS."),
    "set_debugreg": ("number, value", "Writes a debug register of the vCPU."),
    "get_debugreg": ("number", "Returns a debug register of the vCPU."),
    "update_descriptor": ("address, descriptor", "Writes one descriptor, at a machine address."),
    "update_va_mapping": ("va, entry, flags",
                          "Writes the level-1 entry of an address and flushes."),
    "update_va_mapping_otherdomain": ("va, entry, flags, domain",
                                      "The same; the frame is another domain's."),
    "set_timer_op": ("deadline", "The vCPU's single-shot timer, in ns of system time; 0 stops it."),
    "set_segment_base": ("which, base",
                         "FS, GS of the kernel or of user mode, or the user's GS selector."),
    "iret": ("", "Back to what was interrupted; the frame is on the stack."),
}

# Where the pages are that say more.
MORE = {
    "event_channel_op": "hypervisor/events.md", "grant_table_op": "hypervisor/grants.md",
    "sched_op": "hypervisor/scheduling.md", "set_timer_op": "hypervisor/time.md",
    "physdev_op": "hypervisor/interrupts.md", "console_io": "hypervisor/console.md",
    "iret": "hypervisor/traps.md", "set_trap_table": "hypervisor/traps.md",
    "callback_op": "hypervisor/traps.md",
}

HEAD = """\
<!-- SPDX-License-Identifier: MIT -->
<!-- Made by tests/make_hypercalls_doc.py from hypervisor/domain/hypercall_list.h; do not edit. -->
# Hypercalls

Number in rax, arguments in rdi, rsi, rdx and r10 (no call has more), SYSCALL from the guest's kernel; the result is in
rax, rcx and r11 are lost. A negative result is an error ([errors.md](errors.md)). **Who**: any domain, or the control
domain (others get -EPERM before the handler runs). Handlers check more: a call any domain may make on itself may need
control over another. Structures and commands: the header named, in guest-pv-headers/.

| nr | name and arguments | who | handler | what for |
|---:|---|---|---|---|
"""

TAIL = """
iret is not in the list: the entry code calls its handler, because it replaces the registers a result would go to.

**Not offered** (-ENOSYS, as every other number): {others}.
"""


def headers(root):
    for path in sorted((root / "guest-pv-headers").glob("*.h")):
        yield path.name, path.read_text(encoding="ascii")


def said_in_headers(texts, name):
    """(arguments, first sentence, header) of the comment about a call; None without one."""
    for header, text in texts:
        found = re.search(SAID.replace("{name}", name), text)
        if found is None:
            continue
        words = " ".join(re.sub(r"\n \* ?", " ", found[2]).split())
        sentence = re.match(r"(.*?\.)(?: |$)", words + " ")
        sentence = sentence[1] if sentence else words.rstrip(":") + "."
        return re.sub(r"struct xen_\w+|xen_pmu_params", "request", found[1]), \
            sentence[0].upper() + sentence[1:], header
    return None


def describe(texts, name):
    if name in SAID_HERE:
        return (*SAID_HERE[name], None)
    found = said_in_headers(texts, name)
    if found is None:
        sys.exit(f"{name}: neither guest-pv-headers nor SAID_HERE says what it is for")
    return found


def where(root, handler):
    """The file of the core that defines a handler."""
    for path in sorted((root / "hypervisor").rglob("*.c")):
        if re.search(rf"^(?:long|void) {handler}\(", path.read_text(encoding="ascii"),
                     re.MULTILINE):
            return path.relative_to(root / "hypervisor").as_posix()
    sys.exit(f"{handler}: nobody defines it")


def page(root):
    texts = list(headers(root))
    rows = [(int(number), name, handler, who)
            for number, name, handler, _, who in ROW.findall((root / LIST).read_text())]
    numbers = {int(value): name
               for name, value in DEFINE.findall((root / NUMBERS).read_text())}
    iret = next(number for number, name in numbers.items() if name == "iret")
    rows.append((iret, "iret", "hypercall_iret", "ANY"))
    lines = []
    for number, name, handler, who in sorted(rows):
        arguments, sentence, header = describe(texts, name)
        links = f" {header}." if header else ""
        if name in MORE:
            links += f" [More]({MORE[name]})."
        caller = "control" if who == "CONTROL" else "any"
        lines.append(f"| {number} | `{name}({arguments})` | {caller} "
                     f"| `{handler}`, {where(root, handler)} | {sentence}{links} |\n")
    offered = {row[0] for row in rows}
    others = [f"{name} ({number})" for number, name in sorted(numbers.items())
              if number not in offered and not name.startswith("arch_")]
    return HEAD + "".join(lines) + TAIL.format(others=", ".join(others))


if __name__ == "__main__":
    sys.stdout.write(page(pathlib.Path(os.environ.get("srcdir", "."))))
