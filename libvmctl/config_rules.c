/* SPDX-License-Identifier: MIT */
/*
 * Elements and attributes of a guest.xml: see config_rules.h.
 *
 * A value is checked where it is taken.  Strings stay where they are, in the
 * buffer of the file, which the config owns.
 */
#include "libvmctl/config_rules.h"

#include "libvmctl/config_values.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES(...) ((const char *const[]){ __VA_ARGS__, NULL })

#define NO_EMULATION "PV guests have paravirtual devices only"
#define ONLY_DOM0    "back ends are in dom0 only"

/* --- values of one kind ------------------------------------------------------------ */

static bool line_ok(struct config_parse *parse, const char *value, size_t most)
{
    struct vmctl_error inner;

    return config_passed(parse, value_line(value, most, &inner), &inner);
}

static bool path_ok(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    return config_passed(parse, value_path(value, &inner), &inner);
}

static bool number_ok(struct config_parse *parse, const char *value, int64_t least, int64_t most,
                      int64_t *number)
{
    struct vmctl_error inner;

    return config_passed(parse, value_number(value, least, most, number, &inner), &inner);
}

/* --- the guest as a whole ------------------------------------------------------------ */

static void take_name(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    if (config_passed(parse, guest_name_check(value, &inner), &inner)) {
        parse->config->name = value;
    }
}

static void take_uuid(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    if (config_passed(parse, value_uuid(value, parse->config->uuid, &inner), &inner)) {
        parse->has_uuid = true;
    }
}

static void take_title(struct config_parse *parse, const char *value)
{
    if (line_ok(parse, value, GUEST_PATH_MAX)) {
        parse->config->title = value;
    }
}

static void take_description(struct config_parse *parse, const char *value)
{
    parse->config->description = value;
}

static void begin_size(struct config_parse *parse)
{
    parse->unit = "KiB";
}

static void take_unit(struct config_parse *parse, const char *value)
{
    parse->unit = value;
}

static void take_size(struct config_parse *parse, const char *value, uint64_t *kib)
{
    struct vmctl_error inner;

    if (!config_passed(parse, guest_size_parse(value, parse->unit, kib, &inner), &inner)) {
        *kib = 0;
    } else if (*kib < GUEST_MEMORY_MIN) {
        config_amiss(parse, -ERANGE, "%s %s is less than any guest can run in (1 MiB)", value,
                     parse->unit);
    }
}

static void take_memory(struct config_parse *parse, const char *value)
{
    take_size(parse, value, &parse->config->memory_kib);
}

static void take_current_memory(struct config_parse *parse, const char *value)
{
    take_size(parse, value, &parse->config->target_kib);
}

static void take_vcpus(struct config_parse *parse, const char *value)
{
    int64_t count;

    if (number_ok(parse, value, 1, GUEST_VCPUS_MAX, &count)) {
        parse->config->vcpus = (uint32_t)count;
    }
}

static void take_vcpus_online(struct config_parse *parse, const char *value)
{
    int64_t count;

    if (number_ok(parse, value, 1, GUEST_VCPUS_MAX, &count)) {
        parse->config->vcpus_online = (uint32_t)count;
        parse->cpus_online_given = true;
    }
}

static void take_cpuset(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    (void)config_passed(parse, value_cpuset(value, &parse->config->cpus, &inner), &inner);
}

static void take_shares(struct config_parse *parse, const char *value)
{
    int64_t weight;

    if (number_ok(parse, value, 1, 65535, &weight)) {
        parse->config->weight = (uint32_t)weight;
    }
}

static void begin_pin(struct config_parse *parse)
{
    parse->pin_vcpu = -1;
    memset(&parse->pin_cpus, 0, sizeof(parse->pin_cpus));
}

static void take_pin_vcpu(struct config_parse *parse, const char *value)
{
    (void)number_ok(parse, value, 0, GUEST_VCPUS_MAX - 1, &parse->pin_vcpu);
}

static void take_pin_cpuset(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    (void)config_passed(parse, value_cpuset(value, &parse->pin_cpus, &inner), &inner);
}

