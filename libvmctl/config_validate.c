/* SPDX-License-Identifier: MIT */
/*
 * Holding a guest.xml against guest.rng, with libxml2.
 *
 * libxml2 is loaded only here.  It brings ICU and the C++ library with it, and
 * to link them to the library would cost each start of vmctl a third of what
 * creating a guest may cost in all (docs/user/guest-xml.md, "How it is read").
 */
#include "libvmctl/config_xml.h"
#include "libvmctl/guest_config.h"

#include <dlfcn.h>
#include <errno.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/xmlerror.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBXML2 "libxml2.so.2"

/* The functions used below, under their own names. */
#define LIBXML_FUNCTIONS(X)                \
    X(xmlReadMemory)                       \
    X(xmlFreeDoc)                          \
    X(xmlRelaxNGNewMemParserCtxt)          \
    X(xmlRelaxNGSetParserStructuredErrors) \
    X(xmlRelaxNGParse)                     \
    X(xmlRelaxNGFreeParserCtxt)            \
    X(xmlRelaxNGNewValidCtxt)              \
    X(xmlRelaxNGSetValidStructuredErrors)  \
    X(xmlRelaxNGValidateDoc)               \
    X(xmlRelaxNGFreeValidCtxt)             \
    X(xmlRelaxNGFree)

struct libxml {
    void *library;
#define X(name) __typeof__(name) *name;
    LIBXML_FUNCTIONS(X)
#undef X
};

/* What libxml2 finds, on its way to us. */
struct finding {
    const struct guest_reporter *reporter;
    unsigned int count;
    unsigned int line;
    char words[200]; /* of the first */
};

static int load(struct libxml *xml, struct vmctl_error *error)
{
    static const char *const names[] = {
#define X(name) #name,
        LIBXML_FUNCTIONS(X)
#undef X
    };
    void **const functions[] = {
#define X(name) (void **)&xml->name,
        LIBXML_FUNCTIONS(X)
#undef X
    };
    size_t i;

    xml->library = dlopen(LIBXML2, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (xml->library == NULL) {
        (void)vmctl_fail(error, -ENOENT, "%s", dlerror());
        if (error != NULL) {
            vmctl_error_object(error, "the schema");
            vmctl_error_remedy(error, "install the package libxml2");
        }
        return -ENOENT;
    }
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        *functions[i] = dlsym(xml->library, names[i]);
        if (*functions[i] == NULL) {
            (void)dlclose(xml->library);
            return vmctl_fail(error, -ENOENT, "%s has no %s", LIBXML2, names[i]);
        }
    }
    return 0;
}

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

static xmlRelaxNGPtr load_schema(const struct libxml *xml, const char *path,
                                 struct vmctl_error *error)
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
    parser = xml->xmlRelaxNGNewMemParserCtxt(text, (int)length);
    if (parser != NULL) {
        xml->xmlRelaxNGSetParserStructuredErrors(parser, collect_changeable, &finding);
        schema = xml->xmlRelaxNGParse(parser);
        xml->xmlRelaxNGFreeParserCtxt(parser);
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

static int validate(const struct libxml *xml, xmlRelaxNGPtr schema, xmlDocPtr document,
                    struct finding *finding)
{
    xmlRelaxNGValidCtxtPtr context = xml->xmlRelaxNGNewValidCtxt(schema);
    int r;

    if (context == NULL) {
        return -ENOMEM;
    }
    xml->xmlRelaxNGSetValidStructuredErrors(context, collect_changeable, finding);
    r = xml->xmlRelaxNGValidateDoc(context, document);
    xml->xmlRelaxNGFreeValidCtxt(context);
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
    struct libxml xml = { .library = NULL };
    const char *name = called == NULL ? "guest.xml" : called;
    xmlRelaxNGPtr rules;
    xmlDocPtr document;
    int r = check_reader(text, length, name, error);

    if (r == 0) {
        r = load(&xml, error);
    }
    if (r < 0) {
        return r;
    }
    rules = load_schema(&xml, schema == NULL ? PKGDATADIR "/guest.rng" : schema, error);
    if (rules == NULL) {
        (void)dlclose(xml.library);
        return -ENOENT;
    }
    document = xml.xmlReadMemory(text, (int)length, name, NULL,
                                 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    r = document == NULL ? -EINVAL : validate(&xml, rules, document, &finding);
    if (r == -EINVAL) {
        r = invalid(&finding, name, error);
    } else if (r < 0) {
        r = vmctl_fail(error, r, "the schema could not be applied to %s", name);
    }
    if (document != NULL) {
        xml.xmlFreeDoc(document);
    }
    xml.xmlRelaxNGFree(rules);
    (void)dlclose(xml.library);
    return r;
}
