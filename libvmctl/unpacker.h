/* SPDX-License-Identifier: MIT */
/*
 * Unpacking by vmctl-unpack.so, which is loaded when it is first needed: so
 * libvmctl itself is linked with no compression library.
 */
#ifndef LIBVMCTL_UNPACKER_H
#define LIBVMCTL_UNPACKER_H

#include "libvmctl/image.h"

/* vmctl_image_unpack() with the usual limit; the image's data is for free(3). */
int unpacker_unpack(const void *file, size_t size, struct vmctl_image *image,
                    struct vmctl_error *error);

#endif
