/* SPDX-License-Identifier: MIT */
/*
 * Whole guests on a host of fakes: what a guest finds at its start, and that
 * whatever fails leaves nothing behind.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/xen.h"
#include "libvmctl/making.h"
#include "tests/unit/guest_world.h"
#include "tests/unit/suite.h"

#define PAGE 4096u

static struct vmctl *handle;

static void begin(void)
{
    struct vmctl_error error = { .code = 0 };

    world_begin();
    ck_assert_int_eq(vmctl_open(&handle, &error), 0);
}

static void end(void)
{
    vmctl_close(handle);
    world_end();
}

static uint32_t create(const char *name, const char *more, unsigned int flags)
{
    struct guest_config *config = world_config(name, more);
    struct vmctl_error error = { .code = 0 };
    uint32_t domid = 0;
    int r = vmctl_create(handle, config, flags, &domid, &error);

    ck_assert_msg(r == 0, "%s", error.message);
    guest_config_free(config);
    return domid;
}

static int try_create(const char *name, const char *more, struct vmctl_error *error)
{
    struct guest_config *config = world_config(name, more);
    uint32_t domid = 0;
    int r = vmctl_create(handle, config, 0, &domid, error);

    guest_config_free(config);
    return r;
}

/* The guest's own view: an entry of its page tables, by virtual address. */
static uint64_t entry_of(uint32_t domid, uint64_t address)
{
    uint64_t frame = fake_xen_domain(domid)->context.ctrlreg[3] >> 12;
    uint64_t entry = 0;

    for (int shift = 39; shift >= 12; shift -= 9) {
        const uint64_t *table = fake_xen_memory(frame);

        entry = table[(address >> shift) % 512];
        if ((entry & 1) == 0) {
            return 0;
        }
        frame = entry >> 12;
    }
    return entry;
}

static void *at(uint32_t domid, uint64_t address)
{
    uint64_t entry = entry_of(domid, address);

    ck_assert_msg(entry != 0, "%llx is not mapped", (unsigned long long)address);
    return (uint8_t *)fake_xen_memory(entry >> 12) + address % PAGE;
}

static const struct start_info *start_info_of(uint32_t domid)
{
    return at(domid, fake_xen_domain(domid)->context.user_regs.rsi);
}

static uint64_t p2m_of(uint32_t domid, uint64_t pfn)
{
    const uint64_t *entry = at(domid, start_info_of(domid)->mfn_list + 8 * pfn);

    return *entry;
}

START_TEST(the_first_vcpu_starts_as_the_abi_says)
{
    uint32_t domid = create("web", "", 0);
    const struct fake_domain *domain = fake_xen_domain(domid);
    const struct vcpu_guest_context *context = &domain->context;

    ck_assert(domain->has_context);
    ck_assert_uint_eq(context->user_regs.rip, KERNEL_ENTRY);
    ck_assert_uint_eq(context->user_regs.cs, FLAT_KERNEL_CS);
    ck_assert_uint_eq(context->user_regs.ss, FLAT_KERNEL_SS);
    ck_assert_uint_eq(context->user_regs.rflags, 0x200);
    ck_assert_uint_eq(context->flags, VGCF_in_kernel | VGCF_online);
    ck_assert_uint_eq(context->kernel_sp, context->user_regs.rsp);
    ck_assert_uint_eq(context->ctrlreg[3] >> 12, domain->pinned);
    ck_assert_uint_ne(entry_of(domid, context->user_regs.rsp - 8) & 2, 0);
    ck_assert_int_eq(domain->pauses, 0);
    ck_assert_uint_eq(domain->vcpus, 2);
    ck_assert_uint_eq(domain->tsc_mode, 2);
    ck_assert_uint_eq(domain->map_bytes, (20 * 1024 + 8) * 1024);
}
END_TEST

