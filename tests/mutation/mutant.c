/* SPDX-License-Identifier: MIT */
/*
 * The number of the change a test program runs with, and where it notes what it met:
 * MUTANT and MUTANT_NOTED in its environment.  The first failure ends the program.
 */
#include "tests/mutation/mutant.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct mutant mutant_now = { "mutant here", MUTANT_NONE };
static unsigned char nowhere[MUTANTS];
unsigned char *mutant_noted = nowhere;

static pid_t program; /* libcheck runs each test in a child */

/* Too much CPU time is another matter: mutate.py tries again. */
static _Noreturn void fail(int signal)
{
    if (getpid() != program || signal == SIGXCPU) {
        kill(program, signal == SIGXCPU ? SIGUSR1 : SIGKILL);
    }
    _exit(EXIT_FAILURE);
}

/* In place of libcheck's (--wrap). */
_Noreturn void __wrap__ck_assert_failed(const char *file, int line, const char *what, ...);

_Noreturn void __wrap__ck_assert_failed(const char *file, int line, const char *what, ...)
{
    (void)file;
    (void)line;
    (void)what;
    fail(0);
}

__attribute__((constructor(101))) static void mutant_start(void)
{
    /* No test wants one of these. */
    static const int ends[] = { SIGXCPU, SIGABRT, SIGILL, SIGFPE, SIGBUS };
    const char *id = getenv("MUTANT"), *name = getenv("MUTANT_NOTED");

    program = getpid();
    for (unsigned int i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        (void)signal(ends[i], fail);
    }

    if (id != NULL) {
        mutant_now.id = (unsigned int)strtoul(id, NULL, 10);
    }
    if (name != NULL) {
        /* Shared with the children. */
        void *map = mmap(NULL, MUTANTS, PROT_READ | PROT_WRITE, MAP_SHARED, open(name, O_RDWR), 0);

        if (map == MAP_FAILED) {
            abort();
        }
        mutant_noted = map;
    }
}
