/* SPDX-License-Identifier: MIT */
/*
 * domctl over fake neighbours: which requests are refused, with which error and without a trace,
 * and what of the others reaches the domain.
 */
#include <check.h>
#include <stddef.h>
#include <string.h>

#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/sched.h"
#include "hypervisor/control/control.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/mm/page_type.h"
#include "tests/unit/control_world.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#define NOBODY     42u /* a domain id that is not there */
#define LAST       XEN_DOMCTL_set_paging_mempool_size
#define POLICY_ALL 80u /* leaves that toolstacks are told of */

/* Those the core offers, by what they do. */
static const uint32_t makers[] = { XEN_DOMCTL_createdomain, XEN_DOMCTL_getdomaininfo };
static const uint32_t lookers[] = {
    XEN_DOMCTL_getpageframeinfo3, XEN_DOMCTL_get_address_size, XEN_DOMCTL_getnodeaffinity,
    XEN_DOMCTL_getvcpuinfo,       XEN_DOMCTL_getvcpuaffinity,  XEN_DOMCTL_gettscinfo,
};
static const uint32_t enders[] = { XEN_DOMCTL_destroydomain, XEN_DOMCTL_pausedomain,
                                   XEN_DOMCTL_unpausedomain };
static const uint32_t changers[] = {
    XEN_DOMCTL_resumedomain,     XEN_DOMCTL_setdomainhandle,  XEN_DOMCTL_max_mem,
    XEN_DOMCTL_set_address_size, XEN_DOMCTL_setnodeaffinity,  XEN_DOMCTL_hypercall_init,
    XEN_DOMCTL_irq_permission,   XEN_DOMCTL_iomem_permission, XEN_DOMCTL_ioport_permission,
    XEN_DOMCTL_settimeoffset,    XEN_DOMCTL_set_virq_handler, XEN_DOMCTL_max_vcpus,
    XEN_DOMCTL_setvcpucontext,   XEN_DOMCTL_getvcpucontext,   XEN_DOMCTL_setvcpuaffinity,
    XEN_DOMCTL_scheduler_op,     XEN_DOMCTL_sendtrigger,      XEN_DOMCTL_get_cpu_policy,
    XEN_DOMCTL_set_cpu_policy,   XEN_DOMCTL_settscinfo,
};

static struct xen_domctl op;

static bool among(uint32_t command, const uint32_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (list[i] == command) {
            return true;
        }
    }
    return false;
}

#define AMONG(command, list) among((command), (list), ARRAY_SIZE(list))

static bool offered(uint32_t command)
{
    return AMONG(command, makers) || AMONG(command, lookers) || AMONG(command, enders) ||
           AMONG(command, changers);
}

/* What is in `op`, asked of a domain. */
static long ask(uint32_t command, domid_t domain)
{
    op.cmd = command;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = domain;
    return hypercall_domctl((uint64_t)&op);
}

static long about(uint32_t command)
{
    return ask(command, GUEST);
}

static struct xenctl_bitmap bitmap(void *bits, uint32_t count)
{
    return (struct xenctl_bitmap){ .bitmap = bits, .nr_bits = count };
}

static void setup(void)
{
    control_setup();
    memset(&op, 0, sizeof(op));
}

/* ---- the gate ----------------------------------------------------------------------------- */

START_TEST(a_request_of_another_version_or_from_nowhere_is_not_looked_at)
{
    static const uint32_t versions[] = { 0, 0x14, 0x16, 0x80000015u };

    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        op = (struct xen_domctl){ XEN_DOMCTL_destroydomain, versions[i], .domain = GUEST };
        ck_assert_int_eq(hypercall_domctl((uint64_t)&op), -XEN_EACCES);
        op.cmd = ~0u;
        ck_assert_int_eq(hypercall_domctl((uint64_t)&op), -XEN_EACCES);
    }
    ck_assert_int_eq(hypercall_domctl(CORE_START), -XEN_EFAULT);
    fake_answers.fault_start = (const uint8_t *)(&op + 1) - 1;
    fake_answers.fault_size = 1;
    ck_assert_int_eq(about(XEN_DOMCTL_destroydomain), -XEN_EFAULT);
    ck_assert_uint_eq(seen.kills, 0);
}
END_TEST

START_TEST(what_is_not_offered_is_told_from_what_there_is_not)
{
    for (uint32_t command = 0; command < 2000; command++) {
        long expected = command > LAST ? -XEN_ENOSYS : -XEN_EOPNOTSUPP;

        if (!offered(command)) {
            require(about(command) == expected);
            require(ask(command, NOBODY) == expected);
        }
    }
    ck_assert_int_eq(about(UINT32_MAX), -XEN_ENOSYS);
    ck_assert_int_eq(about(0x80000000u | XEN_DOMCTL_pausedomain), -XEN_ENOSYS);
    ck_assert_uint_eq(fake.pauses, 0);
}
END_TEST

START_TEST(a_domain_that_is_not_there_is_said_so)
{
    static const domid_t none[] = { NOBODY, DOMID_SELF, DOMID_IO, DOMID_XEN, DOMID_INVALID };

    for (uint32_t command = 0; command <= LAST; command++) {
        for (size_t i = 0; offered(command) && !AMONG(command, makers) && i < ARRAY_SIZE(none);
             i++) {
            require(ask(command, none[i]) == -XEN_ESRCH);
        }
    }
}
END_TEST

START_TEST(while_another_changes_a_domain_only_looking_goes_on)
{
    unsigned int repeated = 0;

    guest->being_changed = true;
    for (uint32_t command = 0; command <= LAST; command++) {
        if (AMONG(command, changers) || AMONG(command, enders)) {
            require(about(command) == -XEN_ERESTART);
            require(fake.continuations == ++repeated);
            require(fake.continued_number == __HYPERVISOR_domctl);
            require(fake.continued_count == 1 && fake.continued[0] == (uint64_t)&op);
        } else if (AMONG(command, lookers)) {
            require(about(command) != -XEN_ERESTART);
        }
    }
    ck_assert_uint_eq(fake.continuations, repeated);
    ck_assert(guest->being_changed);
    ck_assert_uint_eq(seen.kills + fake.pauses, 0);
    guest->being_changed = false;
}
END_TEST

START_TEST(a_domain_that_ends_is_only_looked_at_and_ended)
{
    guest->state = DOMAIN_DYING;
    for (size_t i = 0; i < ARRAY_SIZE(changers); i++) {
        require(about(changers[i]) == -XEN_ESRCH);
    }
    ck_assert_int_eq(about(XEN_DOMCTL_get_address_size), 0);
    ck_assert_int_eq(about(XEN_DOMCTL_pausedomain), 0);
    ck_assert_int_eq(about(XEN_DOMCTL_unpausedomain), 0);
    answers.kill = -XEN_ERESTART;
    ck_assert_int_eq(about(XEN_DOMCTL_destroydomain), -XEN_ERESTART);
    ck_assert_uint_eq(fake.continuations, 1);
    answers.kill = 0;
    ck_assert_int_eq(about(XEN_DOMCTL_destroydomain), 0);
    ck_assert_uint_eq(seen.kills, 2);
}
END_TEST

