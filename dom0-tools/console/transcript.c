/* SPDX-License-Identifier: MIT */
/* A guest's log file: see transcript.h. */
#include "dom0-tools/console/transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvmctl/file.h"

#define NAME_LIMIT 200u

/* What the record file holds; made and read on one machine only. */
struct record {
    char magic[8];
    struct transcript_owner owner;
    uint32_t index; /* of the ring, when the file had `offset` bytes */
    uint32_t exact; /* else the ring's own out_cons is right */
    uint32_t padding;
    uint64_t inode;
    uint64_t offset;
    uint64_t position;
};

static const char record_magic[8] = "PVCONS1";

char *transcript_file_name(const char *name)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.+@";
    char *made = malloc(NAME_LIMIT + 4);
    size_t used = 0;

    if (made == NULL) {
        return NULL;
    }
    for (const char *at = name; *at != '\0' && used < NAME_LIMIT; at++) {
        if (strchr(plain, *at) != NULL && (used > 0 || *at != '.')) {
            made[used++] = *at;
        } else {
            used += (size_t)snprintf(made + used, 4, "%%%02X", (unsigned int)(uint8_t)*at);
        }
    }
    if (used == 0) {
        made[used++] = '%';
    }
    made[used] = '\0';
    return made;
}

/* A count of bytes written; fewer than `count` leave errno set. */
static size_t write_all(int fd, const void *bytes, size_t count)
{
    size_t done = 0;

    while (done < count) {
        ssize_t written = write(fd, (const char *)bytes + done, count - done);

        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            break;
        }
        done += (size_t)written;
    }
    return done;
}

static char *beside(const char *path, const char *suffix)
{
    char *made = NULL;

    return asprintf(&made, "%s%s", path, suffix) < 0 ? NULL : made;
}

static int file_facts(int fd, uint64_t *inode, uint64_t *size)
{
    struct stat facts;

    if (fstat(fd, &facts) != 0) {
        return -errno;
    }
    *inode = facts.st_ino;
    *size = (uint64_t)facts.st_size;
    return 0;
}

/* Write down that the file `fd` at its present end stands for our index. */
static int put_record(const struct transcript *transcript, int fd, bool exact)
{
    struct record record = {
        .owner = transcript->owner,
        .index = transcript->index,
        .exact = exact,
        .position = transcript->position,
    };
    int error = file_facts(fd, &record.inode, &record.offset);

    if (error != 0) {
        return error;
    }
    memcpy(record.magic, record_magic, sizeof(record.magic));
    return file_replace(transcript->record, &record, sizeof(record));
}

static bool get_record(const struct transcript *transcript, struct record *record)
{
    int fd = open(transcript->record, O_RDONLY | O_CLOEXEC);
    ssize_t count;

    if (fd < 0) {
        return false;
    }
    count = read(fd, record, sizeof(*record));
    (void)close(fd);
    return count == (ssize_t)sizeof(*record) &&
           memcmp(record->magic, record_magic, sizeof(record->magic)) == 0 &&
           record->owner.domid == transcript->owner.domid &&
           memcmp(record->owner.handle, transcript->owner.handle, sizeof(record->owner.handle)) ==
               0;
}

static int open_log(const char *path, int flags)
{
    return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | flags,
                0600);
}

/* What rotate() does after the record is written; done again, it does no harm. */
static int shift_files(const char *path, const char *fresh)
{
    char *old = beside(path, ".1");
    int error = 0;

    if (old == NULL) {
        return -ENOMEM;
    }
    if (rename(path, old) != 0 && errno != ENOENT) {
        error = -errno;
    }
    free(old);
    if (error == 0 && rename(fresh, path) != 0) {
        error = -errno;
    }
    return error;
}

/* A kill may have come between the record of a rotation and its renames. */
static void finish_rotation(const struct transcript *transcript, const struct record *record)
{
    char *fresh = beside(transcript->path, ".new");
    struct stat facts;

    if (fresh == NULL || lstat(fresh, &facts) != 0) {
        free(fresh);
        return;
    }
    if (record != NULL && facts.st_ino == record->inode && facts.st_size == 0) {
        (void)shift_files(transcript->path, fresh);
    } else {
        (void)unlink(fresh);
    }
    free(fresh);
}

