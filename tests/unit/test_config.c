/* SPDX-License-Identifier: MIT */
/*
 * guest.xml: what is read, what is refused and in which words, and that what is
 * written down reads back the same.  The schema judges each file as well.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvmctl/config_values.h"
#include "libvmctl/guest_config.h"
#include "tests/unit/suite.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/* A guest whose lines are counted: what a test puts in is at line 2 or at line 6. */
#define GUEST(domain, devices)                                                          \
    "<domain type='xen'>\n" domain "\n<name>web</name><memory unit='MiB'>64</memory>\n" \
    "<os><type>linux</type><kernel>/boot/vmlinuz</kernel></os>\n<devices>\n" devices    \
    "\n</devices></domain>\n"
#define DISK(inside) GUEST("", "<disk type='file'>" inside "</disk>")
#define NIC(inside)  GUEST("", "<interface type='bridge'>" inside "</interface>")

static const char *tree_path(const char *name)
{
    static char path[4096];
    const char *root = getenv("srcdir");

    (void)snprintf(path, sizeof(path), "%s/%s", root == NULL ? "." : root, name);
    return path;
}

static struct guest_config *must_parse(const char *text)
{
    struct guest_config *config = NULL;
    struct vmctl_error error = { .message = "" };
    int r = guest_config_parse(text, strlen(text), NULL, NULL, &config, &error);

    ck_assert_msg(r == 0, "%s", error.message);
    ck_assert_ptr_nonnull(config);
    return config;
}

static bool schema_accepts(const char *text)
{
    struct vmctl_error error;
    int r = guest_config_validate(text, strlen(text), NULL, tree_path("libvmctl/guest.rng"), NULL,
                                  &error);

    ck_assert_msg(r == 0 || r == -EINVAL, "%s", error.message);
    return r == 0;
}

/* --- what is read ------------------------------------------------------------------ */

START_TEST(a_small_guest_gets_every_default)
{
    struct guest_config *config = must_parse(GUEST("", ""));
    static const uint8_t none[16];

    ck_assert_str_eq(config->name, "web");
    ck_assert_mem_ne(config->uuid, none, sizeof(none));
    ck_assert_ptr_null(config->title);
    ck_assert_uint_eq(config->memory_kib, 64 * 1024);
    ck_assert_uint_eq(config->target_kib, 64 * 1024);
    ck_assert_uint_eq(config->vcpus, 1);
    ck_assert_uint_eq(config->vcpus_online, 1);
    ck_assert(value_cpuset_is_any(&config->cpus));
    ck_assert_ptr_null(config->pins);
    ck_assert_uint_eq(config->weight, 0);
    ck_assert_int_eq(config->boot, GUEST_BOOT_KERNEL);
    ck_assert_str_eq(config->kernel, "/boot/vmlinuz");
    ck_assert_ptr_null(config->initrd);
    ck_assert_str_eq(config->cmdline, "");
    ck_assert_int_eq(config->on_poweroff, GUEST_ACTION_DESTROY);
    ck_assert_int_eq(config->on_reboot, GUEST_ACTION_RESTART);
    ck_assert_int_eq(config->on_crash, GUEST_ACTION_DESTROY);
    ck_assert_int_eq(config->clock, GUEST_CLOCK_UTC);
    ck_assert_int_eq(config->clock_offset, 0);
    ck_assert_uint_eq(config->disk_count, 0);
    ck_assert_uint_eq(config->nic_count, 0);
    ck_assert_int_eq(config->console, GUEST_CONSOLE_PTY);
    ck_assert_ptr_null(config->console_file);
    guest_config_free(config);
}
END_TEST

static void check_full_devices(const struct guest_config *config)
{
    static const uint8_t mac[] = { 0x00, 0x16, 0x3e, 0x5d, 0xc7, 0x9e };

    ck_assert_uint_eq(config->disk_count, 3);
    ck_assert_int_eq(config->disks[0].type, GUEST_DISK_BLOCK);
    ck_assert_str_eq(config->disks[0].source, "/dev/vg0/web1");
    ck_assert_str_eq(config->disks[0].target, "xvda");
    ck_assert_uint_eq(config->disks[0].vdev, 51712);
    ck_assert(!config->disks[0].readonly && !config->disks[0].shareable);
    ck_assert_int_eq(config->disks[1].type, GUEST_DISK_FILE);
    ck_assert_str_eq(config->disks[1].source, "/srv/images/shared \"data\".img");
    ck_assert_uint_eq(config->disks[1].vdev, 51729);
    ck_assert(config->disks[1].readonly && config->disks[1].shareable);
    ck_assert(config->disks[2].cdrom && config->disks[2].readonly);
    ck_assert_uint_eq(config->nic_count, 2);
    ck_assert_str_eq(config->nics[0].bridge, "xenbr0");
    ck_assert_mem_eq(config->nics[0].mac, mac, sizeof(mac));
    ck_assert_ptr_null(config->nics[0].target);
    ck_assert_uint_eq(config->nics[0].mtu, 1400);
    ck_assert_uint_eq(config->nics[0].rate_kib, 1000);
    ck_assert_uint_eq(config->nics[0].burst_kib, 5120);
    ck_assert_str_eq(config->nics[1].target, "web1-lan");
    ck_assert_mem_eq(config->nics[1].mac, mac, 3);
    ck_assert_uint_eq(config->nics[1].rate_kib, 0);
    ck_assert_str_eq(config->console_file, "/var/log/web1.log");
    ck_assert_int_eq(config->console, GUEST_CONSOLE_PTY);
    ck_assert(!config->console_append);
}

