/* SPDX-License-Identifier: MIT */
/*
 * A timer's signal writes the line, so that it goes on while the library waits.
 * Hence no stdio in show(), and two texts: one is shown while the other is made.
 */
#include "dom0-tools/vmctl/progress.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TEXT_SIZE 128

static char texts[2][TEXT_SIZE];
static volatile sig_atomic_t current; /* of the two */
static volatile sig_atomic_t on_terminal;
static bool enabled;
static bool ticking;
static struct timespec begun;

unsigned int progress_seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned int)(now.tv_sec - begun.tv_sec - (now.tv_nsec < begun.tv_nsec ? 1 : 0));
}

static size_t put(char *line, size_t used, const char *text)
{
    size_t length = strlen(text);

    memcpy(line + used, text, length + 1);
    return used + length;
}

static size_t put_number(char *line, size_t used, unsigned int number)
{
    char digits[12];
    size_t at = sizeof(digits) - 1;

    digits[at] = '\0';
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    return put(line, used, digits + at);
}

static void show(void)
{
    char line[TEXT_SIZE + 40];
    unsigned int seconds = progress_seconds();
    size_t used;

    if (seconds < 1) {
        return;
    }
    used = put(line, 0, "\r\033[K");
    used = put(line, used, texts[current]);
    used = put(line, used, " (");
    used = put_number(line, used, seconds);
    used = put(line, used, " s)");
    (void)!write(STDERR_FILENO, line, used);
    on_terminal = true;
}

static void tick(int signal)
{
    int before = errno;

    (void)signal;
    show();
    errno = before;
}

static void set_timer(long seconds)
{
    const struct itimerval times = {
        .it_interval.tv_sec = seconds,
        .it_value.tv_sec = seconds,
    };

    (void)setitimer(ITIMER_REAL, &times, NULL);
    ticking = seconds != 0;
}

void progress_begin(bool shown)
{
    struct sigaction action = { .sa_handler = tick, .sa_flags = SA_RESTART };

    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    enabled = shown && sigaction(SIGALRM, &action, NULL) == 0;
}

void progress_step(void *context, const char *step, int percent)
{
    int next = current == 0;
    char *text = texts[next];

    (void)context;
    if (!enabled) {
        return;
    }
    if (percent >= 0) {
        (void)snprintf(text, TEXT_SIZE, "%.100s, %d %%", step, percent);
    } else {
        (void)snprintf(text, TEXT_SIZE, "%.100s", step);
    }
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text == 0x7f) {
            *text = '?';
        }
    }
    current = next;
    show();
    if (!ticking) {
        set_timer(1);
    }
}

void progress_clear(void)
{
    if (ticking) {
        set_timer(0);
    }
    if (on_terminal) {
        (void)!write(STDERR_FILENO, "\r\033[K", 4);
        on_terminal = false;
    }
}
