/* SPDX-License-Identifier: MIT */
/*
 * sysctl over fake neighbours: what is told of the machine, with how much room, and what is
 * refused.
 */
#include <check.h>
#include <string.h>

#include "guest-pv-headers/sysctl.h"

/* The CPU this runs on has no say in it. */
#define cpuid real_cpuid
#include "hypervisor/x86/cpu.h"
#undef cpuid
static struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf);
#include "hypervisor/control/sysctl.c"

#include "tests/unit/control_world.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#define LAST       XEN_SYSCTL_get_cpu_policy
#define LOG_OLDEST 100u
#define LOG_END    800u
#define POLICY_ALL 80u
#define FEATURES   19u

static const uint32_t offered[] = {
    XEN_SYSCTL_readconsole,        XEN_SYSCTL_physinfo,       XEN_SYSCTL_sched_id,
    XEN_SYSCTL_getdomaininfolist,  XEN_SYSCTL_debug_keys,     XEN_SYSCTL_getcpuinfo,
    XEN_SYSCTL_availheap,          XEN_SYSCTL_cputopoinfo,    XEN_SYSCTL_numainfo,
    XEN_SYSCTL_cpupool_op,         XEN_SYSCTL_scheduler_op,   XEN_SYSCTL_get_cpu_levelling_caps,
    XEN_SYSCTL_get_cpu_featureset, XEN_SYSCTL_get_cpu_policy,
};

static struct xen_sysctl op;

/* ---- neighbours --------------------------------------------------------------------------- */

struct cpu_policy cpu_policy_host;
static uint32_t thread_bits, core_bits; /* of an APIC id; 0 and 0: a CPU that does not say */
static unsigned int logs_cleared, keys_pressed;
static char keys[64];

static struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    if (leaf == 0) {
        return (struct cpuid_regs){ core_bits == 0 ? 4 : 0xb, 0, 0, 0 };
    }
    ck_assert_uint_eq(leaf, 0xb);
    ck_assert_uint_ne(core_bits, 0);
    return (struct cpuid_regs){ subleaf == 0 ? thread_bits : core_bits, 0, 0, 0 };
}

void cpu_policy_features(uint32_t *words, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        words[i] = i + 1;
    }
}

uint32_t console_log_oldest(void)
{
    return LOG_OLDEST;
}

static char log_at(uint32_t position)
{
    return (char)('a' + position % 26);
}

size_t console_log_read(uint32_t *position, char *text, size_t size)
{
    size_t count = 0;

    *position = MAX(*position, LOG_OLDEST);
    while (count < size && *position < LOG_END) {
        text[count++] = log_at((*position)++);
    }
    return count;
}

void console_log_clear(void)
{
    logs_cleared++;
}

void debug_key(char key)
{
    keys[keys_pressed++ % ARRAY_SIZE(keys)] = key;
}

static long ask(uint32_t command)
{
    op.cmd = command;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall_sysctl((uint64_t)&op);
}

static void setup(void)
{
    control_setup();
    memset(&op, 0, sizeof(op));
    memset(&cpu_policy_host, 0, sizeof(cpu_policy_host));
    thread_bits = core_bits = 0;
    logs_cleared = keys_pressed = 0;
}

/* ---- the gate ----------------------------------------------------------------------------- */

START_TEST(a_request_of_another_version_or_from_nowhere_is_not_looked_at)
{
    op = (struct xen_sysctl){ .cmd = XEN_SYSCTL_readconsole, .interface_version = 0x14 };
    op.u.readconsole.clear = 1;
    ck_assert_int_eq(hypercall_sysctl((uint64_t)&op), -XEN_EACCES);
    op.cmd = ~0u;
    ck_assert_int_eq(hypercall_sysctl((uint64_t)&op), -XEN_EACCES);
    ck_assert_int_eq(hypercall_sysctl(CORE_START), -XEN_EFAULT);
    ck_assert_uint_eq(logs_cleared, 0);
    fake_answers.write_fault_start = &op;
    fake_answers.write_fault_size = 1;
    ck_assert_int_eq(ask(XEN_SYSCTL_sched_id), -XEN_EFAULT);
}
END_TEST