struct collected {
    unsigned int notes;
    unsigned int errors;
    char words[4096];
};

static void collect(void *context, unsigned int line, bool fatal, const char *words)
{
    struct collected *collected = context;
    size_t used = strlen(collected->words);

    *(fatal ? &collected->errors : &collected->notes) += 1;
    (void)snprintf(collected->words + used, sizeof(collected->words) - used, "%u: %s\n", line,
                   words);
}

START_TEST(everything_that_can_be_said_is_read)
{
    struct collected collected = { .notes = 0 };
    struct guest_reporter reporter = { .report = collect, .context = &collected };
    struct guest_config *config = NULL;
    struct vmctl_error error = { .message = "" };
    char uuid[37];

    ck_assert_msg(guest_config_load(tree_path("tests/unit/guest_xml/full.xml"), &reporter, &config,
                                    &error) == 0,
                  "%s", error.message);
    ck_assert_str_eq(config->name, "web1.example.com");
    guest_uuid_format(config->uuid, uuid);
    ck_assert_str_eq(uuid, "1d9f51a6-8f3f-4c0b-9a75-1f6d3a2b4c5d");
    ck_assert_str_eq(config->title, "The <first> web server");
    ck_assert_uint_eq(config->memory_kib, 1 << 20);
    ck_assert_uint_eq(config->target_kib, 1 << 19);
    ck_assert_uint_eq(config->vcpus, 4);
    ck_assert_uint_eq(config->vcpus_online, 2);
    ck_assert_uint_eq(config->cpus.bits[0], 0x10b);
    ck_assert_ptr_null(config->pins[0]);
    ck_assert_uint_eq(config->pins[1]->bits[0], 2);
    ck_assert_uint_eq(config->pins[3]->bits[0], 9);
    ck_assert_uint_eq(config->weight, 512);
    ck_assert_str_eq(config->initrd, "/boot/initrd.img-6.1.0-40-amd64");
    ck_assert_str_eq(config->cmdline, "root=/dev/xvda1 ro console=hvc0 quiet");
    ck_assert_int_eq(config->on_poweroff, GUEST_ACTION_PRESERVE);
    ck_assert_int_eq(config->on_reboot, GUEST_ACTION_DESTROY);
    ck_assert_int_eq(config->on_crash, GUEST_ACTION_RENAME_RESTART);
    ck_assert_int_eq(config->clock, GUEST_CLOCK_LOCALTIME);
    ck_assert_int_eq(config->clock_offset, -3600);
    check_full_devices(config);
    ck_assert_uint_eq(collected.errors, 0);
    ck_assert_uint_eq(collected.notes, 5);
    ck_assert_ptr_nonnull(strstr(collected.words, "66: <script>: 'vif-bridge' is not run"));
    guest_config_free(config);
}
END_TEST

START_TEST(what_is_written_reads_back_the_same)
{
    static const char *const files[] = { "tests/unit/guest_xml/full.xml",
                                         "tests/unit/guest_xml/small.xml" };
    struct guest_config *config = NULL;
    struct guest_config *again;
    char *first;
    char *second;
    size_t length;

    ck_assert_int_eq(guest_config_load(tree_path(files[_i]), NULL, &config, NULL), 0);
    ck_assert_int_eq(guest_config_write(config, &first, &length, NULL), 0);
    ck_assert_uint_eq(strlen(first), length);
    ck_assert(schema_accepts(first));
    again = must_parse(first);
    ck_assert_int_eq(guest_config_write(again, &second, &length, NULL), 0);
    ck_assert_str_eq(first, second);
    ck_assert_uint_eq(config->disk_count, again->disk_count);
    ck_assert_uint_eq(config->memory_kib, again->memory_kib);
    free(first);
    free(second);
    guest_config_free(config);
    guest_config_free(again);
}
END_TEST

/* Good for the parser and for the schema. */
static const char *const good[] = {
    GUEST("<uuid>1d9f51a68f3f4c0b9a751f6d3a2b4c5d</uuid>", ""),
    GUEST("<description/><title></title>", ""),
    GUEST("<vcpu>128</vcpu>", ""),
    GUEST("<vcpu cpuset='1023'>\n 2 \n</vcpu>", ""),
    GUEST("<clock offset='utc'/>", ""),
    GUEST("<clock offset='utc' adjustment='reset'/>", ""),
    GUEST("<clock offset='variable' adjustment='0'/>", ""),
    GUEST("<on_crash>restart</on_crash>", ""),
    GUEST("<currentMemory>65536</currentMemory>", ""),
    GUEST("<cputune/><features/><pm/><seclabel/><seclabel/>", ""),
    GUEST("<metadata xmlns:x='u'><x:y><x:y/></x:y>text</metadata>", ""),
    GUEST("<!-- remark --><?editor hint?>", ""),
    DISK("<source file='/a'/><target dev='xvda'/>"),
    DISK("<target dev='xvdzz255' bus='xen'/><source file='/a&amp;b'/><readonly/>"),
    GUEST("", "<disk type='block'><source dev='/dev/sda'/><target dev='xvdb15'/></disk>"),
    NIC("<source bridge='br0'/>"),
    NIC("<source bridge='br-0.1_x'/><mac address='02:00:00:AA:bb:00'/>"),
    NIC("<source bridge='br0'/><bandwidth/>"),
    GUEST("", "<console/>"),
    GUEST("", "<console type='file'><source path='/a' append='off'/></console>"),
    GUEST("", "<serial type='pty'/><console type='pty'><target type='serial'/></console>"),
    GUEST("", "<console type='pty'><log file='/l'/></console>"),
    GUEST("", "<input type='mouse' bus='xen'/><input/><video><model/></video>"),
};