START_TEST(start_info_says_what_there_is)
{
    uint32_t domid = create("web", "", 0);
    const struct start_info *info = start_info_of(domid);
    struct xen_domctl_getdomaininfo now;
    struct xen_domctl request = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)domid };

    ck_assert_int_eq(privcmd_domctl(NULL, &request), 0);
    now = request.u.getdomaininfo;
    ck_assert_str_eq(info->magic, "xen-3.0-x86_64");
    ck_assert_uint_eq(info->nr_pages, 20 * 256 + 2);
    ck_assert_uint_eq(info->shared_info, now.shared_info_frame << 12);
    ck_assert_uint_eq(info->flags, SIF_MOD_START_PFN);
    ck_assert_uint_eq(info->store_evtchn, 1);
    ck_assert_uint_eq(info->console.domU.evtchn, 2);
    ck_assert_uint_eq(info->mfn_list, KERNEL_P2M);
    ck_assert_uint_eq(info->mod_len, INITRD_SIZE);
    ck_assert_str_eq((const char *)info->cmd_line, "console=hvc0 quiet");
    ck_assert_uint_eq(info->nr_p2m_frames, (20 * 256 + 2 + 511) / 512);
    ck_assert_uint_eq(p2m_of(domid, info->first_p2m_pfn), entry_of(domid, KERNEL_P2M) >> 12);
}
END_TEST

START_TEST(the_p2m_list_and_the_tables_agree)
{
    uint32_t domid = create("web", "", 0);
    const struct start_info *info = start_info_of(domid);
    uint64_t tables = (info->pt_base - KERNEL_BASE) >> 12;
    uint64_t mapped = 0;

    for (uint64_t pfn = 0; pfn < info->nr_pages; pfn++) {
        uint64_t entry = entry_of(domid, KERNEL_BASE + (pfn << 12));
        bool is_table = pfn >= tables && pfn < tables + info->nr_pt_frames;

        if (entry != 0) {
            mapped++;
            ck_assert_uint_eq(entry >> 12, p2m_of(domid, pfn));
            ck_assert_uint_eq((entry & 2) == 0, is_table);
        }
    }
    ck_assert_uint_eq(mapped % 1024, 0);
    ck_assert_uint_ge(mapped, tables + info->nr_pt_frames + 1 + 128);
    ck_assert_uint_eq(entry_of(domid, KERNEL_BASE + (mapped << 12)), 0);
    ck_assert_uint_eq(p2m_of(domid, tables), fake_xen_domain(domid)->pinned);
}
END_TEST

START_TEST(kernel_and_initrd_are_there_and_the_rest_of_the_kernel_is_zero)
{
    uint32_t domid = create("web", "", 0);
    const struct start_info *info = start_info_of(domid);

    for (size_t i = 0; i < TEXT_SIZE + BSS_SIZE; i++) {
        const uint8_t *byte = at(domid, KERNEL_BASE + KERNEL_TEXT + i);

        ck_assert_uint_eq(*byte, i < TEXT_SIZE ? text_byte(i) : 0);
    }
    for (size_t i = 0; i < INITRD_SIZE; i++) {
        const uint8_t *page = fake_xen_memory(p2m_of(domid, info->mod_start + i / PAGE));

        ck_assert_uint_eq(page[i % PAGE], initrd_byte(i));
    }
}
END_TEST

START_TEST(the_rings_are_empty_and_granted_to_dom0)
{
    uint32_t domid = create("web", "", 0);
    const struct start_info *info = start_info_of(domid);
    const struct grant_entry_v1 *grants = fake_xen_grants(domid);
    const uint8_t *store = fake_xen_memory(info->store_mfn);
    const uint8_t *console = fake_xen_memory(info->console.domU.mfn);
    const struct shared_info *shared = fake_xen_memory(info->shared_info >> 12);

    for (size_t i = 0; i < PAGE; i++) {
        ck_assert_uint_eq(store[i] | console[i], 0);
    }
    ck_assert_uint_eq(grants[GNTTAB_RESERVED_CONSOLE].flags, GTF_permit_access);
    ck_assert_uint_eq(grants[GNTTAB_RESERVED_CONSOLE].frame, info->console.domU.mfn);
    ck_assert_uint_eq(grants[GNTTAB_RESERVED_XENSTORE].flags, GTF_permit_access);
    ck_assert_uint_eq(grants[GNTTAB_RESERVED_XENSTORE].frame, info->store_mfn);
    ck_assert_uint_eq(shared->vcpu_info[0].evtchn_upcall_mask, 1);
    ck_assert_uint_eq(shared->vcpu_info[1].evtchn_upcall_mask, 1);
    ck_assert_uint_eq(shared->vcpu_info[2].evtchn_upcall_mask, 0);
}
END_TEST