static void end_pin(struct config_parse *parse)
{
    struct guest_config *config = parse->config;
    struct guest_cpuset *set;

    if (parse->pin_vcpu < 0 || value_cpuset_is_any(&parse->pin_cpus)) {
        return; /* reported already */
    }
    if (config->pins == NULL) {
        config->pins = calloc(GUEST_VCPUS_MAX, sizeof(struct guest_cpuset *));
    }
    set = config->pins == NULL ? NULL : malloc(sizeof(*set));
    if (set == NULL) {
        config_amiss(parse, -ENOMEM, "no memory");
        return;
    }
    if (config->pins[parse->pin_vcpu] != NULL) {
        config_amiss(parse, -EINVAL, "vCPU %d is pinned twice", (int)parse->pin_vcpu);
        free(set);
        return;
    }
    *set = parse->pin_cpus;
    config->pins[parse->pin_vcpu] = set;
}

/* --- what boots ---------------------------------------------------------------------- */

static void take_kernel(struct config_parse *parse, const char *value)
{
    if (path_ok(parse, value)) {
        parse->config->kernel = value;
    }
}

static void take_initrd(struct config_parse *parse, const char *value)
{
    if (path_ok(parse, value)) {
        parse->config->initrd = value;
    }
}

static void take_cmdline(struct config_parse *parse, const char *value)
{
    if (line_ok(parse, value, GUEST_CMDLINE_MAX)) {
        parse->config->cmdline = value;
    }
}

static void take_root(struct config_parse *parse, const char *value)
{
    if (line_ok(parse, value, GUEST_CMDLINE_MAX)) {
        parse->root = value;
    }
}

static void take_os_type(struct config_parse *parse, const char *value)
{
    if (strcmp(value, "hvm") == 0 || strcmp(value, "xenpvh") == 0) {
        config_amiss(parse, -EOPNOTSUPP,
                     "'%s' guests need hardware virtualisation, which is not used here; expected "
                     "'linux' (a PV guest)",
                     value);
    } else if (strcmp(value, "linux") != 0 && strcmp(value, "xen") != 0) {
        config_amiss(parse, -EINVAL, "'%.40s' is not known; expected 'linux' (a PV guest)", value);
    }
}

/* --- life cycle, clock ----------------------------------------------------------------- */

static void take_action(struct config_parse *parse, const char *value, enum guest_action *action)
{
    struct vmctl_error inner;

    (void)config_passed(parse, guest_action_parse(value, action, &inner), &inner);
}

static void take_on_poweroff(struct config_parse *parse, const char *value)
{
    take_action(parse, value, &parse->config->on_poweroff);
}

static void take_on_reboot(struct config_parse *parse, const char *value)
{
    take_action(parse, value, &parse->config->on_reboot);
}

static void take_on_crash(struct config_parse *parse, const char *value)
{
    take_action(parse, value, &parse->config->on_crash);
}

static void take_clock_offset(struct config_parse *parse, const char *value)
{
    if (strcmp(value, "localtime") == 0) {
        parse->config->clock = GUEST_CLOCK_LOCALTIME;
    }
    parse->needs_adjustment = strcmp(value, "variable") == 0;
}

static void take_clock_basis(struct config_parse *parse, const char *value)
{
    if (strcmp(value, "localtime") == 0) {
        parse->config->clock = GUEST_CLOCK_LOCALTIME;
    }
}

static void take_clock_adjustment(struct config_parse *parse, const char *value)
{
    const int64_t century = INT64_C(3155760000);

    if (strcmp(value, "reset") == 0) {
        return; /* what happens here at every start */
    }
    if (number_ok(parse, value, -century, century, &parse->config->clock_offset)) {
        parse->needs_adjustment = false;
    }
}

static void end_clock(struct config_parse *parse)
{
    if (parse->needs_adjustment) {
        config_amiss(parse, -EINVAL, "offset='variable' needs an adjustment in seconds");
    }
}

/* --- disks ------------------------------------------------------------------------------- */

static void begin_disk(struct config_parse *parse)
{
    memset(&parse->disk, 0, sizeof(parse->disk));
    parse->file = NULL;
    parse->device = NULL;
}

static void take_disk_type(struct config_parse *parse, const char *value)
{
    parse->disk.type = strcmp(value, "block") == 0 ? GUEST_DISK_BLOCK : GUEST_DISK_FILE;
}

