/* SPDX-License-Identifier: MIT */
/*
 * What a toolstack sets on a domain is told back, and is what the domain gets; what the machine
 * says of itself fits together.
 *
 * Source: public domctl.h and sysctl.h.
 * PEER: differs: an interrupt that dom0 has not mapped cannot be given away there
 */
#include "tests/guests/lib/second.h"

#define OFFSET    7200
#define WEIGHT    1234
#define VGA_FRAME 0xb8
#define KEYBOARD  0x64 /* its status, which never reads as all ones */

static struct xen_domctl request;
static struct xen_sysctl question;
static unsigned int target;

static long about(unsigned int command)
{
    return domctl(&request, command, target);
}

static long ask(unsigned int command)
{
    return sysctl(&question, command);
}

static void identity_and_share(void)
{
    static const unsigned char handle[16] = "another identity";

    memset(&request, 0, sizeof(request));
    memcpy(request.u.setdomainhandle.handle, handle, sizeof(handle));
    expect_eq(about(XEN_DOMCTL_setdomainhandle), 0, "a handle");
    expect(memcmp(second_info(target).handle, handle, sizeof(handle)) == 0, "it is told");

    memset(&request, 0, sizeof(request));
    request.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    request.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    request.u.scheduler_op.u.credit2.weight = WEIGHT;
    expect_eq(about(XEN_DOMCTL_scheduler_op), 0, "a weight");
    request.u.scheduler_op.u.credit2.weight = 0;
    request.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
    expect_eq(about(XEN_DOMCTL_scheduler_op), 0, "asked back");
    expect_eq(request.u.scheduler_op.u.credit2.weight, WEIGHT, "it is told");
    expect_eq(request.u.scheduler_op.u.credit2.cap, 0, "no cap");
}

static void nodes(void)
{
    static uint8_t map[8];

    memset(&request, 0, sizeof(request));
    request.u.nodeaffinity.nodemap.bitmap = map;
    request.u.nodeaffinity.nodemap.nr_bits = 64;
    expect_eq(about(XEN_DOMCTL_getnodeaffinity), 0, "nodes");
    expect(map[0] == 1 && map[1] == 0 && map[7] == 0, "the one there is");
}

static void tsc(void)
{
    memset(&request, 0, sizeof(request));
    request.u.tsc_info.tsc_mode = 2;
    request.u.tsc_info.incarnation = 7;
    expect_eq(about(XEN_DOMCTL_settscinfo), 0, "the TSC as it is");
    memset(&request, 0, sizeof(request));
    expect_eq(about(XEN_DOMCTL_gettscinfo), 0, "asked back");
    expect_eq(request.u.tsc_info.tsc_mode, 2, "its mode");
}

/* After the builder, who clears the page that tells the time. */
static void clock(void)
{
    const struct shared_info *its;

    memset(&request, 0, sizeof(request));
    request.u.settimeoffset.time_offset_seconds = OFFSET;
    expect_eq(about(XEN_DOMCTL_settimeoffset), 0, "a time offset");
    its = second_window(target, second_info(target).shared_info_frame);
    if (expect(its != NULL, "its shared info page")) {
        uint64_t ahead = its->wc_sec - shared->wc_sec;

        expect(ahead + 1 >= OFFSET && ahead <= OFFSET + 1, "its clock is that much ahead");
    }
    (void)second_window(NO_DOMAIN, 0);
}

static void context(void)
{
    static struct vcpu_guest_context got;

    memset(&request, 0, sizeof(request));
    request.u.vcpucontext.ctxt = &got;
    expect_eq(about(XEN_DOMCTL_getvcpucontext), 0, "the context given");
    expect_eq(got.user_regs.rip, second_context()->user_regs.rip, "where it begins");
    expect_eq(got.user_regs.rsi, second_context()->user_regs.rsi, "its start info");
    expect_eq(got.ctrlreg[3], second_context()->ctrlreg[3], "its page tables");
    expect((got.flags & VGCF_online) != 0, "it is up");
}

static void devices(void)
{
    memset(&request, 0, sizeof(request));
    request.u.irq_permission.pirq = 10;
    request.u.irq_permission.allow_access = 1;
    expect_eq(about(XEN_DOMCTL_irq_permission), 0, "an interrupt");
    memset(&request, 0, sizeof(request));
    request.u.iomem_permission.first_mfn = VGA_FRAME;
    request.u.iomem_permission.nr_mfns = 1;
    request.u.iomem_permission.allow_access = 1;
    expect_eq(about(XEN_DOMCTL_iomem_permission), 0, "the screen");
    memset(&request, 0, sizeof(request));
    request.u.ioport_permission.first_port = KEYBOARD;
    request.u.ioport_permission.nr_ports = 1;
    request.u.ioport_permission.allow_access = 1;
    expect_eq(about(XEN_DOMCTL_ioport_permission), 0, "a port");
}

