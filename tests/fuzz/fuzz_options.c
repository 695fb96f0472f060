/* SPDX-License-Identifier: MIT */
/* Any text as the core's command line: what is taken is in range, what is not has a reason. */
#include <stdarg.h>
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

void log_print(enum log_level level, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (level == LOG_WARNING) {
        const char *option = va_arg(arguments, const char *);
        const char *reason = va_arg(arguments, const char *);

        require(strlen(option) != 0 && strchr(option, ' ') == NULL && strlen(reason) != 0);
    }
    va_end(arguments);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct options defaults = options;
    char *text = malloc(size + 1); /* of its exact size */

    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    options_parse(text, true);
    require(options.console.com <= 2);
    require(options.log_level <= LOG_DEBUG);
    require(options.dom0_mem == 0 || options.dom0_mem >= UINT64_C(1) << 20);
    require(options.dom0_max_vcpus <= CPU_LIMIT);
    require(options.maxcpus >= 1 && options.maxcpus <= CPU_LIMIT);
    options = defaults;
    options_parse(text, false);
    options = defaults;
    free(text);
    return 0;
}