START_TEST(what_is_not_offered_is_told_from_what_there_is_not)
{
    for (uint32_t command = 0; command < 500; command++) {
        bool known = false;

        for (size_t i = 0; i < ARRAY_SIZE(offered); i++) {
            known = known || offered[i] == command;
        }
        if (!known) {
            require(ask(command) == (command > LAST ? -XEN_ENOSYS : -XEN_EOPNOTSUPP));
        }
    }
    ck_assert_int_eq(ask(UINT32_MAX), -XEN_ENOSYS);
}
END_TEST

/* ---- log and keys ------------------------------------------------------------------------- */

static char text[1024];

static long read_some(uint32_t index, uint32_t count, bool incremental)
{
    memset(text, '.', sizeof(text));
    op.u.readconsole = (struct xen_sysctl_readconsole){
        .incremental = incremental, .index = index, .buffer = text, .count = count
    };
    return ask(XEN_SYSCTL_readconsole);
}

static void check_text(uint32_t first, uint32_t count)
{
    ck_assert_uint_eq(op.u.readconsole.count, count);
    for (uint32_t i = 0; i < count; i++) {
        require(text[i] == log_at(first + i));
    }
    require(text[count] == '.');
}

START_TEST(the_log_is_read_from_its_oldest_byte_or_from_where_one_was)
{
    ck_assert_int_eq(read_some(400, sizeof(text), false), 0);
    check_text(LOG_OLDEST, LOG_END - LOG_OLDEST);
    ck_assert_uint_eq(op.u.readconsole.index, LOG_END);
    ck_assert_int_eq(read_some(400, 300, true), 0);
    check_text(400, 300);
    ck_assert_uint_eq(op.u.readconsole.index, 700);
    ck_assert_int_eq(read_some(700, 300, true), 0);
    check_text(700, 100);
    ck_assert_int_eq(read_some(LOG_END, 300, true), 0);
    check_text(LOG_END, 0);
    ck_assert_int_eq(read_some(0, 0, false), 0);
    check_text(LOG_OLDEST, 0);
    ck_assert_uint_eq(logs_cleared, 0);
}
END_TEST

START_TEST(a_log_that_could_not_be_read_is_not_cleared)
{
    op.u.readconsole =
        (struct xen_sysctl_readconsole){ .clear = 1, .buffer = FORBIDDEN, .count = 1 };
    ck_assert_int_eq(ask(XEN_SYSCTL_readconsole), -XEN_EFAULT);
    ck_assert_uint_eq(logs_cleared, 0);
    ck_assert_uint_eq(op.u.readconsole.count, 1);
    op.u.readconsole.buffer = text;
    ck_assert_int_eq(ask(XEN_SYSCTL_readconsole), 0);
    ck_assert_uint_eq(logs_cleared, 1);
}
END_TEST

START_TEST(keys_are_pressed_all_or_none)
{
    char wanted[65];

    memset(wanted, 'k', sizeof(wanted));
    op.u.debug_keys.keys = wanted;
    op.u.debug_keys.nr_keys = 65;
    ck_assert_int_eq(ask(XEN_SYSCTL_debug_keys), -XEN_E2BIG);
    op.u.debug_keys.nr_keys = UINT32_MAX;
    ck_assert_int_eq(ask(XEN_SYSCTL_debug_keys), -XEN_E2BIG);
    op.u.debug_keys.nr_keys = 2;
    fake_answers.fault_start = wanted + 1;
    fake_answers.fault_size = 1;
    ck_assert_int_eq(ask(XEN_SYSCTL_debug_keys), -XEN_EFAULT);
    ck_assert_uint_eq(keys_pressed, 0);
    fake_answers.fault_size = 0;
    wanted[0] = 'q';
    op.u.debug_keys.nr_keys = 64;
    ck_assert_int_eq(ask(XEN_SYSCTL_debug_keys), 0);
    ck_assert_uint_eq(keys_pressed, 64);
    ck_assert_int_eq(keys[0], 'q');
    ck_assert_int_eq(keys[63], 'k');
}
END_TEST

/* ---- the machine -------------------------------------------------------------------------- */

