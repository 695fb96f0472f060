/* SPDX-License-Identifier: MIT */
/*
 * Users of a block device, as the kernel lists them: mounts, swap, and devices
 * stacked upon it; also those of its partitions.  Writers of a file: loop devices
 * and programs.
 */
#include "dom0-tools/devices/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static bool find_mount(const char *proc, dev_t device, char *words, size_t room)
{
    char path[PATH_MAX];
    char line[1024];
    bool found = false;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
    file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        char *fields[5] = { NULL };
        char wanted[32];
        char *rest = NULL;
        char *word = strtok_r(line, " ", &rest);

        /* id, parent, major:minor, root, mount point */
        for (size_t i = 0; i < 5 && word != NULL; i++) {
            fields[i] = word;
            word = strtok_r(NULL, " ", &rest);
        }
        (void)snprintf(wanted, sizeof(wanted), "%u:%u", major(device), minor(device));
        found = fields[4] != NULL && strcmp(fields[2], wanted) == 0;
        if (found) {
            (void)snprintf(words, room, "mounted on %s", fields[4]);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

static bool find_swap(const char *proc, dev_t device, char *words, size_t room)
{
    char path[PATH_MAX];
    char line[1024];
    bool found = false;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/swaps", proc);
    file = fopen(path, "re");
    while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
        struct stat facts;

        line[strcspn(line, " \t\n")] = '\0';
        found = stat(line, &facts) == 0 && S_ISBLK(facts.st_mode) && facts.st_rdev == device;
    }
    if (found) {
        (void)snprintf(words, room, "used as swap");
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return found;
}

/* The first name in a directory, or false. */
static bool first_name(const char *path, char *name, size_t room)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    bool found = false;

    if (directory == NULL) {
        return false;
    }
    while (!found && (entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(name, room, "%s", entry->d_name);
            found = true;
        }
    }
    (void)closedir(directory);
    return found;
}

static bool find_one(const char *sys, const char *proc, dev_t device, char *words, size_t room)
{
    char path[PATH_MAX];
    char name[256];

    if (find_mount(proc, device, words, room) || find_swap(proc, device, words, room)) {
        return true;
    }
    (void)snprintf(path, sizeof(path), "%s/dev/block/%u:%u/holders", sys, major(device),
                   minor(device));
    if (!first_name(path, name, sizeof(name))) {
        return false;
    }
    (void)snprintf(words, room, "used by %s", name);
    return true;
}

/* The number of partition `name`, or 0. */
static dev_t partition(const char *sys, dev_t whole, const char *name)
{
    char path[PATH_MAX];
    unsigned int major = 0;
    unsigned int minor = 0;
    char line[64] = "";
    char *end;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/dev/block/%u:%u/%s/dev", sys, major(whole), minor(whole),
                   name);
    file = fopen(path, "re");
    if (file == NULL) {
        return 0;
    }
    if (fgets(line, sizeof(line), file) != NULL) {
        major = (unsigned int)strtoul(line, &end, 10);
        minor = *end == ':' ? (unsigned int)strtoul(end + 1, NULL, 10) : 0;
    }
    (void)fclose(file);
    return makedev(major, minor);
}

void holders_describe(const char *sys, const char *proc, dev_t device, char *words, size_t room)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    DIR *directory;

    words[0] = '\0';
    if (find_one(sys, proc, device, words, room)) {
        return;
    }
    (void)snprintf(path, sizeof(path), "%s/dev/block/%u:%u", sys, major(device), minor(device));
    directory = opendir(path);
    if (directory == NULL) {
        return;
    }
    while (words[0] == '\0' && (entry = readdir(directory)) != NULL) {
        char inner[200];
        dev_t part = entry->d_name[0] == '.' ? 0 : partition(sys, device, entry->d_name);

        if (part != 0 && find_one(sys, proc, part, inner, sizeof(inner))) {
            (void)snprintf(words, room, "its partition %.32s is %s", entry->d_name, inner);
        }
    }
    (void)closedir(directory);
}

/* --- files --------------------------------------------------------------------- */

struct wanted_file {
    dev_t device;
    ino_t inode;
};

static bool same_file(const char *path, const struct wanted_file *wanted)
{
    struct stat facts;

    return stat(path, &facts) == 0 && facts.st_dev == wanted->device &&
           facts.st_ino == wanted->inode;
}

/* The first line of sys/block/<name>/<leaf>, without its end. */
static bool read_line(const char *sys, const char *name, const char *leaf, char *line, int room)
{
    char path[PATH_MAX];
    bool good;
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/block/%s/%s", sys, name, leaf);
    file = fopen(path, "re");
    if (file == NULL) {
        return false;
    }
    good = fgets(line, room, file) != NULL;
    (void)fclose(file);
    line[good ? strcspn(line, "\n") : 0] = '\0';
    return good;
}

static bool find_loop(const char *sys, const struct wanted_file *wanted, char *words, size_t room)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    bool found = false;
    DIR *directory;

    (void)snprintf(path, sizeof(path), "%s/block", sys);
    directory = opendir(path);
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        char readonly[8] = "";

        found = strncmp(entry->d_name, "loop", 4) == 0 &&
                read_line(sys, entry->d_name, "loop/backing_file", path, sizeof(path)) &&
                read_line(sys, entry->d_name, "ro", readonly, sizeof(readonly)) &&
                readonly[0] == '0' && same_file(path, wanted);
        if (found) {
            (void)snprintf(words, room, "/dev/%.32s, which is bound to it", entry->d_name);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return found;
}

/* Whether the process has the file open for writing. */
static bool writes(const char *proc, const char *pid, const struct wanted_file *wanted)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    bool found = false;
    DIR *directory;

    (void)snprintf(path, sizeof(path), "%s/%s/fd", proc, pid);
    directory = opendir(path);
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        struct stat link;

        (void)snprintf(path, sizeof(path), "%s/%s/fd/%s", proc, pid, entry->d_name);
        /* The permissions of the link say how the file was opened. */
        found = lstat(path, &link) == 0 && S_ISLNK(link.st_mode) && (link.st_mode & S_IWUSR) != 0 &&
                same_file(path, wanted);
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return found;
}

static bool find_process(const char *proc, const struct wanted_file *wanted, char *words,
                         size_t room)
{
    const struct dirent *entry;
    bool found = false;
    DIR *directory = opendir(proc);

    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        found =
            isdigit((unsigned char)entry->d_name[0]) != 0 && writes(proc, entry->d_name, wanted);
        if (found) {
            char path[PATH_MAX];
            char name[32] = "?";
            FILE *file;

            (void)snprintf(path, sizeof(path), "%s/%s/comm", proc, entry->d_name);
            file = fopen(path, "re");
            if (file != NULL) {
                (void)!fgets(name, sizeof(name), file);
                (void)fclose(file);
            }
            name[strcspn(name, "\n")] = '\0';
            (void)snprintf(words, room, "%s (process %.16s)", name, entry->d_name);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return found;
}

bool holders_describe_file(const char *sys, const char *proc, dev_t device, ino_t inode,
                           char *words, size_t room)
{
    const struct wanted_file wanted = { device, inode };

    if (find_loop(sys, &wanted, words, room)) {
        return true;
    }
    if (!find_process(proc, &wanted, words, room)) {
        (void)snprintf(words, room, "a program");
    }
    return false;
}
