/* SPDX-License-Identifier: MIT */
/*
 * on_terminal SECONDS WORD COMMAND...: run the command on a terminal of its own,
 * type what standard input has, and show what it prints until WORD is in it.
 * The status is 0 then, 1 if it never came.
 */
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void type(int terminal)
{
    char text[512];
    ssize_t count;

    while ((count = read(STDIN_FILENO, text, sizeof(text))) > 0) {
        if (write(terminal, text, (size_t)count) != count) {
            perror("on_terminal: typing");
        }
    }
}

/* What it prints, as a string; the last part of it if it is much. */
static bool wait_for(int terminal, const char *word, long until)
{
    char seen[8192] = "";
    size_t length = 0;

    for (;;) {
        struct pollfd wait = { .fd = terminal, .events = POLLIN };
        long left = until - now_ms();
        ssize_t count;

        if (left <= 0 || poll(&wait, 1, (int)left) <= 0) {
            return false;
        }
        if (length > sizeof(seen) / 2) {
            length -= sizeof(seen) / 4;
            memmove(seen, seen + sizeof(seen) / 4, length);
        }
        count = read(terminal, seen + length, sizeof(seen) - 1 - length);
        if (count <= 0) {
            return false;
        }
        (void)fwrite(seen + length, 1, (size_t)count, stdout);
        length += (size_t)count;
        seen[length] = '\0';
        if (strstr(seen, word) != NULL) {
            return true;
        }
    }
}

int main(int argc, char **argv)
{
    int terminal;
    pid_t child;
    bool found;

    if (argc < 4) {
        (void)fprintf(stderr, "usage: on_terminal SECONDS WORD COMMAND...\n");
        return 2;
    }
    child = forkpty(&terminal, NULL, NULL, NULL);
    if (child < 0) {
        perror("on_terminal");
        return 2;
    }
    if (child == 0) {
        (void)execvp(argv[3], &argv[3]);
        perror(argv[3]);
        _exit(127);
    }
    (void)sleep(1); /* it makes the terminal its own first */
    type(terminal);
    found = wait_for(terminal, argv[2], now_ms() + strtol(argv[1], NULL, 10) * 1000);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
    return found ? 0 : 1;
}
