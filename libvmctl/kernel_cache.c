/* SPDX-License-Identifier: MIT */
/* The cache of unpacked kernels: see kernel_cache.h. */
#include "libvmctl/kernel_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "libvmctl/elf_kernel.h"
#include "libvmctl/file.h"
#include "libvmctl/image.h"
#include "libvmctl/sha256.h"

#define FILE_LIMIT (UINT64_C(256) << 20) /* of a packed kernel */
#define NAME_SIZE  128
#define ENTRIES    256 /* looked at when the cache is pruned */

/* The cache's directory, or -1 where there is none to be had. */
static int open_directory(const struct kernel_cache *cache, bool make)
{
    int fd = open(cache->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char path[PATH_MAX];
    size_t length = strlen(cache->directory);

    if (fd >= 0 || errno != ENOENT || !make || length >= sizeof(path)) {
        return fd;
    }
    memcpy(path, cache->directory, length + 1);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    (void)mkdir(path, 0700);
    return open(cache->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The name of the link for a file: what changes when the file does. */
static void identity(const struct stat *file, char name[NAME_SIZE])
{
    (void)snprintf(name, NAME_SIZE, "id-%llx-%llx-%llx-%llx.%lx-%llx.%lx",
                   (unsigned long long)file->st_dev, (unsigned long long)file->st_ino,
                   (unsigned long long)file->st_size, (unsigned long long)file->st_mtim.tv_sec,
                   (unsigned long)file->st_mtim.tv_nsec, (unsigned long long)file->st_ctim.tv_sec,
                   (unsigned long)file->st_ctim.tv_nsec);
}

/* The size at the end of a kernel's name; 0 if the name is not one of ours. */
static uint64_t size_in_name(const char *name)
{
    const char *dash = name + 2 * (size_t)SHA256_SIZE;
    char *end = NULL;
    unsigned long long size;

    if (strlen(name) < 2 * (size_t)SHA256_SIZE + 2 || *dash != '-' ||
        strspn(name, "0123456789abcdef") != 2 * (size_t)SHA256_SIZE) {
        return 0;
    }
    size = strtoull(dash + 1, &end, 10);
    return *end == '\0' ? size : 0;
}

/* A kernel of the cache, if it is what its name says and nobody else could have written it. */
static int open_entry(int directory, const char *name)
{
    const struct timespec used[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };
    int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;

    if (fd < 0) {
        return -errno;
    }
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        (uint64_t)status.st_size != size_in_name(name) || status.st_uid != geteuid() ||
        (status.st_mode & 022) != 0) {
        (void)close(fd);
        return -ESTALE;
    }
    (void)futimens(fd, used);
    return fd;
}

static int look_up(int directory, const char *link)
{
    char name[NAME_SIZE];
    ssize_t length = readlinkat(directory, link, name, sizeof(name) - 1);

    if (length <= 0) {
        return -ENOENT;
    }
    name[length] = '\0';
    return size_in_name(name) != 0 ? open_entry(directory, name) : -ESTALE;
}

static void kernel_name(const void *packed, size_t size, size_t unpacked, char name[NAME_SIZE])
{
    uint8_t digest[SHA256_SIZE];

    sha256(packed, size, digest);
    for (unsigned int i = 0; i < SHA256_SIZE; i++) {
        (void)snprintf(name + 2 * (size_t)i, 3, "%02x", digest[i]);
    }
    (void)snprintf(name + 2 * (size_t)SHA256_SIZE, NAME_SIZE - 2 * (size_t)SHA256_SIZE, "-%zu",
                   unpacked);
}

/* Make a link under a name of its own, then put it in place. */
static void add_link(int directory, const char *link, const char *name)
{
    char made[NAME_SIZE];

    (void)snprintf(made, sizeof(made), "new-link-%d", (int)gettid());
    (void)unlinkat(directory, made, 0);
    if (symlinkat(name, directory, made) == 0 && renameat(directory, made, directory, link) < 0) {
        (void)unlinkat(directory, made, 0);
    }
}

/* Store a kernel; a descriptor of it, or a negative errno and nothing is left. */
static int add_entry(int directory, const char *name, const struct vmctl_image *image)
{
    char made[NAME_SIZE];
    int fd;
    int r;

    (void)snprintf(made, sizeof(made), "new-%d", (int)gettid());
    (void)unlinkat(directory, made, 0);
    fd = openat(directory, made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    r = file_write_all(fd, image->data, image->size);
    if (r == 0 && (fdatasync(fd) < 0 || renameat(directory, made, directory, name) < 0)) {
        r = -errno;
    }
    if (r < 0) {
        (void)close(fd);
        (void)unlinkat(directory, made, 0);
        return r;
    }
    return fd;
}

/*
 * Pruning.
 */

struct entry {
    char name[NAME_SIZE];
    uint64_t size;
    struct timespec used;
};

static int older_first(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;

    if (a->used.tv_sec != b->used.tv_sec) {
        return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    }
    return (a->used.tv_nsec > b->used.tv_nsec) - (a->used.tv_nsec < b->used.tv_nsec);
}

/* Links whose kernel is gone are of no use; what began with "new-" was left by a crash. */
static bool is_rubbish(int directory, const char *name)
{
    struct stat status;

    if (strncmp(name, "id-", 3) == 0) {
        return fstatat(directory, name, &status, 0) < 0;
    }
    return strncmp(name, "new-", 4) == 0 &&
           fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_mtim.tv_sec + 3600 < time(NULL);
}

static size_t collect(int directory, DIR *list, struct entry *entries)
{
    const struct dirent *row;
    size_t count = 0;

    while ((row = readdir(list)) != NULL) {
        struct stat status;

        if (is_rubbish(directory, row->d_name)) {
            (void)unlinkat(directory, row->d_name, 0);
        } else if (count < ENTRIES && size_in_name(row->d_name) != 0 &&
                   fstatat(directory, row->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0) {
            struct entry *entry = &entries[count++];

            (void)snprintf(entry->name, sizeof(entry->name), "%.127s", row->d_name);
            entry->size = (uint64_t)status.st_size;
            entry->used = status.st_mtim;
        }
    }
    return count;
}

/* Remove the kernels used longest ago until the rest fits; never `keep`. */
static void prune(const struct kernel_cache *cache, int directory, const char *keep)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct entry *entries = malloc(ENTRIES * sizeof(*entries));
    DIR *list = copy < 0 ? NULL : fdopendir(copy);

    if (list == NULL && copy >= 0) {
        (void)close(copy);
    }
    if (list != NULL && entries != NULL) {
        size_t count = collect(directory, list, entries);
        uint64_t total = 0;

        qsort(entries, count, sizeof(*entries), older_first);
        for (size_t i = 0; i < count; i++) {
            total += entries[i].size;
        }
        for (size_t i = 0; i < count && total > cache->limit; i++) {
            if (strcmp(entries[i].name, keep) != 0 &&
                unlinkat(directory, entries[i].name, 0) == 0) {
                total -= entries[i].size;
            }
        }
    }
    if (list != NULL) {
        (void)closedir(list);
    }
    free(entries);
}

/* Without a cache: a file that has no name. */
static int keep_in_memory(const struct vmctl_image *image, struct vmctl_error *error)
{
    int fd = memfd_create("paravane-kernel", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : file_write_all(fd, image->data, image->size);

    if (r < 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return vmctl_fail(error, r, "keeping the unpacked kernel: %s", strerror(-r));
    }
    return fd;
}

/* Unpack `packed`, and put it in the cache if that can be. */
static int unpack(const struct kernel_cache *cache, const char *link, const void *packed,
                  size_t size, struct vmctl_error *error)
{
    struct vmctl_image image = { .data = NULL };
    char name[NAME_SIZE];
    int directory;
    int fd = -ENOENT;
    int r = vmctl_image_unpack(packed, size, VMCTL_IMAGE_LIMIT, &image, error);

    if (r < 0) {
        vmctl_error_reason(error, r == -ENOMEM ? VMCTL_NO_MEMORY : VMCTL_BAD_KERNEL);
        return r;
    }
    directory = open_directory(cache, true);
    if (directory >= 0) {
        kernel_name(packed, size, image.size, name);
        fd = open_entry(directory, name);
        if (fd < 0) {
            fd = add_entry(directory, name, &image);
        }
        if (fd >= 0) {
            add_link(directory, link, name);
            prune(cache, directory, name);
        }
        (void)close(directory);
    }
    if (fd < 0) {
        fd = keep_in_memory(&image, error);
    }
    vmctl_image_release(&image);
    return fd;
}

static int read_and_unpack(const struct kernel_cache *cache, int file, const struct stat *status,
                           const char *link, struct vmctl_error *error)
{
    size_t size = (size_t)status->st_size;
    void *packed;
    int r;

    if ((uint64_t)status->st_size > FILE_LIMIT) {
        vmctl_fail(error, -EFBIG, "the kernel has %zu MiB", size >> 20);
        vmctl_error_limit(error, "%llu MiB", (unsigned long long)FILE_LIMIT >> 20);
        return -EFBIG;
    }
    packed = malloc(size + 1);
    if (packed == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory to read a kernel of %zu bytes", size);
    }
    r = elf_kernel_read(file, 0, packed, size);
    if (r < 0) {
        vmctl_fail(error, r, "reading the kernel: %s",
                   r == -EINVAL ? "it is shorter than it was" : strerror(-r));
    } else {
        r = unpack(cache, link, packed, size, error);
    }
    free(packed);
    return r;
}

/* The unpacked kernel for an open file; `file` itself if it is ELF. */
static int from_file(const struct kernel_cache *cache, int file, bool *unpacked,
                     struct vmctl_error *error)
{
    char link[NAME_SIZE];
    struct stat status;
    uint8_t magic[4];
    int directory;
    int fd;

    if (fstat(file, &status) < 0) {
        return vmctl_fail(error, -errno, "%s", strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return vmctl_fail(error, -EINVAL, "it is not a regular file");
    }
    if (elf_kernel_read(file, 0, magic, sizeof(magic)) == 0 &&
        memcmp(magic, "\177ELF", sizeof(magic)) == 0) {
        return file;
    }
    identity(&status, link);
    directory = open_directory(cache, false);
    if (directory >= 0) {
        fd = look_up(directory, link);
        (void)close(directory);
        if (fd >= 0) {
            return fd;
        }
    }
    *unpacked = true;
    return read_and_unpack(cache, file, &status, link, error);
}

int kernel_cache_open(const struct kernel_cache *cache, const char *path, int *fd, bool *unpacked,
                      struct vmctl_error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int r;

    *unpacked = false;
    if (file < 0) {
        r = vmctl_fail(error, -errno, "%s", strerror(errno));
    } else {
        r = from_file(cache, file, unpacked, error);
    }
    if (r < 0) {
        vmctl_error_object(error, "kernel %s", path);
    } else {
        *fd = r;
    }
    if (file >= 0 && r != file) {
        (void)close(file);
    }
    return r < 0 ? r : 0;
}
