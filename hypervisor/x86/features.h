/* SPDX-License-Identifier: MIT */
/*
 * What the CPU can do, as far as the core makes use of it.
 */
#pragma once

#include "hypervisor/lib/types.h"

struct cpu_features {
    bool xsave, fsgsbase, smep, smap, umip;
    bool large_1g, rdtscp, x2apic;
    bool intel, amd;
    bool fpu_keeps_addresses; /* FXRSTOR loads those of the last x87 instruction only with an
                                 exception */
    unsigned int physical_bits;
    uint64_t cr3_keep;   /* CR3_KEEP where there is PCID, else 0 */
    uint64_t xcr0;       /* the state components the core lets guests use */
    uint32_t xsave_size; /* bytes of their area */
};

extern struct cpu_features cpu_features;

/* Who made the CPU, and its model, as the maker counts them. */
struct cpu_identity {
    char vendor[12]; /* not terminated */
    uint32_t family, model, stepping;
};

/* Of the CPU that asks: those of one machine are alike. */
struct cpu_identity cpu_identify(void);

/* On the boot CPU. */
void features_detect(void);

/* On each CPU: control registers to what was found. */
void features_enable(void);
