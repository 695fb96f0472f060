/* SPDX-License-Identifier: MIT */
/* Holders of a dead guest's memory, as far as dom0 can see them: see held.h. */
#include "dom0-tools/supervisor/held.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct text {
    char *words;
    size_t room;
    size_t used;
};

static void add(struct text *text, const char *words)
{
    int length = snprintf(text->words + text->used, text->room - text->used, "%s%s",
                          text->used > 0 ? ", " : "", words);

    text->used += (size_t)length;
    if (text->used >= text->room) {
        text->used = text->room - 1;
    }
}

/* "vbd-5-51712" of guest 5: the block back end's device 51712. */
static void add_back_end(struct text *text, const char *name, uint32_t domid)
{
    const char *module = strncmp(name, "vif-", 4) == 0   ? "xen-netback (network card"
                         : strncmp(name, "vbd-", 4) == 0 ? "xen-blkback (disk"
                                                         : NULL;
    const char *number = strchr(name, '-');
    char words[96];
    char *end;

    if (number == NULL || isdigit((unsigned char)number[1]) == 0 ||
        strtoul(number + 1, &end, 10) != domid || *end != '-') {
        return;
    }
    if (module != NULL) {
        (void)snprintf(words, sizeof(words), "%s %.16s)", module, end + 1);
    } else {
        (void)snprintf(words, sizeof(words), "back end device %.48s", name);
    }
    add(text, words);
}

static void find_back_ends(const char *sys, uint32_t domid, struct text *text)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    DIR *directory;

    (void)snprintf(path, sizeof(path), "%s/bus/xen-backend/devices", sys);
    directory = opendir(path);
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        add_back_end(text, entry->d_name, domid);
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}

/* Whether one of the process's descriptors is for other domains' memory. */
static bool maps_guests(const char *proc, const char *pid)
{
    char path[PATH_MAX];
    const struct dirent *entry;
    bool found = false;
    DIR *directory;

    (void)snprintf(path, sizeof(path), "%s/%s/fd", proc, pid);
    directory = opendir(path);
    while (directory != NULL && !found && (entry = readdir(directory)) != NULL) {
        char target[64];
        ssize_t length = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);

        target[length > 0 ? length : 0] = '\0';
        found = strcmp(target, "/dev/xen/gntdev") == 0 || strcmp(target, "/dev/xen/privcmd") == 0 ||
                strcmp(target, "/proc/xen/privcmd") == 0;
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
    return found;
}

static void add_process(const char *proc, const char *pid, struct text *text)
{
    char path[PATH_MAX];
    char name[32] = "";
    char words[96];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s/comm", proc, pid);
    file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(name, sizeof(name), file) != NULL) {
            name[strcspn(name, "\n")] = '\0';
        }
        (void)fclose(file);
    }
    (void)snprintf(words, sizeof(words), "%s (process %.16s)", name, pid);
    add(text, words);
}

static void find_processes(const char *proc, struct text *text)
{
    DIR *directory = opendir(proc);
    const struct dirent *entry;
    char own[16];

    (void)snprintf(own, sizeof(own), "%d", (int)getpid());
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        if (isdigit((unsigned char)entry->d_name[0]) != 0 && strcmp(entry->d_name, own) != 0 &&
            maps_guests(proc, entry->d_name)) {
            add_process(proc, entry->d_name, text);
        }
    }
    if (directory != NULL) {
        (void)closedir(directory);
    }
}

void held_describe(const char *sys, const char *proc, uint32_t domid, char *words, size_t room)
{
    struct text text = { .words = words, .room = room };

    words[0] = '\0';
    find_back_ends(sys, domid, &text);
    if (text.used == 0) {
        find_processes(proc, &text);
        if (text.used > 0) {
            char found[512];

            (void)snprintf(found, sizeof(found), "%s", words);
            (void)snprintf(words, room, "perhaps by %s", found);
        } else {
            (void)snprintf(words, room, "by another guest, or by dom0's kernel");
        }
    }
}