static void machine(void)
{
    static struct xen_sysctl_cpuinfo idle[64];
    static struct xen_sysctl_meminfo memory[2];
    static uint32_t distance[4];
    struct xen_sysctl_physinfo physical;

    memset(&question, 0, sizeof(question));
    expect_eq(ask(XEN_SYSCTL_physinfo), 0, "the machine");
    physical = question.u.physinfo;
    memset(&question, 0, sizeof(question));
    question.u.availheap.node = -1;
    expect_eq(ask(XEN_SYSCTL_availheap), 0, "free memory");
    expect(question.u.availheap.avail_bytes >> PAGE_SHIFT <= physical.total_pages &&
               question.u.availheap.avail_bytes != 0,
           "not more than all");

    memset(&question, 0, sizeof(question));
    question.u.numainfo.num_nodes = 2;
    question.u.numainfo.meminfo = memory;
    question.u.numainfo.distance = distance;
    expect_eq(ask(XEN_SYSCTL_numainfo), 0, "nodes");
    expect_eq(question.u.numainfo.num_nodes, 1, "one");
    expect_eq(distance[0], 10, "to itself");
    expect(memory[0].memfree <= memory[0].memsize && memory[0].memfree != 0, "some of it free");

    memset(&question, 0, sizeof(question));
    question.u.getcpuinfo.max_cpus = ARRAY_SIZE(idle);
    question.u.getcpuinfo.info = idle;
    expect_eq(ask(XEN_SYSCTL_getcpuinfo), 0, "idle times");
    expect_eq(question.u.getcpuinfo.nr_cpus, physical.nr_cpus, "of all CPUs");
    expect(idle[1].idletime != 0, "the second did nothing yet");
}

static void rules(void)
{
    static struct xen_cpuid_leaf leaves[256];

    memset(&question, 0, sizeof(question));
    question.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    question.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_getinfo;
    expect_eq(ask(XEN_SYSCTL_scheduler_op), 0, "the scheduler's own");
    question.u.scheduler_op.cmd = XEN_SYSCTL_SCHEDOP_putinfo;
    expect_eq(ask(XEN_SYSCTL_scheduler_op), 0, "and back");

    memset(&question, 0, sizeof(question));
    question.u.cpu_policy.index = XEN_SYSCTL_cpu_policy_pv_max;
    expect_eq(ask(XEN_SYSCTL_get_cpu_policy), 0, "how many leaves");
    expect(question.u.cpu_policy.nr_leaves != 0 &&
               question.u.cpu_policy.nr_leaves <= ARRAY_SIZE(leaves),
           "some");
    question.u.cpu_policy.leaves = leaves;
    question.u.cpu_policy.nr_msrs = 0;
    question.u.cpu_policy.nr_leaves = 1;
    expect_eq(ask(XEN_SYSCTL_get_cpu_policy), -XEN_ENOBUFS, "room for one");
}

static void as_second(void)
{
    struct physdev_set_iopl level = { .iopl = 1 };
    uint64_t *entry = entry_of(spare_va(), 1);
    uint8_t value;

    expect_eq(mmu_update_one(va_maddr(entry), pte(VGA_FRAME, PTE_READ_WRITE | PTE_PCD)), 0,
              "the screen is ours");
    expect(mmu_update_one(va_maddr(entry), pte(VGA_FRAME + 1, PTE_READ_WRITE | PTE_PCD)) < 0,
           "what is beside it is not");
    expect_eq(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &level), 0, "iopl");
    __asm__ volatile("inb %1, %0" : "=a"(value) : "i"(KEYBOARD));
    expect(value != 0xff, "the port is there");
}

void test_main(void)
{
    if (in_second()) {
        as_second();
        return;
    }
    target = second_make(1);
    if (target == NO_DOMAIN) {
        test_abort("cannot make the second domain");
    }
    identity_and_share();
    nodes();
    tsc();
    devices();
    machine();
    rules();
    if (!second_build(target)) {
        test_abort("cannot build the second domain");
    }
    clock();
    context();
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, target), 0, "it runs");
    expect_eq(second_wait(target, 5000), SHUTDOWN_poweroff, "the second domain's verdict");
    expect_eq(second_end(target), 0, "destroyed");
}
