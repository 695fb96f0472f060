/* SPDX-License-Identifier: MIT */
/*
 * The XML reader: see config_xml.h.
 *
 * The characters are checked once, at the start, so that NUL is a sentinel:
 * every scan below stops there without asking for the length.
 */
#include "libvmctl/config_xml.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static enum xml_event broken(struct xml_reader *reader, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum xml_event broken(struct xml_reader *reader, const char *format, ...)
{
    va_list words;

    if (!reader->is_broken) {
        reader->is_broken = true;
        reader->event_line = reader->line;
        va_start(words, format);
        (void)vsnprintf(reader->words, sizeof(reader->words), format, words);
        va_end(words);
    }
    return XML_BROKEN;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (unsigned char)c >= 0x80;
}

static bool is_name(char c)
{
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool starts(const char *at, const char *prefix)
{
    return strncmp(at, prefix, strlen(prefix)) == 0;
}

/* Characters that XML allows at all. */
static bool is_character(uint32_t c)
{
    if (c < 0x20) {
        return c == '\t' || c == '\n' || c == '\r';
    }
    return c < 0xd800 || (c > 0xdfff && c < 0xfffe) || (c > 0xffff && c < 0x110000);
}

/* Length of the UTF-8 sequence at `at`, 0 where there is none. */
static size_t utf8_length(const unsigned char *at, const unsigned char *end)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    size_t length = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    uint32_t c = at[0];
    size_t i;

    if (length == 0 || at[0] > 0xf4 || (size_t)(end - at) < length) {
        return 0;
    }
    if (length > 1) {
        c &= 0x7fu >> length;
    }
    for (i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (at[i] & 0x3fu);
    }
    return c >= least[length] && is_character(c) ? length : 0;
}

static void check_characters(struct xml_reader *reader, const char *text, size_t length)
{
    const unsigned char *at = (const unsigned char *)text;
    const unsigned char *end = at + length;

    while (at < end) {
        if (*at >= ' ' && *at < 0x80) {
            at++;
            continue;
        }
        size_t step = utf8_length(at, end);
        if (step == 0) {
            (void)broken(reader,
                         *at < ' ' ? "byte 0x%02x may not stand in XML"
                                   : "byte 0x%02x is not UTF-8, the one encoding read here",
                         *at);
            return;
        }
        reader->line += *at == '\n';
        at += step;
    }
    reader->line = 1;
}

static void skip_blanks(struct xml_reader *reader)
{
    while (is_blank(*reader->at)) {
        reader->line += *reader->at == '\n';
        reader->at++;
    }
}

/* Move on behind the next `end`; false, and `at` unmoved, if there is none. */
static bool skip_past(struct xml_reader *reader, const char *end)
{
    const char *found = strstr(reader->at, end);

    if (found == NULL) {
        return false;
    }
    while (reader->at < found) {
        reader->line += *reader->at == '\n';
        reader->at++;
    }
    reader->at += strlen(end);
    return true;
}

/* What begins with '<!' or '<?' and is not CDATA.  False: broken. */
static bool skip_other(struct xml_reader *reader)
{
    if (starts(reader->at, "<!--")) {
        reader->at += 4;
        if (!skip_past(reader, "--")) {
            (void)broken(reader, "a comment does not end");
        } else if (*reader->at != '>') {
            (void)broken(reader, "'--' may not stand inside a comment");
        } else {
            reader->at++;
        }
    } else if (starts(reader->at, "<?")) {
        reader->at += 2;
        if (!is_name_start(*reader->at) ||
            (strncasecmp(reader->at, "xml", 3) == 0 && !is_name(reader->at[3]))) {
            (void)broken(reader, "'<?xml' may stand only at the very beginning");
        } else if (!skip_past(reader, "?>")) {
            (void)broken(reader, "a processing instruction does not end");
        }
    } else if (starts(reader->at, "<!DOCTYPE")) {
        (void)broken(reader, "a DOCTYPE is refused: guest.xml may declare no entities");
    } else {
        (void)broken(reader, "'<!' begins nothing known");
    }
    return !reader->is_broken;
}