START_TEST(without_large_extents_a_guest_is_the_same)
{
    uint32_t domid;
    const struct start_info *info;

    fake_xen_set_large_extents(3);
    domid = create("web", "", 0);
    info = start_info_of(domid);
    ck_assert_uint_eq(fake_xen_domain(domid)->pages, 20 * 256 + 2);
    for (uint64_t pfn = 0; pfn < 1024; pfn++) {
        ck_assert_uint_eq(entry_of(domid, KERNEL_BASE + (pfn << 12)) >> 12, p2m_of(domid, pfn));
    }
    ck_assert_uint_ne(p2m_of(domid, info->nr_pages - 1), 0);
}
END_TEST

START_TEST(an_older_kernel_gets_its_initrd_and_p2m_mapped)
{
    struct kernel_wish wish = usual_kernel;
    const struct start_info *info;
    uint32_t domid;

    wish.init_p2m = 0;
    wish.mod_start_pfn = 0;
    wish.hypercall_page = KERNEL_BASE + KERNEL_TEXT + 2 * PAGE;
    world_kernel(&wish);
    domid = create("old", "", 0);
    info = start_info_of(domid);
    ck_assert_uint_eq(info->flags, 0);
    ck_assert_uint_eq(info->nr_p2m_frames, 0);
    for (size_t i = 0; i < INITRD_SIZE; i++) {
        ck_assert_uint_eq(*(const uint8_t *)at(domid, info->mod_start + i), initrd_byte(i));
    }
    ck_assert_uint_eq(p2m_of(domid, 5), entry_of(domid, KERNEL_BASE + 5 * PAGE) >> 12);
    ck_assert_uint_eq(*(const uint8_t *)at(domid, wish.hypercall_page), 0x0f);
}
END_TEST

static const char tuned[] = "<cputune><shares>1234</shares><vcpupin vcpu='0' cpuset='1'/>"
                            "</cputune><clock offset='utc'/>";

START_TEST(shares_and_cpus_reach_the_scheduler)
{
    uint32_t domid = create("web", tuned, VMCTL_CREATE_PAUSED);

    ck_assert_uint_eq(fake_xen_domain(domid)->weight, 1234);
    ck_assert_uint_eq(fake_xen_domain(domid)->affinity[0], 2);
    ck_assert_uint_eq(fake_xen_domain(domid)->affinity[15], 0);
    ck_assert_int_eq(fake_xen_domain(domid)->pauses, 1);
}
END_TEST

START_TEST(cpus_that_are_not_there_are_named)
{
    static const char far[] = "<cputune><vcpupin vcpu='1' cpuset='2-3'/></cputune>";
    struct vmctl_error error = { .code = 0 };

    ck_assert_int_eq(try_create("web", far, &error), -EINVAL);
    ck_assert_str_eq(error.object, "vCPU 1");
    ck_assert_str_eq(error.limit, "CPUs 0 to 1");
    ck_assert_str_eq(error.cause, "none of the CPUs it may run on is there");
    ck_assert_str_ne(error.remedy, "");
}
END_TEST

START_TEST(clock_and_memory_are_as_described)
{
    static const char some[] = "<currentMemory unit='KiB'>16392</currentMemory>"
                               "<clock offset='variable' adjustment='-90' basis='utc'/>";
    const struct fake_domain *domain = fake_xen_domain(create("web", some, 0));

    ck_assert_int_eq(domain->time_offset, -90);
    ck_assert_uint_ge(domain->max_kib, 20 * 1024 + 8);
    ck_assert_uint_ge(domain->pages, 16392 / 4);
    ck_assert_uint_lt(domain->pages, 16392 / 4 + 64);
}
END_TEST

/* Another creation, which is between being admitted and having its memory. */
START_TEST(admission_waits_for_who_was_admitted_before)
{
    int ends[2];
    char byte = 0;
    pid_t other;

    (void)create("first", "", 0); /* makes the folders */
    ck_assert_int_eq(pipe(ends), 0);
    other = fork();
    if (other == 0) {
        int lock = -1;

        (void)state_file_lock(STATE_LOCK_MEMORY, &lock, NULL);
        (void)!write(ends[1], "l", 1);
        (void)usleep(300000);
        (void)!write(ends[1], "u", 1);
        _exit(0);
    }
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    (void)create("second", "", 0);
    ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'u');
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
    (void)close(ends[0]);
    (void)close(ends[1]);
}
END_TEST

