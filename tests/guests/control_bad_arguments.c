/* SPDX-License-Identifier: MIT */
/*
 * domctl and sysctl from a buggy toolstack: each is refused, and changes nothing.
 *
 * Source: public domctl.h and sysctl.h.
 *
 * PEER: differs: what is not offered has another error there
 */
#include "tests/guests/lib/second.h"

static struct xen_domctl request;
static unsigned int target;

static struct xen_domctl *fresh(void)
{
    memset(&request, 0, sizeof(request));
    return &request;
}

/* The request in `request`. */
static long about(unsigned int command)
{
    return domctl(&request, command, target);
}

static void wishes(void)
{
    static const struct {
        size_t offset;
        uint32_t value;
        long error;
    } bad[] = {
#define FIELD(name) offsetof(struct xen_domctl_createdomain, name)
        { FIELD(flags), 0x80000000u, -XEN_EINVAL },
        { FIELD(flags), XEN_DOMCTL_CDF_hvm, -XEN_EOPNOTSUPP },
        { FIELD(flags), XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_hap, -XEN_EOPNOTSUPP },
        { FIELD(flags), XEN_DOMCTL_CDF_iommu, -XEN_EOPNOTSUPP },
        { FIELD(iommu_opts), 1, -XEN_EOPNOTSUPP },
        { FIELD(max_vcpus), 0, -XEN_EINVAL },
        { FIELD(max_vcpus), 8193, -XEN_EINVAL },
        { FIELD(max_vcpus), ~0u, -XEN_EINVAL },
        { FIELD(max_grant_frames), 0x7fffffff, -XEN_EINVAL },
        { FIELD(max_grant_frames), (uint32_t)-2, -XEN_EINVAL },
        { FIELD(max_maptrack_frames), 0x7fffffff, -XEN_EINVAL },
        { FIELD(grant_opts), 0, -XEN_EINVAL },
        { FIELD(grant_opts), 3, -XEN_EINVAL },
        { FIELD(grant_opts), 0x12, -XEN_EINVAL },
        { FIELD(vmtrace_size), 4096, -XEN_EOPNOTSUPP },
        { FIELD(cpupool_id), 1, -XEN_EOPNOTSUPP },
        { FIELD(arch.emulation_flags), XEN_X86_EMU_ALL, -XEN_EOPNOTSUPP },
        { FIELD(arch.misc_flags), 0x10, -XEN_EINVAL },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        request = second_wish(1);
        memcpy((char *)&request.u.createdomain + bad[i].offset, &bad[i].value, 4);
        if (!expect_eq(domctl(&request, XEN_DOMCTL_createdomain, 0), bad[i].error, "a bad wish")) {
            printf("wish %u\n", i);
        }
    }
}

static void vcpu_numbers(void)
{
    static const unsigned int commands[] = {
        XEN_DOMCTL_setvcpucontext,  XEN_DOMCTL_getvcpucontext,  XEN_DOMCTL_getvcpuinfo,
        XEN_DOMCTL_setvcpuaffinity, XEN_DOMCTL_getvcpuaffinity,
    };
    static const unsigned int numbers[] = { 4, 8192, 0x80000000u, ~0u };

    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        for (unsigned int j = 0; j < ARRAY_SIZE(numbers); j++) {
            fresh()->u.getvcpuinfo.vcpu = numbers[j]; /* first in each of them */
            expect_eq(about(commands[i]), -XEN_EINVAL, "a vCPU that cannot be");
        }
    }
    fresh()->u.sendtrigger.vcpu = 4;
    expect(about(XEN_DOMCTL_sendtrigger) < 0, "a vCPU that cannot be");
    fresh()->u.max_vcpus.max = 3;
    expect_eq(about(XEN_DOMCTL_max_vcpus), -XEN_EINVAL, "another number of vCPUs");
}

