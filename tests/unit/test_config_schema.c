/* SPDX-License-Identifier: MIT */
/*
 * guest.rng and the table of config_rules.c are one language: walks both, and
 * wants the same elements, attributes and choices at each place; then changes
 * full.xml in thousands of ways, and wants the same verdict of both.
 */
#include <check.h>
#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvmctl/config_rules.h"
#include "tests/unit/suite.h"

#define NAMES_MAX 80

/* A name that the schema allows at a place. */
struct allowed {
    xmlNodePtr node;
    bool many;
    bool optional;
};

struct found {
    struct allowed elements[NAMES_MAX];
    size_t element_count;
    struct allowed attributes[NAMES_MAX];
    size_t attribute_count;
    bool text;
};

static xmlDocPtr schema;

/* The document's own copy; "" where there is none. */
static const char *name_of(xmlNodePtr node)
{
    const struct _xmlAttr *name = xmlHasProp(node, (const xmlChar *)"name");

    return name == NULL || name->children == NULL ? "" : (const char *)name->children->content;
}

static bool is(xmlNodePtr node, const char *kind)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, kind) == 0;
}

static xmlNodePtr definition(const char *name)
{
    xmlNodePtr node = xmlDocGetRootElement(schema)->children;

    for (; node != NULL; node = node->next) {
        if (is(node, "define") && strcmp(name_of(node), name) == 0) {
            return node;
        }
    }
    ck_abort_msg("the schema has no <define name='%s'>", name);
}

static void add(struct allowed list[], size_t *count, struct allowed one)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(name_of(list[i].node), name_of(one.node)) == 0) {
            list[i].many |= one.many;
            list[i].optional |= one.optional;
            return;
        }
    }
    ck_assert_uint_lt(*count, NAMES_MAX);
    list[(*count)++] = one;
}

/* Everything below `node` down to elements and attributes. */
static void gather(xmlNodePtr node, struct found *found, bool optional, bool many)
{
    for (xmlNodePtr child = node->children; child != NULL; child = child->next) {
        struct allowed one = { .node = child, .many = many, .optional = optional };
        bool named =
            child->type == XML_ELEMENT_NODE && xmlHasProp(child, (const xmlChar *)"name") != NULL;

        if (is(child, "ref")) {
            gather(definition(name_of(child)), found, optional, many);
        } else if (is(child, "element")) {
            if (named) {
                add(found->elements, &found->element_count, one);
            }
        } else if (is(child, "attribute")) {
            if (named) {
                add(found->attributes, &found->attribute_count, one);
            }
        } else if (is(child, "data") || is(child, "text") || is(child, "value")) {
            found->text = true;
        } else if (child->type == XML_ELEMENT_NODE) {
            gather(child, found, optional || is(child, "optional") || is(child, "zeroOrMore"),
                   many || is(child, "zeroOrMore"));
        }
    }
}

static size_t count_allowed(const struct element_rule *children)
{
    size_t count = 0;

    for (; children != NULL && children->name != NULL; children++) {
        count += children->standing != RULE_REFUSED;
    }
    return count;
}

static const struct element_rule *rule_of(const struct element_rule *parent, const char *name)
{
    const struct element_rule *rule = parent->children;

    while (rule != NULL && rule->name != NULL && strcmp(rule->name, name) != 0) {
        rule++;
    }
    ck_assert_msg(rule != NULL && rule->name != NULL, "<%s>: no rule for <%s>", parent->name, name);
    return rule;
}

static void compare_attributes(const struct element_rule *rule, const struct found *found)
{
    size_t count = 0;

    for (const struct attribute_rule *each = rule->attributes; each != NULL && each->name != NULL;
         each++) {
        size_t i = 0;

        while (i < found->attribute_count &&
               strcmp(name_of(found->attributes[i].node), each->name) != 0) {
            i++;
        }
        ck_assert_msg(i < found->attribute_count, "<%s>: %s= is not in the schema", rule->name,
                      each->name);
        ck_assert_msg(!each->required || !found->attributes[i].optional,
                      "<%s>: %s= is required here, optional in the schema", rule->name, each->name);
        for (size_t k = 0; each->choices != NULL && each->choices[k] != NULL; k++) {
            xmlBufferPtr text = xmlBufferCreate();
            char value[64];

            (void)snprintf(value, sizeof(value), ">%s</value>", each->choices[k]);
            (void)xmlNodeDump(text, schema, found->attributes[i].node, 0, 0);
            ck_assert_msg(strstr((const char *)xmlBufferContent(text), value) != NULL ||
                              strstr((const char *)xmlBufferContent(text), "<ref") != NULL ||
                              each->choices[1] != NULL,
                          "<%s>: %s='%s' is not in the schema", rule->name, each->name,
                          each->choices[k]);
            xmlBufferFree(text);
        }
        count++;
    }
    ck_assert_msg(count == found->attribute_count, "<%s>: %zu attributes here, %zu in the schema",
                  rule->name, count, found->attribute_count);
}

