/* SPDX-License-Identifier: MIT */
/*
 * fork, vfork, exec, wait and pipes: every fork copies and every exit tears
 * down page tables, so this is what pins, unpins and writes them most.
 */
#include <stdlib.h>
#include <sys/wait.h>

#include "tests/system/load/check.h"

#define GENERATIONS 40
#define AT_ONCE     24

static int status_of(pid_t child)
{
    int status;

    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void forks(void)
{
    for (int i = 0; i < GENERATIONS; i++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            _exit(i);
        }
        CHECK(status_of(child) == i);
    }
}

/* The program runs itself again; the child proves that it got its arguments. */
static void execute(char *self, int i, int by_vfork)
{
    char number[16];
    char *arguments[] = { self, number, NULL };
    pid_t child;

    (void)snprintf(number, sizeof(number), "%d", i);
    child = by_vfork ? vfork() : fork();
    CHECK(child >= 0);
    if (child == 0) {
        execv(self, arguments);
        _exit(255);
    }
    CHECK(status_of(child) == i);
}

/* Many at once, each a step of one long pipe that a number runs through. */
static void chain(void)
{
    pid_t children[AT_ONCE];
    int first[2];
    int from;
    int number = 1;

    CHECK(pipe(first) == 0);
    from = first[0];
    for (int i = 0; i < AT_ONCE; i++) {
        int next[2];

        CHECK(pipe(next) == 0);
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            CHECK(close(first[1]) == 0);
            for (int round = 0; round < 50; round++) {
                CHECK(read(from, &number, sizeof(number)) == sizeof(number));
                number++;
                CHECK(write(next[1], &number, sizeof(number)) == sizeof(number));
            }
            _exit(0);
        }
        CHECK(close(from) == 0);
        CHECK(close(next[1]) == 0);
        from = next[0];
    }
    for (int round = 0; round < 50; round++) {
        CHECK(write(first[1], &round, sizeof(round)) == sizeof(round));
        CHECK(read(from, &number, sizeof(number)) == sizeof(number));
        CHECK(number == round + AT_ONCE);
    }
    for (int i = 0; i < AT_ONCE; i++) {
        CHECK(status_of(children[i]) == 0);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return (int)strtol(argv[1], NULL, 10);
    }
    forks();
    for (int i = 0; i < GENERATIONS; i++) {
        execute(argv[0], i, i & 1);
    }
    chain();
    return 0;
}