/* ---- making a domain ---------------------------------------------------------------------- */

static struct xen_domctl_createdomain *wish(void)
{
    memset(&op, 0, sizeof(op));
    op.u.createdomain = (struct xen_domctl_createdomain){
        .max_vcpus = 3,
        .max_evtchn_port = 1023,
        .max_grant_frames = -1,
        .max_maptrack_frames = -1,
        .grant_opts = 2,
        .ssidref = 9,
        .handle = { 1, 2, 3, [15] = 16 },
    };
    return &op.u.createdomain;
}

START_TEST(a_domain_is_made_as_it_was_wished_for)
{
    (void)wish();
    ck_assert_int_eq(ask(XEN_DOMCTL_createdomain, 7), 0);
    ck_assert_uint_eq(seen.created_id, 7);
    ck_assert_uint_eq(seen.config.max_vcpus, 3);
    ck_assert_uint_eq(seen.config.max_event_port, 1023);
    ck_assert_uint_eq(seen.config.max_grant_frames, 0); /* the default */
    ck_assert_uint_eq(seen.config.max_track_frames, 0);
    ck_assert_uint_eq(seen.config.ssidref, 9);
    ck_assert_mem_eq(seen.config.handle, op.u.createdomain.handle, 16);
    ck_assert(!seen.config.privileged && !seen.config.grants_v1_only);
    wish()->grant_opts = 1;
    op.u.createdomain.max_grant_frames = 10;
    op.u.createdomain.max_maptrack_frames = 20;
    op.u.createdomain.flags = XEN_DOMCTL_CDF_oos_off;
    op.u.createdomain.arch.emulation_flags = XEN_X86_EMU_PIT;
    ck_assert_int_eq(ask(XEN_DOMCTL_createdomain, 7), 0);
    ck_assert(seen.config.grants_v1_only);
    ck_assert_uint_eq(seen.config.max_grant_frames, 10);
    ck_assert_uint_eq(seen.config.max_track_frames, 20);
}
END_TEST

START_TEST(where_the_answer_has_no_place_nothing_is_done)
{
    fake_answers.write_fault_start = &op;
    fake_answers.write_fault_size = 1;
    (void)wish();
    ck_assert_int_eq(ask(XEN_DOMCTL_createdomain, 7), -XEN_EFAULT);
    ck_assert_uint_eq(seen.creations, 0);
    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.u.credit2.weight = 512;
    ck_assert_int_eq(about(XEN_DOMCTL_scheduler_op), -XEN_EFAULT);
    ck_assert_uint_eq(seen.weight, 0);
}
END_TEST

START_TEST(any_id_is_one_that_is_free)
{
    static const domid_t any[] = { 0, DOMID_FIRST_RESERVED, DOMID_SELF, DOMID_INVALID };

    for (size_t i = 0; i < ARRAY_SIZE(any); i++) {
        (void)wish();
        seen.creations = 0;
        answers.free_id = (domid_t)(11 + i);
        answers.create[0] = answers.create[1] = -XEN_EEXIST; /* somebody was faster, twice */
        ck_assert_int_eq(ask(XEN_DOMCTL_createdomain, any[i]), 0);
        ck_assert_uint_eq(seen.creations, 3);
        ck_assert_uint_eq(op.domain, 11 + i);
    }
    seen.creations = 0;
    ck_assert_int_eq(ask(XEN_DOMCTL_createdomain, 7),
                     -XEN_EEXIST); /* who names one wants that one */
    answers.create[1] = -XEN_ENOMEM;
    ck_assert_int_eq(ask(XEN_DOMCTL_createdomain, 0), -XEN_ENOMEM);
    answers.free_id = DOMID_INVALID;
    ck_assert_int_eq(ask(XEN_DOMCTL_createdomain, 0), -XEN_ENOSPC);
    ck_assert_uint_eq(seen.creations, 2);
}
END_TEST

START_TEST(a_wish_is_checked_bit_by_bit_before_anything_is_made)
{
    for (unsigned int bit = 0; bit < 32; bit++) {
        uint32_t flag = 1u << bit;
        uint32_t emulated = flag == XEN_X86_EMU_PIT ? 0 : flag;

        wish()->flags = flag == XEN_DOMCTL_CDF_oos_off ? XEN_DOMCTL_CDF_hvm : flag;
        require(about(XEN_DOMCTL_createdomain) == (bit < 8 ? -XEN_EOPNOTSUPP : -XEN_EINVAL));
        wish()->arch.misc_flags = flag;
        require(about(XEN_DOMCTL_createdomain) == (bit == 0 ? -XEN_EOPNOTSUPP : -XEN_EINVAL));
        wish()->arch.emulation_flags = emulated | XEN_X86_EMU_LAPIC;
        require(about(XEN_DOMCTL_createdomain) == -XEN_EOPNOTSUPP);
        wish()->iommu_opts = flag;
        require(about(XEN_DOMCTL_createdomain) == -XEN_EOPNOTSUPP);
        wish()->vmtrace_size = flag;
        require(about(XEN_DOMCTL_createdomain) == -XEN_EOPNOTSUPP);
        wish()->cpupool_id = flag;
        require(about(XEN_DOMCTL_createdomain) == -XEN_EOPNOTSUPP);
        wish()->grant_opts = flag > 2 ? flag | 1 : 0;
        require(about(XEN_DOMCTL_createdomain) == -XEN_EINVAL);
    }
    wish()->max_grant_frames = 0;
    ck_assert_int_eq(about(XEN_DOMCTL_createdomain), -XEN_EOPNOTSUPP);
    wish()->max_maptrack_frames = 0;
    ck_assert_int_eq(about(XEN_DOMCTL_createdomain), -XEN_EOPNOTSUPP);
    ck_assert_uint_eq(seen.creations, 0);
}
END_TEST

/* ---- stopping it -------------------------------------------------------------------------- */

START_TEST(pauses_are_counted_up_to_a_limit)
{
    ck_assert_int_eq(about(XEN_DOMCTL_unpausedomain), -XEN_EINVAL);
    for (unsigned int i = 0; i < 255; i++) {
        require(about(XEN_DOMCTL_pausedomain) == 0);
    }
    ck_assert_int_eq(about(XEN_DOMCTL_pausedomain), -XEN_EBUSY);
    ck_assert_uint_eq(guest->pause_count, 255);
    ck_assert(!guest->has_run);
    for (unsigned int i = 0; i < 255; i++) {
        require(about(XEN_DOMCTL_unpausedomain) == 0);
    }
    ck_assert_int_eq(about(XEN_DOMCTL_unpausedomain), -XEN_EINVAL);
    ck_assert(guest->has_run);
}
END_TEST