/* Four CPUs: two sockets of one core of two threads, if a CPU says so. */
static void number_cpus(void)
{
    static const uint32_t ids[] = { 0, 1, 4, 5 };

    for (unsigned int i = 0; i < ARRAY_SIZE(ids); i++) {
        cpus[i].apic_id = ids[i];
    }
    thread_bits = 1;
    core_bits = 2;
}

START_TEST(the_machine_is_what_its_cpus_and_memory_are)
{
    number_cpus();
    ck_assert_int_eq(ask(XEN_SYSCTL_physinfo), 0);
    ck_assert_uint_eq(op.u.physinfo.nr_cpus, 4);
    ck_assert_uint_eq(op.u.physinfo.max_cpu_id, 3);
    ck_assert_uint_eq(op.u.physinfo.nr_nodes, 1);
    ck_assert_uint_eq(op.u.physinfo.threads_per_core, 2);
    ck_assert_uint_eq(op.u.physinfo.cores_per_socket, 1);
    ck_assert_uint_eq(op.u.physinfo.cpu_khz, TSC_HZ / 1000);
    ck_assert_uint_eq(op.u.physinfo.total_pages, heap_total_count());
    ck_assert_uint_eq(op.u.physinfo.free_pages, heap_free_count());
    ck_assert_uint_eq(op.u.physinfo.max_mfn, FAKE_FRAMES - 1);
    ck_assert_uint_eq(op.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_hvm, 0);
    ck_assert_uint_ne(op.u.physinfo.capabilities & XEN_SYSCTL_PHYSCAP_pv, 0);
    ck_assert_uint_eq(op.u.physinfo.hw_cap[7], 8);
    core_bits = 0; /* now each is a socket of its own */
    ck_assert_int_eq(ask(XEN_SYSCTL_physinfo), 0);
    ck_assert_uint_eq(op.u.physinfo.threads_per_core, 1);
    ck_assert_uint_eq(op.u.physinfo.cores_per_socket, 1);
}
END_TEST

START_TEST(cpus_are_told_as_far_as_there_is_room)
{
    struct xen_sysctl_cputopo places[5];

    number_cpus();
    ck_assert_int_eq(ask(XEN_SYSCTL_cputopoinfo), 0);
    ck_assert_uint_eq(op.u.cputopoinfo.num_cpus, 4);
    memset(places, 0xff, sizeof(places));
    op.u.cputopoinfo.cputopo = places;
    op.u.cputopoinfo.num_cpus = 3;
    ck_assert_int_eq(ask(XEN_SYSCTL_cputopoinfo), 0);
    ck_assert_uint_eq(op.u.cputopoinfo.num_cpus, 3);
    ck_assert_uint_eq(places[1].socket, 0);
    ck_assert_uint_eq(places[2].socket, 1);
    ck_assert_uint_eq(places[2].core, 0);
    ck_assert_uint_eq(places[3].socket, UINT32_MAX);
    op.u.cputopoinfo.num_cpus = UINT32_MAX;
    ck_assert_int_eq(ask(XEN_SYSCTL_cputopoinfo), 0);
    ck_assert_uint_eq(op.u.cputopoinfo.num_cpus, 4);
    ck_assert_uint_eq(places[4].socket, UINT32_MAX);
    op.u.cputopoinfo.cputopo = FORBIDDEN;
    ck_assert_int_eq(ask(XEN_SYSCTL_cputopoinfo), -XEN_EFAULT);
}
END_TEST

