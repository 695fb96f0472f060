/* SPDX-License-Identifier: MIT */
/* New UUIDs, by libuuid, which is loaded when it is first needed. */
#ifndef LIBVMCTL_UUID_H
#define LIBVMCTL_UUID_H

#include <stdint.h>

/* A random one (version 4); without libuuid, from the kernel's random numbers. */
void uuid_make(uint8_t uuid[16]);

#endif