static void take_disk_device(struct config_parse *parse, const char *value)
{
    parse->disk.cdrom = strcmp(value, "cdrom") == 0;
    parse->disk.readonly |= parse->disk.cdrom;
}

static void take_disk_file(struct config_parse *parse, const char *value)
{
    if (path_ok(parse, value)) {
        parse->file = value;
    }
}

static void take_disk_dev(struct config_parse *parse, const char *value)
{
    if (path_ok(parse, value)) {
        parse->device = value;
    }
}

static void take_disk_target(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    if (config_passed(parse, guest_disk_target(value, &parse->disk.vdev, &inner), &inner)) {
        parse->disk.target = value;
    }
}

static void begin_readonly(struct config_parse *parse)
{
    parse->disk.readonly = true;
}

static void begin_shareable(struct config_parse *parse)
{
    parse->disk.shareable = true;
}

static void end_disk_source(struct config_parse *parse)
{
    bool block = parse->disk.type == GUEST_DISK_BLOCK;

    if (parse->file != NULL && parse->device != NULL) {
        config_amiss(parse, -EINVAL, "has both file= and dev=");
    } else if (!parse->failed && (block ? parse->device : parse->file) == NULL) {
        config_amiss(parse, -EINVAL, "a disk of type='%s' needs %s='/...' here",
                     block ? "block" : "file", block ? "dev" : "file");
    }
    parse->disk.source = block ? parse->device : parse->file;
}

static void end_disk(struct config_parse *parse)
{
    struct vmctl_error inner;

    if (parse->disk.source != NULL && parse->disk.target != NULL) {
        (void)config_passed(parse, guest_config_add_disk(parse->config, &parse->disk, &inner),
                            &inner);
    }
}

/* --- network ----------------------------------------------------------------------------- */

static void begin_nic(struct config_parse *parse)
{
    memset(&parse->nic, 0, sizeof(parse->nic));
}

static void take_mac(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    (void)config_passed(parse, guest_mac_parse(value, parse->nic.mac, &inner), &inner);
}

static void take_bridge(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    if (config_passed(parse, value_interface(value, &inner), &inner)) {
        parse->nic.bridge = value;
    }
}

static void take_nic_target(struct config_parse *parse, const char *value)
{
    struct vmctl_error inner;

    /* libvirt writes the name that the kernel once made up; it is no wish. */
    if (strncmp(value, "vif", 3) != 0 &&
        config_passed(parse, value_interface(value, &inner), &inner)) {
        parse->nic.target = value;
    }
}

static void take_mtu(struct config_parse *parse, const char *value)
{
    int64_t mtu;

    if (number_ok(parse, value, 68, 65521, &mtu)) {
        parse->nic.mtu = (uint32_t)mtu;
    }
}

static void take_rate(struct config_parse *parse, const char *value)
{
    int64_t rate;

    if (number_ok(parse, value, 1, GUEST_RATE_MAX, &rate)) {
        parse->nic.rate_kib = (uint64_t)rate;
    }
}

static void take_burst(struct config_parse *parse, const char *value)
{
    int64_t burst;

    if (number_ok(parse, value, 1, GUEST_BURST_MAX, &burst)) {
        parse->nic.burst_kib = (uint64_t)burst;
    }
}

static void take_script(struct config_parse *parse, const char *value)
{
    config_note(parse, "'%.100s' is not run: the bridge port is set up without scripts", value);
}

static void end_nic(struct config_parse *parse)
{
    struct vmctl_error inner;

    if (parse->nic.bridge != NULL) {
        (void)config_passed(parse, guest_config_add_nic(parse->config, &parse->nic, &inner),
                            &inner);
    }
}

/* --- consoles ---------------------------------------------------------------------------- */

static void begin_console(struct config_parse *parse)
{
    memset(&parse->console, 0, sizeof(parse->console));
    parse->console.append = true;
    parse->console.log_append = true;
}

static void take_console_type(struct config_parse *parse, const char *value)
{
    parse->console.type = strcmp(value, "file") == 0 ? GUEST_CONSOLE_FILE : GUEST_CONSOLE_PTY;
}

static void take_console_path(struct config_parse *parse, const char *value)
{
    if (path_ok(parse, value)) {
        parse->console.path = value;
    }
}

static void take_console_append(struct config_parse *parse, const char *value)
{
    parse->console.append = strcmp(value, "on") == 0;
}