START_TEST(who_asks_does_not_stop_itself)
{
    ck_assert_int_eq(ask(XEN_DOMCTL_pausedomain, 0), -XEN_EINVAL);
    ck_assert_int_eq(ask(XEN_DOMCTL_resumedomain, 0), -XEN_EINVAL);
    ck_assert_uint_eq(fake.pauses + seen.resumes, 0);
    ck_assert_int_eq(about(XEN_DOMCTL_resumedomain), 0);
    ck_assert_uint_eq(seen.resumes, 1);
}
END_TEST

/* ---- looking at it ------------------------------------------------------------------------ */

static const struct xen_domctl_getdomaininfo *info(void)
{
    ck_assert_int_eq(about(XEN_DOMCTL_getdomaininfo), 0);
    return &op.u.getdomaininfo;
}

START_TEST(what_is_told_of_a_domain_is_what_it_is)
{
    static const uint8_t uuid[16] = { 0xaa, [15] = 0xbb };

    memcpy(op.u.setdomainhandle.handle, uuid, 16);
    ck_assert_int_eq(about(XEN_DOMCTL_setdomainhandle), 0);
    op.u.max_mem.max_memkb = 4096 + 3;
    ck_assert_int_eq(about(XEN_DOMCTL_max_mem), 0);
    guest->ssidref = 6;
    guest->vcpu[3]->blocked = VCPU_DOWN;
    ck_assert_uint_eq(info()->domain, GUEST);
    ck_assert_uint_eq(op.domain, GUEST);
    ck_assert_uint_eq(op.u.getdomaininfo.tot_pages, guest->pages);
    ck_assert_uint_eq(op.u.getdomaininfo.max_pages, 1024);
    ck_assert_uint_eq(op.u.getdomaininfo.ssidref, 6);
    ck_assert_uint_eq(op.u.getdomaininfo.nr_online_vcpus, 3);
    ck_assert_uint_eq(op.u.getdomaininfo.max_vcpu_id, 3);
    ck_assert_uint_eq(op.u.getdomaininfo.cpu_time, 1000 + 2000 + 3000 + 4000);
    ck_assert_mem_eq(op.u.getdomaininfo.handle, uuid, 16);
    ck_assert_uint_eq(op.u.getdomaininfo.shared_info_frame,
                      direct_map_frame(guest->shared_info).number);
    op.u.max_mem.max_memkb = UINT64_MAX;
    ck_assert_int_eq(about(XEN_DOMCTL_max_mem), 0);
    ck_assert_uint_eq(info()->max_pages, UINT32_MAX);
}
END_TEST

static uint32_t state(void)
{
    return info()->flags & 0xffff;
}

START_TEST(the_state_told_is_that_of_all_its_vcpus)
{
    for (unsigned int i = 0; i < GUEST_VCPUS; i++) {
        guest->vcpu[i]->blocked = VCPU_DOWN;
    }
    ck_assert_uint_eq(state(), 0); /* none that could be blocked */
    guest->vcpu[0]->blocked = VCPU_BLOCKED;
    ck_assert_uint_eq(state(), XEN_DOMINF_blocked);
    guest->vcpu[2]->blocked = 0;
    ck_assert_uint_eq(state(), 0);
    guest->vcpu[2]->running = true;
    ck_assert_uint_eq(state(), XEN_DOMINF_running);
    guest->control_pauses = 1;
    ck_assert_uint_eq(state(), XEN_DOMINF_running | XEN_DOMINF_paused);
    guest->control_pauses = 0;
    guest->state = DOMAIN_DYING;
    ck_assert_uint_eq(state(), XEN_DOMINF_running);
    guest->state = DOMAIN_DEAD;
    ck_assert_uint_eq(state(), XEN_DOMINF_running | XEN_DOMINF_dying);
}
END_TEST

START_TEST(a_domain_is_shut_once_its_reason_is_known)
{
    uint32_t none = UINT8_MAX << XEN_DOMINF_shutdownshift;

    ck_assert_uint_eq(info()->flags & ~0xffffu, none);
    guest->shutdown_code = SHUTDOWN_crash; /* latched for later */
    ck_assert_uint_eq(info()->flags & ~0xffffu, none);
    guest->shutting_down = true;
    ck_assert_uint_eq(info()->flags & ~0xffffu, SHUTDOWN_crash << XEN_DOMINF_shutdownshift);
    ck_assert_uint_ne(state() & XEN_DOMINF_shutdown, 0);
    guest->shutdown_code = SHUTDOWN_CODE_NONE;
    ck_assert_uint_eq(info()->flags & ~0xffffu, none);
    ck_assert_uint_eq(state() & XEN_DOMINF_shutdown, 0);
}
END_TEST

START_TEST(of_a_gap_the_next_domain_is_told)
{
    ck_assert_int_eq(ask(XEN_DOMCTL_getdomaininfo, 1), 0);
    ck_assert_uint_eq(op.domain, GUEST);
    ck_assert_int_eq(ask(XEN_DOMCTL_getdomaininfo, GUEST + 1), -XEN_ESRCH);
    ck_assert_int_eq(ask(XEN_DOMCTL_getdomaininfo, DOMID_SELF), -XEN_ESRCH);
    fake_answers.write_fault_start = &op;
    fake_answers.write_fault_size = sizeof(op);
    ck_assert_int_eq(about(XEN_DOMCTL_getdomaininfo), -XEN_EFAULT);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------- */

START_TEST(frames_are_told_by_what_they_are_used_for)
{
    static const struct {
        uint64_t use;
        uint32_t told;
    } cases[] = {
        { 0, XEN_DOMCTL_PFINFO_NOTAB },
        { PAGE_L1, XEN_DOMCTL_PFINFO_L1TAB },
        { PAGE_L2, XEN_DOMCTL_PFINFO_L2TAB },
        { PAGE_L3, XEN_DOMCTL_PFINFO_L3TAB },
        { PAGE_L4, XEN_DOMCTL_PFINFO_L4TAB },
        { PAGE_SEGMENTS, XEN_DOMCTL_PFINFO_NOTAB },
        { PAGE_WRITABLE, XEN_DOMCTL_PFINFO_NOTAB },
    };
    struct page *page = fake_page_new(guest);
    xen_pfn_t number;

    op.u.getpageframeinfo3.num = 1;
    op.u.getpageframeinfo3.array = &number;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t use = page_use_make((enum page_type)cases[i].use, PAGE_IN_USE, 0, 1);

        number = page_frame(page).number;
        page->use = use;
        ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), 0);
        ck_assert_uint_eq(number, cases[i].told);
        number = page_frame(page).number;
        page->use = cases[i].told == XEN_DOMCTL_PFINFO_NOTAB ? use : use | PAGE_USE_PINNED;
        ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), 0);
        ck_assert_uint_eq(number, page->use == use ? cases[i].told
                                                   : cases[i].told | XEN_DOMCTL_PFINFO_LPINTAB);
        number = page_frame(page).number;
        page->use = page_use_make((enum page_type)cases[i].use, PAGE_BUSY, 0, 0);
        ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), 0);
        ck_assert_uint_eq(number, XEN_DOMCTL_PFINFO_NOTAB);
    }
}
END_TEST

