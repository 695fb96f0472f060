/* SPDX-License-Identifier: MIT */
/*
 * The same from Xen's public headers (libxen-dev), in the latest version of the
 * interface and with the parts that are for toolstacks.
 */
#ifndef TESTS_ABI_HEADERS_XEN_H
#define TESTS_ABI_HEADERS_XEN_H

#define __XEN_TOOLS__ 1

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <xen/arch-x86/cpuid.h>
#include <xen/callback.h>
#include <xen/domctl.h>
#include <xen/elfnote.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/grant_table.h>
#include <xen/io/blkif.h>
#include <xen/io/console.h>
#include <xen/io/netif.h>
#include <xen/io/protocols.h>
#include <xen/io/ring.h>
#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>
#include <xen/memory.h>
#include <xen/nmi.h>
#include <xen/physdev.h>
#include <xen/platform.h>
#include <xen/pmu.h>
#include <xen/sched.h>
#include <xen/sysctl.h>
#include <xen/vcpu.h>
#include <xen/version.h>
#include <xen/xen.h>

#include <xen/arch-x86/xen-mca.h>

/* Two of the error numbers are shown to a hypervisor only. */
#define __XEN__ 1
#include <xen/errno.h>
#undef __XEN__

#endif
