/* SPDX-License-Identifier: MIT */
/*
 * Users of a block device, as the kernel lists them: mounts, swap, and devices
 * stacked upon it; also those of its partitions.
 */
#include "dom0-tools/devices/holders.h"

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
