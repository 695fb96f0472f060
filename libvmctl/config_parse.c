/* SPDX-License-Identifier: MIT */
/*
 * Reading a guest.xml: walks the document along the table of config_rules.c.
 *
 * What is wrong is reported and the walk goes on, so that `vmctl check` can
 * show everything at once; the config is given away only if nothing was wrong.
 */
#include "libvmctl/config_rules.h"
#include "libvmctl/config_values.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#define EXPECTED_SIZE 200

/* An element that is open, and which of its rule's children were there. */
struct frame {
    const struct element_rule *rule;
    unsigned int line;
    bool had_text;
    uint64_t seen; /* bit i: child i */
};

_Static_assert(RULE_CHILDREN_MAX == 64, "one bit of `seen` for each child");

/* --- messages -------------------------------------------------------------------- */

static void report(struct config_parse *parse, unsigned int line, bool fatal, const char *words)
{
    if (parse->reporter != NULL && parse->reporter->report != NULL) {
        parse->reporter->report(parse->reporter->context, line, fatal, words);
    }
}

/* "<disk>", "<disk type='fil'>", or nothing outside of elements. */
static void format_place(const struct config_parse *parse, char *place, size_t size)
{
    if (parse->element == NULL) {
        place[0] = '\0';
    } else if (parse->attribute != NULL) {
        (void)snprintf(place, size, "<%.24s %.24s='%.40s'>", parse->element, parse->attribute->name,
                       parse->attribute->value);
    } else {
        (void)snprintf(place, size, "<%.24s>", parse->element);
    }
}

static void amiss(struct config_parse *parse, int code, const char *cause)
{
    char place[128];
    char words[512];

    format_place(parse, place, sizeof(place));
    (void)snprintf(words, sizeof(words), "%s%s%s", place, place[0] == '\0' ? "" : ": ", cause);
    report(parse, parse->line, true, words);
    if (parse->failed != 0) {
        return;
    }
    parse->failed = code;
    (void)vmctl_fail(parse->error, code, "%s", cause);
    if (parse->error != NULL) {
        vmctl_error_reason(parse->error, code == -EOPNOTSUPP ? VMCTL_UNSUPPORTED
                                         : code == -ENOMEM   ? VMCTL_NO_MEMORY
                                                             : VMCTL_INVALID);
        vmctl_error_object(parse->error, "%.60s:%u%s%s", parse->called, parse->line,
                           place[0] == '\0' ? "" : ": ", place);
    }
}

void config_amiss(struct config_parse *parse, int code, const char *format, ...)
{
    char cause[384];
    va_list words;

    va_start(words, format);
    (void)vsnprintf(cause, sizeof(cause), format, words);
    va_end(words);
    amiss(parse, code, cause);
}

void config_note(struct config_parse *parse, const char *format, ...)
{
    char cause[256];
    char words[400];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(cause, sizeof(cause), format, arguments);
    va_end(arguments);
    (void)snprintf(words, sizeof(words), "<%.24s>: %s", parse->element, cause);
    report(parse, parse->line, false, words);
}

bool config_passed(struct config_parse *parse, int result, const struct vmctl_error *inner)
{
    if (result != 0) {
        amiss(parse, result, inner->cause);
    }
    return result == 0;
}

/*
 * "; did you mean 'x'?" if one of `words` is near, else "; expected 'a', 'b' or
 * 'c'" if there are but a few.
 */
static void format_expected(const char *wrong, const char *const *words, size_t count,
                            char text[EXPECTED_SIZE])
{
    const char *meant = value_meant(wrong, words, count);
    size_t used = 0;
    size_t i;

    text[0] = '\0';
    if (meant != NULL) {
        (void)snprintf(text, EXPECTED_SIZE, "; did you mean '%s'?", meant);
        return;
    }
    for (i = 0; i < count && used < EXPECTED_SIZE; i++) {
        const char *before = i == 0 ? "; expected " : i + 1 == count ? " or " : ", ";
        int wrote = snprintf(text + used, EXPECTED_SIZE - used, "%s'%s'", before, words[i]);

        used += wrote > 0 ? (size_t)wrote : 0;
    }
    if (used >= EXPECTED_SIZE) {
        text[0] = '\0'; /* a list that long helps nobody */
    }
}

static void unknown_element(struct config_parse *parse, const struct element_rule *parent)
{
    const char *words[RULE_CHILDREN_MAX];
    char expected[EXPECTED_SIZE];
    size_t count = 0;
    const struct element_rule *rule;

    for (rule = parent->children; rule != NULL && rule->name != NULL; rule++) {
        if (rule->standing == RULE_TAKEN) {
            words[count++] = rule->name;
        }
    }
    format_expected(parse->element, words, count, expected);
    config_amiss(parse, -EINVAL, "is not known inside <%s>%s", parent->name, expected);
}