static void take_console_log(struct config_parse *parse, const char *value)
{
    if (path_ok(parse, value)) {
        parse->console.log = value;
    }
}

static void take_log_append(struct config_parse *parse, const char *value)
{
    parse->console.log_append = strcmp(value, "on") == 0;
}

static void take_console_port(struct config_parse *parse, const char *value)
{
    int64_t port;

    if (number_ok(parse, value, 0, INT_MAX, &port) && port != 0) {
        config_amiss(parse, -EOPNOTSUPP, "a PV guest has one console, port 0");
    }
}

/* libvirt names the one console of a guest twice: as <serial> and as <console>. */
static void end_console(struct config_parse *parse)
{
    const struct config_console *said = &parse->console;
    struct guest_config *config = parse->config;
    const char *file = said->log;
    bool append = said->log_append;

    if (said->type == GUEST_CONSOLE_FILE) {
        if (said->path == NULL) {
            config_amiss(parse, -EINVAL, "type='file' needs <source path='/...'/>");
            return;
        }
        if (said->log != NULL) {
            config_amiss(parse, -EOPNOTSUPP, "type='file' and a <log>: only one file can be had");
            return;
        }
        file = said->path;
        append = said->append;
    }
    if (parse->console_given &&
        (config->console != said->type || (file == NULL) != (config->console_file == NULL) ||
         (file != NULL && strcmp(file, config->console_file) != 0))) {
        config_amiss(parse, -EOPNOTSUPP,
                     "a PV guest has one console; this differs from the one above");
        return;
    }
    parse->console_given = true;
    config->console = said->type;
    config->console_file = file;
    config->console_append = append;
}

/* --- the tables --------------------------------------------------------------------------- */

/* clang-format off */
static const struct attribute_rule unit_attributes[] = {
    { .name = "unit", .take = take_unit },
    { .name = "dumpCore" },
    { .name = NULL },
};

static const struct attribute_rule vcpu_attributes[] = {
    { .name = "placement", .choices = CHOICES("static") },
    { .name = "cpuset", .take = take_cpuset },
    { .name = "current", .take = take_vcpus_online },
    { .name = NULL },
};

static const struct attribute_rule pin_attributes[] = {
    { .name = "vcpu", .required = true, .take = take_pin_vcpu },
    { .name = "cpuset", .required = true, .take = take_pin_cpuset },
    { .name = NULL },
};

static const struct element_rule cputune_children[] = {
    { .name = "shares", .text = take_shares },
    { .name = "vcpupin", .many = true, .attributes = pin_attributes,
      .begin = begin_pin, .end = end_pin },
    { .name = "emulatorpin", .standing = RULE_IGNORED },
    { .name = "period", .standing = RULE_REFUSED, .words = "CPU time is shared by weight: <shares>" },
    { .name = "quota", .standing = RULE_REFUSED, .words = "CPU time is shared by weight: <shares>" },
    { .name = NULL },
};

static const struct attribute_rule os_type_attributes[] = {
    { .name = "arch", .choices = CHOICES("x86_64") },
    { .name = "machine", .choices = CHOICES("xenpv") },
    { .name = NULL },
};

static const struct element_rule os_children[] = {
    { .name = "type", .required = true, .attributes = os_type_attributes, .text = take_os_type },
    { .name = "kernel", .required = true, .text = take_kernel },
    { .name = "initrd", .text = take_initrd },
    { .name = "cmdline", .text = take_cmdline },
    { .name = "root", .text = take_root },
    { .name = "boot", .standing = RULE_IGNORED, .many = true },
    { .name = "bootmenu", .standing = RULE_IGNORED },
    { .name = "smbios", .standing = RULE_NOTED, .words = "has no effect: PV guests have no firmware" },
    { .name = "loader", .standing = RULE_REFUSED, .words = "firmware is for guests of other kinds" },
    { .name = "nvram", .standing = RULE_REFUSED, .words = "firmware is for guests of other kinds" },
    { .name = NULL },
};

static const struct attribute_rule clock_attributes[] = {
    { .name = "offset", .required = true, .choices = CHOICES("utc", "localtime", "variable"),
      .take = take_clock_offset },
    { .name = "adjustment", .take = take_clock_adjustment },
    { .name = "basis", .choices = CHOICES("utc", "localtime"), .take = take_clock_basis },
    { .name = NULL },
};

