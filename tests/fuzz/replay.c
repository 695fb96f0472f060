/* SPDX-License-Identifier: MIT */
/* Give files to a fuzz target, where there is no libFuzzer to do it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *name)
{
    FILE *file = fopen(name, "rb");
    uint8_t *data = NULL;
    long size = -1;
    int status = 1;

    if (file != NULL && fseek(file, 0, SEEK_END) == 0) {
        size = ftell(file);
        rewind(file);
    }
    if (size >= 0) {
        data = malloc(size == 0 ? 1 : (size_t)size);
    }
    if (data != NULL && fread(data, 1, (size_t)size, file) == (size_t)size) {
        (void)LLVMFuzzerTestOneInput(data, (size_t)size);
        status = 0;
    } else {
        (void)fprintf(stderr, "%s: cannot be read\n", name);
    }
    free(data);
    if (file != NULL) {
        (void)fclose(file);
    }
    return status;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;

    for (int i = 1; i < argc; i++) {
        failed |= replay(argv[i]);
    }
    printf("%d files replayed\n", argc - 1);
    return failed;
}