START_TEST(there_is_one_node_with_all_memory)
{
    struct xen_sysctl_meminfo memory[2];
    uint32_t distance = 0;

    ck_assert_int_eq(ask(XEN_SYSCTL_numainfo), 0);
    ck_assert_uint_eq(op.u.numainfo.num_nodes, 1);
    memset(memory, 0xff, sizeof(memory));
    op.u.numainfo.meminfo = memory;
    op.u.numainfo.distance = &distance;
    op.u.numainfo.num_nodes = 0;
    ck_assert_int_eq(ask(XEN_SYSCTL_numainfo), 0);
    ck_assert_uint_eq(memory[0].memsize, UINT64_MAX);
    op.u.numainfo.num_nodes = 2;
    ck_assert_int_eq(ask(XEN_SYSCTL_numainfo), 0);
    ck_assert_uint_eq(op.u.numainfo.num_nodes, 1);
    ck_assert_uint_eq(memory[0].memsize, heap_total_count() * PAGE_SIZE);
    ck_assert_uint_eq(memory[0].memfree, heap_free_count() * PAGE_SIZE);
    ck_assert_uint_eq(memory[1].memsize, UINT64_MAX);
    ck_assert_uint_eq(distance, 10);
    op.u.numainfo.distance = FORBIDDEN;
    ck_assert_int_eq(ask(XEN_SYSCTL_numainfo), -XEN_EFAULT);
    op.u.numainfo.distance = NULL;
    op.u.numainfo.meminfo = FORBIDDEN;
    ck_assert_int_eq(ask(XEN_SYSCTL_numainfo), -XEN_EFAULT);
}
END_TEST

START_TEST(idle_times_are_told_as_far_as_there_is_room)
{
    struct xen_sysctl_cpuinfo times[5];

    memset(times, 0xff, sizeof(times));
    op.u.getcpuinfo.info = times;
    op.u.getcpuinfo.max_cpus = 2;
    ck_assert_int_eq(ask(XEN_SYSCTL_getcpuinfo), 0);
    ck_assert_uint_eq(op.u.getcpuinfo.nr_cpus, 2);
    ck_assert_uint_eq(times[1].idletime, 1001);
    ck_assert_uint_eq(times[2].idletime, UINT64_MAX);
    op.u.getcpuinfo.max_cpus = UINT32_MAX;
    ck_assert_int_eq(ask(XEN_SYSCTL_getcpuinfo), 0);
    ck_assert_uint_eq(op.u.getcpuinfo.nr_cpus, 4);
    ck_assert_uint_eq(times[4].idletime, UINT64_MAX);
    op.u.getcpuinfo.info = FORBIDDEN;
    ck_assert_int_eq(ask(XEN_SYSCTL_getcpuinfo), -XEN_EFAULT);
}
END_TEST

START_TEST(free_memory_is_told_of_all_of_it)
{
    static const int32_t nodes[] = { -1, 0, INT32_MIN };

    for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
        op.u.availheap = (struct xen_sysctl_availheap){ .node = nodes[i] };
        ck_assert_int_eq(ask(XEN_SYSCTL_availheap), 0);
        ck_assert_uint_eq(op.u.availheap.avail_bytes, heap_free_count() * PAGE_SIZE);
    }
    op.u.availheap.node = 1;
    ck_assert_int_eq(ask(XEN_SYSCTL_availheap), -XEN_EINVAL);
    op.u.availheap = (struct xen_sysctl_availheap){ .min_bitwidth = 32 };
    ck_assert_int_eq(ask(XEN_SYSCTL_availheap), -XEN_EOPNOTSUPP);
    op.u.availheap = (struct xen_sysctl_availheap){ .max_bitwidth = 32 };
    ck_assert_int_eq(ask(XEN_SYSCTL_availheap), -XEN_EOPNOTSUPP);
}
END_TEST

/* ---- domains ------------------------------------------------------------------------------ */

static struct xen_domctl_getdomaininfo told[4];

static long list(domid_t first, uint32_t room)
{
    memset(told, 0xff, sizeof(told));
    op.u.getdomaininfolist = (struct xen_sysctl_getdomaininfolist){
        .first_domain = first, .max_domains = room, .buffer = told, .num_domains = 99
    };
    return ask(XEN_SYSCTL_getdomaininfolist);
}

