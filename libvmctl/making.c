/* SPDX-License-Identifier: MIT */
/* Guests being made, and what is left of those that were not: see making.h. */
#include "libvmctl/making.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libvmctl/config_values.h"
#include "libvmctl/domain.h"
#include "libvmctl/guest.h"
#include "libvmctl/handle.h"

#define FOLDER       "making"
#define LOCK_WAIT_MS 10000 /* for the recovery of an earlier try */
#define LOCK_STEP_MS 10
#define LEAVE_MS     200 /* for the kernel to unlock what it has closed */
#define NO_DOMAIN    UINT32_MAX

/* --- the record ------------------------------------------------------------------ */

/* "run 5": the domain that is to run; without a number, none was noted yet. */
struct record {
    bool begun;
    bool paused;
    uint32_t domid;
};

static int read_record(int fd, struct record *record)
{
    char text[32] = "";
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    const char *number;

    if (size < 0) {
        return -errno;
    }
    number = strchr(text, ' ');
    record->begun = size > 0;
    record->paused = strncmp(text, "paused", 6) == 0;
    record->domid = number == NULL ? NO_DOMAIN : (uint32_t)strtoul(number, NULL, 10);
    return 0;
}

static int write_record(const struct making *making, uint32_t domid, struct vmctl_error *error)
{
    const char *word = making->paused ? "paused" : "run";
    char text[32];
    int length = domid == NO_DOMAIN ? snprintf(text, sizeof(text), "%s\n", word)
                                    : snprintf(text, sizeof(text), "%s %u\n", word, domid);
    ssize_t put;

    if (ftruncate(making->fd, 0) < 0) {
        return vmctl_fail(error, -errno, "%s: %s", making->path, strerror(errno));
    }
    put = pwrite(making->fd, text, (size_t)length, 0);
    if (put != length) {
        int code = put < 0 ? -errno : -ENOSPC;

        return vmctl_fail(error, code, "%s: %s", making->path, strerror(-code));
    }
    return 0;
}

/* --- recovery --------------------------------------------------------------------- */

/* Is there "folder/domid" in the store?  1, 0 or an error. */
static int has_node(struct store_client *store, const char *folder, uint32_t domid,
                    struct vmctl_error *error)
{
    char path[64];
    char *text = NULL;
    int r;

    (void)snprintf(path, sizeof(path), "%s/%u", folder, domid);
    r = store_read(store, STORE_NO_TRANSACTION, path, &text, NULL, error);
    free(text);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    return 1;
}

static int recover_domain(struct vmctl *handle, const struct record *record, const uint8_t uuid[16],
                          struct vmctl_error *error)
{
    struct store_client *store = handle_store(handle, error);
    struct xen_domctl_getdomaininfo info;
    int r;

    if (store == NULL) {
        return error->code;
    }
    r = domain_info(&handle->privcmd, record->domid, &info, error);
    if (r == -ESRCH || (r == 0 && info.domain != record->domid)) {
        return guest_destroy(handle, record->domid, error); /* its nodes */
    }
    if (r < 0 || memcmp(info.handle, uuid, sizeof(info.handle)) != 0) {
        return r; /* another domain has its number by now */
    }
    r = has_node(store, "/paravane/guest", record->domid, error);
    if (r == 0) {
        return guest_destroy(handle, record->domid, error);
    }
    if (r > 0 && !record->paused && (info.flags & XEN_DOMINF_paused) != 0) {
        r = domain_unpause(&handle->privcmd, record->domid, error);
    }
    return r < 0 ? r : 0;
}

/* Killed before the domain's number was noted: it has the uuid, and no home in the store yet. */
static int recover_uuid(struct vmctl *handle, const uint8_t uuid[16], struct vmctl_error *error)
{
    struct store_client *store = handle_store(handle, error);
    struct vmctl_guest *guests = NULL;
    char text[VMCTL_UUID_SIZE];
    size_t count = 0;
    int r = store == NULL ? error->code : vmctl_list(handle, &guests, &count, error);

    guest_uuid_format(uuid, text);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (guests[i].domid == 0 || strcasecmp(guests[i].uuid, text) != 0) {
            continue;
        }
        r = has_node(store, "/local/domain", guests[i].domid, error);
        if (r >= 0) {
            r = r == 0 ? guest_destroy(handle, guests[i].domid, error) : 0;
        }
    }
    free(guests);
    return r;
}

/* `fd` is locked. */
static int recover(struct vmctl *handle, int fd, const uint8_t uuid[16], struct vmctl_error *error)
{
    struct record record = { .domid = NO_DOMAIN };
    int r = read_record(fd, &record);

    if (r < 0) {
        return vmctl_fail(error, r, "reading what was begun: %s", strerror(-r));
    }
    if (!record.begun) {
        return 0;
    }
    return record.domid != NO_DOMAIN ? recover_domain(handle, &record, uuid, error)
                                     : recover_uuid(handle, uuid, error);
}

