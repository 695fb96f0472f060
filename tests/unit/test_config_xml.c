/* SPDX-License-Identifier: MIT */
/* libvmctl/config_xml.c: what is XML here, and what is not, with its line. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvmctl/config_xml.h"
#include "tests/unit/suite.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* A text in memory of exactly its size, so that ASan sees a step too far. */
static char *copy_of(const char *text, size_t length)
{
    char *copy = malloc(length + 1);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, text, length);
    copy[length] = 'x';
    return copy;
}

/* The events as one line: <a k="v">text</a>. */
static void events_of(const char *text, size_t length, char *line, size_t size)
{
    struct xml_reader reader;
    char *copy = copy_of(text, length);
    enum xml_event event;
    size_t used = 0;

    line[0] = '\0';
    xml_begin(&reader, copy, length);
    do {
        event = xml_next(&reader);
        if (event == XML_START) {
            used += (size_t)snprintf(line + used, size - used, "<%s", reader.name);
            for (size_t i = 0; i < reader.attribute_count; i++) {
                used += (size_t)snprintf(line + used, size - used, " %s=\"%s\"",
                                         reader.attributes[i].name, reader.attributes[i].value);
            }
            used += (size_t)snprintf(line + used, size - used, ">");
        } else if (event == XML_TEXT) {
            used += (size_t)snprintf(line + used, size - used, "%s", reader.text);
        } else if (event == XML_END) {
            used += (size_t)snprintf(line + used, size - used, "</%s>", reader.name);
        } else if (event == XML_BROKEN) {
            used += (size_t)snprintf(line + used, size - used, "!%u: %s", reader.event_line,
                                     reader.words);
        }
        ck_assert_uint_lt(used, size);
    } while (event != XML_FINISHED && event != XML_BROKEN);
    ck_assert_int_eq(xml_next(&reader), event == XML_BROKEN ? XML_BROKEN : XML_FINISHED);
    free(copy);
}

static const struct {
    const char *text;
    const char *events;
} readable[] = {
    { "<a/>", "<a></a>" },
    { "\xef\xbb\xbf<?xml version='1.0' encoding='utf-8' standalone=\"yes\"?>\n<a/>\n", "<a></a>" },
    { "<?xml version='1.0' encoding='US-ASCII'?><a ></a >", "<a></a>" },
    { "<!-- c --><?pi x?><a/><!-- c --><?pi?>", "<a></a>" },
    { "<a b='1' c = \"2'\"\n d='&lt;\t\n&quot;'/>", "<a b=\"1\" c=\"2'\" d=\"<  \"\"></a>" },
    { "<a> x <b/>\r\ny\rz </a>", "<a>x<b></b>y\nz</a>" },
    { "<a><![CDATA[<b>&amp;]]]></a>", "<a><b>&amp;]</a>" },
    { "<a>1<!-- - -->2<?p q?>3</a>", "<a>123</a>" },
    { "<a>&#65;&#x42;&#xe4;&#x20AC;&#x1F600;&apos;</a>",
      "<a>AB\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80'"
      "</a>" },
    { "<x:a xmlns:x='u'><\xc3\xa4/></x:a>", "<x:a xmlns:x=\"u\"><\xc3\xa4></\xc3\xa4></x:a>" },
    { "<a-b.c_1/>", "<a-b.c_1></a-b.c_1>" },
    { "<a>\xf4\x8f\xbf\xbf \xed\x9f\xbf \xee\x80\x80</a>",
      "<a>\xf4\x8f\xbf\xbf \xed\x9f\xbf \xee\x80\x80</a>" },
};

START_TEST(what_is_xml_is_read)
{
    char line[512];

    events_of(readable[_i].text, strlen(readable[_i].text), line, sizeof(line));
    ck_assert_str_eq(line, readable[_i].events);
}
END_TEST

#define TEXT(literal) (literal), sizeof(literal) - 1

