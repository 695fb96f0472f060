/* SPDX-License-Identifier: MIT */
/* vmctl top: who uses the CPUs. */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/program.h"
#include "dom0-tools/vmctl/states.h"

#include "libvmctl/error.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_C 3

static uint64_t delay = 2;
static uint64_t count_wanted;

static const struct option_spec top_options[] = {
    { .name = "delay",
      .letter = 'd',
      .argument = "SECONDS",
      .help = "Time between two looks; default 2.",
      .number = &delay },
    { .name = "count",
      .letter = 'n',
      .argument = "NUMBER",
      .help = "End after so many; default: on a terminal go on until q is struck, else 1.",
      .number = &count_wanted },
    { .name = NULL },
};

/* One look at all guests. */
struct look {
    struct vmctl_guest *guests;
    size_t count;
    struct timespec when;
};

/* A guest, and what it used since the look before, in thousandths of a CPU. */
struct row {
    const struct vmctl_guest *guest;
    uint64_t permille;
};

static int take_look(struct program *program, struct look *look, struct vmctl_error *error)
{
    (void)clock_gettime(CLOCK_MONOTONIC, &look->when);
    return vmctl_list(program->handle, &look->guests, &look->count, error);
}

static uint64_t nanoseconds_between(const struct timespec *from, const struct timespec *to)
{
    return (uint64_t)((to->tv_sec - from->tv_sec) * INT64_C(1000000000) + to->tv_nsec -
                      from->tv_nsec);
}

/* An id may be another guest's by now, which has used no more than it has in all. */
static uint64_t used_before(const struct look *before, uint32_t domid, uint64_t now)
{
    size_t i;

    for (i = 0; i < before->count; i++) {
        if (before->guests[i].domid == domid) {
            uint64_t then = before->guests[i].cpu_time_ns;

            return then < now ? then : now;
        }
    }
    return 0;
}

static int by_use(const void *a, const void *b)
{
    const struct row *one = a;
    const struct row *other = b;

    if (one->permille != other->permille) {
        return one->permille < other->permille ? 1 : -1;
    }
    return one->guest->domid < other->guest->domid ? -1 : 1;
}

static struct row *make_rows(const struct look *before, const struct look *now)
{
    uint64_t elapsed = nanoseconds_between(&before->when, &now->when);
    struct row *rows = calloc(now->count == 0 ? 1 : now->count, sizeof(*rows));
    size_t i;

    for (i = 0; rows != NULL && i < now->count; i++) {
        const struct vmctl_guest *guest = &now->guests[i];

        rows[i].guest = guest;
        rows[i].permille =
            (guest->cpu_time_ns - used_before(before, guest->domid, guest->cpu_time_ns)) * 1000 /
            (elapsed == 0 ? 1 : elapsed);
    }
    if (rows != NULL) {
        qsort(rows, now->count, sizeof(*rows), by_use);
    }
    return rows;
}

static void show_json(struct json *out, const struct row *rows, size_t count)
{
    size_t i;

    json_begin(out, NULL, '{');
    json_begin(out, "guests", '[');
    for (i = 0; i < count; i++) {
        json_begin(out, NULL, '{');
        json_number(out, "cpu_permille", rows[i].permille);
        json_guest(out, rows[i].guest);
        json_end(out, '}');
    }
    json_end(out, ']');
    json_end(out, '}');
}

/* Those that use most stand first: the rest need not fit. */
static size_t rows_that_fit(size_t count)
{
    struct winsize screen = { .ws_row = 0 };

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &screen) < 0 || screen.ws_row < 3) {
        return count;
    }
    return count < screen.ws_row - 2u ? count : screen.ws_row - 2u;
}

static void show_table(const struct program *program, const struct row *rows, size_t count,
                       bool whole_screen)
{
    size_t i;

    if (whole_screen) {
        (void)fputs("\033[H\033[J", stdout);
        count = rows_that_fit(count);
    }
    (void)printf("%s%5s  %7s %10s %5s  %-15s  %s%s\n", colour_on(program->colours, COLOUR_BOLD),
                 "ID", "CPU %", "MEMORY", "VCPUS", "STATE", "NAME", colour_off(program->colours));
    for (i = 0; i < count; i++) {
        const struct vmctl_guest *guest = rows[i].guest;
        char label[VMCTL_NAME_SIZE + 16];
        char memory[32];

        guest_label(guest, label, sizeof(label));
        format_kib(guest->memory_kib, memory, sizeof(memory));
        (void)printf("%5u  %5llu.%llu %10s %5u  %s%-15s%s  ", guest->domid,
                     (unsigned long long)(rows[i].permille / 10),
                     (unsigned long long)(rows[i].permille % 10), memory, guest->vcpus_online,
                     colour_on(program->colours, state_colour(guest)), state_words(guest),
                     colour_off(program->colours));
        put_safely(stdout, label);
        (void)fputc('\n', stdout);
    }
    (void)fflush(stdout);
}

/* Wait, or until q or control-C is struck.  False: end. */
static bool go_on(bool keys)
{
    struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
    char key;

    if (poll(&input, keys ? 1 : 0, delay > 3600 ? 3600000 : (int)delay * 1000) <= 0) {
        return true;
    }
    return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && key != CONTROL_C;
}

static int show_again_and_again(struct program *program, bool keys, struct vmctl_error *error)
{
    struct look before = { .guests = NULL };
    uint64_t shown;
    int r = take_look(program, &before, error);

    for (shown = 0; r == 0 && (count_wanted == 0 || shown < count_wanted); shown++) {
        struct look now = { .guests = NULL };
        struct row *rows;

        if (!go_on(keys)) {
            break;
        }
        r = take_look(program, &now, error);
        if (r < 0) {
            break;
        }
        rows = make_rows(&before, &now);
        if (rows == NULL) {
            r = vmctl_fail(error, -ENOMEM, "no memory");
        } else if (program->json) {
            show_json(&program->out, rows, now.count);
        } else {
            show_table(program, rows, now.count, keys);
        }
        free(rows);
        free(before.guests);
        before = now;
    }
    free(before.guests);
    return r;
}

static int run_top(struct program *program, char **operands, size_t count,
                   struct vmctl_error *error)
{
    struct termios before = { .c_lflag = 0 };
    bool keys =
        !program->json && isatty(STDOUT_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before) == 0;
    int r = program_open(program, error);

    (void)operands;
    (void)count;
    if (r < 0) {
        return r;
    }
    if (!keys && count_wanted == 0) {
        count_wanted = 1;
    }
    if (program->json && count_wanted > 1) {
        return vmctl_fail(error, -EINVAL, "--json prints one document: --count can only be 1");
    }
    if (keys) {
        struct termios raw = before;

        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    r = show_again_and_again(program, keys, error);
    if (keys) {
        (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
    return r;
}

const struct command command_top = {
    .name = "top",
    .summary = "Show which guests use the CPUs.",
    .options = top_options,
    .run = run_top,
};