START_TEST(what_is_good_is_good_for_the_schema_too)
{
    guest_config_free(must_parse(good[_i]));
    ck_assert_msg(schema_accepts(good[_i]), "the schema refuses: %s", good[_i]);
}
END_TEST

/* --- what is refused ---------------------------------------------------------------- */

enum judge {
    BOTH,       /* the schema refuses it as well */
    ONLY_WORDS, /* no schema can say it: only the parser knows */
};

static const struct {
    const char *text;
    const char *words; /* of the message, whole */
    enum judge judge;
} bad[] = {
    { "<guest/>", "guest.xml:1: <guest>: is not a guest: expected <domain type='xen'>", BOTH },
    { "<domain/>", "guest.xml:1: <domain>: attribute 'type' is missing", BOTH },
    { "<domain type='kvm'/>",
      "guest.xml:1: <domain type='kvm'>: 'kvm' is not known; expected 'xen'", BOTH },
    { "<domain type='xne'/>",
      "guest.xml:1: <domain type='xne'>: 'xne' is not known; did you mean 'xen'?", BOTH },
    { "<domain type='xen'/>", "guest.xml:1: <domain>: <name> is missing", BOTH },
    { "<domain type='xen' xmlns='urn:x'/>",
      "guest.xml:1: <domain xmlns='urn:x'>: attribute 'xmlns' is not known here; expected 'type'",
      BOTH },
    { GUEST("words", ""), "guest.xml:2: <domain>: text 'words' where only elements are expected",
      BOTH },
    { GUEST("<memroy>1</memroy>", ""),
      "guest.xml:2: <memroy>: is not known inside <domain>; did you mean 'memory'?", BOTH },
    { GUEST("<currentmemory>1</currentmemory>", ""),
      "guest.xml:2: <currentmemory>: is not known inside <domain>; did you mean 'currentMemory'?",
      BOTH },
    { GUEST("<q:commandline/>", ""),
      "guest.xml:2: <q:commandline>: is not known inside <domain>; expected 'name', 'uuid', "
      "'title', 'description', 'memory', 'currentMemory', 'vcpu', 'cputune', 'os', 'clock', "
      "'on_poweroff', 'on_reboot', 'on_crash' or 'devices'",
      ONLY_WORDS },
    { GUEST("<name>b</name>", ""), "guest.xml:3: <name>: is given twice inside <domain>", BOTH },
    { GUEST("<uuid>1-2</uuid>", ""),
      "guest.xml:2: <uuid>: '1-2' is not a UUID: 32 hexadecimal digits, grouped as 8-4-4-4-12",
      BOTH },
    { GUEST("<title>&#9;a&#9;b</title>", ""),
      "guest.xml:2: <title>: a control character (0x09) may not stand here", ONLY_WORDS },
    { GUEST("<bootloader>/usr/bin/pygrub</bootloader>", ""),
      "guest.xml:2: <bootloader>: is not supported: a kernel inside the guest's disk cannot be "
      "started yet; name a <kernel> in <os>",
      BOTH },
    { GUEST("<maxMemory>1</maxMemory>", ""),
      "guest.xml:2: <maxMemory>: is not supported: memory is not hot-plugged; the maximum is "
      "<memory>, the start <currentMemory>",
      BOTH },
    { GUEST("<currentMemory>65537</currentMemory>", ""),
      "guest.xml:1: <currentMemory>: 65540 KiB are more than the 65536 KiB of <memory>",
      ONLY_WORDS },
    { GUEST("<currentMemory>-1</currentMemory>", ""),
      "guest.xml:2: <currentMemory>: '-1' is not a size: expected a whole number", BOTH },
    { GUEST("<currentMemory>1.5</currentMemory>", ""),
      "guest.xml:2: <currentMemory>: '1.5' is not a size: expected a whole number", BOTH },
    { GUEST("<currentMemory/>", ""),
      "guest.xml:2: <currentMemory>: '' is not a size: expected a whole number", BOTH },
    { GUEST("<currentMemory>99999999999999999999</currentMemory>", ""),
      "guest.xml:2: <currentMemory>: '99999999999999999999' is not a size: expected a whole number",
      BOTH },
    { GUEST("<currentMemory unit='TiB'>16777217</currentMemory>", ""),
      "guest.xml:2: <currentMemory>: 16777217 TiB is more than any guest can have (16 TiB)",
      ONLY_WORDS },
    { GUEST("<currentMemory>512</currentMemory>", ""),
      "guest.xml:2: <currentMemory>: 512 KiB is less than any guest can run in (1 MiB)",
      ONLY_WORDS },
    { GUEST("<currentMemory unit='Mib2'>1</currentMemory>", ""),
      "guest.xml:2: <currentMemory>: unit 'Mib2' is not known: expected KiB, MiB, GiB, TiB, KB, "
      "MB, GB, TB or bytes",
      BOTH },
    { GUEST("<currentMemory units='MiB'>1</currentMemory>", ""),
      "guest.xml:2: <currentMemory units='MiB'>: attribute 'units' is not known here; did you mean "
      "'unit'?",
      BOTH },
    { GUEST("<vcpu>0</vcpu>", ""), "guest.xml:2: <vcpu>: 0 is out of range: it may be 1 to 128",
      BOTH },
    { GUEST("<vcpu>129</vcpu>", ""), "guest.xml:2: <vcpu>: 129 is out of range: it may be 1 to 128",
      BOTH },
    { GUEST("<vcpu>two</vcpu>", ""),
      "guest.xml:2: <vcpu>: 'two' is not a whole number from 1 to 128", BOTH },
    { GUEST("<vcpu current='3'>2</vcpu>", ""),
      "guest.xml:1: <vcpu>: current='3' is more than the 2 vCPUs that it has", ONLY_WORDS },
    { GUEST("<vcpu placement='auto'>1</vcpu>", ""),
      "guest.xml:2: <vcpu placement='auto'>: 'auto' is not known; expected 'static'", BOTH },
    { GUEST("<vcpu cpuset='0-'>1</vcpu>", ""),
      "guest.xml:2: <vcpu cpuset='0-'>: '0-' is not a set of CPUs such as 0-3,^2,7", BOTH },
    { GUEST("<vcpu cpuset='3-1'>1</vcpu>", ""),
      "guest.xml:2: <vcpu cpuset='3-1'>: '3-1' is not a set of CPUs such as 0-3,^2,7", ONLY_WORDS },
    { GUEST("<vcpu cpuset='0,^0'>1</vcpu>", ""),
      "guest.xml:2: <vcpu cpuset='0,^0'>: '0,^0' leaves no CPU", ONLY_WORDS },
    { GUEST("<vcpu cpuset='1024'>1</vcpu>", ""),
      "guest.xml:2: <vcpu cpuset='1024'>: '1024' names CPU 1024; the last can be 1023",
      ONLY_WORDS },
    { GUEST("<cputune><shares>65536</shares></cputune>", ""),
      "guest.xml:2: <shares>: 65536 is out of range: it may be 1 to 65535", BOTH },
    { GUEST("<cputune><vcpupin vcpu='0'/></cputune>", ""),
      "guest.xml:2: <vcpupin>: attribute 'cpuset' is missing", BOTH },
    { GUEST("<cputune><vcpupin vcpu='1' cpuset='0'/></cputune>", ""),
      "guest.xml:1: <vcpupin>: vCPU 1 is pinned, but there are only 1", ONLY_WORDS },
    { GUEST("<cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='0' cpuset='1'/></cputune>", ""),
      "guest.xml:2: <vcpupin>: vCPU 0 is pinned twice", ONLY_WORDS },
    { GUEST("<cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='65536' cpuset='0'/></cputune>",
            ""),
      "guest.xml:2: <vcpupin vcpu='65536'>: 65536 is out of range: it may be 0 to 127", BOTH },
    { GUEST("<cputune><quota>1</quota></cputune>", ""),
      "guest.xml:2: <quota>: is not supported: CPU time is shared by weight: <shares>", BOTH },
    { GUEST("<clock/>", ""), "guest.xml:2: <clock>: attribute 'offset' is missing", BOTH },
    { GUEST("<clock offset='variable'/>", ""),
      "guest.xml:2: <clock>: offset='variable' needs an adjustment in seconds", BOTH },
    { GUEST("<clock offset='utc' adjustment='1h'/>", ""),
      "guest.xml:2: <clock adjustment='1h'>: '1h' is not a whole number from -3155760000 to "
      "3155760000",
      BOTH },
    { GUEST("<on_crash>coredump-restart</on_crash>", ""),
      "guest.xml:2: <on_crash>: 'coredump-restart': dumps of a guest are not made here; expected "
      "'destroy', 'restart', 'preserve' or 'rename-restart'",
      BOTH },
    { GUEST("<on_reboot/>", ""),
      "guest.xml:2: <on_reboot>: '': expected 'destroy', 'restart', 'preserve' or "
      "'rename-restart'",
      BOTH },
    { DISK(""), "guest.xml:6: <disk>: <source> is missing", BOTH },
    { DISK("<source file='/a'/>"), "guest.xml:6: <disk>: <target> is missing", BOTH },
    { DISK("<source dev='/a'/><target dev='xvda'/>"),
      "guest.xml:6: <source>: a disk of type='file' needs file='/...' here", ONLY_WORDS },
    { DISK("<source dev='/a' file='/b'/><target dev='xvda'/>"),
      "guest.xml:6: <source>: has both file= and dev=", BOTH },
    { DISK("<source file='a.img'/><target dev='xvda'/>"),
      "guest.xml:6: <source file='a.img'>: 'a.img' is not an absolute path: it must begin with /",
      BOTH },
    { DISK("<source file=''/><target dev='xvda'/>"),
      "guest.xml:6: <source file=''>: expected an absolute path", BOTH },
    { DISK("<source file='/a'/><target dev='hda'/>"),
      "guest.xml:6: <target dev='hda'>: 'hda' is not a disk of a PV guest: expected xvda, xvdb, "
      "...; did you mean 'xvda'?",
      BOTH },
    { DISK("<source file='/a'/><target dev='xvd'/>"),
      "guest.xml:6: <target dev='xvd'>: 'xvd' is not a disk of a PV guest: expected xvda, xvdb, "
      "xvda1, ...",
      BOTH },
    { DISK("<source file='/a'/><target dev='xvda01'/>"),
      "guest.xml:6: <target dev='xvda01'>: 'xvda01' is not a disk of a PV guest: expected xvda, "
      "xvdb, xvda1, ...",
      BOTH },
    { DISK("<source file='/a'/><target dev='xvda16'/>"),
      "guest.xml:6: <target dev='xvda16'>: 'xvda16' is out of range: disks go to xvdzz, partitions "
      "to 15",
      ONLY_WORDS },
    { DISK("<source file='/a'/><target dev='xvdaaa'/>"),
      "guest.xml:6: <target dev='xvdaaa'>: 'xvdaaa' is out of range: disks go to xvdzz, partitions "
      "to 255",
      BOTH },
    { DISK("<source file='/a'/><target dev='xvda' bus='virtio'/>"),
      "guest.xml:6: <target bus='virtio'>: 'virtio' is not known; expected 'xen'", BOTH },
    { DISK("<driver type='qcow2'/><source file='/a'/><target dev='xvda'/>"),
      "guest.xml:6: <driver type='qcow2'>: 'qcow2' is not known; expected 'raw': qemu-img "
      "convert -O raw makes one",
      BOTH },
    { DISK("<source file='/a'/><target dev='xvda'/><readonly>yes</readonly>"),
      "guest.xml:6: <readonly>: text 'yes' where only elements are expected", BOTH },
    { DISK("<source file='/a'/><target dev='xvda'/><iotune/>"),
      "guest.xml:6: <iotune>: is not supported: disks cannot be throttled", BOTH },
    { GUEST("", "<disk type='network'/>"),
      "guest.xml:6: <disk type='network'>: 'network' is not known; expected 'file' or 'block': "
      "name the file or device (virsh vol-path)",
      BOTH },
    { GUEST("", "<disk type='files'/>"),
      "guest.xml:6: <disk type='files'>: 'files' is not known; did you mean 'file'?: "
      "name the file or device (virsh vol-path)",
      BOTH },
    { GUEST("", "<disk type='file'><source file='/a'/><target dev='xvda'/></disk>\n"
                "<disk type='file'><source file='/b'/><target dev='xvda'/></disk>"),
      "guest.xml:7: <disk>: there are two disks 'xvda'", ONLY_WORDS },
    { GUEST("", "<disk type='file'><source file='/a'/><target dev='xvda'/></disk>\n"
                "<disk type='file'><source file='/a'/><target dev='xvdb'/><readonly/></disk>"),
      "guest.xml:7: <disk>: '/a' is in use as xvda already, and one of the two could write",
      ONLY_WORDS },
    { GUEST("", "<dsik/>"),
      "guest.xml:6: <dsik>: is not known inside <devices>; did you mean 'disk'?", BOTH },
    { GUEST("", "<hostdev/>"),
      "guest.xml:6: <hostdev>: is not supported: devices are not passed through", BOTH },
    { GUEST("", "<interface type='network'/>"),
      "guest.xml:6: <interface type='network'>: 'network' is not known; expected 'bridge': name "
      "the bridge in <source> (virsh net-info)",
      BOTH },
    { GUEST("", "<lease/>"),
      "guest.xml:6: <lease>: is not known inside <devices>; expected 'disk', 'interface', "
      "'console' or 'serial'",
      BOTH },
    { NIC(""), "guest.xml:6: <interface>: <source> is missing", BOTH },
    { NIC("<source network='default'/>"),
      "guest.xml:6: <source network='default'>: attribute 'network' is not known here; expected "
      "'bridge'",
      BOTH },
    { NIC("<source bridge='a-bridge-too-far'/>"),
      "guest.xml:6: <source bridge='a-bridge-too-far'>: 'a-bridge-too-far' is not an interface's "
      "name: 1 to 15 characters",
      BOTH },
    { NIC("<source bridge='../br0'/>"),
      "guest.xml:6: <source bridge='../br0'>: '../br0' is not an interface's name: letters, "
      "digits, "
      "'_', '.', '-'",
      BOTH },
    { NIC("<source bridge='..'/>"),
      "guest.xml:6: <source bridge='..'>: '..' is not an interface's name", ONLY_WORDS },
    { NIC("<source bridge='b'/><mac address='00:16:3e:00:00'/>"),
      "guest.xml:6: <mac address='00:16:3e:00:00'>: '00:16:3e:00:00' is not a MAC address such as "
      "00:16:3e:01:02:03",
      BOTH },
    { NIC("<source bridge='b'/><mac address='01:00:5e:00:00:01'/>"),
      "guest.xml:6: <mac address='01:00:5e:00:00:01'>: '01:00:5e:00:00:01' is not the address of "
      "one card: it is a multicast address",
      BOTH },
    { NIC("<source bridge='b'/><mac address='00:00:00:00:00:00'/>"),
      "guest.xml:6: <mac address='00:00:00:00:00:00'>: '00:00:00:00:00:00' is not the address of "
      "one card: it is all zero",
      ONLY_WORDS },
    { NIC("<source bridge='b'/><model type='e1000'/>"),
      "guest.xml:6: <model type='e1000'>: 'e1000' is not known; expected 'netfront'", BOTH },
    { NIC("<source bridge='b'/><bandwidth><inbound average='1'/></bandwidth>"),
      "guest.xml:6: <inbound>: is not supported: only what a guest sends can be limited: <outbound "
      "average='...'/>",
      BOTH },
    { NIC("<source bridge='b'/><bandwidth><outbound average='1' peak='2'/></bandwidth>"),
      "guest.xml:6: <outbound peak='2'>: attribute 'peak' is not known here; expected 'average' or "
      "'burst'",
      BOTH },
    { NIC("<source bridge='b'/><mtu size='9'/>"),
      "guest.xml:6: <mtu size='9'>: 9 is out of range: it may be 68 to 65521", BOTH },
    { GUEST("", "<console type='file'/>"),
      "guest.xml:6: <console>: type='file' needs <source path='/...'/>", BOTH },
    { GUEST("", "<console type='tcp'/>"),
      "guest.xml:6: <console type='tcp'>: 'tcp' is not known; expected 'pty' or 'file'", BOTH },
    { GUEST("", "<console type='pty'><target port='1'/></console>"),
      "guest.xml:6: <target port='1'>: a PV guest has one console, port 0", BOTH },
    { GUEST("", "<console type='pty'/>\n<console type='pty'><log file='/l'/></console>"),
      "guest.xml:7: <console>: a PV guest has one console; this differs from the one above",
      ONLY_WORDS },
    { GUEST("<metadata><a></metadata>", ""),
      "guest.xml:2: </metadata> where </a> was expected (it began in line 2)", BOTH },
    { GUEST("<description>&xxe;</description>", ""),
      "guest.xml:2: entity '&xxe;' is refused: only &lt; &gt; &amp; &quot; &apos; are known",
      BOTH },
    { "<!DOCTYPE d [<!ENTITY x 'y'>]>" GUEST("", ""),
      "guest.xml:1: a DOCTYPE is refused: guest.xml may declare no entities", BOTH },
    { GUEST("<xi:include xmlns:xi='http://www.w3.org/2001/XInclude' href='/etc/shadow'/>", ""),
      "guest.xml:2: <xi:include>: is not known inside <domain>; expected 'name', 'uuid', 'title', "
      "'description', 'memory', 'currentMemory', 'vcpu', 'cputune', 'os', 'clock', 'on_poweroff', "
      "'on_reboot', 'on_crash' or 'devices'",
      BOTH },
};