/* The store. */

static void has(const char *path, const char *value)
{
    const char *found = fake_store_get(path);

    ck_assert_msg(found != NULL && strcmp(found, value) == 0, "%s is %s, not %s", path,
                  found == NULL ? "not there" : found, value);
}

START_TEST(the_store_has_what_guest_daemons_and_debians_tools_look_for)
{
    const struct start_info *info;
    char text[32];

    ck_assert_uint_eq(create("web", world_devices, 0), 1);
    info = start_info_of(1);
    has("/local/domain/1/name", "web");
    has("/local/domain/1/domid", "1");
    has("/local/domain/1/memory/target", "20488");
    has("/local/domain/1/memory/static-max", "20488");
    has("/local/domain/1/cpu/0/availability", "online");
    has("/local/domain/1/cpu/1/availability", "online");
    has("/local/domain/1/store/port", "1");
    has("/local/domain/1/console/port", "2");
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)info->console.domU.mfn);
    has("/local/domain/1/console/ring-ref", text);
    (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)info->store_mfn);
    has("/local/domain/1/store/ring-ref", text);
    has("/paravane/name/web", "1");
    has("/paravane/guest/1", "");
    has("/paravane/guest/1/name", "web");
    has("/local/domain/0/backend/vbd/1/51712/params", "/srv/web.img");
    has("/local/domain/0/backend/vbd/1/51712/mode", "w");
    has("/local/domain/0/backend/vbd/1/51712/frontend", "/local/domain/1/device/vbd/51712");
    has("/local/domain/1/device/vbd/51712/backend", "/local/domain/0/backend/vbd/1/51712");
    has("/local/domain/0/backend/vif/1/0/bridge", "br0");
    has("/local/domain/1/device/vif/0/mac", "00:16:3e:01:02:03");
    ck_assert_uint_eq(fake_store_introduced(), 1);
    ck_assert(world_has_description(1));
}
END_TEST

START_TEST(an_ended_guest_leaves_nothing)
{
    struct vmctl_error error = { .code = 0 };

    for (int i = 0; i < 20; i++) {
        ck_assert_uint_eq(create("web", world_devices, 0), 1);
        ck_assert_int_eq(vmctl_destroy(handle, 1, &error), 0);
        ck_assert_uint_eq(fake_xen_domains(), 0);
        ck_assert_uint_eq(fake_store_count(), 0);
        ck_assert_uint_eq(fake_store_introduced(), 0);
        ck_assert(!world_has_description(1));
    }
}
END_TEST

