/* SPDX-License-Identifier: MIT */
/*
 * The number of the change a test program runs with, and where it notes what it met:
 * MUTANT and MUTANT_NOTED in its environment.
 */
#include "tests/mutation/mutant.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

struct mutant mutant_now = { "mutant here", MUTANT_NONE };
static unsigned char nowhere[MUTANTS];
unsigned char *mutant_noted = nowhere;

__attribute__((constructor(101))) static void mutant_start(void)
{
    const char *id = getenv("MUTANT"), *name = getenv("MUTANT_NOTED");

    if (id != NULL) {
        mutant_now.id = (unsigned int)strtoul(id, NULL, 10);
    }
    if (name != NULL) {
        /* Shared: libcheck runs each test in a child. */
        void *map = mmap(NULL, MUTANTS, PROT_READ | PROT_WRITE, MAP_SHARED, open(name, O_RDWR), 0);

        if (map == MAP_FAILED) {
            abort();
        }
        mutant_noted = map;
    }
}