START_TEST(what_is_wrong_is_named)
{
    struct guest_config *config = NULL;
    struct vmctl_error error = { .message = "" };
    int r = guest_config_parse(bad[_i].text, strlen(bad[_i].text), NULL, NULL, &config, &error);

    ck_assert_str_eq(error.message, bad[_i].words);
    ck_assert_int_lt(r, 0);
    ck_assert_int_eq(r, error.code);
    ck_assert_ptr_null(config);
    if (bad[_i].judge == BOTH) {
        ck_assert_msg(!schema_accepts(bad[_i].text), "the schema takes: %s", bad[_i].text);
    }
}
END_TEST

START_TEST(os_is_checked)
{
    static const struct {
        const char *os;
        const char *words;
    } cases[] = {
        { "", "guest.xml:2: <domain>: <os> is missing" },
        { "<os/>", "guest.xml:2: <os>: <type> is missing" },
        { "<os><type>hvm</type></os>",
          "guest.xml:2: <type>: 'hvm' guests need hardware virtualisation, which is not used here; "
          "expected 'linux' (a PV guest)" },
        { "<os><type arch='i686'>linux</type></os>",
          "guest.xml:2: <type arch='i686'>: 'i686' is not known; expected 'x86_64'" },
        { "<os><type>linux</type></os>", "guest.xml:2: <os>: <kernel> is missing" },
        { "<os><type>linux</type><kernel>vmlinuz</kernel></os>",
          "guest.xml:2: <kernel>: 'vmlinuz' is not an absolute path: it must begin with /" },
        { "<os><type>linux</type><kernel/></os>",
          "guest.xml:2: <kernel>: expected an absolute path" },
        { "<os><type>linux</type><kernel>/a\n/b</kernel></os>",
          "guest.xml:2: <kernel>: a control character (0x0a) may not stand here" },
        { "<os><type>linux</type><kernel>/a</kernel><kernal/></os>",
          "guest.xml:2: <kernal>: is not known inside <os>; did you mean 'kernel'?" },
    };
    char text[512];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct vmctl_error error = { .message = "" };
        struct guest_config *config = NULL;

        (void)snprintf(text, sizeof(text),
                       "\n<domain type='xen'><name>a</name><memory>8192</memory>"
                       "%s</domain>",
                       cases[i].os);
        ck_assert_int_lt(guest_config_parse(text, strlen(text), NULL, NULL, &config, &error), 0);
        ck_assert_str_eq(error.message, cases[i].words);
        ck_assert(!schema_accepts(text));
    }
}
END_TEST

