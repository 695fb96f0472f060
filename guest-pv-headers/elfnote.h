/* SPDX-License-Identifier: MIT */
/*
 * ELF notes named "Xen" by which a kernel describes itself to the domain
 * builder.  "number" is 4 or 8 bytes, "text" is zero-terminated.
 */
#ifndef GUEST_PV_HEADERS_ELFNOTE_H
#define GUEST_PV_HEADERS_ELFNOTE_H

/* Where things are. */
#define XEN_ELFNOTE_ENTRY          1  /* number: virtual address of the first instruction */
#define XEN_ELFNOTE_HYPERCALL_PAGE 2  /* number: virtual address of the page to fill in */
#define XEN_ELFNOTE_VIRT_BASE      3  /* number: virtual address of pfn 0 */
#define XEN_ELFNOTE_PADDR_OFFSET   4  /* number: what the ELF's physical addresses count from */
#define XEN_ELFNOTE_HV_START_LOW   12 /* number: the hypervisor may start as low as this */
#define XEN_ELFNOTE_INIT_P2M       15 /* number: virtual address for the p2m list */
#define XEN_ELFNOTE_PHYS32_ENTRY   18 /* number: 32-bit entry of hardware-assisted guests */

/* What it is. */
#define XEN_ELFNOTE_INFO          0
#define XEN_ELFNOTE_XEN_VERSION   5 /* text: "xen-3.0" */
#define XEN_ELFNOTE_GUEST_OS      6 /* text */
#define XEN_ELFNOTE_GUEST_VERSION 7 /* text */
#define XEN_ELFNOTE_LOADER        8 /* text: "generic" */

/* What it can do and needs. */
#define XEN_ELFNOTE_PAE_MODE           9  /* text; 32-bit kernels */
#define XEN_ELFNOTE_FEATURES           10 /* text: names of XENFEAT_*, with | between, ! required */
#define XEN_ELFNOTE_BSD_SYMTAB         11 /* text: "yes" to have the symbol table loaded */
#define XEN_ELFNOTE_L1_MFN_VALID       13 /* pairs of mask and value: entries that hold an mfn */
#define XEN_ELFNOTE_SUSPEND_CANCEL     14 /* number: 1 if a suspend may be cancelled */
#define XEN_ELFNOTE_MOD_START_PFN      16 /* number: 1 if the module need not be mapped */
#define XEN_ELFNOTE_SUPPORTED_FEATURES 17 /* number: bits XENFEAT_* */
#define XEN_ELFNOTE_MAX                18

/* Notes in crash dumps and core files rather than kernels. */
#define XEN_ELFNOTE_CRASH_INFO              0x1000001
#define XEN_ELFNOTE_CRASH_REGS              0x1000002
#define XEN_ELFNOTE_DUMPCORE_NONE           0x2000000
#define XEN_ELFNOTE_DUMPCORE_HEADER         0x2000001
#define XEN_ELFNOTE_DUMPCORE_XEN_VERSION    0x2000002
#define XEN_ELFNOTE_DUMPCORE_FORMAT_VERSION 0x2000003

#endif