START_TEST(frames_of_others_and_of_nobody_are_none)
{
    xen_pfn_t numbers[] = { page_frame(fake_page_new(control)).number, FAKE_FRAMES,
                            UINT64_C(1) << 63, UINT64_MAX,
                            page_frame(fake_page_new(guest)).number };

    op.u.getpageframeinfo3.num = ARRAY_SIZE(numbers);
    op.u.getpageframeinfo3.array = numbers;
    ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), 0);
    for (size_t i = 0; i < ARRAY_SIZE(numbers) - 1; i++) {
        ck_assert_uint_eq(numbers[i], XEN_DOMCTL_PFINFO_XTAB);
    }
    ck_assert_uint_eq(numbers[ARRAY_SIZE(numbers) - 1], XEN_DOMCTL_PFINFO_NOTAB);
}
END_TEST

START_TEST(a_list_of_frames_has_a_limit_and_may_end_in_nowhere)
{
    static xen_pfn_t numbers[1025];

    op.u.getpageframeinfo3.array = numbers;
    op.u.getpageframeinfo3.num = 1025;
    ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), -XEN_E2BIG);
    op.u.getpageframeinfo3.num = UINT64_MAX;
    ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), -XEN_E2BIG);
    ck_assert_uint_eq(numbers[0], 0);
    op.u.getpageframeinfo3.num = 1024;
    ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), 0);
    ck_assert_uint_eq(numbers[1023], XEN_DOMCTL_PFINFO_XTAB);
    ck_assert_uint_eq(numbers[1024], 0);
    memset(numbers, 0, sizeof(numbers));
    fake_answers.write_fault_start = &numbers[3];
    fake_answers.write_fault_size = sizeof(numbers[0]);
    ck_assert_int_eq(about(XEN_DOMCTL_getpageframeinfo3), -XEN_EFAULT);
    ck_assert_uint_eq(numbers[2], XEN_DOMCTL_PFINFO_XTAB);
    ck_assert_uint_eq(numbers[3] | numbers[4], 0);
}
END_TEST

START_TEST(a_hypercall_page_goes_into_a_frame_that_there_is)
{
    op.u.hypercall_init.gmfn = FAKE_FRAMES - 1;
    ck_assert_int_eq(about(XEN_DOMCTL_hypercall_init), 0);
    ck_assert_uint_eq(seen.hypercall_page, (FAKE_FRAMES - 1) * PAGE_SIZE);
    answers.hypercall_page = -XEN_EINVAL; /* somebody else's */
    ck_assert_int_eq(about(XEN_DOMCTL_hypercall_init), -XEN_EINVAL);
    op.u.hypercall_init.gmfn = FAKE_FRAMES;
    ck_assert_int_eq(about(XEN_DOMCTL_hypercall_init), -XEN_EINVAL);
    op.u.hypercall_init.gmfn = (UINT64_C(1) << 52) + 1; /* its address would be frame 1's */
    ck_assert_int_eq(about(XEN_DOMCTL_hypercall_init), -XEN_EINVAL);
    ck_assert_uint_eq(seen.hypercall_pages, 2);
}
END_TEST

START_TEST(guests_have_64_bits_and_one_node)
{
    uint8_t nodes = 1;

    ck_assert_int_eq(about(XEN_DOMCTL_get_address_size), 0);
    ck_assert_uint_eq(op.u.address_size.size, 64);
    ck_assert_int_eq(about(XEN_DOMCTL_set_address_size), 0);
    op.u.address_size.size = 32;
    ck_assert_int_eq(about(XEN_DOMCTL_set_address_size), -XEN_EOPNOTSUPP);
    op.u.nodeaffinity.nodemap = bitmap(&nodes, 8);
    ck_assert_int_eq(about(XEN_DOMCTL_setnodeaffinity), 0);
    nodes = 2;
    ck_assert_int_eq(about(XEN_DOMCTL_setnodeaffinity), -XEN_EINVAL);
    ck_assert_int_eq(about(XEN_DOMCTL_getnodeaffinity), 0);
    ck_assert_uint_eq(nodes, 1);
    op.u.nodeaffinity.nodemap.nr_bits = 0;
    ck_assert_int_eq(about(XEN_DOMCTL_setnodeaffinity), -XEN_EINVAL);
}
END_TEST

/* ---- sets of CPUs ------------------------------------------------------------------------- */

#define MAP_BYTES (65536 / 8 + 8)

START_TEST(of_a_bitmap_no_bit_beyond_its_length_is_taken)
{
    static uint8_t bits[MAP_BYTES];
    struct xenctl_bitmap map = bitmap(bits, 0);
    struct cpumask taken;

    memset(bits, 0xff, sizeof(bits));
    for (map.nr_bits = 0; map.nr_bits < 2 * CPU_LIMIT; map.nr_bits++) {
        require(control_take_cpus(&taken, &map) == 0);
        for (unsigned int cpu = 0; cpu < CPU_LIMIT; cpu++) {
            require(cpumask_has(&taken, cpu) == (cpu < map.nr_bits));
        }
    }
    map.nr_bits = UINT32_MAX; /* no more than fits is read, and that many bytes do not overflow */
    fake_answers.fault_start = bits + CPU_LIMIT / 8;
    fake_answers.fault_size = sizeof(bits) - CPU_LIMIT / 8;
    ck_assert_int_eq(control_take_cpus(&taken, &map), 0);
    ck_assert(cpumask_has(&taken, CPU_LIMIT - 1));
    fake_answers.fault_start = bits + CPU_LIMIT / 8 - 1;
    ck_assert_int_eq(control_take_cpus(&taken, &map), -XEN_EFAULT);
}
END_TEST