START_TEST(everything_wrong_is_told_at_once)
{
    static const char text[] = GUEST("<vcpu>0</vcpu>\n<uuid>x</uuid>",
                                     "<disk type='file'/><graphics/>\n<foo><bar/></foo>");
    struct collected collected = { .notes = 0 };
    struct guest_reporter reporter = { .report = collect, .context = &collected };
    struct guest_config *config = NULL;

    ck_assert_int_lt(guest_config_parse(text, strlen(text), NULL, &reporter, &config, NULL), 0);
    ck_assert_str_eq(collected.words,
                     "2: <vcpu>: 0 is out of range: it may be 1 to 128\n"
                     "3: <uuid>: 'x' is not a UUID: 32 hexadecimal digits, grouped as "
                     "8-4-4-4-12\n"
                     "7: <disk>: <source> is missing\n"
                     "7: <disk>: <target> is missing\n"
                     "7: <graphics>: is left out: guests have a text console only\n"
                     "8: <foo>: is not known inside <devices>; expected 'disk', 'interface', "
                     "'console' or 'serial'\n");
    ck_assert_uint_eq(collected.errors, 5);
    ck_assert_uint_eq(collected.notes, 1);
    ck_assert_ptr_null(config);
}
END_TEST

/* --- sizes, files ------------------------------------------------------------------- */