int making_recover(struct vmctl *handle, const uint8_t uuid[16], struct vmctl_error *error)
{
    char name[VMCTL_UUID_SIZE];
    int fd;
    int r;

    guest_uuid_format(uuid, name);
    /* Not for writing: its closing would be taken for a maker's end. */
    fd = state_open(FOLDER, name, O_RDONLY);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : vmctl_fail(error, fd, "%s: %s", name, strerror(-fd));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        (void)close(fd);
        return vmctl_fail(error, -EBUSY, "guest %s is being made", name);
    }
    r = recover(handle, fd, uuid, error);
    if (r == 0) {
        state_unlink(FOLDER, name);
    }
    (void)close(fd);
    return r;
}

/* --- makers ------------------------------------------------------------------------ */

/* The file, with its lock; whoever had the lock may have removed it meanwhile. */
static int open_locked(const char *name)
{
    const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };

    for (int waited = 0; waited < LOCK_WAIT_MS; waited += LOCK_STEP_MS) {
        int fd = state_open(FOLDER, name, O_RDWR | O_CREAT);
        struct stat facts;

        if (fd < 0) {
            return fd;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &facts) == 0 && facts.st_nlink != 0) {
            return fd;
        }
        (void)close(fd);
        (void)nanosleep(&step, NULL);
    }
    return -EBUSY;
}

int making_begin(struct making *making, struct vmctl *handle, const uint8_t uuid[16], bool paused,
                 struct vmctl_error *error)
{
    char name[VMCTL_UUID_SIZE];
    int r;

    guest_uuid_format(uuid, name);
    state_path(FOLDER, name, making->path);
    making->paused = paused;
    making->fd = open_locked(name);
    if (making->fd == -EBUSY) {
        vmctl_fail(error, -EBUSY, "a guest with the same uuid is being made");
        vmctl_error_holder(error, "another vmctl, or the supervisor");
        return -EBUSY;
    }
    if (making->fd < 0) {
        return vmctl_fail(error, making->fd, "%s: %s", making->path, strerror(-making->fd));
    }
    r = recover(handle, making->fd, uuid, error);
    r = r < 0 ? r : write_record(making, NO_DOMAIN, error);
    if (r < 0) {
        (void)close(making->fd);
    }
    return r;
}

int making_note(const struct making *making, uint32_t domid, struct vmctl_error *error)
{
    return write_record(making, domid, error);
}

void making_end(struct making *making, bool done)
{
    if (done) {
        (void)unlink(making->path);
    }
    (void)close(making->fd);
}

/* --- for the supervisor -------------------------------------------------------------- */

static bool is_abandoned(const char *name)
{
    int fd = state_open(FOLDER, name, O_RDONLY);
    bool locked = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) == 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return locked;
}

int making_abandoned(uint8_t (**uuids)[16], size_t *count, struct vmctl_error *error)
{
    char path[STATE_FILE_SIZE];
    const struct dirent *entry;
    DIR *folder;

    *uuids = NULL;
    *count = 0;
    state_path(FOLDER, "", path);
    folder = opendir(path);
    if (folder == NULL) {
        return errno == ENOENT ? 0 : vmctl_fail(error, -errno, "%s: %s", path, strerror(errno));
    }
    while ((entry = readdir(folder)) != NULL) {
        uint8_t(*grown)[16];
        uint8_t uuid[16];

        if (value_uuid(entry->d_name, uuid, NULL) < 0 || !is_abandoned(entry->d_name)) {
            continue;
        }
        grown = reallocarray(*uuids, *count + 1, sizeof(**uuids));
        if (grown == NULL) {
            break; /* the others another time */
        }
        *uuids = grown;
        memcpy(grown[(*count)++], uuid, sizeof(uuid));
    }
    (void)closedir(folder);
    return 0;
}

int making_watch(struct vmctl_error *error)
{
    char path[STATE_FILE_SIZE];
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

    state_path(FOLDER, "", path);
    if (fd >= 0 && state_make_folder(FOLDER) == 0 &&
        inotify_add_watch(fd, path, IN_CLOSE_WRITE) >= 0) {
        return fd;
    }
    vmctl_fail(error, -errno, "%s: %s", path, strerror(errno));
    if (fd >= 0) {
        (void)close(fd);
    }
    return error->code;
}

/* The kernel tells of a file's closing a moment before it gives its lock up. */
static bool is_left(const char *name)
{
    const struct timespec step = { .tv_nsec = LOCK_STEP_MS * 1000000L };
    char path[STATE_FILE_SIZE];
    bool left = false;

    state_path(FOLDER, name, path);
    for (int waited = 0; waited < LEAVE_MS && !left && access(path, F_OK) == 0;
         waited += LOCK_STEP_MS) {
        left = is_abandoned(name);
        if (!left) {
            (void)nanosleep(&step, NULL);
        }
    }
    return left;
}

bool making_changed(int fd)
{
    _Alignas(struct inotify_event) char buffer[4096];
    bool any = false;
    ssize_t size;

    while ((size = read(fd, buffer, sizeof(buffer))) > 0) {
        for (const char *at = buffer; at < buffer + size;) {
            const struct inotify_event *event = (const void *)at;

            any |= event->len != 0 && is_left(event->name);
            any |= (event->mask & IN_Q_OVERFLOW) != 0;
            at += sizeof(*event) + event->len;
        }
    }
    return any;
}