static unsigned int compare(const struct element_rule *rule, xmlNodePtr element)
{
    struct found found = { .element_count = 0 };
    unsigned int compared = 1;

    gather(element, &found, false, false);
    compare_attributes(rule, &found);
    ck_assert_msg(found.element_count == count_allowed(rule->children),
                  "<%s>: %zu elements inside here, %zu in the schema", rule->name,
                  count_allowed(rule->children), found.element_count);
    ck_assert_msg(rule->text == NULL || found.text, "<%s>: no text in the schema", rule->name);
    for (size_t i = 0; i < found.element_count; i++) {
        const char *name = name_of(found.elements[i].node);
        const struct element_rule *child = rule_of(rule, name);

        ck_assert_msg(child->standing != RULE_REFUSED, "<%s> is refused here", name);
        ck_assert_msg(child->many == found.elements[i].many, "<%s>: once or often?", name);
        ck_assert_msg(!child->required || !found.elements[i].optional, "<%s>: required?", name);
        ck_assert_msg(child->required || found.elements[i].optional || rule->children == NULL ||
                          strcmp(name, "source") == 0,
                      "<%s>: optional?", name);
        if (child->standing == RULE_TAKEN) {
            compared += compare(child, found.elements[i].node);
        }
    }
    return compared;
}

static xmlDocPtr read_tree_file(const char *name)
{
    const char *root = getenv("srcdir");
    char path[4096];
    xmlDocPtr document;

    (void)snprintf(path, sizeof(path), "%s/%s", root == NULL ? "." : root, name);
    document = xmlReadFile(path, NULL, XML_PARSE_NONET | XML_PARSE_NOBLANKS);
    ck_assert_ptr_nonnull(document);
    return document;
}

START_TEST(schema_and_table_allow_the_same)
{
    struct found start = { .element_count = 0 };

    schema = read_tree_file("libvmctl/guest.rng");
    for (xmlNodePtr node = xmlDocGetRootElement(schema)->children; node; node = node->next) {
        if (is(node, "start")) {
            gather(node, &start, false, false);
        }
    }
    ck_assert_uint_eq(start.element_count, 1);
    ck_assert_str_eq(name_of(start.elements[0].node), config_root.name);
    ck_assert_uint_gt(compare(&config_root, start.elements[0].node), 40);
    xmlFreeDoc(schema);
}
END_TEST

/* --- the same verdict ---------------------------------------------------------------- */

static xmlRelaxNGPtr rules;
static unsigned int taken;
static unsigned int refused;