static char *put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
    } else {
        if (c < 0x10000) {
            *to++ = (char)(0xe0 | c >> 12);
        } else {
            *to++ = (char)(0xf0 | c >> 18);
            *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (c & 0x3f));
    return to;
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* "&#...;" at `at`: the character it stands for goes to `to`. */
static char *put_numeric(struct xml_reader *reader, char *to)
{
    const char *at = reader->at + 2;
    int base = 10;
    uint32_t c = 0;

    if (*at == 'x') {
        base = 16;
        at++;
    }
    if (digit_of(*at) >= base) {
        (void)broken(reader, "a reference '&#...;' without a number");
        return to;
    }
    for (; digit_of(*at) < base; at++) {
        c = c * (uint32_t)base + (uint32_t)digit_of(*at);
        if (c > 0x10ffff) {
            break;
        }
    }
    if (*at != ';' || !is_character(c)) {
        (void)broken(reader, "a reference '&#...;' that stands for no character");
        return to;
    }
    reader->at += at + 1 - reader->at;
    return put_utf8(to, c);
}

/* A reference: what it stands for is never longer than itself. */
static char *put_reference(struct xml_reader *reader, char *to)
{
    static const struct {
        const char *name;
        char character;
    } known[] = {
        { "&lt;", '<' }, { "&gt;", '>' }, { "&amp;", '&' }, { "&quot;", '"' }, { "&apos;", '\'' }
    };
    int length = 0;
    size_t i;

    if (reader->at[1] == '#') {
        return put_numeric(reader, to);
    }
    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (starts(reader->at, known[i].name)) {
            reader->at += strlen(known[i].name);
            *to++ = known[i].character;
            return to;
        }
    }
    while (length < 40 && is_name(reader->at[1 + length])) {
        length++;
    }
    (void)broken(reader, "entity '&%.*s;' is refused: only &lt; &gt; &amp; &quot; &apos; are known",
                 length, reader->at + 1);
    return to;
}

/* The character at `at`, a line's end as one '\n', whatever it was. */
static char *put_plain(struct xml_reader *reader, char *to)
{
    char c = *reader->at++;

    if (c == '\r') {
        if (*reader->at == '\n') {
            reader->at++;
        }
        c = '\n';
    }
    reader->line += c == '\n';
    *to++ = c;
    return to;
}

static char *put_cdata(struct xml_reader *reader, char *to)
{
    reader->at += strlen("<![CDATA[");
    while (!starts(reader->at, "]]>")) {
        if (*reader->at == '\0') {
            (void)broken(reader, "a CDATA section does not end");
            return to;
        }
        to = put_plain(reader, to);
    }
    reader->at += 3;
    return to;
}

/* Length of the name at `at`; 0, and broken, if there is none (`of` says what of). */
static size_t name_length(struct xml_reader *reader, const char *of)
{
    size_t length = 0;

    if (is_name_start(*reader->at)) {
        while (is_name(reader->at[length])) {
            length++;
        }
    } else if (*reader->at == '\0') {
        (void)broken(reader, "the file ends where the name of %s was expected", of);
    } else {
        (void)broken(reader, "'%c' where the name of %s was expected", *reader->at, of);
    }
    return length;
}

/* A quoted value without blanks at its ends; ends up behind the closing quote. */
static const char *read_value(struct xml_reader *reader, const char *name)
{
    char quote = *reader->at;
    char *value = reader->at + 1;
    char *to = value;

    if (quote != '"' && quote != '\'') {
        (void)broken(reader, "the value of attribute '%.40s' is not in quotes", name);
        return NULL;
    }
    reader->at++;
    while (*reader->at != quote && !reader->is_broken) {
        if (*reader->at == '\0' || *reader->at == '<') {
            (void)broken(reader, "the value of attribute '%.40s' has no closing quote", name);
        } else if (*reader->at == '&') {
            to = put_reference(reader, to);
        } else {
            to = put_plain(reader, to);
            if (is_blank(to[-1])) {
                to[-1] = ' ';
            }
        }
    }
    reader->at++;
    while (value < to && is_blank(*value)) {
        value++;
    }
    while (to > value && is_blank(to[-1])) {
        to--;
    }
    *to = '\0';
    return value;
}