static void unknown_attribute(struct config_parse *parse, const struct element_rule *element)
{
    const char *words[XML_ATTRIBUTES_MAX];
    char expected[EXPECTED_SIZE];
    size_t count = 0;
    const struct attribute_rule *rule;

    for (rule = element->attributes; rule != NULL && rule->name != NULL; rule++) {
        if (rule->take != NULL || rule->choices != NULL) {
            words[count++] = rule->name;
        }
    }
    format_expected(parse->attribute->name, words, count, expected);
    config_amiss(parse, -EINVAL, "attribute '%.40s' is not known here%s", parse->attribute->name,
                 expected);
}

/* --- walking ---------------------------------------------------------------------- */

static void take_attribute(struct config_parse *parse, const struct attribute_rule *rule)
{
    const char *value = parse->attribute->value;
    char expected[EXPECTED_SIZE];
    size_t i;

    for (i = 0; rule->choices != NULL && rule->choices[i] != NULL; i++) {
        if (strcmp(value, rule->choices[i]) == 0) {
            break;
        }
    }
    if (rule->choices != NULL && rule->choices[i] == NULL) {
        format_expected(value, rule->choices, i, expected);
        config_amiss(parse, -EINVAL, "'%.40s' is not known%s%s%s", value, expected,
                     rule->remedy == NULL ? "" : ": ", rule->remedy == NULL ? "" : rule->remedy);
    } else if (rule->take != NULL) {
        rule->take(parse, value);
    }
}

static void take_attributes(struct config_parse *parse, const struct element_rule *element)
{
    const struct xml_reader *xml = &parse->xml;
    uint64_t seen = 0;
    size_t i;
    size_t which;

    for (i = 0; i < xml->attribute_count; i++) {
        const struct attribute_rule *rule = element->attributes;

        parse->attribute = &xml->attributes[i];
        parse->line = parse->attribute->line;
        if (strncmp(parse->attribute->name, "xmlns:", 6) == 0) {
            continue;
        }
        while (rule != NULL && rule->name != NULL &&
               strcmp(rule->name, parse->attribute->name) != 0) {
            rule++;
        }
        if (rule == NULL || rule->name == NULL) {
            unknown_attribute(parse, element);
        } else {
            seen |= UINT64_C(1) << (rule - element->attributes);
            take_attribute(parse, rule);
        }
    }
    parse->attribute = NULL;
    parse->line = xml->event_line;
    for (which = 0; element->attributes != NULL && element->attributes[which].name; which++) {
        if (element->attributes[which].required && (seen >> which & 1) == 0) {
            config_amiss(parse, -EINVAL, "attribute '%s' is missing",
                         element->attributes[which].name);
        }
    }
}

/* The rule of the element that has just begun inside `parent`; NULL: skip it. */
static const struct element_rule *find_rule(struct config_parse *parse, struct frame *parent)
{
    const struct element_rule *rule = parent->rule->children;

    while (rule != NULL && rule->name != NULL && strcmp(rule->name, parse->element) != 0) {
        rule++;
    }
    if (rule == NULL || rule->name == NULL) {
        unknown_element(parse, parent->rule);
        return NULL;
    }
    if ((parent->seen >> (rule - parent->rule->children) & 1) != 0 && !rule->many &&
        rule->standing != RULE_REFUSED) {
        config_amiss(parse, -EINVAL, "is given twice inside <%s>", parent->rule->name);
    }
    parent->seen |= UINT64_C(1) << (rule - parent->rule->children);
    if (rule->standing == RULE_REFUSED) {
        config_amiss(parse, -EOPNOTSUPP, "is not supported: %s", rule->words);
    } else if (rule->standing == RULE_NOTED) {
        config_note(parse, "%s", rule->words);
    }
    return rule->standing == RULE_TAKEN ? rule : NULL;
}

static void begin_element(struct config_parse *parse, struct frame *frame)
{
    parse->line = parse->xml.event_line;
    frame->line = parse->line;
    frame->seen = 0;
    frame->had_text = false;
    if (frame->rule->begin != NULL) {
        frame->rule->begin(parse);
    }
    take_attributes(parse, frame->rule);
}

