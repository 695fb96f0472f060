/* SPDX-License-Identifier: MIT */
/*
 * Commands and their options as data.  The parser, `vmctl help`, the man page
 * and the shell completion are all made from these tables.
 */
#ifndef DOM0_TOOLS_VMCTL_OPTIONS_H
#define DOM0_TOOLS_VMCTL_OPTIONS_H

#include "libvmctl/vmctl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct program;

struct option_spec {
    const char *name;     /* long name, without the dashes; NULL ends the table */
    char letter;          /* short name, or 0 */
    const char *argument; /* how help names the value; NULL for a flag */
    const char *help;
    bool *flag; /* exactly one of these says where it goes */
    const char **text;
    uint64_t *number;
};

/* What the shell offers for an operand. */
enum completes {
    COMPLETES_NOTHING,
    COMPLETES_GUESTS,
    COMPLETES_FILES,
    COMPLETES_COMMANDS,
};

#define OPERANDS_MANY SIZE_MAX

struct command {
    const char *name;
    const char *operands; /* as help shows them */
    size_t least;
    size_t most;
    enum completes completes;
    const char *summary; /* one sentence */
    const char *details; /* more of them, for help and the man page; or NULL */
    const struct option_spec *options;
    int (*run)(struct program *program, char **operands, size_t count, struct vmctl_error *error);
};

/* Ends with a NULL. */
extern const struct command *const commands[];
extern const struct option_spec global_options[];

/* A command line, taken apart. */
struct parsed {
    const struct command *command; /* NULL if there is none */
    char **operands;               /* inside argv, put together in front */
    size_t count;
};

const struct command *command_find(const char *name);
/* Says so, and which one may be meant; returns -EINVAL. */
int command_unknown(const char *name, struct vmctl_error *error);

/* Options go where their tables say.  `argv` is reordered. */
int options_parse(int argc, char **argv, struct parsed *parsed, struct vmctl_error *error);

/* Whether the command has as many operands as it wants. */
int operands_check(const struct parsed *parsed, struct vmctl_error *error);

/* Number with K, M, G or T behind it, or KiB to TiB, in KiB. */
int size_parse(const char *text, uint64_t *kib, struct vmctl_error *error);

#endif