static void pointers(void)
{
    static void *const bad[] = { BAD_UNMAPPED, BAD_HYPERVISOR, BAD_NONCANONICAL };

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        fresh()->u.vcpucontext.ctxt = bad[i];
        expect_eq(about(XEN_DOMCTL_setvcpucontext), -XEN_EFAULT, "context");
        fresh()->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
        request.u.vcpuaffinity.cpumap_hard.bitmap = bad[i];
        request.u.vcpuaffinity.cpumap_hard.nr_bits = 8;
        expect_eq(about(XEN_DOMCTL_setvcpuaffinity), -XEN_EFAULT, "CPUs");
        expect_eq(about(XEN_DOMCTL_getvcpuaffinity), -XEN_EFAULT, "CPUs");
        request.u.vcpuaffinity.cpumap_hard.nr_bits = ~0u;
        expect(about(XEN_DOMCTL_getvcpuaffinity) < 0, "very many CPUs");
        fresh()->u.nodeaffinity.nodemap.bitmap = bad[i];
        request.u.nodeaffinity.nodemap.nr_bits = 1;
        expect_eq(about(XEN_DOMCTL_setnodeaffinity), -XEN_EFAULT, "nodes");
        fresh()->u.cpu_policy.leaves = bad[i];
        request.u.cpu_policy.nr_leaves = 200;
        expect_eq(about(XEN_DOMCTL_get_cpu_policy), -XEN_EFAULT, "leaves");
        request.u.cpu_policy.nr_leaves = 20;
        expect_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EFAULT, "leaves");
        fresh()->u.getpageframeinfo3.num = 1;
        request.u.getpageframeinfo3.array = bad[i];
        expect_eq(about(XEN_DOMCTL_getpageframeinfo3), -XEN_EFAULT, "frames");
    }
}

static void affinities(void)
{
    static uint8_t map[32];

    map[0] = 0xfc; /* CPUs 2 to 7: there are two */
    fresh()->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    request.u.vcpuaffinity.cpumap_hard.bitmap = map;
    request.u.vcpuaffinity.cpumap_hard.nr_bits = 8;
    expect_eq(about(XEN_DOMCTL_setvcpuaffinity), -XEN_EINVAL, "no CPU left");
    map[0] = 0xfe;
    request.u.vcpuaffinity.cpumap_hard.nr_bits = 1;
    expect_eq(about(XEN_DOMCTL_setvcpuaffinity), -XEN_EINVAL, "bits beyond the last");
    request.u.vcpuaffinity.cpumap_hard.nr_bits = 2;
    expect_eq(about(XEN_DOMCTL_setvcpuaffinity), 0, "CPU 1");
    map[0] = map[31] = 0xff;
    request.u.vcpuaffinity.cpumap_hard.nr_bits = 256;
    expect_eq(about(XEN_DOMCTL_getvcpuaffinity), 0, "asked back");
    expect(map[0] == 2 && map[31] == 0, "it is CPU 1 alone");
    request.u.vcpuaffinity.flags = 0;
    expect_eq(about(XEN_DOMCTL_setvcpuaffinity), -XEN_EINVAL, "neither hard nor soft");
}

/* The CPUs that vCPU 0 may have, the first 64 of them. */
static uint64_t allowed(void)
{
    static uint64_t map;

    fresh()->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    request.u.vcpuaffinity.cpumap_hard.bitmap = (uint8_t *)&map;
    request.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
    expect_eq(about(XEN_DOMCTL_getvcpuaffinity), 0, "asked back");
    return map;
}

/* Nothing is done where the answer cannot be given. */
static void answers_without_a_place(void)
{
    static uint8_t huge[70000 / 8];
    uint8_t *page = page_alloc();
    struct xen_domctl *wish = (struct xen_domctl *)(void *)page;
    unsigned int next = second_make(1);

    expect_eq(allowed(), 2, "CPU 1 alone");
    huge[0] = 1;
    fresh()->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    request.u.vcpuaffinity.cpumap_hard.bitmap = huge;
    request.u.vcpuaffinity.cpumap_hard.nr_bits = 70000;
    expect_eq(about(XEN_DOMCTL_setvcpuaffinity), -XEN_EINVAL, "very many CPUs");
    expect_eq(allowed(), 2, "unchanged");
    page[0] = 1;
    make_read_only(page);
    fresh()->u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_FORCE;
    request.u.vcpuaffinity.cpumap_hard.bitmap = page;
    request.u.vcpuaffinity.cpumap_hard.nr_bits = 8;
    expect_eq(about(XEN_DOMCTL_setvcpuaffinity), -XEN_EFAULT, "CPUs to be told there");
    expect_eq(allowed(), 2, "unchanged");
    make_writable(page);

    expect_eq(second_end(next), 0, "destroyed");
    *wish = second_wish(1);
    wish->cmd = XEN_DOMCTL_createdomain;
    wish->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    wish->domain = (domid_t)next;
    make_read_only(page);
    expect_eq(hypercall1(__HYPERVISOR_domctl, wish), -XEN_EFAULT, "a number to be told there");
    expect_eq(second_info(next).domain, NO_DOMAIN, "no domain was made");
    make_writable(page);
}

