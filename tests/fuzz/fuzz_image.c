/* SPDX-License-Identifier: MIT */
/*
 * Any file given to the kernel unpacker.  Built with --enable-fuzzing this is a
 * libFuzzer target; otherwise replay.c gives it the files of corpus/image.
 */
#include <stdint.h>
#include <stdlib.h>

#include "libvmctl/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const size_t limit = 4 << 20;
    struct vmctl_image image = { .data = NULL };
    struct vmctl_error error = { .code = 0 };
    int r = vmctl_image_unpack(data, size, limit, &image, &error);

    if (r < 0 && (image.data != NULL || error.code != r || error.message[0] == '\0')) {
        abort(); /* a failure leaves its output alone, and says why */
    }
    if (r == 0 && (image.data == NULL || image.size > limit)) {
        abort();
    }
    vmctl_image_release(&image);
    return 0;
}
