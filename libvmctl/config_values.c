/* SPDX-License-Identifier: MIT */
/* Values of a guest.xml: see config_values.h and guest_config.h. */
#include "libvmctl/config_values.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CPUSET_WORD_BITS 64u

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int hex_digit(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Digits at `*at`; false if there are none, or more than fit. */
static bool read_digits(const char **at, uint64_t *number)
{
    uint64_t value = 0;

    if (!is_digit(**at)) {
        return false;
    }
    for (; is_digit(**at); (*at)++) {
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(**at - '0'), &value)) {
            return false;
        }
    }
    *number = value;
    return true;
}

int value_number(const char *text, int64_t least, int64_t most, int64_t *number,
                 struct vmctl_error *error)
{
    const char *at = text;
    bool negative = least < 0 && *at == '-';
    uint64_t value = 0;
    int64_t made;

    at += negative;
    if (!read_digits(&at, &value) || *at != '\0' || value > INT64_MAX) {
        return vmctl_fail(error, -EINVAL, "'%.60s' is not a whole number from %lld to %lld", text,
                          (long long)least, (long long)most);
    }
    made = negative ? -(int64_t)value : (int64_t)value;
    if (made < least || made > most) {
        return vmctl_fail(error, -ERANGE, "%.40s is out of range: it may be %lld to %lld", text,
                          (long long)least, (long long)most);
    }
    *number = made;
    return 0;
}

int value_line(const char *text, size_t most, struct vmctl_error *error)
{
    const char *at;

    if (strlen(text) > most) {
        return vmctl_fail(error, -ENAMETOOLONG, "%zu bytes long, at most %zu are allowed",
                          strlen(text), most);
    }
    for (at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 0x7f) {
            return vmctl_fail(error, -EINVAL, "a control character (0x%02x) may not stand here",
                              (unsigned int)(unsigned char)*at);
        }
    }
    return 0;
}

int value_path(const char *text, struct vmctl_error *error)
{
    if (*text != '/') {
        return vmctl_fail(error, -EINVAL,
                          *text == '\0' ? "expected an absolute path"
                                        : "'%.120s' is not an absolute path: it must begin with /",
                          text);
    }
    return value_line(text, GUEST_PATH_MAX, error);
}

int value_interface(const char *text, struct vmctl_error *error)
{
    size_t length = strlen(text);
    const char *at;

    if (length == 0 || length > GUEST_BRIDGE_MAX) {
        return vmctl_fail(error, -EINVAL, "'%.40s' is not an interface's name: 1 to %d characters",
                          text, GUEST_BRIDGE_MAX);
    }
    for (at = text; *at != '\0'; at++) {
        if (!is_letter(*at) && !is_digit(*at) && strchr("_.-", *at) == NULL) {
            return vmctl_fail(error, -EINVAL,
                              "'%s' is not an interface's name: letters, digits, '_', '.', '-'",
                              text);
        }
    }
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0) {
        return vmctl_fail(error, -EINVAL, "'%s' is not an interface's name", text);
    }
    return 0;
}

int value_uuid(const char *text, uint8_t uuid[16], struct vmctl_error *error)
{
    uint8_t made[16];
    size_t count = 0;
    const char *at = text;

    while (count < 16 && hex_digit(at[0]) >= 0 && hex_digit(at[1]) >= 0) {
        made[count++] = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
        at += 2;
        if (*at == '-' && (count == 4 || count == 6 || count == 8 || count == 10)) {
            at++;
        }
    }
    if (count != 16 || *at != '\0') {
        return vmctl_fail(error, -EINVAL,
                          "'%.60s' is not a UUID: 32 hexadecimal digits, grouped as 8-4-4-4-12",
                          text);
    }
    memcpy(uuid, made, sizeof(made));
    return 0;
}

void guest_uuid_format(const uint8_t uuid[16], char text[37])
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *text++ = '-';
        }
        *text++ = digits[uuid[i] >> 4];
        *text++ = digits[uuid[i] & 15];
    }
    *text = '\0';
}

