/* SPDX-License-Identifier: MIT */
/* What vmctl says: JSON, colours, errors. */
#ifndef DOM0_TOOLS_VMCTL_OUTPUT_H
#define DOM0_TOOLS_VMCTL_OUTPUT_H

#include "libvmctl/vmctl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * A JSON document as it is written.  `key` is NULL for an element of an array
 * and for the document itself.
 */
struct json {
    FILE *file;
    unsigned int depth;
    bool follows; /* something stands before, on this level */
};

void json_begin(struct json *json, const char *key, char bracket); /* '{' or '[' */
void json_end(struct json *json, char bracket);                    /* '}' or ']' */
void json_text(struct json *json, const char *key, const char *text);
/* Of `length` bytes, which may be any. */
void json_bytes(struct json *json, const char *key, const char *bytes, size_t length);
void json_number(struct json *json, const char *key, uint64_t number);
void json_bool(struct json *json, const char *key, bool value);
void json_error(struct json *json, const char *key, const struct vmctl_error *error);

enum colour {
    COLOUR_NONE,
    COLOUR_BOLD,
    COLOUR_RED,
    COLOUR_GREEN,
    COLOUR_YELLOW,
};

/* Escape sequences, or "" where there are to be no colours. */
const char *colour_on(bool colours, enum colour colour);
const char *colour_off(bool colours);

/* "512 MiB", "1.5 GiB". */
void format_kib(uint64_t kib, char *text, size_t size);

/* Characters that a terminal would obey become '?'. */
void put_safely(FILE *file, const char *text);

/* Error as lines for people. */
void put_error(FILE *file, const struct vmctl_error *error);

/* 0 for NULL or no error, else a number that never changes its meaning. */
int exit_code(const struct vmctl_error *error);

#endif