START_TEST(a_bitmap_is_filled_to_its_length_and_no_further)
{
    static uint8_t bits[MAP_BYTES];
    struct xenctl_bitmap map = bitmap(bits, 0);
    struct cpumask all;

    memset(&all, 0xff, sizeof(all));
    for (map.nr_bits = 0; map.nr_bits < 2 * CPU_LIMIT; map.nr_bits++) {
        size_t bytes = DIV_ROUND_UP(map.nr_bits, 8u);

        memset(bits, 0x5a, sizeof(bits));
        require(control_give_cpus(&map, &all) == 0);
        for (unsigned int bit = 0; bit < bytes * 8; bit++) {
            bool set = (bits[bit / 8] >> bit % 8 & 1) != 0;

            require(set == (bit < map.nr_bits && bit < CPU_LIMIT));
        }
        require(bits[bytes] == 0x5a);
    }
    map.nr_bits = 65536;
    ck_assert_int_eq(control_give_cpus(&map, &all), 0);
    ck_assert_uint_eq(bits[8191], 0);
    ck_assert_uint_eq(bits[8192], 0x5a);
    map.nr_bits = 65537;
    ck_assert_int_eq(control_give_cpus(&map, &all), -XEN_EINVAL);
    map.nr_bits = UINT32_MAX;
    ck_assert_int_eq(control_give_cpus(&map, &all), -XEN_EINVAL);
    map = bitmap(FORBIDDEN, 8);
    ck_assert_int_eq(control_give_cpus(&map, &all), -XEN_EFAULT);
}
END_TEST

/* ---- vCPUs -------------------------------------------------------------------------------- */

START_TEST(a_vcpu_that_cannot_be_is_told_from_one_not_made_yet)
{
    static const uint32_t commands[] = {
        XEN_DOMCTL_setvcpucontext,  XEN_DOMCTL_getvcpucontext,  XEN_DOMCTL_getvcpuinfo,
        XEN_DOMCTL_setvcpuaffinity, XEN_DOMCTL_getvcpuaffinity, XEN_DOMCTL_sendtrigger,
    };
    struct vcpu *kept = guest->vcpu[2];

    guest->vcpu[2] = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        bool trigger = commands[i] == XEN_DOMCTL_sendtrigger;
        uint32_t *number = trigger ? &op.u.sendtrigger.vcpu : &op.u.getvcpuinfo.vcpu;

        memset(&op, 0, sizeof(op));
        *number = 2;
        require(about(commands[i]) == -XEN_ESRCH);
        *number = GUEST_VCPUS;
        require(about(commands[i]) == -XEN_EINVAL);
        *number = UINT32_MAX;
        require(about(commands[i]) == -XEN_EINVAL);
    }
    guest->vcpu[2] = kept;
}
END_TEST

START_TEST(vcpus_are_made_once_as_many_as_were_wished_for)
{
    for (unsigned int i = 1; i < GUEST_VCPUS; i++) {
        free(guest->vcpu[i]);
        guest->vcpu[i] = NULL;
    }
    op.u.max_vcpus.max = GUEST_VCPUS - 1;
    ck_assert_int_eq(about(XEN_DOMCTL_max_vcpus), -XEN_EINVAL);
    op.u.max_vcpus.max = GUEST_VCPUS + 1;
    ck_assert_int_eq(about(XEN_DOMCTL_max_vcpus), -XEN_EINVAL);
    op.u.max_vcpus.max = GUEST_VCPUS;
    answers.vcpu = -XEN_ENOMEM;
    ck_assert_int_eq(about(XEN_DOMCTL_max_vcpus), -XEN_ENOMEM);
    ck_assert_ptr_null(guest->vcpu[1]);
    answers.vcpu = 0;
    fake_answers.preempt_after = 1;
    ck_assert_int_eq(about(XEN_DOMCTL_max_vcpus), -XEN_ERESTART);
    ck_assert_ptr_nonnull(guest->vcpu[1]);
    ck_assert_ptr_null(guest->vcpu[2]);
    fake_answers.preempt_after = 0;
    ck_assert_int_eq(about(XEN_DOMCTL_max_vcpus), 0);
    ck_assert_uint_eq(guest->vcpu[3]->id, 3);
    seen.last_vcpu = NULL;
    ck_assert_int_eq(about(XEN_DOMCTL_max_vcpus), 0);
    ck_assert_ptr_null(seen.last_vcpu);
}
END_TEST

static struct vcpu_guest_context given, back;

static long context(uint32_t command, void *place)
{
    memset(&op, 0, sizeof(op));
    op.u.vcpucontext.vcpu = 1;
    op.u.vcpucontext.ctxt = place;
    return about(command);
}

START_TEST(a_context_arrives_and_comes_back_to_the_byte)
{
    for (size_t i = 0; i < sizeof(given); i++) {
        ((uint8_t *)&given)[i] = (uint8_t)(i * 31 + i / 256);
    }
    given.flags = 0;
    guest->vcpu[1]->initialised = false;
    guest->vcpu[1]->blocked = VCPU_DOWN;
    ck_assert_int_eq(context(XEN_DOMCTL_getvcpucontext, &back), -XEN_ENODATA);
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, &given), 0);
    ck_assert_ptr_eq(seen.last_vcpu, guest->vcpu[1]);
    ck_assert_uint_eq(seen.pauses_at_initialise, 1);
    ck_assert_uint_eq(guest->vcpu[1]->blocked, VCPU_DOWN);
    ck_assert_int_eq(context(XEN_DOMCTL_getvcpucontext, &back), 0);
    ck_assert_int_eq(memcmp(&given, &back, sizeof(given)), 0);
}
END_TEST

START_TEST(a_context_that_says_so_brings_its_vcpu_up)
{
    memset(&given, 0, sizeof(given));
    given.flags = VGCF_online;
    guest->vcpu[1]->blocked = VCPU_DOWN;
    answers.initialise = -XEN_EINVAL;
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, &given), -XEN_EINVAL);
    ck_assert_uint_eq(guest->vcpu[1]->blocked, VCPU_DOWN);
    answers.initialise = -XEN_ERESTART;
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, &given), -XEN_ERESTART);
    ck_assert_uint_eq(fake.continuations, 1);
    answers.initialise = 0;
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, &given), 0);
    ck_assert_uint_eq(guest->vcpu[1]->blocked, 0);
}
END_TEST

START_TEST(a_context_from_nowhere_or_for_oneself_is_refused)
{
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, NULL), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, FORBIDDEN), -XEN_EFAULT);
    ck_assert_int_eq(ask(XEN_DOMCTL_setvcpucontext, 0), -XEN_EINVAL);
    ck_assert_int_eq(ask(XEN_DOMCTL_getvcpucontext, 0), -XEN_EINVAL);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, &given), -XEN_ENOMEM);
    guest->vcpu[1]->id = LEGACY_VCPUS; /* without a vcpu_info of its own it hears of no event */
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, &given), -XEN_EINVAL);
    guest->vcpu[1]->id = 1;
    ck_assert_uint_eq(seen.initialised, 0);
    ck_assert_int_eq(context(XEN_DOMCTL_setvcpucontext, &given), 0);
    ck_assert_int_eq(context(XEN_DOMCTL_getvcpucontext, FORBIDDEN), -XEN_EFAULT);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(context(XEN_DOMCTL_getvcpucontext, &back), -XEN_ENOMEM);
}
END_TEST

