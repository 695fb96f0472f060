/* SPDX-License-Identifier: MIT */
/*
 * The schema is asked in a process of its own: libxml2 and what it brings along
 * stay out of vmctl, and out of the way of every other command.
 */
#include "dom0-tools/vmctl/schema.h"

#include "libvmctl/error.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECKER PKGLIBEXECDIR "/paravane-check-schema"
#define SCHEMA  PKGDATADIR "/guest.rng"

/* A file in memory with the text, to be read from its start. */
static int make_input(const char *text, size_t length)
{
    int fd = memfd_create("guest.xml", MFD_CLOEXEC);

    if (fd >= 0 && (write(fd, text, length) != (ssize_t)length || lseek(fd, 0, SEEK_SET) != 0)) {
        (void)close(fd);
        return -EIO;
    }
    return fd < 0 ? -errno : fd;
}

/* `input` becomes its standard input, `output` its standard output and error. */
static int start(int input, int output, pid_t *child)
{
    char *const words[] = { (char[]){ CHECKER }, (char[]){ SCHEMA }, NULL };
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);

    if (r != 0) {
        return -r;
    }
    r = posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    }
    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    }
    if (r == 0) {
        r = posix_spawn(child, CHECKER, &actions, NULL, words, environ);
    }
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* Lines of "LINE WORDS"; one without a number is why it could not be told. */
static void pass_on(int output, const struct guest_reporter *reporter, char *why, size_t size)
{
    FILE *file = fdopen(output, "r");
    char line[512];

    if (file == NULL) {
        (void)close(output);
        return;
    }
    while (fgets(line, sizeof(line), file) != NULL) {
        char *words;
        unsigned long number = strtoul(line, &words, 10);

        line[strcspn(line, "\n")] = '\0';
        if (words != line && *words == ' ') {
            reporter->report(reporter->context, (unsigned int)number, true, words + 1);
        } else {
            (void)snprintf(why, size, "%.200s", line);
        }
    }
    (void)fclose(file);
}

static int run(int input, const struct guest_reporter *reporter, char *why, size_t size)
{
    int pipes[2];
    int status = 0;
    pid_t child = 0;
    int r;

    if (pipe2(pipes, O_CLOEXEC) < 0) {
        return -errno;
    }
    r = start(input, pipes[1], &child);
    (void)close(pipes[1]);
    if (r < 0) {
        (void)close(pipes[0]);
        (void)snprintf(why, size, "%s: %s", CHECKER, strerror(-r));
        return r;
    }
    pass_on(pipes[0], reporter, why, size);
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) < 2) {
        return WEXITSTATUS(status) == 0 ? 0 : -EINVAL;
    }
    return -EIO;
}

int schema_check(const char *text, size_t length, const struct guest_reporter *reporter,
                 struct vmctl_error *error)
{
    char why[256] = "";
    int input = make_input(text, length);
    int r = input < 0 ? input : run(input, reporter, why, sizeof(why));

    if (input >= 0) {
        (void)close(input);
    }
    if (r == -EINVAL) {
        return vmctl_fail(error, r, "not valid by the schema");
    }
    if (r < 0) {
        return vmctl_fail(error, r, "the schema was not asked: %s",
                          why[0] == '\0' ? strerror(-r) : why);
    }
    return 0;
}
