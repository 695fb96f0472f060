/* SPDX-License-Identifier: MIT */
/*
 * The core's command line.  The table in options.c makes the parser, the
 * help and docs/user/options.md.
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
    bool nosmp, noreboot, help;
};

extern struct options options;

/*
 * Read `text` into `options`.  An unknown or malformed option is ignored, and with
 * `show` named on the console with a reason; help is given then, too.
 */
void options_parse(const char *text, bool show);
