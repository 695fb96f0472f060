/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, as a value: how libvmctl fills in struct vmctl_error.
 *
 * libvmctl never prints, exits or aborts.  A function that can fail returns 0
 * or a negative errno, and takes `struct vmctl_error *error` last; NULL means
 * the caller does not want the words.  vmctl_fail() begins an error; the others
 * add to it and keep `message` composed:
 *
 *     what: object: cause (limit ...; held by ...)
 */
#ifndef LIBVMCTL_ERROR_H
#define LIBVMCTL_ERROR_H

#include "libvmctl/vmctl.h"

/* Set `error` from scratch, the words being the cause; returns `code`. */
int vmctl_fail(struct vmctl_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "words: " before what was being done; returns `code`. */
int vmctl_context(struct vmctl_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Without it, the reason follows from the errno. */
void vmctl_error_reason(struct vmctl_error *error, enum vmctl_reason reason);

void vmctl_error_object(struct vmctl_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void vmctl_error_limit(struct vmctl_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void vmctl_error_holder(struct vmctl_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void vmctl_error_remedy(struct vmctl_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