/* --- CPU sets -------------------------------------------------------------------- */

static bool read_range(const char **at, uint64_t *first, uint64_t *last)
{
    if (!read_digits(at, first)) {
        return false;
    }
    *last = *first;
    if (**at == '-') {
        (*at)++;
        return read_digits(at, last) && *last >= *first;
    }
    return true;
}

int value_cpuset(const char *text, struct guest_cpuset *set, struct vmctl_error *error)
{
    struct guest_cpuset made = { .bits = { 0 } };
    const char *at = text;

    for (;;) {
        bool without = *at == '^';
        uint64_t first;
        uint64_t last;

        at += without;
        if (!read_range(&at, &first, &last) || (*at != ',' && *at != '\0')) {
            return vmctl_fail(error, -EINVAL, "'%.60s' is not a set of CPUs such as 0-3,^2,7",
                              text);
        }
        if (last >= GUEST_CPUS_MAX) {
            return vmctl_fail(error, -ERANGE, "'%.60s' names CPU %llu; the last can be %d", text,
                              (unsigned long long)last, GUEST_CPUS_MAX - 1);
        }
        for (; first <= last; first++) {
            uint64_t bit = UINT64_C(1) << first % CPUSET_WORD_BITS;

            if (without) {
                made.bits[first / CPUSET_WORD_BITS] &= ~bit;
            } else {
                made.bits[first / CPUSET_WORD_BITS] |= bit;
            }
        }
        if (*at == '\0') {
            break;
        }
        at++;
    }
    if (value_cpuset_is_any(&made)) {
        return vmctl_fail(error, -EINVAL, "'%.60s' leaves no CPU", text);
    }
    *set = made;
    return 0;
}

bool value_cpuset_is_any(const struct guest_cpuset *set)
{
    static const struct guest_cpuset none;

    return memcmp(set, &none, sizeof(none)) == 0;
}

static bool cpuset_has(const struct guest_cpuset *set, size_t cpu)
{
    return cpu < GUEST_CPUS_MAX &&
           (set->bits[cpu / CPUSET_WORD_BITS] >> cpu % CPUSET_WORD_BITS & 1);
}