static int parse_spaces(size_t size)
{
    static const char guest[] = GUEST("", "");
    char *text = malloc(size);
    struct guest_config *config = NULL;
    struct vmctl_error error;
    int r;

    memset(text, ' ', size);
    memcpy(text, guest, strlen(guest));
    r = guest_config_parse(text, size, NULL, NULL, &config, &error);
    guest_config_free(config);
    free(text);
    return r;
}

START_TEST(the_size_has_a_limit)
{
    ck_assert_int_eq(parse_spaces(GUEST_TEXT_MAX), 0);
    ck_assert_int_eq(parse_spaces(GUEST_TEXT_MAX + 1), -EFBIG);
}
END_TEST

START_TEST(many_devices_are_refused_at_the_limit)
{
    char text[256 * (GUEST_DISKS_MAX + 2)];

    for (unsigned int count = GUEST_DISKS_MAX; count <= GUEST_DISKS_MAX + 1; count++) {
        struct guest_config *config = NULL;
        struct vmctl_error error = { .message = "" };
        size_t used = (size_t)snprintf(
            text, sizeof(text), "%.*s",
            (int)(strstr(GUEST("", ""), "\n\n</devices>") - GUEST("", "")), GUEST("", ""));

        for (unsigned int i = 0; i < count; i++) {
            used += (size_t)snprintf(text + used, sizeof(text) - used,
                                     "<disk type='file'><source file='/%u'/><target dev='xvd%c%c'/>"
                                     "</disk>",
                                     i, 'a' + (int)i / 26, 'a' + (int)i % 26);
        }
        (void)snprintf(text + used, sizeof(text) - used, "</devices></domain>");
        if (count == GUEST_DISKS_MAX) {
            config = must_parse(text);
            ck_assert_uint_eq(config->disk_count, GUEST_DISKS_MAX);
            ck_assert_uint_eq(config->disks[63].vdev, 1u << 28 | (26 + 2 * 26 + 11) << 8);
        } else {
            ck_assert_int_eq(guest_config_parse(text, strlen(text), NULL, NULL, &config, &error),
                             -E2BIG);
            ck_assert_ptr_nonnull(strstr(error.message, "a guest has at most 64 disks"));
        }
        guest_config_free(config);
    }
}
END_TEST

