/* SPDX-License-Identifier: MIT */
/*
 * paravane-check-schema SCHEMA < GUEST.xml: says whether it is valid.
 *
 * Prints "LINE WORDS" for each thing that is wrong.  Ends with 0 for valid, 1 for
 * not valid, 2 and words on standard error where it cannot tell.  vmctl runs it.
 */
#include "libvmctl/guest_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void report(void *context, unsigned int line, bool fatal, const char *words)
{
    (void)context;
    (void)fatal;
    (void)printf("%u %s\n", line, words);
}

int main(int argc, char **argv)
{
    static const struct guest_reporter reporter = { .report = report };
    struct vmctl_error error = { .message = "" };
    char *text = NULL;
    size_t length = 0;
    int r;

    if (argc != 2) {
        (void)fputs("usage: paravane-check-schema SCHEMA < GUEST.xml\n", stderr);
        return 2;
    }
    r = guest_config_read_file("/dev/stdin", &text, &length, &error);
    if (r == 0) {
        r = guest_config_validate(text, length, "stdin", argv[1], &reporter, &error);
    }
    free(text);
    if (r == -EINVAL || r == 0) {
        return fflush(stdout) != 0 ? 2 : r == 0 ? 0 : 1;
    }
    (void)fprintf(stderr, "%s\n", error.message);
    return 2;
}