START_TEST(of_a_vcpu_is_told_what_it_does)
{
    guest->vcpu[1]->cpu = 3;
    op.u.getvcpuinfo.vcpu = 1;
    ck_assert_int_eq(about(XEN_DOMCTL_getvcpuinfo), 0);
    ck_assert_uint_eq(op.u.getvcpuinfo.vcpu, 1);
    ck_assert_uint_eq(op.u.getvcpuinfo.cpu, 3);
    ck_assert_uint_eq(op.u.getvcpuinfo.cpu_time, 2000);
    ck_assert(op.u.getvcpuinfo.online && !op.u.getvcpuinfo.blocked && !op.u.getvcpuinfo.running);
    guest->vcpu[1]->blocked = VCPU_BLOCKED | VCPU_POLLING;
    guest->vcpu[1]->running = true;
    ck_assert_int_eq(about(XEN_DOMCTL_getvcpuinfo), 0);
    ck_assert(op.u.getvcpuinfo.online && op.u.getvcpuinfo.blocked && op.u.getvcpuinfo.running);
    guest->vcpu[1]->blocked = VCPU_DOWN;
    ck_assert_int_eq(about(XEN_DOMCTL_getvcpuinfo), 0);
    ck_assert(!op.u.getvcpuinfo.online && !op.u.getvcpuinfo.blocked);
}
END_TEST

static uint8_t hard, soft;

static long affinity(uint32_t command, uint32_t flags)
{
    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.flags = flags;
    op.u.vcpuaffinity.cpumap_hard = bitmap(&hard, 8);
    op.u.vcpuaffinity.cpumap_soft = bitmap(&soft, 8);
    return about(command);
}

START_TEST(what_is_set_of_an_affinity_is_what_was_named)
{
    hard = 0x32; /* CPUs 0 to 3 are there */
    soft = 0x12;
    ck_assert_int_eq(affinity(XEN_DOMCTL_setvcpuaffinity, 0), -XEN_EINVAL);
    ck_assert_int_eq(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_FORCE), -XEN_EINVAL);
    ck_assert_int_eq(affinity(XEN_DOMCTL_getvcpuaffinity, 0), -XEN_EINVAL);
    ck_assert_int_eq(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_SOFT), 0);
    ck_assert_uint_eq(guest_hard.bits[0], 0xf);
    ck_assert_uint_eq(guest_soft.bits[0], 0x12);
    ck_assert_uint_eq(hard, 0x32);
    ck_assert_uint_eq(soft, 0x02); /* what comes of it */
    ck_assert_int_eq(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD), 0);
    ck_assert_uint_eq(guest_hard.bits[0], 0x32);
    ck_assert_uint_eq(hard, 0x02);
    ck_assert_uint_eq(seen.unpins, 0);
    hard = soft = 0;
    ck_assert_int_eq(
        affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT), 0);
    ck_assert_uint_eq(hard, 0x32);
    ck_assert_uint_eq(soft, 0x12);
}
END_TEST

START_TEST(an_affinity_that_is_refused_is_not_given_back)
{
    hard = 0x32;
    answers.affinity = -XEN_EINVAL;
    ck_assert_int_eq(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD), -XEN_EINVAL);
    ck_assert_uint_eq(hard, 0x32);
    answers.affinity = 0;
    answers.pin = -XEN_EINVAL; /* it was not pinned */
    ck_assert_int_eq(
        affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_FORCE), 0);
    ck_assert_uint_eq(seen.unpins, 1);
    fake_answers.fault_start = &soft;
    fake_answers.fault_size = 1;
    ck_assert_int_eq(affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_SOFT), -XEN_EFAULT);
    ck_assert_int_eq(affinity(XEN_DOMCTL_getvcpuaffinity, XEN_VCPUAFFINITY_SOFT), -XEN_EFAULT);
    guest_hard = guest_soft = (struct cpumask){ { 0xf } };
    fake_answers.fault_size = 0;
    fake_answers.write_fault_start = &soft;
    fake_answers.write_fault_size = 1;
    hard = soft = 2;
    ck_assert_int_eq(
        affinity(XEN_DOMCTL_setvcpuaffinity, XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT),
        -XEN_EFAULT);
    ck_assert_uint_eq(guest_hard.bits[0], 0xf);
    ck_assert_uint_eq(guest_soft.bits[0], 0xf);
}
END_TEST

static long scheduler(uint32_t command, uint16_t weight, uint16_t cap)
{
    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = command;
    op.u.scheduler_op.u.credit2 = (struct xen_domctl_sched_credit2){ weight, cap };
    return about(XEN_DOMCTL_scheduler_op);
}