static const struct {
    const char *text;
    size_t length;
    const char *broken; /* how the line of events ends */
} unreadable[] = {
    { TEXT(""), "!1: there is no element in it" },
    { TEXT("\n\n  "), "!3: there is no element in it" },
    { TEXT("<?xml version='1.0'?>\n<!-- -->"), "!2: there is no element in it" },
    { TEXT("name = 'web'\nmemory = 512"), "!1: text outside of any element: this is not XML" },
    { TEXT("<a/>\n<b/>"), "!2: a second element at the top" },
    { TEXT("<a/>\nb"), "!2: text outside of any element: this is not XML" },
    { TEXT("<a>\n<b>\n"), "!3: the file ends inside <b>, which began in line 2" },
    { TEXT("<a>\n<b>\n</a>"), "!3: </a> where </b> was expected (it began in line 2)" },
    { TEXT("<a></aa>"), "</aa> where </a> was expected (it began in line 1)" },
    { TEXT("<aa></a>"), "</a> where </aa> was expected (it began in line 1)" },
    { TEXT("</a>"), "!1: an end tag without a start" },
    { TEXT("<a></a"), "the end tag of <a> is not closed by '>'" },
    { TEXT("<a></a b='1'>"), "the end tag of <a> is not closed by '>'" },
    { TEXT("<a"), "element 'a': its tag is not closed by '>'" },
    { TEXT("<a b='1'c='2'/>"), "element 'a': its tag is not closed by '>'" },
    { TEXT("<a /"), "'/' where the name of an attribute was expected" },
    { TEXT("<"), "the file ends where the name of an element was expected" },
    { TEXT("<a><1/></a>"), "'1' where the name of an element was expected" },
    { TEXT("<a></ a>"), "' ' where the name of an element was expected" },
    { TEXT("<a b/>"), "attribute 'b' has no value" },
    { TEXT("<a b=1/>"), "the value of attribute 'b' is not in quotes" },
    { TEXT("<a b='1/>"), "the value of attribute 'b' has no closing quote" },
    { TEXT("<a b='<'/>"), "the value of attribute 'b' has no closing quote" },
    { TEXT("<a b='1'\nb='2'/>"), "!2: attribute 'b' is given twice" },
    { TEXT("<a>&b;</a>"), "entity '&b;' is refused: only &lt; &gt; &amp; &quot; &apos; are known" },
    { TEXT("<a b='&b;'/>"),
      "entity '&b;' is refused: only &lt; &gt; &amp; &quot; &apos; are known" },
    { TEXT("<a>& </a>"), "entity '&;' is refused: only &lt; &gt; &amp; &quot; &apos; are known" },
    { TEXT("<a>&#;</a>"), "a reference '&#...;' without a number" },
    { TEXT("<a>&#x;</a>"), "a reference '&#...;' without a number" },
    { TEXT("<a>&#0;</a>"), "a reference '&#...;' that stands for no character" },
    { TEXT("<a>&#8;</a>"), "a reference '&#...;' that stands for no character" },
    { TEXT("<a>&#xd800;</a>"), "a reference '&#...;' that stands for no character" },
    { TEXT("<a>&#xfffe;</a>"), "a reference '&#...;' that stands for no character" },
    { TEXT("<a>&#x110000;</a>"), "a reference '&#...;' that stands for no character" },
    { TEXT("<a>&#99999999999999999999;</a>"), "a reference '&#...;' that stands for no character" },
    { TEXT("<a>&#65</a>"), "a reference '&#...;' that stands for no character" },
    { TEXT("<a>]]></a>"), "']]>' may not stand in text" },
    { TEXT("<a><![CDATA[x]]</a>"), "a CDATA section does not end" },
    { TEXT("<a><!-- </a>"), "a comment does not end" },
    { TEXT("<a><!-- -- --></a>"), "'--' may not stand inside a comment" },
    { TEXT("<a><!x></a>"), "'<!' begins nothing known" },
    { TEXT("<a><?p </a>"), "a processing instruction does not end" },
    { TEXT("<a><? p?></a>"), "'<?xml' may stand only at the very beginning" },
    { TEXT("\n<?xml version='1.0'?><a/>"), "!2: '<?xml' may stand only at the very beginning" },
    { TEXT("<?xml version='1.1'?><a/>"), "XML version '1.1': only 1.0 is read here" },
    { TEXT("<?xml version='1.0' encoding='latin1'?><a/>"),
      "encoding 'latin1': only UTF-8 is read here" },
    { TEXT("<?xml version='1.0'><a/>"), "'>' where the name of an attribute was expected" },
    { TEXT("<!DOCTYPE a>\n<a/>"), "!1: a DOCTYPE is refused: guest.xml may declare no entities" },
    { TEXT("<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/shadow'>]><a>&b;</a>"),
      "!1: a DOCTYPE is refused: guest.xml may declare no entities" },
    { TEXT("<!ENTITY b 'c'><a/>"), "!1: '<!' begins nothing known" },
    { TEXT("<a>\n\x01</a>"), "!2: byte 0x01 may not stand in XML" },
    { TEXT("<a>\0</a>"), "!1: byte 0x00 may not stand in XML" },
    { TEXT("<a/>\0"), "!1: byte 0x00 may not stand in XML" },
    { TEXT("<a>\n\n\xe4</a>"), "!3: byte 0xe4 is not UTF-8, the one encoding read here" },
    { TEXT("<a>\xc0\x80</a>"), "!1: byte 0xc0 is not UTF-8, the one encoding read here" },
    { TEXT("<a>\xed\xa0\x80</a>"), "!1: byte 0xed is not UTF-8, the one encoding read here" },
    { TEXT("<a>\xef\xbf\xbe</a>"), "!1: byte 0xef is not UTF-8, the one encoding read here" },
    { TEXT("<a>\xf4\x90\x80\x80</a>"), "!1: byte 0xf4 is not UTF-8, the one encoding read here" },
    { TEXT("<a>\xe0\x80\x80</a>"), "!1: byte 0xe0 is not UTF-8, the one encoding read here" },
    { TEXT("<a>\xf0\x9f\x98"), "!1: byte 0xf0 is not UTF-8, the one encoding read here" },
    { TEXT("\xff\xfe<\0a\0/\0>\0"), "!1: this is UTF-16; only UTF-8 is read here" },
};

