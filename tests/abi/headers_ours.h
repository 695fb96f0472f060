/* SPDX-License-Identifier: MIT */
/* Everything in guest-pv-headers/. */
#ifndef TESTS_ABI_HEADERS_OURS_H
#define TESTS_ABI_HEADERS_OURS_H

#include "guest-pv-headers/callback.h"
#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/elfnote.h"
#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/event_channel.h"
#include "guest-pv-headers/features.h"
#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/io/blkif.h"
#include "guest-pv-headers/io/console.h"
#include "guest-pv-headers/io/netif.h"
#include "guest-pv-headers/io/protocols.h"
#include "guest-pv-headers/io/ring.h"
#include "guest-pv-headers/io/xenbus.h"
#include "guest-pv-headers/io/xs_wire.h"
#include "guest-pv-headers/mca.h"
#include "guest-pv-headers/memory.h"
#include "guest-pv-headers/nmi.h"
#include "guest-pv-headers/physdev.h"
#include "guest-pv-headers/platform.h"
#include "guest-pv-headers/pmu.h"
#include "guest-pv-headers/sched.h"
#include "guest-pv-headers/sysctl.h"
#include "guest-pv-headers/vcpu.h"
#include "guest-pv-headers/version.h"
#include "guest-pv-headers/xen.h"

#endif