START_TEST(a_weight_is_set_and_a_cap_is_not_promised)
{
    seen.weight = 256;
    ck_assert_int_eq(scheduler(XEN_DOMCTL_SCHEDOP_putinfo, 0, 0), 0); /* as it was */
    ck_assert_int_eq(scheduler(XEN_DOMCTL_SCHEDOP_getinfo, 1, 1), 0);
    ck_assert_uint_eq(op.u.scheduler_op.u.credit2.weight, 256);
    ck_assert_uint_eq(op.u.scheduler_op.u.credit2.cap, 0);
    ck_assert_int_eq(scheduler(XEN_DOMCTL_SCHEDOP_putinfo, 300, 50), -XEN_EOPNOTSUPP);
    ck_assert_uint_eq(seen.weight, 256);
    ck_assert_int_eq(scheduler(XEN_DOMCTL_SCHEDOP_putinfo, 300, UINT16_MAX), 0); /* unchanged */
    ck_assert_uint_eq(seen.weight, 300);
    ck_assert_int_eq(scheduler(XEN_DOMCTL_SCHEDOP_putvcpuinfo, 1, 0), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(scheduler(4, 1, 0), -XEN_EOPNOTSUPP);
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT;
    ck_assert_int_eq(about(XEN_DOMCTL_scheduler_op), -XEN_EINVAL);
}
END_TEST

START_TEST(the_only_trigger_is_an_nmi_and_it_wakes)
{
    op.u.sendtrigger.vcpu = 2;
    for (uint32_t trigger = 1; trigger < 6; trigger++) {
        op.u.sendtrigger.trigger = trigger;
        require(about(XEN_DOMCTL_sendtrigger) == -XEN_EOPNOTSUPP);
    }
    ck_assert_uint_eq(seen.nmis, 0);
    guest->vcpu[2]->blocked = VCPU_BLOCKED;
    op.u.sendtrigger.trigger = XEN_DOMCTL_SENDTRIGGER_NMI;
    ck_assert_int_eq(about(XEN_DOMCTL_sendtrigger), 0);
    ck_assert_ptr_eq(seen.last_vcpu, guest->vcpu[2]);
    ck_assert_uint_eq(guest->vcpu[2]->blocked, 0);
}
END_TEST

/* ---- CPUID and time ----------------------------------------------------------------------- */

static struct xen_cpuid_leaf leaves[257];

static struct xen_domctl_cpu_policy *policy(uint32_t count, void *place)
{
    memset(&op, 0, sizeof(op));
    op.u.cpu_policy.nr_leaves = count;
    op.u.cpu_policy.leaves = place;
    return &op.u.cpu_policy;
}

START_TEST(a_policy_is_told_with_room_for_every_number)
{
    struct xen_msr_entry msr;

    guest->cpu_policy->count = 2;
    guest->cpu_policy->leaves[0].a = 0xd;
    guest->cpu_policy->leaves[1] = (struct xen_cpuid_leaf){ .leaf = 1, .d = 77 };
    memset(leaves, 0xff, sizeof(leaves));
    policy(0, NULL)->nr_msrs = 5;
    ck_assert_int_eq(about(XEN_DOMCTL_get_cpu_policy), 0);
    ck_assert_uint_eq(op.u.cpu_policy.nr_leaves, POLICY_ALL);
    ck_assert_uint_eq(op.u.cpu_policy.nr_msrs, 0);
    (void)policy(POLICY_ALL - 1, leaves);
    ck_assert_int_eq(about(XEN_DOMCTL_get_cpu_policy), -XEN_ENOBUFS);
    ck_assert_uint_eq(op.u.cpu_policy.nr_leaves, POLICY_ALL);
    policy(0, NULL)->msrs = &msr;
    ck_assert_int_eq(about(XEN_DOMCTL_get_cpu_policy), -XEN_ENOBUFS);
    ck_assert_uint_eq(leaves[0].leaf, UINT32_MAX);
    (void)policy(UINT32_MAX, leaves);
    ck_assert_int_eq(about(XEN_DOMCTL_get_cpu_policy), 0);
    ck_assert_uint_eq(leaves[1].d, 77);
    ck_assert_uint_eq(leaves[2].leaf, 3);
    ck_assert_uint_eq(leaves[POLICY_ALL - 1].a, 0);
    ck_assert_uint_eq(leaves[POLICY_ALL].leaf, UINT32_MAX);
    (void)policy(POLICY_ALL, FORBIDDEN);
    ck_assert_int_eq(about(XEN_DOMCTL_get_cpu_policy), -XEN_EFAULT);
}
END_TEST

START_TEST(a_policy_is_taken_as_a_whole_before_the_domain_runs)
{
    leaves[3] = (struct xen_cpuid_leaf){ .leaf = 7, .subleaf = 1 };
    (void)policy(256, leaves);
    answers.merge = -XEN_EINVAL;
    answers.merge_culprit = 3;
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EINVAL);
    ck_assert_uint_eq(op.u.cpu_policy.err_leaf, 7);
    ck_assert_uint_eq(op.u.cpu_policy.err_subleaf, 1);
    ck_assert_uint_eq(op.u.cpu_policy.err_msr, UINT32_MAX);
    answers.merge = 0;
    (void)policy(4, leaves);
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), 0);
    ck_assert_uint_eq(op.u.cpu_policy.err_leaf, UINT32_MAX);
    ck_assert_uint_eq(guest->cpu_policy->count, 4);
    ck_assert_uint_eq(guest->cpu_policy->leaves[3].leaf, 7);
    (void)policy(0, FORBIDDEN);
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), 0);
    guest->has_run = true;
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EEXIST);
    ck_assert_int_eq(ask(XEN_DOMCTL_set_cpu_policy, 0), -XEN_EEXIST);
}
END_TEST

START_TEST(a_policy_that_cannot_be_taken_changes_nothing)
{
    struct xen_msr_entry msr = { .idx = 0x1234 };

    (void)policy(257, leaves);
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_E2BIG);
    (void)policy(UINT32_MAX, leaves);
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_E2BIG);
    (void)policy(1, FORBIDDEN);
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EFAULT);
    policy(1, leaves)->nr_msrs = 1;
    op.u.cpu_policy.msrs = &msr;
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EOPNOTSUPP);
    ck_assert_uint_eq(op.u.cpu_policy.err_msr, 0x1234);
    ck_assert_uint_eq(op.u.cpu_policy.err_leaf, UINT32_MAX);
    op.u.cpu_policy.msrs = FORBIDDEN;
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_EFAULT);
    ck_assert_uint_eq(op.u.cpu_policy.err_msr, UINT32_MAX);
    (void)policy(1, leaves);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(about(XEN_DOMCTL_set_cpu_policy), -XEN_ENOMEM);
    ck_assert_uint_eq(guest->cpu_policy->count, 0);
}
END_TEST

static long set_tsc(uint32_t mode, uint32_t khz)
{
    memset(&op, 0, sizeof(op));
    op.u.tsc_info = (struct xen_domctl_tsc_info){ mode, khz, .incarnation = 4 };
    return about(XEN_DOMCTL_settscinfo);
}