START_TEST(a_guest_held_by_a_back_end_is_reported)
{
    struct vmctl_error error = { .code = 0 };

    create("web", world_devices, 0);
    fake_xen_hold_dying(true);
    ck_assert_int_eq(vmctl_destroy(handle, 1, &error), -EBUSY);
    ck_assert_str_ne(error.holder, "");
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

START_TEST(a_name_is_had_once)
{
    struct vmctl_error error = { .code = 0 };
    size_t nodes;

    create("web", world_devices, 0);
    nodes = fake_store_count();
    ck_assert_int_eq(try_create("web", "", &error), -EEXIST);
    ck_assert_int_eq(error.reason, VMCTL_EXISTS);
    ck_assert_str_eq(error.holder, "domain 1");
    /* The one who has it has it still. */
    ck_assert_uint_eq(fake_store_count(), nodes);
    has("/paravane/name/web", "1");
    ck_assert_uint_eq(fake_xen_domains(), 1);
    ck_assert(world_has_description(1));
}
END_TEST

START_TEST(a_uuid_is_had_once)
{
    const char same[] = "<uuid>6d3d4e8e-3bb0-4b9e-a0f5-7a0b1f3a0a01</uuid>";
    struct vmctl_error error = { .code = 0 };
    size_t nodes;

    create("web", same, 0);
    nodes = fake_store_count();
    ck_assert_int_eq(try_create("other", same, &error), -EEXIST);
    ck_assert_uint_eq(fake_store_count(), nodes);
    has("/vm/6d3d4e8e-3bb0-4b9e-a0f5-7a0b1f3a0a01/name", "web");
}
END_TEST

START_TEST(a_name_left_by_a_guest_that_is_no_more_can_be_taken)
{
    fake_store_set("/paravane/name/web", "7");
    ck_assert_uint_eq(create("web", "", 0), 1);
    has("/paravane/name/web", "1");
}
END_TEST

START_TEST(a_transaction_that_others_upset_is_done_again)
{
    fake_store_upset(3);
    ck_assert_uint_eq(create("web", "", 0), 1);
    has("/paravane/name/web", "1");
}
END_TEST

START_TEST(too_little_memory_is_refused_with_who_has_it)
{
    struct vmctl_error error = { .code = 0 };

    create("first", "", 0);
    fake_xen_set_free(20 * 256 + 2 + 100);
    ck_assert_int_eq(try_create("second", "", &error), -ENOMEM);
    ck_assert_int_eq(error.reason, VMCTL_NO_GUEST_MEMORY);
    ck_assert_str_eq(error.limit, "20 MiB wanted, 0 MiB free");
    ck_assert_ptr_nonnull(strstr(error.holder, "Domain-0 (0) 64 MiB, first (1) 20 MiB"));
    ck_assert_str_ne(error.remedy, "");
    ck_assert_uint_eq(fake_xen_domains(), 1);
    ck_assert_ptr_null(fake_store_get("/paravane/name/second"));
}
END_TEST

START_TEST(what_devd_refuses_is_the_error)
{
    struct vmctl_error error = { .code = 0 };

    fake_store_refuse_devices("there is no bridge br0");
    ck_assert_int_eq(try_create("web", world_devices, &error), -ENODEV);
    ck_assert_int_eq(error.reason, VMCTL_DEVICE_FAILED);
    ck_assert_ptr_nonnull(strstr(error.message, "create guest web"));
    ck_assert_ptr_nonnull(strstr(error.message, "there is no bridge br0"));
    ck_assert_uint_eq(fake_store_count(), 0);
    ck_assert_uint_eq(fake_xen_domains(), 0);
}
END_TEST

START_TEST(files_that_cannot_be_used_are_named)
{
    struct vmctl_error error = { .code = 0 };

    ck_assert_int_eq(unlink(world_file("initrd")), 0);
    ck_assert_int_eq(try_create("web", "", &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.message, world_file("initrd")));
    ck_assert(write_file(world_file("kernel"), "#!/bin/sh", 9));
    ck_assert_int_eq(try_create("web", "", &error), -ENOEXEC);
    ck_assert_int_eq(error.reason, VMCTL_BAD_KERNEL);
    ck_assert_ptr_nonnull(strstr(error.message, world_file("kernel")));
    ck_assert_uint_eq(fake_xen_domains(), 0);
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

/* Failures, one by one. */

typedef void fail_fn(unsigned long number, int code);
typedef bool failed_fn(void);

/* The step that fails is the first, the second, ... until there are no more. */
static unsigned long fail_each(fail_fn *arrange, failed_fn *has_failed, int code)
{
    for (unsigned long number = 1;; number++) {
        struct vmctl_error error = { .code = 0 };
        int r;

        vmctl_close(handle);
        handle = NULL;
        world_begin();
        ck_assert_int_eq(vmctl_open(&handle, &error), 0);
        arrange(number, code);
        r = try_create("web", world_devices, &error);
        if (!has_failed()) {
            ck_assert_int_eq(r, 0);
            arrange(0, 0);
            return number - 1;
        }
        vmctl_close(handle);
        handle = NULL;
        if (r < 0) {
            ck_assert_int_eq(error.code, r);
            ck_assert_ptr_nonnull(strstr(error.message, "create guest web: "));
            ck_assert_msg(world_is_empty(), "step %lu left something", number);
        }
    }
}

START_TEST(whatever_the_hypervisor_refuses_nothing_is_left)
{
    ck_assert_uint_gt(fail_each(fake_xen_fail, fake_xen_failed, -EIO), 20);
    ck_assert_uint_gt(fail_each(fake_xen_fail, fake_xen_failed, -ENOMEM), 20);
    /* Two calls are not offered everywhere, so this is not always a failure. */
    ck_assert_uint_gt(fail_each(fake_xen_fail, fake_xen_failed, -EOPNOTSUPP), 20);
}
END_TEST

START_TEST(whatever_the_store_refuses_nothing_is_left)
{
    ck_assert_uint_gt(fail_each(fake_store_fail_at, fake_store_failed, -ENOSPC), 60);
    ck_assert_uint_gt(fail_each(fake_store_fail_at, fake_store_failed, -EIO), 60);
}
END_TEST

/* What the supervisor does then; how many guests it had to see to. */
static size_t recover(void)
{
    struct vmctl_error error = { .code = 0 };
    uint8_t(*uuids)[16] = NULL;
    size_t count = 0;

    ck_assert_int_eq(making_abandoned(&uuids, &count, &error), 0);
    for (size_t i = 0; i < count; i++) {
        ck_assert_msg(making_recover(handle, uuids[i], &error) == 0, "%s", error.message);
    }
    free(uuids);
    return count;
}

static bool is_whole(uint32_t domid)
{
    return fake_xen_domain(domid)->exists && fake_xen_domain(domid)->pauses == 0 &&
           fake_store_get("/paravane/guest/1") != NULL &&
           fake_store_get("/paravane/name/web") != NULL;
}

START_TEST(killed_at_any_moment_a_guest_is_whole_or_gone)
{
    unsigned int seen[2] = { 0, 0 };

    for (unsigned long number = 1;; number++) {
        struct vmctl_error error = { .code = 0 };
        bool dead;

        vmctl_close(handle);
        world_begin();
        ck_assert_int_eq(vmctl_open(&handle, &error), 0);
        fake_store_ask_death(fake_xen_step);
        fake_xen_kill(number);
        (void)try_create("web", world_devices, &error);
        dead = fake_xen_step();
        fake_xen_kill(0);
        if (!dead) {
            break;
        }
        vmctl_close(handle);
        ck_assert_int_eq(vmctl_open(&handle, &error), 0);
        seen[recover() != 0]++;
        ck_assert_uint_eq(recover(), 0);
        if (fake_xen_domain(1)->exists) {
            ck_assert_msg(is_whole(1), "step %lu", number);
            ck_assert_int_eq(vmctl_destroy(handle, 1, &error), 0);
        }
        vmctl_close(handle);
        handle = NULL;
        ck_assert_msg(world_is_empty(), "step %lu left something", number);
    }
    ck_assert_uint_gt(seen[1], 60);
}
END_TEST

static int ready_result;

/* The guest is whole and has not run; `context`: its maker is killed now. */
static int is_ready(void *context, uint32_t domid, struct vmctl_error *error)
{
    ck_assert_uint_eq(domid, 1);
    ck_assert_int_eq(fake_xen_domain(1)->pauses, 1);
    ck_assert_ptr_nonnull(fake_store_get("/paravane/guest/1"));
    if (context != NULL) {
        fake_xen_kill(1);
    }
    return ready_result < 0 ? vmctl_fail(error, ready_result, "nobody looks") : 0;
}

START_TEST(a_guest_that_is_ready_is_shown_first)
{
    struct vmctl_error error = { .code = 0 };

    vmctl_set_ready(handle, is_ready, NULL);
    ready_result = -EPERM;
    ck_assert_int_eq(try_create("web", world_devices, &error), -EPERM);
    ck_assert_str_eq(error.message, "create guest web: nobody looks");
    ck_assert_uint_eq(fake_xen_domains(), 0);
    ck_assert_uint_eq(fake_store_count(), 0);
    ready_result = 0;
    ck_assert_int_eq(try_create("web", world_devices, &error), 0);
    ck_assert(is_whole(1));
}
END_TEST

static int lose_the_name(void *context, uint32_t domid, struct vmctl_error *error)
{
    (void)context;
    (void)domid;
    fake_store_set("/paravane/name/web", "7");
    return vmctl_fail(error, -EPERM, "nobody looks");
}

START_TEST(a_name_that_is_anothers_by_now_stays)
{
    struct vmctl_error error = { .code = 0 };

    vmctl_set_ready(handle, lose_the_name, NULL);
    ck_assert_int_eq(try_create("web", world_devices, &error), -EPERM);
    ck_assert_str_eq(fake_store_get("/paravane/name/web"), "7");
    ck_assert_uint_eq(fake_store_count(), 1);
}
END_TEST

static int name_it_anew(void *context, uint32_t domid, struct vmctl_error *error)
{
    (void)context;
    ck_assert_int_eq(vmctl_rename(handle, domid, "www", error), 0);
    return vmctl_fail(error, -EPERM, "nobody looks");
}

START_TEST(a_name_had_meanwhile_is_given_back)
{
    struct vmctl_error error = { .code = 0 };

    vmctl_set_ready(handle, name_it_anew, NULL);
    ck_assert_int_eq(try_create("web", world_devices, &error), -EPERM);
    ck_assert_uint_eq(fake_xen_domains(), 0);
    ck_assert_uint_eq(fake_store_count(), 0);
    ck_assert(!world_has_description(1));
}
END_TEST

static int let_it_run(void *context, uint32_t domid, struct vmctl_error *error)
{
    (void)context;
    return vmctl_unpause(handle, domid, error);
}

START_TEST(a_guest_that_somebody_else_let_run_is_made)
{
    struct vmctl_error error = { .code = 0 };

    vmctl_set_ready(handle, let_it_run, NULL);
    ck_assert_int_eq(try_create("web", world_devices, &error), 0);
    ck_assert(is_whole(1));
}
END_TEST

START_TEST(killed_while_it_is_shown_a_guest_runs)
{
    struct vmctl_error error = { .code = 0 };

    ready_result = 0;
    fake_store_ask_death(fake_xen_step);
    vmctl_set_ready(handle, is_ready, handle);
    ck_assert_int_lt(try_create("web", world_devices, &error), 0);
    fake_xen_kill(0);
    vmctl_close(handle);
    ck_assert_int_eq(vmctl_open(&handle, &error), 0);
    ck_assert_uint_eq(recover(), 1);
    ck_assert(is_whole(1));
}
END_TEST

START_TEST(a_guest_that_is_being_made_is_not_made_twice)
{
    const uint8_t uuid[16] = { 1, 2, 3 };
    struct vmctl_error error = { .code = 0 };
    struct making making;

    ck_assert_int_eq(making_begin(&making, handle, uuid, false, &error), 0);
    ck_assert_int_eq(making_recover(handle, uuid, &error), -EBUSY);
    ck_assert_uint_eq(recover(), 0);
    making_end(&making, false);
    ck_assert_uint_eq(recover(), 1);
    ck_assert_uint_eq(recover(), 0);
}
END_TEST

START_TEST(the_end_of_a_maker_is_heard_of)
{
    const uint8_t uuid[16] = { 1, 2, 3 };
    struct vmctl_error error = { .code = 0 };
    struct making making;
    int fd = making_watch(&error);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(making_begin(&making, handle, uuid, false, &error), 0);
    ck_assert(!making_changed(fd));
    making_end(&making, true);
    ck_assert(!making_changed(fd));
    ck_assert_int_eq(making_begin(&making, handle, uuid, false, &error), 0);
    making_end(&making, false);
    ck_assert(making_changed(fd));
    ck_assert(!making_changed(fd));
    ck_assert_uint_eq(recover(), 1);
    ck_assert(!making_changed(fd));
    ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Its number was not noted yet, and another domain has the same uuid. */
START_TEST(the_domain_of_a_killed_maker_is_told_from_a_guest_by_its_home)
{
    const uint8_t uuid[16] = { 1, 2, 3 };
    struct vmctl_error error = { .code = 0 };
    struct making making;

    ck_assert_int_eq(making_begin(&making, handle, uuid, false, &error), 0);
    for (uint32_t domid = 4; domid < 7; domid++) {
        fake_xen_domain(domid)->exists = true;
        memcpy(fake_xen_domain(domid)->uuid, uuid, sizeof(uuid));
    }
    fake_xen_domain(6)->uuid[0] = 9;
    fake_store_set("/local/domain/5", "");
    making_end(&making, false);
    ck_assert_uint_eq(recover(), 1);
    ck_assert(!fake_xen_domain(4)->exists);
    ck_assert(fake_xen_domain(5)->exists);
    ck_assert(fake_xen_domain(6)->exists);
}
END_TEST

START_TEST(memory_beyond_all_machines_is_refused_by_admission)
{
    struct vmctl_error error = { .code = 0 };
    struct guest_config *config = world_config("huge", "");
    uint32_t domid = 0;

    config->memory_kib = config->target_kib = UINT64_C(900) << 20;
    ck_assert_int_eq(vmctl_create(handle, config, 0, &domid, &error), -ENOMEM);
    ck_assert_int_eq(error.reason, VMCTL_NO_GUEST_MEMORY);
    ck_assert_ptr_nonnull(strstr(error.limit, "921600 MiB wanted"));
    guest_config_free(config);
    ck_assert_uint_eq(fake_xen_domains(), 0);
}
END_TEST

START_TEST(a_description_that_cannot_be_written_fails_the_guest)
{
    struct vmctl_error error = { .code = 0 };

    state_file_set_root("/proc/self");
    ck_assert_int_lt(try_create("web", "", &error), 0);
    state_file_set_root(world_directory());
    ck_assert_uint_eq(fake_xen_domains(), 0);
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("builder");
    TCase *start = suite_case(suite, "start of day");
    TCase *whole = suite_case(suite, "whole guests");
    TCase *failures = suite_case(suite, "failures");

    tcase_add_checked_fixture(start, begin, end);
    tcase_add_test(start, the_first_vcpu_starts_as_the_abi_says);
    tcase_add_test(start, start_info_says_what_there_is);
    tcase_add_test(start, the_p2m_list_and_the_tables_agree);
    tcase_add_test(start, kernel_and_initrd_are_there_and_the_rest_of_the_kernel_is_zero);
    tcase_add_test(start, the_rings_are_empty_and_granted_to_dom0);
    tcase_add_test(start, without_large_extents_a_guest_is_the_same);
    tcase_add_test(start, an_older_kernel_gets_its_initrd_and_p2m_mapped);
    tcase_add_test(start, shares_and_cpus_reach_the_scheduler);
    tcase_add_test(start, cpus_that_are_not_there_are_named);
    tcase_add_test(start, clock_and_memory_are_as_described);
    tcase_add_test(start, admission_waits_for_who_was_admitted_before);
    tcase_add_checked_fixture(whole, begin, end);
    tcase_set_timeout(whole, 30);
    tcase_add_test(whole, the_store_has_what_guest_daemons_and_debians_tools_look_for);
    tcase_add_test(whole, an_ended_guest_leaves_nothing);
    tcase_add_test(whole, a_guest_held_by_a_back_end_is_reported);
    tcase_add_test(whole, a_name_is_had_once);
    tcase_add_test(whole, a_uuid_is_had_once);
    tcase_add_test(whole, a_name_left_by_a_guest_that_is_no_more_can_be_taken);
    tcase_add_test(whole, a_transaction_that_others_upset_is_done_again);
    tcase_add_checked_fixture(failures, begin, end);
    tcase_set_timeout(failures, 120);
    tcase_add_test(failures, too_little_memory_is_refused_with_who_has_it);
    tcase_add_test(failures, what_devd_refuses_is_the_error);
    tcase_add_test(failures, files_that_cannot_be_used_are_named);
    tcase_add_test(failures, whatever_the_hypervisor_refuses_nothing_is_left);
    tcase_add_test(failures, whatever_the_store_refuses_nothing_is_left);
    tcase_add_test(failures, killed_at_any_moment_a_guest_is_whole_or_gone);
    tcase_add_test(failures, a_guest_that_is_ready_is_shown_first);
    tcase_add_test(failures, a_guest_that_somebody_else_let_run_is_made);
    tcase_add_test(failures, a_name_that_is_anothers_by_now_stays);
    tcase_add_test(failures, a_name_had_meanwhile_is_given_back);
    tcase_add_test(failures, killed_while_it_is_shown_a_guest_runs);
    tcase_add_test(failures, a_guest_that_is_being_made_is_not_made_twice);
    tcase_add_test(failures, the_end_of_a_maker_is_heard_of);
    tcase_add_test(failures, the_domain_of_a_killed_maker_is_told_from_a_guest_by_its_home);
    tcase_add_test(failures, memory_beyond_all_machines_is_refused_by_admission);
    tcase_add_test(failures, a_description_that_cannot_be_written_fails_the_guest);
    return suite_run(suite);
}
