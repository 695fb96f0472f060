/* SPDX-License-Identifier: MIT */
/*
 * The page through which a guest's kernel makes hypercalls: one stub of 32 bytes
 * for each number.
 */
#pragma once

#include "hypervisor/domain/domain.h"

#define HYPERCALL_PAGE_MSR 0x40000000u /* as CPUID tells */

void hypercall_page_fill(void *page);

/*
 * A write to the MSR: the machine address of a page of the guest's that becomes
 * a hypercall page; the low bits choose one of several, of which there is one.
 */
int must_check hypercall_page_write(struct domain *domain, uint64_t value);