START_TEST(domains_are_listed_in_order_from_any_id_on)
{
    ck_assert_int_eq(list(0, UINT32_MAX), 0);
    ck_assert_uint_eq(op.u.getdomaininfolist.num_domains, 2);
    ck_assert_uint_eq(told[0].domain, 0);
    ck_assert_uint_eq(told[1].domain, GUEST);
    ck_assert_uint_eq(told[2].domain, UINT16_MAX);
    ck_assert_int_eq(list(1, 1), 0);
    ck_assert_uint_eq(op.u.getdomaininfolist.num_domains, 1);
    ck_assert_uint_eq(told[0].domain, GUEST);
    ck_assert_int_eq(list(GUEST + 1, 4), 0);
    ck_assert_uint_eq(op.u.getdomaininfolist.num_domains, 0);
    ck_assert_int_eq(list(0, 0), 0);
    ck_assert_uint_eq(op.u.getdomaininfolist.num_domains, 0);
    ck_assert_uint_eq(told[0].domain, UINT16_MAX);
}
END_TEST

START_TEST(a_list_that_ends_in_nowhere_holds_no_domain)
{
    fake_answers.write_fault_start = &told[1];
    fake_answers.write_fault_size = 1;
    ck_assert_int_eq(list(0, 4), -XEN_EFAULT);
    ck_assert_uint_eq(told[0].domain, 0);
    ck_assert_uint_eq(op.u.getdomaininfolist.num_domains, 99);
}
END_TEST

START_TEST(there_is_one_pool_with_all_cpus_and_one_scheduler)
{
    uint8_t bits = 0;

    op.u.cpupool_op.cpumap = (struct xenctl_bitmap){ .bitmap = &bits, .nr_bits = 8 };
    for (uint32_t what = 0; what < 10; what++) {
        op.u.cpupool_op.op = what;
        op.u.cpupool_op.cpupool_id = what == XEN_SYSCTL_CPUPOOL_OP_INFO ? 1 : 0;
        if (what != XEN_SYSCTL_CPUPOOL_OP_FREEINFO) {
            require(ask(XEN_SYSCTL_cpupool_op) ==
                    (what == XEN_SYSCTL_CPUPOOL_OP_INFO ? -XEN_ENOENT : -XEN_EOPNOTSUPP));
        }
    }
    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    op.u.cpupool_op.cpupool_id = 0;
    ck_assert_int_eq(ask(XEN_SYSCTL_cpupool_op), 0);
    ck_assert_uint_eq(op.u.cpupool_op.sched_id, XEN_SCHEDULER_CREDIT2);
    ck_assert_uint_eq(op.u.cpupool_op.n_dom, 2);
    ck_assert_uint_eq(bits, 0xf);
    op.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_FREEINFO;
    ck_assert_int_eq(ask(XEN_SYSCTL_cpupool_op), 0);
    ck_assert_uint_eq(bits, 0);
    ck_assert_int_eq(ask(XEN_SYSCTL_sched_id), 0);
    ck_assert_uint_eq(op.u.sched_id.sched_id, XEN_SCHEDULER_CREDIT2);
}
END_TEST

START_TEST(a_rate_limit_is_not_promised)
{
    struct xen_sysctl_scheduler_op *wish = &op.u.scheduler_op;

    wish->sched_id = XEN_SCHEDULER_CREDIT2;
    wish->cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    wish->u.sched_credit2.ratelimit_us = 5;
    ck_assert_int_eq(ask(XEN_SYSCTL_scheduler_op), 0);
    ck_assert_uint_eq(wish->u.sched_credit2.ratelimit_us, 0);
    wish->cmd = XEN_SYSCTL_SCHEDOP_putinfo;
    ck_assert_int_eq(ask(XEN_SYSCTL_scheduler_op), 0);
    wish->u.sched_credit2.ratelimit_us = 1000;
    ck_assert_int_eq(ask(XEN_SYSCTL_scheduler_op), -XEN_EOPNOTSUPP);
    wish->cpupool_id = 1;
    ck_assert_int_eq(ask(XEN_SYSCTL_scheduler_op), -XEN_ESRCH);
    wish->cpupool_id = 0;
    wish->sched_id = XEN_SCHEDULER_NULL;
    ck_assert_int_eq(ask(XEN_SYSCTL_scheduler_op), -XEN_EINVAL);
}
END_TEST

/* ---- CPU features ------------------------------------------------------------------------- */

