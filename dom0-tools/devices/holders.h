/* SPDX-License-Identifier: MIT */
/* Who in dom0 uses a block device: for the words of an error. */
#ifndef DOM0_TOOLS_DEVICES_HOLDERS_H
#define DOM0_TOOLS_DEVICES_HOLDERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Write e.g. "mounted on /srv" into `words`; empty if nobody is found.  `sys`
 * and `proc` are where those file systems are ("/sys", "/proc").
 */
void holders_describe(const char *sys, const char *proc, dev_t device, char *words, size_t room);

/*
 * Who writes a file: a loop device (then true), or a program; "a program" if it
 * is not found.
 */
bool holders_describe_file(const char *sys, const char *proc, dev_t device, ino_t inode,
                           char *words, size_t room);

#endif
