/* SPDX-License-Identifier: MIT */
/* Error values: see error.h. */
#include "libvmctl/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Add words to a string of limited size; what does not fit is cut off. */
struct text {
    char *at;
    size_t left;
};

static void add(struct text *text, const char *words)
{
    size_t length = strlen(words);

    if (length >= text->left) {
        length = text->left - 1;
    }
    memcpy(text->at, words, length);
    text->at += length;
    text->left -= length;
    *text->at = '\0';
}

static void compose(struct vmctl_error *error)
{
    struct text text = { .at = error->message, .left = sizeof(error->message) };
    bool limited = error->limit[0] != '\0';
    bool held = error->holder[0] != '\0';

    error->message[0] = '\0';
    if (error->what[0] != '\0') {
        add(&text, error->what);
        add(&text, ": ");
    }
    if (error->object[0] != '\0') {
        add(&text, error->object);
        add(&text, ": ");
    }
    add(&text, error->cause);
    if (limited || held) {
        add(&text, " (");
        add(&text, limited ? "limit " : "held by ");
        add(&text, limited ? error->limit : error->holder);
        if (limited && held) {
            add(&text, "; held by ");
            add(&text, error->holder);
        }
        add(&text, ")");
    }
}

static enum vmctl_reason reason_of(int code)
{
    static const struct {
        int code;
        enum vmctl_reason reason;
    } rows[] = {
        { EINVAL, VMCTL_INVALID },
        { ERANGE, VMCTL_INVALID },
        { ENAMETOOLONG, VMCTL_INVALID },
        { EISDIR, VMCTL_INVALID },
        { ENOENT, VMCTL_NOT_FOUND },
        { ESRCH, VMCTL_NOT_FOUND },
        { ENOTDIR, VMCTL_NOT_FOUND },
        { EEXIST, VMCTL_EXISTS },
        { ENOMEM, VMCTL_NO_MEMORY },
        { ENOEXEC, VMCTL_BAD_KERNEL },
        { EPERM, VMCTL_NOT_PERMITTED },
        { EACCES, VMCTL_NOT_PERMITTED },
        { ECONNREFUSED, VMCTL_NO_DAEMON },
        { ECONNRESET, VMCTL_NO_DAEMON },
        { ENOTCONN, VMCTL_NO_DAEMON },
        { EPIPE, VMCTL_NO_DAEMON },
        { ETIMEDOUT, VMCTL_TIMED_OUT },
        { ENOSPC, VMCTL_LIMIT },
        { EFBIG, VMCTL_LIMIT },
        { E2BIG, VMCTL_LIMIT },
        { EOPNOTSUPP, VMCTL_UNSUPPORTED },
        { ENOSYS, VMCTL_UNSUPPORTED },
        { EBUSY, VMCTL_BUSY },
        { EIO, VMCTL_IO },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].code == -code) {
            return rows[i].reason;
        }
    }
    return VMCTL_INTERNAL;
}

int vmctl_fail(struct vmctl_error *error, int code, const char *format, ...)
{
    va_list words;

    if (error == NULL) {
        return code;
    }
    error->code = code;
    error->reason = reason_of(code);
    error->what[0] = error->object[0] = error->limit[0] = '\0';
    error->holder[0] = error->remedy[0] = '\0';
    va_start(words, format);
    (void)vsnprintf(error->cause, sizeof(error->cause), format, words);
    va_end(words);
    compose(error);
    return code;
}

int vmctl_context(struct vmctl_error *error, int code, const char *format, ...)
{
    char inner[sizeof(error->what)];
    va_list words;

    if (error == NULL) {
        return code;
    }
    memcpy(inner, error->what, sizeof(inner));
    va_start(words, format);
    (void)vsnprintf(error->what, sizeof(error->what), format, words);
    va_end(words);
    if (inner[0] != '\0') {
        size_t used = strlen(error->what);
        struct text text = { .at = error->what + used, .left = sizeof(error->what) - used };

        add(&text, ": ");
        add(&text, inner);
    }
    compose(error);
    return code;
}

void vmctl_error_reason(struct vmctl_error *error, enum vmctl_reason reason)
{
    if (error != NULL) {
        error->reason = reason;
    }
}

/* The four parts differ only in where the words go. */
#define DEFINE_PART(part)                                                       \
    void vmctl_error_##part(struct vmctl_error *error, const char *format, ...) \
    {                                                                           \
        va_list words;                                                          \
                                                                                \
        if (error != NULL) {                                                    \
            va_start(words, format);                                            \
            (void)vsnprintf(error->part, sizeof(error->part), format, words);   \
            va_end(words);                                                      \
            compose(error);                                                     \
        }                                                                       \
    }

DEFINE_PART(object)
DEFINE_PART(limit)
DEFINE_PART(holder)
DEFINE_PART(remedy)

const char *vmctl_reason_name(enum vmctl_reason reason)
{
    static const char *const names[] = {
        [VMCTL_NO_REASON] = "none",
        [VMCTL_INTERNAL] = "internal",
        [VMCTL_INVALID] = "invalid",
        [VMCTL_NOT_FOUND] = "not-found",
        [VMCTL_EXISTS] = "exists",
        [VMCTL_NO_GUEST_MEMORY] = "no-guest-memory",
        [VMCTL_BAD_KERNEL] = "bad-kernel",
        [VMCTL_DEVICE_FAILED] = "device-failed",
        [VMCTL_WRONG_STATE] = "wrong-state",
        [VMCTL_NOT_PERMITTED] = "not-permitted",
        [VMCTL_NO_HYPERVISOR] = "no-hypervisor",
        [VMCTL_NO_DAEMON] = "no-daemon",
        [VMCTL_TIMED_OUT] = "timed-out",
        [VMCTL_LIMIT] = "limit",
        [VMCTL_UNSUPPORTED] = "unsupported",
        [VMCTL_NO_MEMORY] = "no-memory",
        [VMCTL_BUSY] = "busy",
        [VMCTL_IO] = "io",
    };

    if ((unsigned int)reason >= sizeof(names) / sizeof(names[0])) {
        return "unknown";
    }
    return names[reason];
}
