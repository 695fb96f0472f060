/* SPDX-License-Identifier: MIT */
/* See control_world.h. */
#include "tests/unit/control_world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/event/event.h"
#include "hypervisor/pv/context.h"
#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/pv/hypercall_page.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/smp.h"

struct control_record seen;
struct control_answers answers;
struct domain *control, *guest;
struct cpumask guest_hard, guest_soft;

static struct cpu_policy policies[2];

/* ---- domains and vCPUs -------------------------------------------------------------------- */

domid_t domain_free_id(void)
{
    return answers.free_id;
}

int domain_create(domid_t id, const struct domain_config *config, struct domain **out)
{
    ck_assert_uint_lt(seen.creations, ARRAY_SIZE(answers.create));
    seen.created_id = id;
    seen.config = *config;
    *out = NULL;
    return answers.create[seen.creations++];
}

int domain_kill(struct domain *domain)
{
    ck_assert(atomic_load(&domain->being_changed));
    seen.kills++;
    return answers.kill;
}

void domain_resume(struct domain *domain)
{
    ck_assert_uint_eq(domain->pause_count, 1);
    domain->shutting_down = false;
    seen.resumes++;
}

uint32_t domain_count(void)
{
    return 2;
}

int vcpu_create(struct domain *domain, uint32_t id)
{
    if (answers.vcpu == 0) {
        struct vcpu *vcpu = aligned_alloc(16, ROUND_UP(sizeof(*vcpu), 16));

        ck_assert_ptr_nonnull(vcpu);
        memset(vcpu, 0, sizeof(*vcpu));
        *vcpu = (struct vcpu){ .domain = domain, .id = id, .blocked = VCPU_DOWN };
        domain->vcpu[id] = vcpu;
        seen.last_vcpu = vcpu;
    }
    return answers.vcpu;
}

int pv_vcpu_initialise(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
    seen.initialised++;
    seen.last_vcpu = vcpu;
    seen.pauses_at_initialise = vcpu->domain->pause_count;
    if (answers.initialise == 0) {
        seen.context = malloc(sizeof(*context));
        ck_assert_ptr_nonnull(seen.context);
        memcpy(seen.context, context, sizeof(*context));
        vcpu->initialised = true;
    }
    return answers.initialise;
}

void pv_vcpu_get_context(const struct vcpu *vcpu, struct vcpu_guest_context *context)
{
    ck_assert_uint_eq(vcpu->domain->pause_count, 1);
    memcpy(context, seen.context, sizeof(*context));
}

void pv_send_nmi(struct vcpu *vcpu)
{
    seen.nmis++;
    seen.last_vcpu = vcpu;
}

int hypercall_page_write(struct domain *domain, uint64_t value)
{
    ck_assert_ptr_eq(domain, guest);
    seen.hypercall_pages++;
    seen.hypercall_page = value;
    return answers.hypercall_page;
}

int event_set_virq_handler(struct domain *domain, uint32_t virq)
{
    ck_assert_ptr_eq(domain, guest);
    seen.virqs++;
    seen.virq = virq;
    return answers.virq;
}

int cpu_policy_merge(struct cpu_policy *policy, const struct xen_cpuid_leaf *leaves, uint32_t count,
                     uint32_t *bad)
{
    if (answers.merge == 0) {
        memcpy(policy->leaves, leaves, count * sizeof(*leaves));
        policy->count = count;
    }
    *bad = answers.merge_culprit;
    return answers.merge;
}

/* ---- scheduler and time ------------------------------------------------------------------- */

uint32_t sched_weight(const struct domain *domain)
{
    (void)domain;
    return seen.weight;
}

int sched_set_weight(struct domain *domain, uint32_t weight)
{
    ck_assert_ptr_eq(domain, guest);
    seen.weight = weight;
    return 0;
}

int sched_affinity_set(struct vcpu *vcpu, const struct cpumask *hard, const struct cpumask *soft)
{
    ck_assert_ptr_eq(vcpu->domain, guest);
    if (answers.affinity == 0) {
        guest_hard = *hard;
        guest_soft = *soft;
    }
    return answers.affinity;
}

void sched_affinity_get(const struct vcpu *vcpu, struct cpumask *hard, struct cpumask *soft)
{
    (void)vcpu;
    *hard = guest_hard;
    *soft = guest_soft;
}

int sched_pin(struct vcpu *vcpu, unsigned int cpu)
{
    ck_assert_ptr_eq(vcpu->domain, guest);
    ck_assert_uint_eq(cpu, PINNED_NOWHERE);
    seen.unpins++;
    return answers.pin;
}

uint64_t sched_idle_ns(unsigned int cpu)
{
    return 1000 + cpu;
}

uint64_t clock_tsc_hz(void)
{
    return TSC_HZ;
}

/* vCPU n has run for n + 1 microseconds. */
void vcpu_time_runstate_get(const struct vcpu *vcpu, struct vcpu_runstate_info *out)
{
    memset(out, 0, sizeof(*out));
    out->time[RUNSTATE_running] = (vcpu->id + 1) * UINT64_C(1000);
    out->time[RUNSTATE_blocked] = 77;
}

/* ---- the two domains ---------------------------------------------------------------------- */

void control_setup(void)
{
    fake_reset();
    memset(&seen, 0, sizeof(seen));
    memset(&answers, 0, sizeof(answers));
    memset(policies, 0, sizeof(policies));
    control = fake_domain_new(0, 2, true);
    guest = fake_domain_new(GUEST, GUEST_VCPUS, false);
    control->cpu_policy = &policies[0];
    guest->cpu_policy = &policies[1];
    guest->shutdown_code = control->shutdown_code = SHUTDOWN_CODE_NONE;
    ck_assert_int_eq(io_permissions_create(control), 0);
    ck_assert_int_eq(io_permissions_create(guest), 0);
    cpu_count = 4;
    cpus_online = (struct cpumask){ { 0xf } };
    guest_hard = guest_soft = cpus_online;
    fake_cpu_use(0, control->vcpu[0]);
}

void control_teardown(void)
{
    ck_assert_uint_eq(control->references, 1);
    ck_assert_uint_eq(guest->references, 1);
    ck_assert_uint_eq(control->pause_count, 0);
    ck_assert_uint_eq(guest->pause_count, guest->control_pauses);
    ck_assert(!control->being_changed && !guest->being_changed);
    free(seen.context);
    io_permissions_destroy(guest);
    io_permissions_destroy(control);
    ck_assert_int_eq(fake_heap_live, 0);
    fake_domain_free(guest);
    fake_domain_free(control);
}
