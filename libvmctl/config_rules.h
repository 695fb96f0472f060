/* SPDX-License-Identifier: MIT */
/*
 * The elements of a guest.xml as a table: what may stand where, and which
 * function takes its value into struct guest_config.  The same language is
 * written down for others in guest.rng; tests/unit/test_config_schema.c walks
 * both and finds where they differ.
 */
#ifndef LIBVMCTL_CONFIG_RULES_H
#define LIBVMCTL_CONFIG_RULES_H

#include "libvmctl/config_xml.h"
#include "libvmctl/guest_config.h"

#define RULE_CHILDREN_MAX 64

/* What a console or serial element said. */
struct config_console {
    bool given;
    bool append;
    enum guest_console_type type;
    const char *path; /* of <source> */
    const char *log;  /* of <log> */
    bool log_append;
};

/* A guest.xml being read. */
struct config_parse {
    struct xml_reader xml;
    struct guest_config *config;
    const char *called;
    const struct guest_reporter *reporter;
    struct vmctl_error *error;
    int failed; /* code of the first thing that was wrong */

    /* Where: for messages. */
    unsigned int line;
    const char *element;
    const struct xml_attribute *attribute; /* NULL: the element itself, or its text */

    /* Attributes, until their element is complete. */
    const char *unit;
    const char *root;
    bool has_uuid;
    bool cpus_online_given;
    bool console_given;
    bool needs_adjustment;
    int64_t pin_vcpu;
    struct guest_cpuset pin_cpus;
    struct guest_disk disk;
    const char *file;
    const char *device;
    struct guest_nic nic;
    struct config_console console;
};

typedef void rule_fn(struct config_parse *parse);
typedef void rule_value_fn(struct config_parse *parse, const char *value);

struct attribute_rule {
    const char *name; /* NULL ends the table */
    bool required;
    const char *const *choices; /* the only values, NULL: any */
    rule_value_fn *take;        /* NULL: allowed, means nothing here */
    const char *remedy;         /* for whoever has another of libvirt's values, or NULL */
};

enum rule_standing {
    RULE_TAKEN,
    RULE_IGNORED, /* with everything in it: libvirt writes it, it means nothing here */
    RULE_NOTED,   /* the same, but the user is told */
    RULE_REFUSED,
};

struct element_rule {
    const char *name; /* NULL ends the table */
    enum rule_standing standing;
    bool many;
    bool required;
    const struct attribute_rule *attributes;
    const struct element_rule *children;
    rule_value_fn *text; /* NULL: no text */
    rule_fn *begin;
    rule_fn *end;
    const char *words; /* for RULE_NOTED and RULE_REFUSED: why */
};

extern const struct element_rule config_root;

/* Something is wrong, or understood but without effect, at the place in `parse`. */
void config_amiss(struct config_parse *parse, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_note(struct config_parse *parse, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `result` of a check with its words in `inner`: reported if it is not 0. */
bool config_passed(struct config_parse *parse, int result, const struct vmctl_error *inner);

#endif
