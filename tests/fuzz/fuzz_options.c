/* SPDX-License-Identifier: MIT */
/* Any text as the core's command line: what is taken is in range, what is not has a reason. */
#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/options.h"
#include "hypervisor/lib/cpumask.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void complain(const char *option, const char *reason)
{
    require(strlen(option) != 0 && strchr(option, ' ') == NULL && strlen(reason) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct options defaults = options;
    char *text = malloc(size + 1); /* of its exact size */

    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    options_parse(text, complain);
    require(options.console.com <= 2);
    require(options.log_level <= LOG_DEBUG);
    require(options.dom0_mem == 0 || options.dom0_mem >= UINT64_C(1) << 20);
    require(options.dom0_max_vcpus <= CPU_LIMIT);
    require(options.maxcpus >= 1 && options.maxcpus <= CPU_LIMIT);
    options = defaults;
    options_parse(text, NULL);
    options = defaults;
    free(text);
    return 0;
}
