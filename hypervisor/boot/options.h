/* SPDX-License-Identifier: MIT */
/*
 * The core's command line.  The table in options.c makes the parser and
 * docs/user/options.md.
 */
#pragma once

#include "hypervisor/drivers/console.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/types.h"

struct options {
    struct console_port console;
    enum log_level log_level;
    uint64_t dom0_mem;       /* bytes; 0: all but a reserve */
    uint32_t dom0_max_vcpus; /* 0: one for each CPU */
    uint32_t maxcpus;
    bool nosmp, noreboot;
};

extern struct options options;

/*
 * Read `text` into `options`.  An unknown or malformed option is passed to
 * `complain`, if there is one, with a reason, and otherwise ignored.
 */
void options_parse(const char *text, void (*complain)(const char *option, const char *reason));
