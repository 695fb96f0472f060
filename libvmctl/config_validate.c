/* SPDX-License-Identifier: MIT */
/*
 * Holding a guest.xml against guest.rng, with libxml2.
 *
 * This is not part of libvmctl: libxml2 brings ICU and the C++ library along, and
 * to load them costs more than to create a guest (docs/user/guest-xml.md, "How it
 * is read").  It is in a program of its own, paravane-check-schema, and in tests.
 */
#include "libvmctl/config_xml.h"
#include "libvmctl/guest_config.h"

#include <errno.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlerror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What libxml2 finds, on its way to us. */
struct finding {
    const struct guest_reporter *reporter;
    unsigned int count;
    unsigned int line;
    char words[200]; /* of the first */
};

/* Of two lines for one mistake libxml2 gives the less telling one last. */
static void collect(void *context, const xmlError *found)
{
    struct finding *finding = context;
    char words[sizeof(finding->words)];

    (void)snprintf(words, sizeof(words), "%s", found->message != NULL ? found->message : "?");
    words[strcspn(words, "\n")] = '\0';
    if (finding->count++ == 0) {
        finding->line = found->line > 0 ? (unsigned int)found->line : 0;
        memcpy(finding->words, words, sizeof(words));
    }
    if (finding->reporter != NULL && finding->reporter->report != NULL) {
        finding->reporter->report(finding->reporter->context,
                                  found->line > 0 ? (unsigned int)found->line : 0, true, words);
    }
}

static void collect_changeable(void *context, xmlErrorPtr found)
{
    collect(context, found);
}

static xmlRelaxNGPtr load_schema(const char *path, struct vmctl_error *error)
{
    struct finding finding = { .reporter = NULL };
    xmlRelaxNGParserCtxtPtr parser;
    xmlRelaxNGPtr schema = NULL;
    char *text = NULL;
    size_t length = 0;

    /* Read here: libxml2 opens no file, and so cannot complain on stderr about one. */
    if (guest_config_read_file(path, &text, &length, error) < 0) {
        (void)(error == NULL ? 0 : vmctl_context(error, error->code, "read the schema"));
        return NULL;
    }
    parser = xmlRelaxNGNewMemParserCtxt(text, (int)length);
    if (parser != NULL) {
        xmlRelaxNGSetParserStructuredErrors(parser, collect_changeable, &finding);
        schema = xmlRelaxNGParse(parser);
        xmlRelaxNGFreeParserCtxt(parser);
    }
    free(text);
    if (schema == NULL) {
        (void)vmctl_fail(error, -ENOENT, "%s",
                         finding.count > 0 ? finding.words : "it cannot be loaded");
        if (error != NULL) {
            vmctl_error_object(error, "schema %s", path);
        }
    }
    return schema;
}

static int validate(xmlRelaxNGPtr schema, xmlDocPtr document, struct finding *finding)
{
    xmlRelaxNGValidCtxtPtr context = xmlRelaxNGNewValidCtxt(schema);
    int r;

    if (context == NULL) {
        return -ENOMEM;
    }
    xmlRelaxNGSetValidStructuredErrors(context, collect_changeable, finding);
    r = xmlRelaxNGValidateDoc(context, document);
    xmlRelaxNGFreeValidCtxt(context);
    return r == 0 ? 0 : r > 0 ? -EINVAL : -ENOMEM;
}

static int invalid(const struct finding *finding, const char *called, struct vmctl_error *error)
{
    (void)vmctl_fail(error, -EINVAL, "%s",
                     finding->count > 0 ? finding->words : "not valid by the schema");
    if (error != NULL) {
        vmctl_error_object(error, "%.60s:%u", called, finding->line);
    }
    return -EINVAL;
}

/*
 * Nothing that our own reader refuses gets to libxml2: no DTD, so no entities;
 * bounded size and depth.
 */
static int check_reader(const char *text, size_t length, const char *called,
                        struct vmctl_error *error)
{
    struct xml_reader reader;
    enum xml_event event;
    char *copy = length > GUEST_TEXT_MAX ? NULL : malloc(length + 1);
    int r = 0;

    if (copy == NULL) {
        return vmctl_fail(error, length > GUEST_TEXT_MAX ? -EFBIG : -ENOMEM,
                          "%s: too large, or no memory", called);
    }
    memcpy(copy, text, length);
    xml_begin(&reader, copy, length);
    do {
        event = xml_next(&reader);
    } while (event != XML_FINISHED && event != XML_BROKEN);
    if (event == XML_BROKEN) {
        r = vmctl_fail(error, -EINVAL, "%s", reader.words);
        if (error != NULL) {
            vmctl_error_object(error, "%.60s:%u", called, reader.event_line);
        }
    }
    free(copy);
    return r;
}

int guest_config_validate(const char *text, size_t length, const char *called, const char *schema,
                          const struct guest_reporter *reporter, struct vmctl_error *error)
{
    struct finding finding = { .reporter = reporter };
    const char *name = called == NULL ? "guest.xml" : called;
    xmlRelaxNGPtr rules;
    xmlDocPtr document;
    int r = check_reader(text, length, name, error);

    if (r < 0) {
        return r;
    }
    rules = load_schema(schema, error);
    if (rules == NULL) {
        return -ENOENT;
    }
    document = xmlReadMemory(text, (int)length, name, NULL,
                             XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    r = document == NULL ? -EINVAL : validate(rules, document, &finding);
    if (r == -EINVAL) {
        r = invalid(&finding, name, error);
    } else if (r < 0) {
        r = vmctl_fail(error, r, "the schema could not be applied to %s", name);
    }
    if (document != NULL) {
        xmlFreeDoc(document);
    }
    xmlRelaxNGFree(rules);
    return r;
}
