/* SPDX-License-Identifier: MIT */
/* Error values: see error.h. */
#include "libvmctl/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int vmctl_fail(struct vmctl_error *error, int code, const char *format, ...)
{
    va_list words;

    if (error == NULL) {
        return code;
    }
    error->code = code;
    va_start(words, format);
    (void)vsnprintf(error->message, sizeof(error->message), format, words);
    va_end(words);
    return code;
}

int vmctl_context(struct vmctl_error *error, int code, const char *format, ...)
{
    char inner[sizeof(error->message)];
    va_list words;
    size_t used;

    if (error == NULL) {
        return code;
    }
    memcpy(inner, error->message, sizeof(inner));
    va_start(words, format);
    (void)vsnprintf(error->message, sizeof(error->message), format, words);
    va_end(words);
    used = strlen(error->message);
    (void)snprintf(error->message + used, sizeof(error->message) - used, ": %s", inner);
    return code;
}