static void take_text(struct config_parse *parse, struct frame *frame, const char *text)
{
    parse->line = parse->xml.event_line;
    if (frame->rule->text == NULL) {
        config_amiss(parse, -EINVAL, "text '%.40s' where only elements are expected", text);
    } else if (!frame->had_text) {
        frame->rule->text(parse, text);
    }
    frame->had_text = true;
}

static void end_element(struct config_parse *parse, struct frame *frame)
{
    const struct element_rule *child = frame->rule->children;
    uint64_t seen = frame->seen;

    parse->line = frame->line;
    for (; child != NULL && child->name != NULL; child++, seen >>= 1) {
        if (child->required && (seen & 1) == 0) {
            config_amiss(parse, -EINVAL, "<%s> is missing", child->name);
        }
    }
    if (frame->rule->text != NULL && !frame->had_text) {
        frame->rule->text(parse, "");
    }
    if (frame->rule->end != NULL) {
        frame->rule->end(parse);
    }
}

/* Everything inside the element that has just begun.  The end tag is taken too. */
static enum xml_event skip_element(struct config_parse *parse)
{
    size_t outside = parse->xml.depth - 1;
    enum xml_event event;

    do {
        event = xml_next(&parse->xml);
    } while (event != XML_BROKEN && parse->xml.depth > outside);
    return event;
}

static bool begin_root(struct config_parse *parse, struct frame *frame)
{
    parse->element = parse->xml.name;
    parse->line = parse->xml.event_line;
    if (strcmp(parse->element, config_root.name) != 0) {
        config_amiss(parse, -EINVAL, "is not a guest: expected <%s type='xen'>", config_root.name);
        return false;
    }
    frame->rule = &config_root;
    begin_element(parse, frame);
    return true;
}

/* One event, `*depth` elements being open.  False: no use to go on. */
static bool walk_event(struct config_parse *parse, struct frame *frames, size_t *depth,
                       enum xml_event event)
{
    struct frame *frame = *depth == 0 ? NULL : &frames[*depth - 1];

    if (event == XML_START && frame == NULL) {
        *depth = 1;
        return begin_root(parse, &frames[0]);
    }
    if (frame == NULL) {
        return false;
    }
    if (event == XML_START) {
        parse->element = parse->xml.name;
        parse->line = parse->xml.event_line;
        frame[1].rule = find_rule(parse, frame);
        if (frame[1].rule == NULL) {
            event = skip_element(parse);
        } else {
            begin_element(parse, &frame[1]);
            (*depth)++;
        }
        return event != XML_BROKEN;
    }
    parse->element = frame->rule->name;
    if (event == XML_TEXT) {
        take_text(parse, frame, parse->xml.text);
    } else if (event == XML_END) {
        end_element(parse, frame);
        (*depth)--;
    }
    return true;
}

static void walk(struct config_parse *parse)
{
    struct frame frames[XML_DEPTH_MAX + 1];
    size_t depth = 0;
    bool more = true;

    while (more) {
        enum xml_event event = xml_next(&parse->xml);

        if (event == XML_FINISHED) {
            return;
        }
        more = event != XML_BROKEN && walk_event(parse, frames, &depth, event);
    }
    if (parse->xml.is_broken) {
        parse->element = NULL;
        parse->attribute = NULL;
        parse->line = parse->xml.event_line;
        config_amiss(parse, -EINVAL, "%s", parse->xml.words);
    }
}

/* --- what follows from several elements --------------------------------------------- */

static void complete_cmdline(struct config_parse *parse)
{
    struct guest_config *config = parse->config;
    char line[GUEST_CMDLINE_MAX + 1];
    int length;

    if (config->cmdline == NULL) {
        config->cmdline = "";
    }
    if (parse->root == NULL || *parse->root == '\0') {
        return;
    }
    length = snprintf(line, sizeof(line), "root=%s%s%s", parse->root,
                      *config->cmdline == '\0' ? "" : " ", config->cmdline);
    if (length < 0 || (size_t)length >= sizeof(line)) {
        parse->element = "cmdline";
        config_amiss(parse, -ENAMETOOLONG, "with <root> %d bytes long, at most %d are allowed",
                     length, GUEST_CMDLINE_MAX);
        return;
    }
    config->cmdline = guest_config_text(config, line, (size_t)length);
    if (config->cmdline == NULL) {
        config_amiss(parse, -ENOMEM, "no memory");
    }
}