static const struct element_rule clock_children[] = {
    { .name = "timer", .standing = RULE_NOTED, .many = true,
      .words = "has no effect: PV guests take the time from the hypervisor" },
    { .name = NULL },
};

static const struct attribute_rule disk_attributes[] = {
    { .name = "type", .required = true, .choices = CHOICES("file", "block"),
      .take = take_disk_type, .remedy = "name the file or device (virsh vol-path)" },
    { .name = "device", .choices = CHOICES("disk", "cdrom"), .take = take_disk_device },
    { .name = "snapshot" },
    { .name = NULL },
};

static const struct attribute_rule driver_attributes[] = {
    { .name = "name", .choices = CHOICES("phy", "file", "qemu", "tap", "tap2") },
    { .name = "type", .choices = CHOICES("raw"), .remedy = "qemu-img convert -O raw makes one" },
    { .name = "cache" },
    { .name = "io" },
    { .name = "discard" },
    { .name = "detect_zeroes" },
    { .name = "error_policy" },
    { .name = NULL },
};

static const struct attribute_rule disk_source_attributes[] = {
    { .name = "file", .take = take_disk_file },
    { .name = "dev", .take = take_disk_dev },
    { .name = "startupPolicy" },
    { .name = "index" },
    { .name = NULL },
};

static const struct element_rule disk_source_children[] = {
    { .name = "seclabel", .standing = RULE_IGNORED, .many = true },
    { .name = NULL },
};

static const struct attribute_rule disk_target_attributes[] = {
    { .name = "dev", .required = true, .take = take_disk_target },
    { .name = "bus", .choices = CHOICES("xen") },
    { .name = "tray" },
    { .name = "removable" },
    { .name = NULL },
};

static const struct element_rule disk_children[] = {
    { .name = "driver", .attributes = driver_attributes },
    { .name = "source", .required = true, .attributes = disk_source_attributes,
      .children = disk_source_children, .end = end_disk_source },
    { .name = "target", .required = true, .attributes = disk_target_attributes },
    { .name = "readonly", .begin = begin_readonly },
    { .name = "shareable", .begin = begin_shareable },
    { .name = "backingStore", .standing = RULE_IGNORED },
    { .name = "alias", .standing = RULE_IGNORED },
    { .name = "address", .standing = RULE_IGNORED },
    { .name = "boot", .standing = RULE_IGNORED },
    { .name = "geometry", .standing = RULE_IGNORED },
    { .name = "serial", .standing = RULE_NOTED, .words = "PV disks have no serial number" },
    { .name = "wwn", .standing = RULE_NOTED, .words = "PV disks have no serial number" },
    { .name = "backenddomain", .standing = RULE_REFUSED, .words = ONLY_DOM0 },
    { .name = "transient", .standing = RULE_REFUSED, .words = "what is written stays; give a copy" },
    { .name = "iotune", .standing = RULE_REFUSED, .words = "disks cannot be throttled" },
    { .name = "encryption", .standing = RULE_REFUSED, .words = "use dm-crypt in dom0 or in the guest" },
    { .name = NULL },
};

static const struct attribute_rule interface_attributes[] = {
    { .name = "type", .required = true, .choices = CHOICES("bridge"),
      .remedy = "name the bridge in <source> (virsh net-info)" },
    { .name = NULL },
};

static const struct attribute_rule mac_attributes[] = {
    { .name = "address", .required = true, .take = take_mac },
    { .name = NULL },
};

static const struct attribute_rule nic_source_attributes[] = {
    { .name = "bridge", .required = true, .take = take_bridge },
    { .name = NULL },
};

static const struct attribute_rule nic_target_attributes[] = {
    { .name = "dev", .required = true, .take = take_nic_target },
    { .name = NULL },
};

static const struct attribute_rule model_attributes[] = {
    { .name = "type", .required = true, .choices = CHOICES("netfront") },
    { .name = NULL },
};

static const struct attribute_rule mtu_attributes[] = {
    { .name = "size", .required = true, .take = take_mtu },
    { .name = NULL },
};

static const struct attribute_rule script_attributes[] = {
    { .name = "path", .required = true, .take = take_script },
    { .name = NULL },
};