START_TEST(files_that_cannot_be_read_are_named)
{
    static const struct {
        const char *path;
        const char *words;
        int code;
    } cases[] = {
        { "/nonexistent/guest.xml", "/nonexistent/guest.xml: No such file or directory", -ENOENT },
        { "/tmp", "/tmp: Is a directory", -EISDIR },
        { "/dev/zero", "/dev/zero: too large for a guest.xml; the limit is 262144 bytes", -EFBIG },
        { "/dev/null", "/dev/null:1: there is no element in it", -EINVAL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct guest_config *config = NULL;
        struct vmctl_error error;

        ck_assert_int_eq(guest_config_load(cases[i].path, NULL, &config, &error), cases[i].code);
        ck_assert_str_eq(error.message, cases[i].words);
    }
}
END_TEST

START_TEST(a_missing_schema_is_named)
{
    static const char text[] = GUEST("", "");
    struct vmctl_error error;

    ck_assert_int_lt(
        guest_config_validate(text, strlen(text), NULL, "/nonexistent.rng", NULL, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.message, "/nonexistent.rng"));
}
END_TEST

/* --- values by themselves -------------------------------------------------------------- */

START_TEST(names_are_checked)
{
    static const struct {
        const char *name;
        bool good;
    } names[] = {
        { "a", true },        { "web1.example.com", true },
        { "_a-b+c:d", true }, { "0a", true },
        { "", false },        { "-a", false },
        { ".a", false },      { "a b", false },
        { "a/b", false },     { "a\xc3\xa4", false },
        { "12", false },      { "Domain-0", false },
        { "a\n", false },     { "..", false },
    };
    char longest[GUEST_NAME_MAX + 2];

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        ck_assert_msg((guest_name_check(names[i].name, NULL) == 0) == names[i].good, "'%s'",
                      names[i].name);
    }
    memset(longest, 'a', sizeof(longest));
    longest[GUEST_NAME_MAX + 1] = '\0';
    ck_assert_int_lt(guest_name_check(longest, NULL), 0);
    longest[GUEST_NAME_MAX] = '\0';
    ck_assert_int_eq(guest_name_check(longest, NULL), 0);
}
END_TEST

START_TEST(names_become_store_nodes_and_stay_different)
{
    char node[GUEST_NODE_SIZE];
    char longest[GUEST_NAME_MAX + 1];

    guest_name_node("web1.example-com_x", node);
    ck_assert_str_eq(node, "web1@2eexample-com_x");
    memset(longest, '+', GUEST_NAME_MAX);
    longest[GUEST_NAME_MAX] = '\0';
    guest_name_node(longest, node);
    ck_assert_uint_eq(strlen(node), sizeof(node) - 1);
}
END_TEST