START_TEST(of_the_tsc_nothing_is_promised_that_takes_emulation)
{
    ck_assert_int_eq(set_tsc(1, 0), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(set_tsc(3, 0), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(set_tsc(0, TSC_HZ / 1000 + 1), -XEN_EOPNOTSUPP);
    ck_assert_uint_eq(guest->cpu_policy->tsc_incarnation, 0);
    ck_assert_int_eq(set_tsc(0, TSC_HZ / 1000), 0);
    ck_assert_int_eq(set_tsc(2, 1), 0);
    fake_now = 5000;
    guest->created_ns = 2000;
    ck_assert_int_eq(about(XEN_DOMCTL_gettscinfo), 0);
    ck_assert_uint_eq(op.u.tsc_info.tsc_mode, 2);
    ck_assert_uint_eq(op.u.tsc_info.gtsc_khz, TSC_HZ / 1000);
    ck_assert_uint_eq(op.u.tsc_info.incarnation, 4);
    ck_assert_uint_eq(op.u.tsc_info.elapsed_nsec, 3000);
    op.u.settimeoffset.time_offset_seconds = -3600;
    ck_assert_int_eq(about(XEN_DOMCTL_settimeoffset), 0);
    ck_assert_int_eq(guest->time_offset_seconds, -3600);
}
END_TEST

/* ---- devices ------------------------------------------------------------------------------ */

static long ports(uint32_t first, uint32_t count, bool allow)
{
    memset(&op, 0, sizeof(op));
    op.u.ioport_permission = (struct xen_domctl_ioport_permission){ first, count, allow, { 0 } };
    return about(XEN_DOMCTL_ioport_permission);
}

static long frames(uint64_t first, uint64_t count, bool allow)
{
    memset(&op, 0, sizeof(op));
    op.u.iomem_permission = (struct xen_domctl_iomem_permission){ first, count, allow, { 0 } };
    return about(XEN_DOMCTL_iomem_permission);
}

static long irq(uint32_t line, bool allow)
{
    memset(&op, 0, sizeof(op));
    op.u.irq_permission = (struct xen_domctl_irq_permission){ line, allow, { 0 } };
    return about(XEN_DOMCTL_irq_permission);
}

START_TEST(nobody_gives_away_what_he_has_not_got)
{
    ck_assert_int_eq(io_permit(control, IO_PORT, 0x60, 0x64, true), 0);
    ck_assert_int_eq(io_permit(control, IO_FRAME, 0xb8, 0xbf, true), 0);
    ck_assert_int_eq(io_permit(control, IO_IRQ, 9, 9, true), 0);
    ck_assert_int_eq(ports(0x60, 6, true), -XEN_EPERM);
    ck_assert_int_eq(ports(0x5f, 2, true), -XEN_EPERM);
    ck_assert_int_eq(frames(0xb8, 9, true), -XEN_EPERM);
    ck_assert_int_eq(irq(8, true), -XEN_EPERM);
    ck_assert(!io_permitted(guest, IO_PORT, 0x60, 0x60));
    ck_assert_int_eq(ports(0x60, 5, true), 0);
    ck_assert_int_eq(frames(0xb8, 8, true), 0);
    ck_assert_int_eq(irq(9, true), 0);
    ck_assert(io_permitted(guest, IO_PORT, 0x60, 0x64));
    ck_assert(io_permitted(guest, IO_FRAME, 0xb8, 0xbf));
    ck_assert(io_permitted(guest, IO_IRQ, 9, 9));
    ck_assert_int_eq(ports(0x61, 1, false), 0);
    ck_assert(!io_permitted(guest, IO_PORT, 0x61, 0x61));
    ck_assert(io_permitted(control, IO_PORT, 0x61, 0x61));
}
END_TEST

START_TEST(a_range_that_is_none_or_wraps_is_refused)
{
    ck_assert_int_eq(io_permit(control, IO_PORT, 0, IO_PORTS - 1, true), 0);
    ck_assert_int_eq(io_permit(control, IO_FRAME, 0, UINT64_MAX - 1, true), 0);
    ck_assert_int_eq(ports(0x60, 0, true), -XEN_EINVAL);
    ck_assert_int_eq(ports(1, IO_PORTS, true), -XEN_EINVAL);
    ck_assert_int_eq(ports(UINT32_MAX, 1, true), -XEN_EINVAL);
    ck_assert_int_eq(ports(2, UINT32_MAX, true), -XEN_EINVAL); /* 1, were it a sum of 32 bits */
    ck_assert_int_eq(frames(5, 0, true), -XEN_EINVAL);
    ck_assert_int_eq(frames(2, UINT64_MAX, true), -XEN_EINVAL);
    ck_assert_int_eq(frames(UINT64_MAX, 2, true), -XEN_EINVAL);
    ck_assert(!io_permitted(guest, IO_PORT, 0, 0) && !io_permitted(guest, IO_FRAME, 0, 0));
    ck_assert_int_eq(ports(0, IO_PORTS, true), 0);
}
END_TEST

START_TEST(a_virq_is_handed_on_with_its_error)
{
    op.u.set_virq_handler.virq = 3;
    ck_assert_int_eq(about(XEN_DOMCTL_set_virq_handler), 0);
    ck_assert_uint_eq(seen.virq, 3);
    answers.virq = -XEN_EINVAL;
    ck_assert_int_eq(about(XEN_DOMCTL_set_virq_handler), -XEN_EINVAL);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *const *tests)
{
    TCase *tcase = suite_case(suite, name);

    tcase_add_checked_fixture(tcase, setup, control_teardown);
    for (; *tests != NULL; tests++) {
        tcase_add_test(tcase, *tests);
    }
}

int main(void)
{
    const TTest *const domains[] = {
        a_request_of_another_version_or_from_nowhere_is_not_looked_at,
        what_is_not_offered_is_told_from_what_there_is_not,
        a_domain_that_is_not_there_is_said_so,
        while_another_changes_a_domain_only_looking_goes_on,
        a_domain_that_ends_is_only_looked_at_and_ended,
        a_domain_is_made_as_it_was_wished_for,
        where_the_answer_has_no_place_nothing_is_done,
        any_id_is_one_that_is_free,
        a_wish_is_checked_bit_by_bit_before_anything_is_made,
        pauses_are_counted_up_to_a_limit,
        who_asks_does_not_stop_itself,
        what_is_told_of_a_domain_is_what_it_is,
        the_state_told_is_that_of_all_its_vcpus,
        a_domain_is_shut_once_its_reason_is_known,
        of_a_gap_the_next_domain_is_told,
        NULL,
    };
    const TTest *const memory[] = {
        frames_are_told_by_what_they_are_used_for,
        frames_of_others_and_of_nobody_are_none,
        a_list_of_frames_has_a_limit_and_may_end_in_nowhere,
        a_hypercall_page_goes_into_a_frame_that_there_is,
        guests_have_64_bits_and_one_node,
        NULL,
    };
    const TTest *const vcpus[] = {
        of_a_bitmap_no_bit_beyond_its_length_is_taken,
        a_bitmap_is_filled_to_its_length_and_no_further,
        a_vcpu_that_cannot_be_is_told_from_one_not_made_yet,
        vcpus_are_made_once_as_many_as_were_wished_for,
        a_context_arrives_and_comes_back_to_the_byte,
        a_context_that_says_so_brings_its_vcpu_up,
        a_context_from_nowhere_or_for_oneself_is_refused,
        of_a_vcpu_is_told_what_it_does,
        what_is_set_of_an_affinity_is_what_was_named,
        an_affinity_that_is_refused_is_not_given_back,
        a_weight_is_set_and_a_cap_is_not_promised,
        the_only_trigger_is_an_nmi_and_it_wakes,
        a_policy_is_told_with_room_for_every_number,
        a_policy_is_taken_as_a_whole_before_the_domain_runs,
        a_policy_that_cannot_be_taken_changes_nothing,
        of_the_tsc_nothing_is_promised_that_takes_emulation,
        NULL,
    };
    const TTest *const devices[] = {
        nobody_gives_away_what_he_has_not_got,
        a_range_that_is_none_or_wraps_is_refused,
        a_virq_is_handed_on_with_its_error,
        NULL,
    };
    Suite *suite = suite_create("domctl");

    add(suite, "domains", domains);
    add(suite, "memory", memory);
    add(suite, "vcpus", vcpus);
    add(suite, "devices", devices);
    return suite_run(suite);
}
