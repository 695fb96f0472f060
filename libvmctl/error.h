/* SPDX-License-Identifier: MIT */
/*
 * What went wrong, as a value.
 *
 * libvmctl never prints, exits or aborts.  A function that can fail returns 0
 * or a negative errno, and takes `struct vmctl_error *error` last; NULL means
 * the caller does not want the words.
 */
#ifndef LIBVMCTL_ERROR_H
#define LIBVMCTL_ERROR_H

struct vmctl_error {
    int code;          /* negative errno, as returned */
    char message[256]; /* one line, no newline, outermost context first */
};

/* Set `error` from scratch; returns `code`. */
int vmctl_fail(struct vmctl_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "words: " before what is there already; returns `code`. */
int vmctl_context(struct vmctl_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