static const struct attribute_rule link_attributes[] = {
    { .name = "state", .required = true, .choices = CHOICES("up") },
    { .name = NULL },
};

static const struct attribute_rule outbound_attributes[] = {
    { .name = "average", .required = true, .take = take_rate },
    { .name = "burst", .take = take_burst },
    { .name = NULL },
};

static const struct element_rule bandwidth_children[] = {
    { .name = "outbound", .attributes = outbound_attributes },
    { .name = "inbound", .standing = RULE_REFUSED,
      .words = "only what a guest sends can be limited: <outbound average='...'/>" },
    { .name = NULL },
};

static const struct element_rule interface_children[] = {
    { .name = "mac", .attributes = mac_attributes },
    { .name = "source", .required = true, .attributes = nic_source_attributes },
    { .name = "target", .attributes = nic_target_attributes },
    { .name = "model", .attributes = model_attributes },
    { .name = "mtu", .attributes = mtu_attributes },
    { .name = "script", .attributes = script_attributes },
    { .name = "link", .attributes = link_attributes },
    { .name = "bandwidth", .children = bandwidth_children },
    { .name = "alias", .standing = RULE_IGNORED },
    { .name = "address", .standing = RULE_IGNORED },
    { .name = "boot", .standing = RULE_IGNORED },
    { .name = "driver", .standing = RULE_IGNORED },
    { .name = "backenddomain", .standing = RULE_REFUSED, .words = ONLY_DOM0 },
    { .name = "port", .standing = RULE_REFUSED,
      .words = "ports of a bridge see each other; use a bridge of its own" },
    { .name = "ip", .standing = RULE_REFUSED, .words = "addresses of a guest are not filtered" },
    { .name = "filterref", .standing = RULE_REFUSED, .words = "traffic of a guest is not filtered" },
    { .name = "vlan", .standing = RULE_REFUSED, .words = "use a bridge of that VLAN" },
    { .name = "virtualport", .standing = RULE_REFUSED, .words = "only Linux bridges can be used" },
    { .name = NULL },
};

static const struct attribute_rule console_attributes[] = {
    { .name = "type", .choices = CHOICES("pty", "file"), .take = take_console_type },
    { .name = "tty" },
    { .name = NULL },
};

static const struct attribute_rule serial_attributes[] = {
    { .name = "type", .required = true, .choices = CHOICES("pty", "file"),
      .take = take_console_type },
    { .name = NULL },
};

static const struct attribute_rule console_source_attributes[] = {
    { .name = "path", .required = true, .take = take_console_path },
    { .name = "append", .choices = CHOICES("on", "off"), .take = take_console_append },
    { .name = NULL },
};

static const struct attribute_rule console_target_attributes[] = {
    { .name = "type", .choices = CHOICES("xen", "serial", "isa-serial") },
    { .name = "port", .take = take_console_port },
    { .name = NULL },
};

static const struct attribute_rule log_attributes[] = {
    { .name = "file", .required = true, .take = take_console_log },
    { .name = "append", .choices = CHOICES("on", "off"), .take = take_log_append },
    { .name = NULL },
};

static const struct element_rule console_target_children[] = {
    { .name = "model", .standing = RULE_IGNORED },
    { .name = NULL },
};

static const struct element_rule console_children[] = {
    { .name = "source", .attributes = console_source_attributes },
    { .name = "target", .attributes = console_target_attributes,
      .children = console_target_children },
    { .name = "log", .attributes = log_attributes },
    { .name = "alias", .standing = RULE_IGNORED },
    { .name = "address", .standing = RULE_IGNORED },
    { .name = NULL },
};

