/* SPDX-License-Identifier: MIT */
/*
 * Reading XML, as much of it as a guest.xml may use: elements, attributes,
 * text, CDATA, comments, the five predefined entities and numeric references,
 * in UTF-8.  There is no DTD, so nothing can be declared, fetched or expanded.
 *
 * The reader works inside the buffer it is given: names and values are ends of
 * that buffer, decoded in place and terminated with NUL.
 */
#ifndef LIBVMCTL_CONFIG_XML_H
#define LIBVMCTL_CONFIG_XML_H

#include <stdbool.h>
#include <stddef.h>

#define XML_DEPTH_MAX      32
#define XML_ATTRIBUTES_MAX 24

enum xml_event {
    XML_START,    /* name, attributes */
    XML_TEXT,     /* text, without blanks around it; not told where it is all blank */
    XML_END,      /* name */
    XML_FINISHED, /* the document was complete */
    XML_BROKEN,   /* line, words; nothing follows */
};

struct xml_attribute {
    const char *name;
    const char *value;
    unsigned int line;
};

struct xml_open {
    char *name;
    unsigned int line;
};

struct xml_reader {
    char *at;
    unsigned int line;
    bool begun;  /* the root element was seen */
    bool in_tag; /* `at` is behind the '<' of a tag */
    bool empty;  /* the last tag ended in '/>' */
    bool is_broken;
    size_t depth;
    struct xml_open open[XML_DEPTH_MAX];
    /* of the last event */
    const char *name;
    const char *text;
    unsigned int event_line;
    struct xml_attribute attributes[XML_ATTRIBUTES_MAX];
    size_t attribute_count;
    char words[160];
};

/* `text` has room for a NUL at text[length], and is the reader's until the end. */
void xml_begin(struct xml_reader *reader, char *text, size_t length);
enum xml_event xml_next(struct xml_reader *reader);

#endif
