/* SPDX-License-Identifier: MIT */
/*
 * From the firmware's memory map to the heap.
 */
#pragma once

#include "hypervisor/lib/frame.h"

/*
 * Map all RAM, make the frame table and the machine-to-physical table, fill the
 * heap with everything but the core and the modules.  Panics if it cannot.
 */
void memory_setup(void);

/* The modules are copied: their memory joins the heap. */
void memory_free_modules(void);