static bool read_attribute(struct xml_reader *reader)
{
    struct xml_attribute *attribute = &reader->attributes[reader->attribute_count];
    char *name = reader->at;
    size_t length = name_length(reader, "an attribute");
    size_t i;

    if (length == 0) {
        return false;
    }
    if (reader->attribute_count == XML_ATTRIBUTES_MAX) {
        (void)broken(reader, "more than %d attributes in one element", XML_ATTRIBUTES_MAX);
        return false;
    }
    attribute->line = reader->line;
    reader->at += length;
    skip_blanks(reader);
    if (*reader->at != '=') {
        (void)broken(reader, "attribute '%.*s' has no value", length < 40 ? (int)length : 40, name);
        return false;
    }
    reader->at++;
    name[length] = '\0';
    skip_blanks(reader);
    attribute->name = name;
    attribute->value = read_value(reader, name);
    for (i = 0; i < reader->attribute_count; i++) {
        if (strcmp(reader->attributes[i].name, name) == 0) {
            (void)broken(reader, "attribute '%.40s' is given twice", name);
        }
    }
    reader->attribute_count++;
    return !reader->is_broken;
}

static enum xml_event read_start(struct xml_reader *reader)
{
    char *name = reader->at;
    size_t length = name_length(reader, "an element");

    reader->event_line = reader->line;
    reader->attribute_count = 0;
    if (length == 0) {
        return XML_BROKEN;
    }
    if (reader->depth == XML_DEPTH_MAX) {
        return broken(reader, "elements nested deeper than %d", XML_DEPTH_MAX);
    }
    if (reader->depth == 0 && reader->begun) {
        return broken(reader, "a second element at the top");
    }
    reader->at += length;
    for (;;) {
        bool apart = is_blank(*reader->at);

        skip_blanks(reader);
        if (*reader->at == '>' || starts(reader->at, "/>")) {
            break;
        }
        if (!apart) {
            return broken(reader, "element '%.*s': its tag is not closed by '>'",
                          length < 40 ? (int)length : 40, name);
        }
        if (!read_attribute(reader)) {
            return XML_BROKEN;
        }
    }
    reader->empty = *reader->at == '/';
    reader->at += reader->empty ? 2 : 1;
    name[length] = '\0';
    reader->begun = true;
    reader->name = name;
    reader->open[reader->depth].name = name;
    reader->open[reader->depth].line = reader->event_line;
    reader->depth++;
    return XML_START;
}

static enum xml_event read_end(struct xml_reader *reader)
{
    const struct xml_open *open;
    size_t length;

    reader->at++;
    length = name_length(reader, "an element");
    if (length == 0) {
        return XML_BROKEN;
    }
    if (reader->depth == 0) {
        return broken(reader, "an end tag without a start");
    }
    open = &reader->open[reader->depth - 1];
    if (strlen(open->name) != length || memcmp(open->name, reader->at, length) != 0) {
        return broken(reader, "</%.*s> where </%.40s> was expected (it began in line %u)",
                      length < 40 ? (int)length : 40, reader->at, open->name, open->line);
    }
    reader->at += length;
    skip_blanks(reader);
    if (*reader->at != '>') {
        return broken(reader, "the end tag of <%.40s> is not closed by '>'", open->name);
    }
    reader->at++;
    reader->event_line = reader->line;
    reader->name = open->name;
    reader->depth--;
    return XML_END;
}