static int rotate(struct transcript *transcript)
{
    char *fresh = beside(transcript->path, ".new");
    int fd = -1;
    int error;

    if (fresh == NULL) {
        return -ENOMEM;
    }
    fd = open_log(fresh, O_TRUNC);
    if (fd < 0) {
        error = -errno;
        free(fresh);
        return error;
    }
    error = flock(fd, LOCK_EX | LOCK_NB) != 0 ? -errno : put_record(transcript, fd, true);
    if (error == 0) {
        error = shift_files(transcript->path, fresh);
    }
    if (error == 0) {
        (void)close(transcript->fd);
        transcript->fd = fd;
        transcript->size = 0;
    } else {
        (void)close(fd);
        (void)unlink(fresh);
        (void)put_record(transcript, transcript->fd, true);
    }
    free(fresh);
    return error;
}

static int make_paths(struct transcript *transcript, const struct transcript_place *place)
{
    char *name = transcript_file_name(place->name);
    bool good = name != NULL;

    if (good && asprintf(&transcript->path, "%s/%s.log", place->log_directory, name) < 0) {
        transcript->path = NULL;
        good = false;
    }
    if (good && asprintf(&transcript->record, "%s/%" PRIu32, place->record_directory,
                         transcript->owner.domid) < 0) {
        transcript->record = NULL;
        good = false;
    }
    free(name);
    return good ? 0 : -ENOMEM;
}

/* Where the last instance of this program had got to, if there was one. */
static void resume(struct transcript *transcript, const struct record *record, uint64_t inode)
{
    uint64_t since;
    uint32_t index;

    if (record == NULL) {
        return;
    }
    transcript->position = record->position;
    if (record->inode != inode || transcript->size < record->offset) {
        return; /* somebody else has put the file away */
    }
    since = transcript->size - record->offset;
    transcript->position += since;
    index = record->index + (uint32_t)since;
    /* What was given back to the guest was logged; else this is not that file after all. */
    if (record->exact != 0 && (int32_t)(index - transcript->index) >= 0) {
        transcript->index = index;
    }
}

static int open_files(struct transcript *transcript)
{
    struct record record;
    const struct record *known = get_record(transcript, &record) ? &record : NULL;
    uint64_t inode = 0;
    int error;

    finish_rotation(transcript, known);
    transcript->fd = open_log(transcript->path, 0);
    if (transcript->fd < 0) {
        return -errno;
    }
    if (flock(transcript->fd, LOCK_EX | LOCK_NB) != 0) {
        return -errno;
    }
    error = file_facts(transcript->fd, &inode, &transcript->size);
    if (error != 0) {
        return error;
    }
    resume(transcript, known, inode);
    return 0;
}

int transcript_open(struct transcript *transcript, const struct transcript_place *place,
                    const struct transcript_owner *owner, struct vmctl_error *error)
{
    struct transcript made = {
        .fd = -1,
        .owner = *owner,
        .limit = place->limit < TRANSCRIPT_MINIMUM ? TRANSCRIPT_MINIMUM : place->limit,
        .index = place->index,
    };
    int code = make_paths(&made, place);

    if (code == 0) {
        code = open_files(&made);
    }
    if (code == 0) {
        code = put_record(&made, made.fd, true);
    }
    if (code != 0) {
        (void)vmctl_fail(error, code, "console log %s: %s",
                         made.path == NULL ? place->name : made.path, strerror(-code));
        transcript_close(&made, false);
        return code;
    }
    *transcript = made;
    return 0;
}

void transcript_close(struct transcript *transcript, bool forget)
{
    if (transcript->fd >= 0) {
        (void)close(transcript->fd);
    }
    if (forget && transcript->record != NULL) {
        (void)unlink(transcript->record);
    }
    free(transcript->path);
    free(transcript->record);
    *transcript = TRANSCRIPT_CLOSED;
}

