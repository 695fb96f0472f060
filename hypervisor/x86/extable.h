/* SPDX-License-Identifier: MIT */
/*
 * Instructions of the core that are allowed to fault, and where to go on.
 *
 * EXTABLE(from, to) in an asm text: any exception at label `from` continues at
 * label `to`.
 */
#pragma once

#include "hypervisor/lib/types.h"

#define EXTABLE(from, to)                \
    ".pushsection .extable, \"a\"\n\t"   \
    ".balign 4\n\t"                      \
    ".long " from " - ., " to " - .\n\t" \
    ".popsection\n\t"

struct extable_entry {
    int32_t from, to; /* relative to their own addresses */
};