/* Read up to the next tag.  True: there was text, and it lies in reader->text. */
static bool read_text(struct xml_reader *reader)
{
    char *start = reader->at;
    char *to = start;
    unsigned int line = 0; /* of the first character that is not blank */

    while (!reader->is_broken) {
        if (*reader->at == '\0') {
            break;
        }
        if (starts(reader->at, "<![CDATA[")) {
            line = line == 0 ? reader->line : line;
            to = put_cdata(reader, to);
        } else if (*reader->at == '<') {
            if (reader->at[1] != '!' && reader->at[1] != '?') {
                break;
            }
            (void)skip_other(reader);
        } else if (starts(reader->at, "]]>")) {
            (void)broken(reader, "']]>' may not stand in text");
        } else {
            line = line == 0 && !is_blank(*reader->at) ? reader->line : line;
            to = *reader->at == '&' ? put_reference(reader, to) : put_plain(reader, to);
        }
    }
    if (reader->is_broken) {
        return false;
    }
    if (*reader->at == '<') {
        reader->at++;
        reader->in_tag = true;
    }
    while (start < to && is_blank(*start)) {
        start++;
    }
    while (to > start && is_blank(to[-1])) {
        to--;
    }
    *to = '\0';
    reader->text = start;
    reader->event_line = line;
    return to > start;
}

/* "<?xml version='1.0' encoding='UTF-8'?>", where it is there. */
static void read_declaration(struct xml_reader *reader)
{
    if (starts(reader->at, "\xef\xbb\xbf")) {
        reader->at += 3;
    }
    if (!starts(reader->at, "<?xml") || !is_blank(reader->at[5])) {
        return;
    }
    reader->at += 5;
    reader->attribute_count = 0;
    for (;;) {
        skip_blanks(reader);
        if (*reader->at == '?' || !read_attribute(reader)) {
            break;
        }
        const struct xml_attribute *said = &reader->attributes[reader->attribute_count - 1];
        if (strcmp(said->name, "version") == 0 && strcmp(said->value, "1.0") != 0) {
            (void)broken(reader, "XML version '%.20s': only 1.0 is read here", said->value);
        } else if (strcmp(said->name, "encoding") == 0 && strcasecmp(said->value, "utf-8") != 0 &&
                   strcasecmp(said->value, "us-ascii") != 0) {
            (void)broken(reader, "encoding '%.20s': only UTF-8 is read here", said->value);
        }
    }
    if (!reader->is_broken && !starts(reader->at, "?>")) {
        (void)broken(reader, "the '<?xml' declaration does not end in '?>'");
    }
    reader->at += reader->is_broken ? 0 : 2;
}

void xml_begin(struct xml_reader *reader, char *text, size_t length)
{
    memset(reader, 0, sizeof(*reader));
    text[length] = '\0';
    reader->at = text;
    reader->line = 1;
    if (length >= 2 && (starts(text, "\xff\xfe") || starts(text, "\xfe\xff"))) {
        (void)broken(reader, "this is UTF-16; only UTF-8 is read here");
        return;
    }
    check_characters(reader, text, length);
    if (!reader->is_broken) {
        read_declaration(reader);
    }
}

enum xml_event xml_next(struct xml_reader *reader)
{
    if (reader->is_broken) {
        return XML_BROKEN;
    }
    if (reader->empty) {
        reader->empty = false;
        reader->depth--;
        reader->name = reader->open[reader->depth].name;
        return XML_END;
    }
    if (!reader->in_tag) {
        bool any = read_text(reader);

        if (reader->is_broken) {
            return XML_BROKEN;
        }
        if (any && reader->depth == 0) {
            reader->line = reader->event_line;
            return broken(reader, "text outside of any element: this is not XML");
        }
        if (any) {
            return XML_TEXT;
        }
    }
    if (!reader->in_tag) {
        if (reader->depth > 0) {
            return broken(reader, "the file ends inside <%.40s>, which began in line %u",
                          reader->open[reader->depth - 1].name,
                          reader->open[reader->depth - 1].line);
        }
        return reader->begun ? XML_FINISHED : broken(reader, "there is no element in it");
    }
    reader->in_tag = false;
    return *reader->at == '/' ? read_end(reader) : read_start(reader);
}
