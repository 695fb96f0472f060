/* SPDX-License-Identifier: MIT */
/*
 * Kernels as the builder wants them: unpacked ELF files.
 *
 * What is ELF already is used as it is.  A bzImage is unpacked once, into
 *
 *     <cache>/<sha256 of the bzImage>-<size of the kernel>
 *
 * and found again by a symbolic link that is named after the file's device,
 * inode, size and times, so that later guests neither read nor hash it.  (Only
 * root can make the two times of a changed file the same as before, and root
 * can write to the cache as well.)  By content, so that copies of one kernel
 * are kept once; by identity, so that looking it up costs nothing.
 *
 * New files appear by rename(2), complete or not at all.  A file that has not
 * the size its name says, or is not root's alone to write, is not used.  The
 * kernels used longest ago go when the cache has more than its limit.
 */
#ifndef LIBVMCTL_KERNEL_CACHE_H
#define LIBVMCTL_KERNEL_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "libvmctl/error.h"

#define KERNEL_CACHE_DIRECTORY "/var/cache/paravane/kernels"
#define KERNEL_CACHE_LIMIT     (UINT64_C(1) << 30) /* bytes of unpacked kernels */

struct kernel_cache {
    const char *directory;
    uint64_t limit;
};

/*
 * Open the kernel at `path`, unpacked.  *unpacked says whether that took
 * unpacking now.  If the cache cannot be written the kernel is unpacked all the
 * same, for this once.
 */
int kernel_cache_open(const struct kernel_cache *cache, const char *path, int *fd, bool *unpacked,
                      struct vmctl_error *error);

#endif
