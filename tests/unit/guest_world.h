/* SPDX-License-Identifier: MIT */
/* A host without guests, and a guest to make: for tests of whole guests. */
#ifndef TESTS_UNIT_GUEST_WORLD_H
#define TESTS_UNIT_GUEST_WORLD_H

#include <sys/stat.h>

#include "libvmctl/guest_config.h"
#include "libvmctl/state_file.h"
#include "libvmctl/vmctl.h"
#include "tests/fake/fake_store.h"
#include "tests/fake/fake_xen.h"
#include "tests/unit/kernel_maker.h"
#include "tests/unit/scratch.h"

#define INITRD_SIZE 9000u

/* Where this test's files are; made once. */
static inline const char *world_directory(void)
{
    static char directory[SCRATCH_SIZE];

    if (directory[0] == '\0') {
        scratch_make(directory);
    }
    return directory;
}

static inline const char *world_file(const char *name)
{
    static char paths[4][SCRATCH_SIZE + 32];
    static unsigned int next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", world_directory(), name);
    return path;
}

static inline uint8_t initrd_byte(size_t at)
{
    return (uint8_t)(at * 13 + 5);
}

static inline void world_kernel(const struct kernel_wish *wish)
{
    struct kernel_image image;

    make_kernel(&image, wish);
    if (!write_file(world_file("kernel"), image.bytes, sizeof(image.bytes))) {
        abort();
    }
}

static inline void world_begin(void)
{
    uint8_t initrd[INITRD_SIZE];

    for (size_t i = 0; i < sizeof(initrd); i++) {
        initrd[i] = initrd_byte(i);
    }
    state_file_set_root(world_directory());
    state_file_remove(1);
    fake_xen_reset();
    fake_store_reset();
    world_kernel(&usual_kernel);
    if (!write_file(world_file("initrd"), initrd, sizeof(initrd))) {
        abort();
    }
}

static inline void world_end(void)
{
    scratch_remove(world_directory());
}

/* A guest "web" of 20 MiB; `more` goes between its elements. */
static inline struct guest_config *world_config(const char *name, const char *more)
{
    struct guest_config *config = NULL;
    char xml[2048];
    int length = snprintf(xml, sizeof(xml),
                          "<domain type='xen'><name>%s</name><memory unit='KiB'>%u</memory>"
                          "<vcpu>2</vcpu><os><type>linux</type><kernel>%s</kernel>"
                          "<initrd>%s</initrd><cmdline>console=hvc0 quiet</cmdline></os>%s"
                          "</domain>",
                          name, 20 * 1024 + 8, world_file("kernel"), world_file("initrd"), more);
    struct vmctl_error error = { .code = 0 };

    if (guest_config_parse(xml, (size_t)length, NULL, NULL, &config, &error) < 0) {
        (void)fprintf(stderr, "%s\n", error.message);
        abort();
    }
    return config;
}

static const char world_devices[] =
    "<devices><disk type='file' device='disk'><source file='/srv/web.img'/>"
    "<target dev='xvda'/></disk><interface type='bridge'><source bridge='br0'/>"
    "<mac address='00:16:3e:01:02:03'/></interface></devices>";

static inline bool world_has_description(uint32_t domid)
{
    char path[STATE_FILE_SIZE];
    struct stat status;

    state_file_path(domid, path);
    return stat(path, &status) == 0;
}

/* Nothing of any guest is left, or open. */
static inline bool world_is_empty(void)
{
    return fake_xen_domains() == 0 && fake_xen_leaks() == 0 && fake_store_leaks() == 0 &&
           fake_store_introduced() == 0 && fake_store_count() == 0 && !world_has_description(1);
}

#endif