void value_cpuset_format(const struct guest_cpuset *set, char *text, size_t size)
{
    size_t used = 0;
    size_t cpu;

    text[0] = '\0';
    for (cpu = 0; cpu < GUEST_CPUS_MAX && used < size; cpu++) {
        size_t first = cpu;
        int wrote;

        if (!cpuset_has(set, cpu)) {
            continue;
        }
        while (cpuset_has(set, cpu + 1)) {
            cpu++;
        }
        wrote = snprintf(text + used, size - used, first == cpu ? "%s%zu" : "%s%zu-%zu",
                         used == 0 ? "" : ",", first, cpu);
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

/* --- names, sizes, devices ------------------------------------------------------- */

int guest_name_check(const char *name, struct vmctl_error *error)
{
    size_t length = strlen(name);
    const char *at;

    if (length == 0 || length > GUEST_NAME_MAX) {
        return vmctl_fail(error, -EINVAL, "a guest's name has 1 to %d characters, this has %zu",
                          GUEST_NAME_MAX, length);
    }
    if (!is_letter(name[0]) && !is_digit(name[0]) && name[0] != '_') {
        return vmctl_fail(error, -EINVAL,
                          "'%s' is not a guest's name: it begins with a letter, a digit or '_'",
                          name);
    }
    for (at = name; *at != '\0'; at++) {
        if (!is_letter(*at) && !is_digit(*at) && strchr("_.+:-", *at) == NULL) {
            return vmctl_fail(error, -EINVAL,
                              "'%s' is not a guest's name: only letters, digits, and _ . + : -",
                              name);
        }
    }
    if (strcmp(name, "Domain-0") == 0) {
        return vmctl_fail(error, -EINVAL, "'%s' is the control domain's name", name);
    }
    if (strspn(name, "0123456789") == length) {
        return vmctl_fail(error, -EINVAL,
                          "'%s' is not a guest's name: digits alone would be taken for a domain id",
                          name);
    }
    return 0;
}

void guest_name_node(const char *name, char node[GUEST_NODE_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    size_t i;

    for (i = 0; i < GUEST_NAME_MAX && name[i] != '\0'; i++) {
        unsigned char c = (unsigned char)name[i];

        if (is_letter(name[i]) || is_digit(name[i]) || c == '_' || c == '-') {
            *node++ = name[i];
            continue;
        }
        *node++ = '@';
        *node++ = digits[c >> 4];
        *node++ = digits[c & 15];
    }
    *node = '\0';
}

int guest_size_parse(const char *number, const char *unit, uint64_t *kib, struct vmctl_error *error)
{
    static const struct {
        const char *name;
        uint64_t bytes;
    } units[] = {
        { "b", 1 },
        { "bytes", 1 },
        { "KB", 1000 },
        { "k", 1 << 10 },
        { "KiB", 1 << 10 },
        { "MB", UINT64_C(1000) * 1000 },
        { "M", 1 << 20 },
        { "MiB", 1 << 20 },
        { "GB", UINT64_C(1000) * 1000 * 1000 },
        { "G", 1 << 30 },
        { "GiB", 1 << 30 },
        { "TB", UINT64_C(1000) * 1000 * 1000 * 1000 },
        { "T", UINT64_C(1) << 40 },
        { "TiB", UINT64_C(1) << 40 },
    };
    const size_t count = sizeof(units) / sizeof(units[0]);
    const char *at = number;
    uint64_t value = 0;
    size_t i = 0;

    while (i < count && strcasecmp(unit, units[i].name) != 0) {
        i++;
    }
    if (i == count) {
        return vmctl_fail(error, -EINVAL,
                          "unit '%.20s' is not known: expected KiB, MiB, GiB, TiB, KB, MB, GB, TB "
                          "or bytes",
                          unit);
    }
    if (!read_digits(&at, &value) || *at != '\0') {
        return vmctl_fail(error, -EINVAL, "'%.40s' is not a size: expected a whole number", number);
    }
    if (__builtin_mul_overflow(value, units[i].bytes, &value) || value > GUEST_MEMORY_MAX << 10) {
        return vmctl_fail(error, -ERANGE, "%.40s %s is more than any guest can have (16 TiB)",
                          number, units[i].name);
    }
    *kib = (value + 4095) / 4096 * 4;
    return 0;
}

int guest_mac_parse(const char *text, uint8_t mac[6], struct vmctl_error *error)
{
    static const uint8_t none[6];
    uint8_t made[6];
    const char *at = text;
    size_t i;

    for (i = 0; i < 6; i++) {
        if (hex_digit(at[0]) < 0 || hex_digit(at[1]) < 0 || at[2] != (i < 5 ? ':' : '\0')) {
            return vmctl_fail(error, -EINVAL,
                              "'%.40s' is not a MAC address such as 00:16:3e:01:02:03", text);
        }
        made[i] = (uint8_t)(hex_digit(at[0]) << 4 | hex_digit(at[1]));
        at += 3;
    }
    if ((made[0] & 1) != 0 || memcmp(made, none, sizeof(none)) == 0) {
        return vmctl_fail(error, -EINVAL, "'%s' is not the address of one card: %s", text,
                          (made[0] & 1) != 0 ? "it is a multicast address" : "it is all zero");
    }
    memcpy(mac, made, sizeof(made));
    return 0;
}

/*
 * The numbers are those of the PV block protocol: Linux's xvd has major 202 and
 * 16 partitions for the first 16 disks; from the 17th on a number of its own
 * form with 256.
 */
int guest_disk_target(const char *target, uint32_t *vdev, struct vmctl_error *error)
{
    const char *at = target;
    uint64_t partition = 0;
    uint32_t disk = 0;

    if (strncmp(at, "xvd", 3) != 0) {
        return vmctl_fail(
            error, -EINVAL, "'%.40s' is not a disk of a PV guest: expected xvda, xvdb, ...%s",
            target, strncmp(at + (*at != '\0'), "da", 2) == 0 ? "; did you mean 'xvda'?" : "");
    }
    for (at += 3; *at >= 'a' && *at <= 'z' && disk < 1u << 16; at++) {
        disk = disk * 26 + (uint32_t)(*at - 'a') + 1;
    }
    if (*at != '\0' && (*at == '0' || !read_digits(&at, &partition))) {
        disk = 0;
    }
    if (disk == 0 || *at != '\0') {
        return vmctl_fail(error, -EINVAL,
                          "'%.40s' is not a disk of a PV guest: expected xvda, xvdb, xvda1, ...",
                          target);
    }
    disk--;
    if (disk > 701 || partition > (disk < 16 ? 15u : 255u)) {
        return vmctl_fail(error, -ERANGE,
                          "'%.40s' is out of range: disks go to xvdzz, partitions to %u", target,
                          disk < 16 ? 15u : 255u);
    }
    *vdev = disk < 16 ? 202u << 8 | disk << 4 | (uint32_t)partition
                      : 1u << 28 | disk << 8 | (uint32_t)partition;
    return 0;
}

static const char *const action_names[] = {
    [GUEST_ACTION_DESTROY] = "destroy",
    [GUEST_ACTION_RESTART] = "restart",
    [GUEST_ACTION_PRESERVE] = "preserve",
    [GUEST_ACTION_RENAME_RESTART] = "rename-restart",
};

const char *guest_action_name(enum guest_action action)
{
    return action_names[action];
}

int guest_action_parse(const char *name, enum guest_action *action, struct vmctl_error *error)
{
    size_t i;

    for (i = 0; i < sizeof(action_names) / sizeof(action_names[0]); i++) {
        if (strcmp(name, action_names[i]) == 0) {
            *action = (enum guest_action)i;
            return 0;
        }
    }
    if (strncmp(name, "coredump-", 9) == 0) {
        return vmctl_fail(error, -EOPNOTSUPP,
                          "'%.40s': dumps of a guest are not made here; "
                          "expected 'destroy', 'restart', 'preserve' or 'rename-restart'",
                          name);
    }
    return vmctl_fail(error, -EINVAL,
                      "'%.40s': expected 'destroy', 'restart', 'preserve' or 'rename-restart'",
                      name);
}

/* --- near misses ----------------------------------------------------------------- */

#define MEANT_LENGTH 24

/* How many letters differ, are missing, too many, or changed places with a neighbour. */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][MEANT_LENGTH + 1];
    size_t length_a = strlen(a);
    size_t length_b = strlen(b);
    size_t i;
    size_t j;

    if (length_a > MEANT_LENGTH || length_b > MEANT_LENGTH) {
        return SIZE_MAX;
    }
    for (j = 0; j <= length_b; j++) {
        rows[0][j] = j;
    }
    for (i = 1; i <= length_a; i++) {
        const size_t *above = rows[(i - 1) % 3];
        size_t *row = rows[i % 3];

        row[0] = i;
        for (j = 1; j <= length_b; j++) {
            size_t best = above[j - 1] + ((a[i - 1] | 0x20) != (b[j - 1] | 0x20));

            best = above[j] + 1 < best ? above[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                rows[(i - 2) % 3][j - 2] + 1 < best) {
                best = rows[(i - 2) % 3][j - 2] + 1;
            }
            row[j] = best;
        }
    }
    return rows[length_a % 3][length_b];
}

const char *value_meant(const char *wrong, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;
    size_t i;

    for (i = 0; i < count; i++) {
        size_t letters = distance(wrong, words[i]);

        if (letters < least && letters <= (strlen(words[i]) + 2) / 3) {
            least = letters;
            best = words[i];
        }
    }
    return best;
}
