/* SPDX-License-Identifier: MIT */
/*
 * Selectors: the guest's flat ones are ABI (FLAT_RING3_*), the core's are not.
 * All lie in the fifteenth page of the GDT, behind the guest's own fourteen.
 */
#pragma once

#define GDT_CORE_FIRST 0xe000 /* selector of the page's first entry */
#define CORE_CS        0xe008
#define CORE_SS        0xe010 /* SYSCALL wants it behind CORE_CS */
#define GUEST_CS32     0xe023
#define GUEST_SS       0xe02b
#define GUEST_CS64     0xe033 /* SYSRET wants these three in this order */
#define CORE_TSS       0xe040