/* From now on, until put_record(), only the page knows what was taken. */
static bool recover(struct transcript *transcript)
{
    char words[160];
    size_t length;

    length = (size_t)snprintf(words, sizeof(words),
                              "\r\n[paravane: %" PRIu64 " bytes could not be logged: %s]\r\n",
                              transcript->dropped, strerror(transcript->failure));
    if (write_all(transcript->fd, words, length) != length) {
        return false;
    }
    transcript->size += length;
    transcript->dropped = 0;
    transcript->failure = 0;
    return true;
}

bool transcript_append(struct transcript *transcript, const uint8_t *bytes, size_t count)
{
    int before = transcript->failure;
    size_t written = 0;
    int error = 0;

    if (transcript->size + count > transcript->limit / 2 && transcript->size > 0) {
        error = rotate(transcript); /* else the file gets longer; the next time tries again */
    }
    if (error != 0 && transcript->size + count > transcript->limit) {
        transcript->failure = -error; /* but it does not fill the disk */
    } else if (before == 0 || recover(transcript)) {
        written = write_all(transcript->fd, bytes, count);
        transcript->failure = written == count ? 0 : errno;
    }
    transcript->size += written;
    transcript->dropped += count - written;
    transcript->index += (uint32_t)count;
    transcript->position += count;
    if (before != 0 || transcript->failure != 0) {
        (void)put_record(transcript, transcript->fd, transcript->failure == 0);
    }
    return transcript->failure == 0 || before != 0;
}

void transcript_skip(struct transcript *transcript, uint32_t index)
{
    transcript->index = index;
    (void)put_record(transcript, transcript->fd, true);
}

void transcript_note(struct transcript *transcript, const char *text)
{
    size_t length = strlen(text);
    size_t written;

    (void)put_record(transcript, transcript->fd, false);
    written = write_all(transcript->fd, text, length);
    transcript->size += written;
    transcript->position += length;
    (void)put_record(transcript, transcript->fd, true);
}

static size_t read_at(int fd, uint8_t *bytes, size_t size, uint64_t offset)
{
    size_t done = 0;

    while (done < size) {
        ssize_t count = pread(fd, bytes + done, size - done, (off_t)(offset + done));

        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            break;
        }
        done += (size_t)count;
    }
    return done;
}

/* The last `size` bytes of a file that has `end` bytes; fewer if it is shorter. */
static size_t read_end(int fd, uint8_t *bytes, size_t size, uint64_t end)
{
    if (size > end) {
        size = (size_t)end;
    }
    return read_at(fd, bytes, size, end - size) == size ? size : 0;
}

/* The bytes before the log's first: in the file it replaced. */
static size_t read_older(const struct transcript *transcript, uint8_t *bytes, size_t size)
{
    char *old = beside(transcript->path, ".1");
    uint64_t inode = 0;
    uint64_t end = 0;
    size_t count = 0;
    int fd;

    if (old == NULL) {
        return 0;
    }
    fd = open(old, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(old);
    if (fd < 0) {
        return 0;
    }
    if (file_facts(fd, &inode, &end) == 0) {
        count = read_end(fd, bytes, size, end);
    }
    (void)close(fd);
    return count;
}

size_t transcript_tail(const struct transcript *transcript, uint8_t *bytes, size_t size)
{
    size_t older = 0;
    size_t newer;

    if (size > transcript->position) {
        size = (size_t)transcript->position;
    }
    newer = read_end(transcript->fd, bytes, size, transcript->size);
    if (newer < size && newer == transcript->size) {
        memmove(bytes + size - newer, bytes, newer);
        older = read_older(transcript, bytes, size - newer);
        memmove(bytes + older, bytes + size - newer, newer);
    }
    return older + newer;
}

int transcript_open_history(const struct transcript *transcript, struct history *history)
{
    uint64_t position = transcript->position;
    uint8_t *tail;
    size_t count;
    int code;

    if (position == 0) {
        return history_open(history, 0);
    }
    tail = malloc(HISTORY_LIMIT);
    if (tail == NULL) {
        return -ENOMEM;
    }
    count = transcript_tail(transcript, tail, HISTORY_LIMIT);
    code = history_open(history, position - count);
    if (code == 0) {
        history_add(history, tail, count);
    }
    free(tail);
    return code;
}