/* What only the table can know: numbers that do not fit each other, the same thing twice. */
static bool no_schema_can_say(const char *words)
{
    static const char *const reasons[] = {
        "more than",     "less than",   "pinned twice",     "is pinned, but", "needs file=",
        "needs dev=",    "two disks",   "is in use as",     "out of range",   "leaves no CPU",
        "names CPU",     "set of CPUs", "it is all zero",   "same MAC",       "one console",
        "only one file", "bytes long",  "interface's name",
    };

    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (strstr(words, reasons[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void ignore(void *context, xmlErrorPtr found)
{
    (void)context;
    (void)found;
}

static bool schema_takes(xmlDocPtr document)
{
    xmlRelaxNGValidCtxtPtr context = xmlRelaxNGNewValidCtxt(rules);
    int r;

    ck_assert_ptr_nonnull(context);
    xmlRelaxNGSetValidStructuredErrors(context, ignore, NULL);
    r = xmlRelaxNGValidateDoc(context, document);
    xmlRelaxNGFreeValidCtxt(context);
    ck_assert_int_ge(r, 0);
    return r == 0;
}

static void judge(xmlDocPtr document)
{
    struct guest_config *config = NULL;
    struct vmctl_error error = { .message = "" };
    xmlChar *text = NULL;
    int length = 0;
    bool by_schema = schema_takes(document);
    bool by_table;

    xmlDocDumpMemory(document, &text, &length);
    by_table =
        guest_config_parse((const char *)text, (size_t)length, NULL, NULL, &config, &error) == 0;
    ck_assert_msg(!by_table || by_schema, "only the schema refuses:\n%s", (const char *)text);
    ck_assert_msg(by_table || !by_schema || no_schema_can_say(error.cause),
                  "only the table refuses, \"%s\":\n%s", error.message, (const char *)text);
    taken += by_table;
    refused += !by_table;
    guest_config_free(config);
    xmlFree(text);
}

/* The element that is number `*left` in the order of the document; NULL: there are not so many. */
static xmlNodePtr element_number(xmlNodePtr node, unsigned int *left)
{
    for (; node != NULL; node = node->next) {
        xmlNodePtr found;

        if (node->type != XML_ELEMENT_NODE) {
            continue;
        }
        if ((*left)-- == 0) {
            return node;
        }
        found = element_number(node->children, left);
        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

static const char *const values[] = {
    "",          "0",      "1",   "2",        "-1",
    "+1",        " 1 ",    "007", "65536",    "18446744073709551616",
    "/a",        " /a ",   "a",   "a b",      "xvda",
    "xvdb1",     "hda",    "br0", "file",     "block",
    "pty",       "raw",    "xen", "linux",    "utc",
    "variable",  "reset",  "on",  "MiB",      "destroy",
    "0-3,^2",    "vif1.0", "web", "Domain-0", "00:16:3e:00:00:01",
    "localtime", "\t/a",
};

#define VALUE_COUNT (sizeof(values) / sizeof(values[0]))

/* Change number `which` of an element; false: there are not so many. */
static bool change_element(xmlNodePtr node, size_t which)
{
    const xmlChar *value = (const xmlChar *)values[which % VALUE_COUNT];
    size_t kind = which / VALUE_COUNT;
    struct _xmlAttr *attribute = node->properties;

    if (kind == 0) {
        xmlNodeSetContent(node, value);
        return true;
    }
    if (kind == 1) {
        xmlNodePtr parent = node->parent;

        switch (which % VALUE_COUNT) {
        case 0:
            xmlUnlinkNode(node);
            xmlFreeNode(node);
            break;
        case 1:
            (void)xmlAddNextSibling(node, xmlCopyNode(node, 1));
            break;
        case 2:
            (void)xmlNewChild(node, NULL, (const xmlChar *)"unknown", NULL);
            break;
        case 3:
            (void)xmlNewProp(node, (const xmlChar *)"unknown", (const xmlChar *)"1");
            break;
        case 4:
            xmlUnlinkNode(node);
            (void)xmlAddChild(parent, node);
            break;
        default:
            break;
        }
        return true;
    }
    for (kind -= 2; kind > 0 && attribute != NULL; kind--) {
        attribute = attribute->next;
    }
    if (attribute == NULL) {
        return false;
    }
    if (which % VALUE_COUNT == 0) {
        (void)xmlRemoveProp(attribute);
    } else {
        (void)xmlSetProp(node, attribute->name, value);
    }
    return true;
}

START_TEST(both_say_the_same_of_every_change)
{
    xmlDocPtr full = read_tree_file("tests/unit/guest_xml/full.xml");
    xmlRelaxNGParserCtxtPtr parser;
    bool any = true;

    schema = read_tree_file("libvmctl/guest.rng");
    parser = xmlRelaxNGNewDocParserCtxt(schema);
    rules = xmlRelaxNGParse(parser);
    ck_assert_ptr_nonnull(rules);
    judge(full);
    ck_assert_uint_eq(taken, 1);
    for (unsigned int element = 1; any; element++) {
        bool more = true;

        for (size_t which = 0; more; which++) {
            xmlDocPtr changed = xmlCopyDoc(full, 1);
            unsigned int left = element;
            xmlNodePtr node = element_number(xmlDocGetRootElement(changed), &left);

            any = node != NULL;
            more = any && change_element(node, which);
            if (more) {
                judge(changed);
            }
            xmlFreeDoc(changed);
        }
    }
    ck_assert_uint_gt(taken, 500);
    ck_assert_uint_gt(refused, 2000);
    xmlRelaxNGFree(rules);
    xmlRelaxNGFreeParserCtxt(parser);
    xmlFreeDoc(schema);
    xmlFreeDoc(full);
}
END_TEST

static void no_table_outgrows_its_bits(const struct element_rule *rule)
{
    size_t attributes = 0;
    size_t children = 0;

    for (; rule->attributes != NULL && rule->attributes[attributes].name; attributes++) {
    }
    ck_assert_uint_le(attributes, XML_ATTRIBUTES_MAX);
    for (; rule->children != NULL && rule->children[children].name; children++) {
        no_table_outgrows_its_bits(&rule->children[children]);
    }
    ck_assert_uint_le(children, RULE_CHILDREN_MAX);
}

START_TEST(tables_fit_their_bits)
{
    no_table_outgrows_its_bits(&config_root);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_schema");
    TCase *tests = suite_case(suite, "config_schema");

    tcase_add_test(tests, schema_and_table_allow_the_same);
    tcase_add_test(tests, tables_fit_their_bits);
    tcase_add_test(tests, both_say_the_same_of_every_change);
    tcase_set_timeout(tests, 60);
    return suite_run(suite);
}