static const struct element_rule device_children[] = {
    { .name = "disk", .many = true, .attributes = disk_attributes, .children = disk_children,
      .begin = begin_disk, .end = end_disk },
    { .name = "interface", .many = true, .attributes = interface_attributes,
      .children = interface_children, .begin = begin_nic, .end = end_nic },
    { .name = "console", .many = true, .attributes = console_attributes,
      .children = console_children, .begin = begin_console, .end = end_console },
    { .name = "serial", .many = true, .attributes = serial_attributes,
      .children = console_children, .begin = begin_console, .end = end_console },
    { .name = "emulator", .standing = RULE_IGNORED },
    { .name = "controller", .standing = RULE_IGNORED, .many = true },
    { .name = "input", .standing = RULE_IGNORED, .many = true },
    { .name = "memballoon", .standing = RULE_IGNORED },
    { .name = "audio", .standing = RULE_IGNORED, .many = true },
    { .name = "graphics", .standing = RULE_NOTED, .many = true,
      .words = "is left out: guests have a text console only" },
    { .name = "video", .standing = RULE_NOTED, .many = true,
      .words = "is left out: guests have a text console only" },
    { .name = "sound", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "channel", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "parallel", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "tpm", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "rng", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "watchdog", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "panic", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "redirdev", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "filesystem", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "crypto", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "hub", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "iommu", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "nvram", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "shmem", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "smartcard", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "vsock", .standing = RULE_REFUSED, .words = NO_EMULATION },
    { .name = "memory", .standing = RULE_REFUSED,
      .words = "memory is not hot-plugged; the maximum is the <memory> of <domain>" },
    { .name = "hostdev", .standing = RULE_REFUSED, .words = "devices are not passed through" },
    { .name = NULL },
};

static const struct attribute_rule domain_attributes[] = {
    { .name = "type", .required = true, .choices = CHOICES("xen") },
    { .name = "id" },
    { .name = NULL },
};

static const struct element_rule domain_children[] = {
    { .name = "name", .required = true, .text = take_name },
    { .name = "uuid", .text = take_uuid },
    { .name = "title", .text = take_title },
    { .name = "description", .text = take_description },
    { .name = "metadata", .standing = RULE_IGNORED },
    { .name = "memory", .required = true, .attributes = unit_attributes, .text = take_memory,
      .begin = begin_size },
    { .name = "currentMemory", .attributes = unit_attributes, .text = take_current_memory,
      .begin = begin_size },
    { .name = "vcpu", .attributes = vcpu_attributes, .text = take_vcpus },
    { .name = "vcpus", .standing = RULE_IGNORED },
    { .name = "cputune", .children = cputune_children },
    { .name = "os", .required = true, .children = os_children },
    { .name = "features", .standing = RULE_NOTED, .words = "has no effect on PV guests" },
    { .name = "cpu", .standing = RULE_NOTED,
      .words = "has no effect: a guest sees the host's CPU, less what PV cannot have" },
    { .name = "clock", .attributes = clock_attributes, .children = clock_children,
      .end = end_clock },
    { .name = "on_poweroff", .text = take_on_poweroff },
    { .name = "on_reboot", .text = take_on_reboot },
    { .name = "on_crash", .text = take_on_crash },
    { .name = "pm", .standing = RULE_IGNORED },
    { .name = "resource", .standing = RULE_IGNORED },
    { .name = "seclabel", .standing = RULE_IGNORED, .many = true },
    { .name = "devices", .children = device_children },
    { .name = "bootloader", .standing = RULE_REFUSED,
      .words = "a kernel inside the guest's disk cannot be started yet; name a <kernel> in <os>" },
    { .name = "bootloader_args", .standing = RULE_REFUSED, .words = "see <bootloader>" },
    { .name = "maxMemory", .standing = RULE_REFUSED,
      .words = "memory is not hot-plugged; the maximum is <memory>, the start <currentMemory>" },
    { .name = "genid", .standing = RULE_NOTED, .words = "has no effect on PV guests" },
    { .name = "sysinfo", .standing = RULE_NOTED, .words = "has no effect: PV guests have no firmware" },
    { .name = "iothreads", .standing = RULE_NOTED, .words = "has no effect: disks are dom0's kernel's" },
    { .name = "blkiotune", .standing = RULE_REFUSED, .words = "disks cannot be throttled" },
    { .name = "memtune", .standing = RULE_REFUSED,
      .words = "a guest has all of its memory, always: <memory>" },
    { .name = "launchSecurity", .standing = RULE_REFUSED, .words = "memory is not encrypted" },
    { .name = "memoryBacking", .standing = RULE_REFUSED, .words = "guests have memory of their own" },
    { .name = "numatune", .standing = RULE_REFUSED, .words = "use the cpuset of <vcpu>" },
    { .name = NULL },
};

const struct element_rule config_root = {
    .name = "domain", .attributes = domain_attributes, .children = domain_children,
};
/* clang-format on */