START_TEST(sizes_round_up_to_whole_pages)
{
    static const struct {
        const char *number;
        const char *unit;
        uint64_t kib;
    } sizes[] = {
        { "1", "b", 4 },          { "4096", "bytes", 4 },
        { "4097", "b", 8 },       { "1", "KB", 4 },
        { "5", "k", 8 },          { "1", "MB", 980 },
        { "1", "mib", 1024 },     { "1", "M", 1024 },
        { "2", "GiB", 2 << 20 },  { "1", "GB", 976564 },
        { "1", "TB", 976562500 }, { "16", "T", UINT64_C(16) << 30 },
        { "0", "KiB", 0 },        { "17592186044416", "b", UINT64_C(16) << 30 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t kib = 1;

        ck_assert_int_eq(guest_size_parse(sizes[i].number, sizes[i].unit, &kib, NULL), 0);
        ck_assert_uint_eq(kib, sizes[i].kib);
    }
}
END_TEST

START_TEST(cpusets_read_back_the_same)
{
    static const char *const sets[] = { "0", "0-1023", "1,3,5-7", "63-64", "0-62,64-1023" };
    char text[5 * GUEST_CPUS_MAX];
    struct guest_cpuset odd = { .bits = { 0 } };

    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        struct guest_cpuset set;

        ck_assert_int_eq(value_cpuset(sets[i], &set, NULL), 0);
        value_cpuset_format(&set, text, sizeof(text));
        ck_assert_str_eq(text, sets[i]);
    }
    memset(odd.bits, 0xaa, sizeof(odd.bits));
    value_cpuset_format(&odd, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, ",1021,1023"));
    value_cpuset_format(&odd, text, 6);
    ck_assert_str_eq(text, "1,3,5");
}
END_TEST

START_TEST(near_misses_are_found_and_far_ones_are_not)
{
    static const char *const words[] = { "disk", "interface", "console", "serial" };

    ck_assert_str_eq(value_meant("dsik", words, 4), "disk");
    ck_assert_str_eq(value_meant("DISK", words, 4), "disk");
    ck_assert_str_eq(value_meant("disks", words, 4), "disk");
    ck_assert_str_eq(value_meant("interfcae", words, 4), "interface");
    ck_assert_ptr_null(value_meant("hostdev", words, 4));
    ck_assert_ptr_null(value_meant("", words, 4));
    ck_assert_ptr_null(value_meant("a-word-that-is-much-too-long-to-be-meant", words, 4));
}
END_TEST

START_TEST(devices_come_and_go)
{
    struct guest_config *config = must_parse(GUEST("", ""));
    struct guest_disk disk = { .source = "/a", .target = "xvda" };
    struct guest_nic nic = { .bridge = "br0" };
    static const char *const targets[] = { "xvda", "xvdb", "xvdc", "xvdd", "xvde" };
    static const char *const sources[] = { "/a", "/b", "/c", "/d", "/e" };

    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        disk.source = sources[i];
        disk.target = targets[i];
        ck_assert_int_eq(guest_config_add_disk(config, &disk, NULL), 0);
        ck_assert_int_eq(guest_config_add_nic(config, &nic, NULL), 0);
    }
    ck_assert_int_eq(guest_config_add_disk(config, &disk, NULL), -EEXIST);
    disk.target = "sda";
    ck_assert_int_eq(guest_config_add_disk(config, &disk, NULL), -EINVAL);
    disk.target = "xvdf";
    disk.source = "f";
    ck_assert_int_eq(guest_config_add_disk(config, &disk, NULL), -EINVAL);
    nic.bridge = "";
    ck_assert_int_eq(guest_config_add_nic(config, &nic, NULL), -EINVAL);
    nic.bridge = "br0";
    memcpy(nic.mac, config->nics[0].mac, sizeof(nic.mac));
    ck_assert_int_eq(guest_config_add_nic(config, &nic, NULL), -EEXIST);
    guest_config_remove_disk(config, 1);
    guest_config_remove_nic(config, 4);
    ck_assert_uint_eq(config->disk_count, 4);
    ck_assert_uint_eq(config->nic_count, 4);
    ck_assert_str_eq(config->disks[1].target, "xvdc");
    disk.source = "/g";
    ck_assert_int_eq(guest_config_add_disk(config, &disk, NULL), 0);
    ck_assert_str_eq(config->disks[4].target, "xvdf");
    guest_config_free(config);
}
END_TEST

static void add_tests(TCase *tests)
{
    tcase_add_test(tests, a_small_guest_gets_every_default);
    tcase_add_test(tests, everything_that_can_be_said_is_read);
    tcase_add_loop_test(tests, what_is_written_reads_back_the_same, 0, 2);
    tcase_add_loop_test(tests, what_is_good_is_good_for_the_schema_too, 0, (int)ARRAY_SIZE(good));
    tcase_add_loop_test(tests, what_is_wrong_is_named, 0, (int)ARRAY_SIZE(bad));
    tcase_add_test(tests, os_is_checked);
    tcase_add_test(tests, everything_wrong_is_told_at_once);
    tcase_add_test(tests, the_size_has_a_limit);
    tcase_add_test(tests, many_devices_are_refused_at_the_limit);
    tcase_add_test(tests, files_that_cannot_be_read_are_named);
    tcase_add_test(tests, a_missing_schema_is_named);
    tcase_add_test(tests, names_are_checked);
    tcase_add_test(tests, names_become_store_nodes_and_stay_different);
    tcase_add_test(tests, sizes_round_up_to_whole_pages);
    tcase_add_test(tests, cpusets_read_back_the_same);
    tcase_add_test(tests, near_misses_are_found_and_far_ones_are_not);
    tcase_add_test(tests, devices_come_and_go);
}

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tests = suite_case(suite, "config");

    add_tests(tests);
    tcase_set_timeout(tests, 60);
    return suite_run(suite);
}