START_TEST(too_little_room_for_features_is_an_error_that_says_how_much)
{
    uint32_t words[FEATURES + 1];

    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_featureset), -XEN_EOPNOTSUPP); /* the raw ones */
    op.u.cpu_featureset.index = XEN_SYSCTL_cpu_featureset_pv;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_featureset), 0);
    ck_assert_uint_eq(op.u.cpu_featureset.nr_features, FEATURES);
    memset(words, 0xff, sizeof(words));
    op.u.cpu_featureset.features = words;
    op.u.cpu_featureset.nr_features = 3;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_featureset), -XEN_ENOBUFS);
    ck_assert_uint_eq(op.u.cpu_featureset.nr_features, FEATURES);
    ck_assert_uint_eq(words[2], 3);
    ck_assert_uint_eq(words[3], UINT32_MAX);
    op.u.cpu_featureset.nr_features = UINT32_MAX;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_featureset), 0);
    ck_assert_uint_eq(words[FEATURES - 1], FEATURES);
    ck_assert_uint_eq(words[FEATURES], UINT32_MAX);
    op.u.cpu_featureset.features = FORBIDDEN;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_featureset), -XEN_EFAULT);
    op.u.cpu_featureset.index = XEN_SYSCTL_cpu_featureset_hvm;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_featureset), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_levelling_caps), 0);
    ck_assert_uint_eq(op.u.cpu_levelling_caps.caps, 0);
}
END_TEST

START_TEST(of_the_raw_policy_only_the_size_is_told)
{
    static struct xen_cpuid_leaf leaves[POLICY_ALL];

    cpu_policy_host.count = 1;
    cpu_policy_host.leaves[0].d = 77;
    op.u.cpu_policy.index = XEN_SYSCTL_cpu_policy_raw;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_policy), 0);
    ck_assert_uint_eq(op.u.cpu_policy.nr_leaves, POLICY_ALL);
    op.u.cpu_policy.leaves = leaves;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_policy), -XEN_EOPNOTSUPP);
    op.u.cpu_policy.index = XEN_SYSCTL_cpu_policy_pv_max;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_policy), 0);
    ck_assert_uint_eq(leaves[0].d, 77);
    op.u.cpu_policy.nr_leaves = POLICY_ALL - 1;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_policy), -XEN_ENOBUFS);
    ck_assert_uint_eq(op.u.cpu_policy.nr_leaves, POLICY_ALL);
    op.u.cpu_policy.index = XEN_SYSCTL_cpu_policy_hvm_max;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_policy), -XEN_EOPNOTSUPP);
    op.u.cpu_policy.index = UINT32_MAX;
    ck_assert_int_eq(ask(XEN_SYSCTL_get_cpu_policy), -XEN_EOPNOTSUPP);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("sysctl");
    TCase *tests = suite_case(suite, "sysctl");

    tcase_add_checked_fixture(tests, setup, control_teardown);
    tcase_add_test(tests, a_request_of_another_version_or_from_nowhere_is_not_looked_at);
    tcase_add_test(tests, what_is_not_offered_is_told_from_what_there_is_not);
    tcase_add_test(tests, the_log_is_read_from_its_oldest_byte_or_from_where_one_was);
    tcase_add_test(tests, a_log_that_could_not_be_read_is_not_cleared);
    tcase_add_test(tests, keys_are_pressed_all_or_none);
    tcase_add_test(tests, the_machine_is_what_its_cpus_and_memory_are);
    tcase_add_test(tests, cpus_are_told_as_far_as_there_is_room);
    tcase_add_test(tests, there_is_one_node_with_all_memory);
    tcase_add_test(tests, idle_times_are_told_as_far_as_there_is_room);
    tcase_add_test(tests, free_memory_is_told_of_all_of_it);
    tcase_add_test(tests, domains_are_listed_in_order_from_any_id_on);
    tcase_add_test(tests, a_list_that_ends_in_nowhere_holds_no_domain);
    tcase_add_test(tests, there_is_one_pool_with_all_cpus_and_one_scheduler);
    tcase_add_test(tests, a_rate_limit_is_not_promised);
    tcase_add_test(tests, too_little_room_for_features_is_an_error_that_says_how_much);
    tcase_add_test(tests, of_the_raw_policy_only_the_size_is_told);
    return suite_run(suite);
}