START_TEST(what_is_no_xml_is_named_with_its_line)
{
    char line[512];
    size_t length = strlen(unreadable[_i].broken);

    events_of(unreadable[_i].text, unreadable[_i].length, line, sizeof(line));
    ck_assert_uint_ge(strlen(line), length);
    ck_assert_str_eq(line + strlen(line) - length, unreadable[_i].broken);
}
END_TEST

START_TEST(nesting_has_a_limit)
{
    char text[7 * XML_DEPTH_MAX + 16] = "";
    char line[1024];

    for (int i = 0; i < XML_DEPTH_MAX; i++) {
        strcat(text, "<a>");
    }
    for (int i = 0; i < XML_DEPTH_MAX; i++) {
        strcat(text, "</a>");
    }
    events_of(text, strlen(text), line, sizeof(line));
    ck_assert_str_eq(line, text);
    memmove(text + 3, text, strlen(text) + 1);
    events_of(text, strlen(text), line, sizeof(line));
    ck_assert_ptr_nonnull(strstr(line, "!1: elements nested deeper than 32"));
}
END_TEST

START_TEST(attributes_have_a_limit)
{
    char text[16 * XML_ATTRIBUTES_MAX + 32] = "<a";
    char line[1024];
    size_t used = 2;

    for (int i = 0; i < XML_ATTRIBUTES_MAX; i++) {
        used += (size_t)snprintf(text + used, sizeof(text) - used, " b%d=\"\"", i);
    }
    (void)snprintf(text + used, sizeof(text) - used, "/>");
    events_of(text, strlen(text), line, sizeof(line));
    ck_assert_ptr_null(strchr(line, '!'));
    (void)snprintf(text + used, sizeof(text) - used, " c=''/>");
    events_of(text, strlen(text), line, sizeof(line));
    ck_assert_ptr_nonnull(strstr(line, "!1: more than 24 attributes in one element"));
}
END_TEST

START_TEST(a_text_cut_anywhere_is_never_complete)
{
    static const char text[] = "\xef\xbb\xbf<?xml version='1.0'?><!-- c --><?p q?><a b='&lt;'>"
                               "x<![CDATA[y]]>&#65;\xc3\xa4<b/></a>";
    char line[512];

    for (size_t length = 0; length < sizeof(text) - 1; length++) {
        events_of(text, length, line, sizeof(line));
        ck_assert_ptr_nonnull(strchr(line, '!'));
    }
    events_of(text, sizeof(text) - 1, line, sizeof(line));
    ck_assert_str_eq(line, "<a b=\"<\">xyA\xc3\xa4<b></b></a>");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_xml");
    TCase *tests = suite_case(suite, "config_xml");

    tcase_add_loop_test(tests, what_is_xml_is_read, 0, (int)ARRAY_SIZE(readable));
    tcase_add_loop_test(tests, what_is_no_xml_is_named_with_its_line, 0,
                        (int)ARRAY_SIZE(unreadable));
    tcase_add_test(tests, nesting_has_a_limit);
    tcase_add_test(tests, attributes_have_a_limit);
    tcase_add_test(tests, a_text_cut_anywhere_is_never_complete);
    return suite_run(suite);
}
