/* SPDX-License-Identifier: MIT */
/* A directory of a test's own: made, and removed with all that is in it. */
#ifndef TESTS_UNIT_SCRATCH_H
#define TESTS_UNIT_SCRATCH_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#define SCRATCH_SIZE 64

static inline void scratch_make(char directory[SCRATCH_SIZE])
{
    const char *base = getenv("TMPDIR");

    (void)snprintf(directory, SCRATCH_SIZE, "%.40s/paravane.XXXXXX", base == NULL ? "/tmp" : base);
    if (mkdtemp(directory) == NULL) {
        abort();
    }
}

static inline int scratch_remove_one(const char *path, const struct stat *facts, int type,
                                     struct FTW *place)
{
    (void)facts;
    (void)type;
    (void)place;
    return remove(path);
}

static inline void scratch_remove(const char *directory)
{
    if (nftw(directory, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        abort();
    }
}

#endif
