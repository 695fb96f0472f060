/* SPDX-License-Identifier: MIT */
/* New UUIDs: see uuid.h. */
#include "libvmctl/uuid.h"

#include <dlfcn.h>
#include <string.h>
#include <sys/random.h>

typedef void generate_fn(unsigned char *uuid);

/* RFC 9562, 5.4. */
static void make_from_random(uint8_t uuid[16])
{
    if (getrandom(uuid, 16, 0) == 16) {
        uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
        uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    }
}

void uuid_make(uint8_t uuid[16])
{
    void *library = dlopen("libuuid.so.1", RTLD_NOW | RTLD_LOCAL);
    void *symbol = library != NULL ? dlsym(library, "uuid_generate_random") : NULL;
    generate_fn *generate;

    if (symbol == NULL) {
        make_from_random(uuid);
    } else {
        memcpy(&generate, &symbol, sizeof(generate));
        generate(uuid);
    }
    if (library != NULL) {
        (void)dlclose(library);
    }
}