static void policies(void)
{
    static struct xen_cpuid_leaf leaves[256];
    static struct xen_msr_entry msr = { .idx = 0xce };
    struct xen_cpuid_leaf *one = NULL;

    fresh()->u.cpu_policy.leaves = leaves;
    expect_eq(about(XEN_DOMCTL_get_cpu_policy), -XEN_ENOBUFS, "no room");
    request.u.cpu_policy.nr_leaves = ARRAY_SIZE(leaves);
    expect_eq(about(XEN_DOMCTL_get_cpu_policy), 0, "the policy");
    for (unsigned int i = 0; i < request.u.cpu_policy.nr_leaves; i++) {
        one = leaves[i].leaf == 1 ? &leaves[i] : one;
    }
    if (!expect(one != NULL, "leaf 1")) {
        return;
    }
    expect_eq(about(XEN_DOMCTL_set_cpu_policy), 0, "as it was");
    one->c |= 1u << 5; /* VMX */
    expect_eq(about(XEN_DOMCTL_set_cpu_policy), 0, "a feature no guest has");
    request.u.cpu_policy.nr_leaves = ARRAY_SIZE(leaves);
    expect_eq(about(XEN_DOMCTL_get_cpu_policy), 0, "the policy");
    expect_eq(one->c & 1u << 5, 0, "it was not taken");
    request.u.cpu_policy.nr_leaves = 100000;
    expect(about(XEN_DOMCTL_set_cpu_policy) < 0, "too many leaves");
    request.u.cpu_policy.nr_leaves = 0;
    request.u.cpu_policy.nr_msrs = 1;
    request.u.cpu_policy.msrs = BAD_UNMAPPED;
    expect_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EFAULT, "MSRs from nowhere");
    request.u.cpu_policy.msrs = &msr;
    expect_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EOPNOTSUPP, "an MSR");
    expect_eq(request.u.cpu_policy.err_msr, msr.idx, "which");
}

static void contexts(void)
{
    struct vcpu_guest_context *context = second_context();
    uint64_t own = va_mfn(kernel_l4) << PAGE_SHIFT, good = context->ctrlreg[3];

    context->ctrlreg[3] = own;
    expect(second_give_context(target, 0, context) < 0, "another domain's page table");
    context->ctrlreg[3] = UINT64_C(0xfffffffffffff000);
    expect(second_give_context(target, 0, context) < 0, "a frame that is not there");
    context->ctrlreg[3] = second_frame(0) << PAGE_SHIFT;
    expect_eq(second_give_context(target, 0, context), 0, "an empty page as table");
    context->ctrlreg[3] = good;
    context->user_regs.rip = UINT64_C(0x800000000000);
    expect(second_give_context(target, 1, context) < 0, "no canonical address");
    context = second_context();
    context->gdt_ents = 8192;
    expect(second_give_context(target, 1, context) < 0, "a GDT too large");
    context->gdt_ents = 512;
    context->gdt_frames[0] = va_mfn(stacks[0]);
    expect(second_give_context(target, 1, context) < 0, "another domain's frame as GDT");
    context = second_context();
    context->ldt_ents = 1u << 20;
    context->ldt_base = VIRT_BASE;
    expect(second_give_context(target, 1, context) < 0, "an LDT too large");
    context = second_context();
    context->flags = VGCF_online;
    expect(second_give_context(target, 1, context) < 0, "user mode without a table");
    expect_eq(second_give_context(0, 0, second_context()), -XEN_EINVAL, "our own");
    fresh();
    expect(about(XEN_DOMCTL_getvcpucontext) < 0, "none to be had");
}