static void complete_vcpus(struct config_parse *parse)
{
    struct guest_config *config = parse->config;
    uint32_t i;

    if (!parse->cpus_online_given) {
        config->vcpus_online = config->vcpus;
    } else if (config->vcpus_online > config->vcpus) {
        parse->element = "vcpu";
        config_amiss(parse, -ERANGE, "current='%u' is more than the %u vCPUs that it has",
                     config->vcpus_online, config->vcpus);
    }
    for (i = config->vcpus; config->pins != NULL && i < GUEST_VCPUS_MAX; i++) {
        if (config->pins[i] != NULL) {
            parse->element = "vcpupin";
            config_amiss(parse, -ERANGE, "vCPU %u is pinned, but there are only %u", i,
                         config->vcpus);
        }
    }
}

static void complete(struct config_parse *parse)
{
    struct guest_config *config = parse->config;

    if (config->target_kib == 0) {
        config->target_kib = config->memory_kib;
    } else if (config->target_kib > config->memory_kib && config->memory_kib != 0) {
        parse->element = "currentMemory";
        config_amiss(parse, -ERANGE, "%llu KiB are more than the %llu KiB of <memory>",
                     (unsigned long long)config->target_kib,
                     (unsigned long long)config->memory_kib);
    }
    complete_vcpus(parse);
    complete_cmdline(parse);
    if (config->initrd != NULL && *config->initrd == '\0') {
        config->initrd = NULL;
    }
    if (!parse->has_uuid) {
        uuid_generate_random(config->uuid);
    }
}

int guest_config_parse(const char *text, size_t length, const char *called,
                       const struct guest_reporter *reporter, struct guest_config **config,
                       struct vmctl_error *error)
{
    struct config_parse parse;
    char *buffer;

    memset(&parse, 0, sizeof(parse));
    parse.called = called == NULL ? "guest.xml" : called;
    parse.reporter = reporter;
    parse.error = error;
    if (length > GUEST_TEXT_MAX) {
        config_amiss(&parse, -EFBIG, "%zu bytes are too many for a guest.xml; the limit is %u",
                     length, GUEST_TEXT_MAX);
        return parse.failed;
    }
    parse.config = guest_config_new();
    buffer = parse.config == NULL ? NULL : guest_config_buffer(parse.config, text, length);
    if (buffer == NULL) {
        guest_config_free(parse.config);
        return vmctl_fail(error, -ENOMEM, "no memory to read %s", parse.called);
    }
    xml_begin(&parse.xml, buffer, length);
    walk(&parse);
    if (!parse.xml.is_broken) {
        parse.attribute = NULL;
        complete(&parse);
    }
    if (parse.failed != 0) {
        guest_config_free(parse.config);
        return parse.failed;
    }
    *config = parse.config;
    return 0;
}

/* --- files --------------------------------------------------------------------------- */

/* All of `fd`, up to one byte more than is allowed. */
static ssize_t read_all(int fd, char *buffer, size_t size)
{
    size_t used = 0;

    while (used < size) {
        ssize_t got = read(fd, buffer + used, size - used);

        if (got == 0) {
            break;
        }
        if (got > 0) {
            used += (size_t)got;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return (ssize_t)used;
}

int guest_config_read_file(const char *path, char **text, size_t *length, struct vmctl_error *error)
{
    struct stat file;
    ssize_t got;
    char *buffer;
    size_t size;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &file) < 0) {
        int r = vmctl_fail(error, -errno, "%s", strerror(errno));

        vmctl_error_object(error, "%s", path);
        (void)(fd < 0 ? 0 : close(fd));
        return r;
    }
    size = S_ISREG(file.st_mode) && file.st_size < GUEST_TEXT_MAX ? (size_t)file.st_size + 1
                                                                  : GUEST_TEXT_MAX + 1;
    buffer = malloc(size);
    got = buffer == NULL ? -ENOMEM : read_all(fd, buffer, size);
    (void)close(fd);
    if (got < 0 || (size_t)got > GUEST_TEXT_MAX) {
        int r = got < 0
                    ? vmctl_fail(error, (int)got, "%s", strerror((int)-got))
                    : vmctl_fail(error, -EFBIG, "too large for a guest.xml; the limit is %u bytes",
                                 GUEST_TEXT_MAX);

        vmctl_error_object(error, "%s", path);
        free(buffer);
        return r;
    }
    *text = buffer;
    *length = (size_t)got;
    return 0;
}

int guest_config_load(const char *path, const struct guest_reporter *reporter,
                      struct guest_config **config, struct vmctl_error *error)
{
    size_t length = 0;
    char *text = NULL;
    int r = guest_config_read_file(path, &text, &length, error);

    if (r == 0) {
        r = guest_config_parse(text, length, path, reporter, config, error);
        free(text);
    }
    return r;
}
