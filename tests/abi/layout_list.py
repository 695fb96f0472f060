#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Is layout_list.h complete?  Every structure, field, type and number that
guest-pv-headers/ defines has a row in it, and nothing else has.

With --write, makes the list anew.
"""
import os
import pathlib
import re
import sys

import abi_headers

ROOT = pathlib.Path(os.environ.get("srcdir", pathlib.Path(__file__).parent.parent.parent))
LIST = ROOT / "tests/abi/layout_list.h"

# Our own: not part of the ABI, so there is nothing to compare with.
OWN = re.compile(r"""GUEST_PV_HEADERS_\w+ | __guest
    | XEN_MSR_PAT               # stated in words only
    | XEN_EMULATE_PREFIX_BYTES  # XEN_EMULATE_PREFIX is compared
    | XEN_PROCESSOR_FLAG_\w+    # BIT rows: a bit-field there
    | xen_mb | xen_rmb | xen_wmb
    | RING_FLOOR_POW2 | RING_LOAD | RING_SLOT
    | xenpf_settime             # SIZE row of the structure
    """, re.X)
OWN_FIELDS = {("struct xen_processor_flags", "bits")}

# Statements rather than values: test_ring.c uses them.
STATEMENTS = re.compile(r"""DEFINE_RING_TYPES | SHARED_RING_INIT | XEN_FRONT_RING_INIT
    | (FRONT|BACK)_RING_(INIT|ATTACH) | __RING_SIZE
    | RING_\w+ | XEN_RING_\w+ | TI_SET_(DPL|IF)""", re.X)

# Function-like macros are compared by calling them.
CALLS = {
    "XEN_CPUID_LEAF": ["0", "5"],
    "xen_pfn_to_cr3": ["0x123456789"],
    "xen_cr3_to_pfn": ["0x123456789000"],
    "TI_GET_DPL": ["&(struct trap_info){ .flags = 7 }"],
    "TI_GET_IF": ["&(struct trap_info){ .flags = 7 }"],
    "XENMEMF_address_bits": ["32"],
    "XENMEMF_get_address_bits": ["0x120"],
    "XENMEMF_node": ["0", "3"],
    "XENMEMF_get_node": ["XENMEMF_node(3)"],
    "XENMEMF_exact_node": ["3"],
    "xen_vcpu_physid_to_x86_apicid": ["0x1234567890abcdefu"],
    "xen_vcpu_physid_to_x86_acpiid": ["0x1234567890abcdefu"],
    "XEN_DOMCTL_GRANT_version": ["0x12"],
    "MASK_XENCONS_IDX": ["1030, ((struct xencons_interface *)0)->in"],
    "MASK_XENSTORE_IDX": ["1030"],
    "__CONST_RING_SIZE": ["blkif, 4096", "blkif, 65536", "netif_tx, 4096", "netif_rx, 4096",
                          "netif_rx, 65536", "xen_netif_ctrl, 4096"],
}

HEAD = """\
/* SPDX-License-Identifier: MIT */
/*
 * The guest ABI as a list: what print_layout.c prints, once for our headers and
 * once for Xen's.  Made by layout_list.py --write; the same program checks that
 * it is complete.
 *
 *   SIZE(type)   FIELD(type, field)   FLEX(type, array without length)
 *   NUMBER(expression)   TEXT(string)   BIT(type, bit-field, our mask)
 */
/* clang-format off */
"""


def is_text(value, macros):
    """Is a macro's value a string literal, directly or through another macro?"""
    first = re.match(r'"|\w+', value)
    if first is None or first.group() == '"':
        return first is not None
    return first.group() in macros and is_text(macros[first.group()], macros)


def macro_rows(header, texts):
    for name, parameters, value in header.macros:
        if OWN.fullmatch(name) or STATEMENTS.fullmatch(name) or not value:
            continue
        if parameters is not None:
            if name not in CALLS:
                raise SystemExit(f"{header.path}: no example call for {name}()")
            for arguments in CALLS[name]:
                yield f"NUMBER({name}({arguments}))"
        elif is_text(value, texts):
            yield f"TEXT({name})"
        else:
            yield f"NUMBER({name})"


def record_rows(record, fields):
    yield f"SIZE({record})"
    for path, flexible in fields:
        if (record, path) not in OWN_FIELDS:
            yield f"{'FLEX' if flexible else 'FIELD'}({record}, {path})"


def ring_rows(name):
    yield f"SIZE(union {name}_sring_entry)"
    for side, fields in (
            ("sring", ["req_prod", "req_event", "rsp_prod", "rsp_event", "pvt",
                       "pvt.netif.smartpoll_active", "pvt.tapif_user.msg", "pvt.pvt_pad",
                       "__pad", "ring"]),
            ("front_ring", ["req_prod_pvt", "rsp_cons", "nr_ents", "sring"]),
            ("back_ring", ["rsp_prod_pvt", "req_cons", "nr_ents", "sring"])):
        yield from record_rows(f"struct {name}_{side}", [(field, False) for field in fields])


def rows():
    for header in abi_headers.read_all(ROOT):
        texts = {name: value for name, _, value in header.macros}
        found = list(macro_rows(header, texts))
        found += [f"SIZE({name})" for name in header.typedefs]
        found += [f"NUMBER({name})" for name in header.enumerators]
        for record, fields in header.records:
            found += record_rows(record, fields)
        for name, _, _ in header.rings:
            found += ring_rows(name)
        for name, _, _ in header.macros:
            bit = re.fullmatch(r"XEN_PROCESSOR_FLAG_(\w+)", name)
            if bit:
                found.append(f"BIT(struct xen_processor_flags, {bit.group(1)}, {name})")
            elif name == "xenpf_settime":
                found.append("SIZE(struct xenpf_settime)")
        if found:
            yield header.path.relative_to(ROOT).as_posix(), found


def main():
    made = [HEAD]
    for path, found in rows():
        made.append(f"\n/* {path} */\n" + "".join(row + "\n" for row in found))
    made = "".join(made)
    if sys.argv[1:] == ["--write"]:
        LIST.write_text(made)
        return 0
    want = made.splitlines()
    have = LIST.read_text().splitlines()
    missing = [row for row in want if row not in set(have)]
    extra = [row for row in have if row not in set(want)]
    for row in missing:
        print(f"layout_list.h lacks {row}")
    for row in extra:
        print(f"layout_list.h has {row}, which the headers do not")
    count = sum(re.match(r"[A-Z]+\(", row) is not None for row in want)
    print(f"{count} rows, {len(missing)} missing, {len(extra)} extra")
    return 1 if missing or extra else 0


sys.exit(main())