static void devices(void)
{
    fresh()->u.ioport_permission.first_port = 0x60;
    request.u.ioport_permission.allow_access = 1;
    expect_eq(about(XEN_DOMCTL_ioport_permission), -XEN_EINVAL, "no ports");
    request.u.ioport_permission.nr_ports = ~0u;
    expect(about(XEN_DOMCTL_ioport_permission) < 0, "ports beyond the last");
    request.u.ioport_permission.first_port = 0xcf8;
    request.u.ioport_permission.nr_ports = 8;
    expect_eq(about(XEN_DOMCTL_ioport_permission), -XEN_EPERM, "ports that we have not");
    fresh()->u.iomem_permission.first_mfn = ~0ul;
    request.u.iomem_permission.nr_mfns = 2;
    request.u.iomem_permission.allow_access = 1;
    expect_eq(about(XEN_DOMCTL_iomem_permission), -XEN_EINVAL, "around the end");
    request.u.iomem_permission.first_mfn = 0xfee00;
    request.u.iomem_permission.nr_mfns = 1;
    expect_eq(about(XEN_DOMCTL_iomem_permission), -XEN_EPERM, "the local APIC");
    fresh()->u.set_virq_handler.virq = 1000;
    expect(about(XEN_DOMCTL_set_virq_handler) < 0, "no such VIRQ");
    fresh()->u.set_virq_handler.virq = VIRQ_TIMER;
    expect(about(XEN_DOMCTL_set_virq_handler) < 0, "a VIRQ that is each vCPU's");
    fresh()->u.hypercall_init.gmfn = va_mfn(stacks[0]);
    expect(about(XEN_DOMCTL_hypercall_init) < 0, "another domain's page");
    request.u.hypercall_init.gmfn = UINT64_C(0x10000000000001);
    expect(about(XEN_DOMCTL_hypercall_init) < 0, "no such page");
}

static void machine(void)
{
    struct xen_sysctl ask;
    static uint8_t small[2 * sizeof(struct xen_sysctl_cputopo)];

    memset(&ask, 0, sizeof(ask));
    ask.u.getdomaininfolist.max_domains = 4;
    ask.u.getdomaininfolist.buffer = BAD_UNMAPPED;
    expect_eq(sysctl(&ask, XEN_SYSCTL_getdomaininfolist), -XEN_EFAULT, "the list");
    memset(&ask, 0, sizeof(ask));
    ask.u.readconsole.count = 100;
    ask.u.readconsole.buffer = BAD_HYPERVISOR;
    expect_eq(sysctl(&ask, XEN_SYSCTL_readconsole), -XEN_EFAULT, "the log");
    memset(&ask, 0, sizeof(ask));
    ask.u.debug_keys.keys = BAD_UNMAPPED;
    ask.u.debug_keys.nr_keys = 1;
    expect_eq(sysctl(&ask, XEN_SYSCTL_debug_keys), -XEN_EFAULT, "keys");
    memset(&ask, 0, sizeof(ask));
    ask.u.cpu_featureset.index = 1000;
    expect(sysctl(&ask, XEN_SYSCTL_get_cpu_featureset) < 0, "features of nothing");
    memset(&ask, 0, sizeof(ask));
    ask.u.cpupool_op.op = XEN_SYSCTL_CPUPOOL_OP_INFO;
    ask.u.cpupool_op.cpupool_id = 7;
    expect_eq(sysctl(&ask, XEN_SYSCTL_cpupool_op), -XEN_ENOENT, "no such pool");
    memset(&ask, 0, sizeof(ask));
    ask.u.cputopoinfo.num_cpus = 1;
    ask.u.cputopoinfo.cputopo = (struct xen_sysctl_cputopo *)(void *)small;
    memset(small, 0x5a, sizeof(small));
    expect_eq(sysctl(&ask, XEN_SYSCTL_cputopoinfo), 0, "room for one CPU");
    expect_eq(ask.u.cputopoinfo.num_cpus, 1, "one CPU told");
    expect(small[0] != 0x5a && small[sizeof(struct xen_sysctl_cputopo)] == 0x5a,
           "no more than that");
}

void test_main(void)
{
    unsigned long before = free_frames();

    wishes();
    expect_eq(free_frames(), before, "nothing is left of them");
    target = second_make(4);
    if (target == NO_DOMAIN || !second_fill(target)) {
        test_abort("cannot make the second domain");
    }
    vcpu_numbers();
    pointers();
    affinities();
    answers_without_a_place();
    policies();
    contexts();
    devices();
    machine();
    fresh()->u.address_size.size = 32;
    expect(about(XEN_DOMCTL_set_address_size) < 0, "32 bits");
    expect_eq(domctl_plain(XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL, "to pause oneself");
    expect_eq(domctl_plain(XEN_DOMCTL_destroydomain, 0), -XEN_EINVAL, "to destroy oneself");
    expect_eq(domctl_plain(XEN_DOMCTL_destroydomain, DOMID_IO), -XEN_ESRCH, "nobody");
    expect_eq(second_end(target), 0, "destroyed");
    expect_eq(free_frames(), before, "nothing is left");
}
