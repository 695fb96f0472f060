/* SPDX-License-Identifier: MIT */
/*
 * console_io.
 *
 * Other domains than the control domain get -XEN_EPERM: their console is a ring
 * that dom0 serves, and what they print cannot flood the host.
 */
#include "guest-pv-headers/xen.h"
#include "hypervisor/domain/continuation.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/event/event.h"
#include "hypervisor/hypercalls/hypercall.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/softirq.h"

/* One unit of progress: what a serial line takes some 20 ms for. */
#define CHUNK 256u

static long console_write(uint32_t count, uint64_t buffer)
{
    char text[CHUNK];

    while (count > 0) {
        uint32_t part = MIN(count, CHUNK);

        if (copy_array_from_guest(text, guest_pointer(const char, buffer), part) != 0) {
            return -XEN_EFAULT;
        }
        console_write_guest(text, part);
        buffer += part;
        count -= part;
        if (count > 0 && preempt_pending()) {
            return hypercall_continue(__HYPERVISOR_console_io, 3, CONSOLEIO_write, count, buffer,
                                      0);
        }
    }
    return 0;
}

/* What is taken out of the queue is lost if the guest's buffer faults; so is it with the peer. */
static long console_read(uint32_t count, uint64_t buffer)
{
    char text[CHUNK];
    size_t got = console_read_guest(text, MIN(count, CHUNK));

    if (copy_array_to_guest(guest_pointer(char, buffer), text, got) != 0) {
        return -XEN_EFAULT;
    }
    return (long)got;
}

long hypercall_console_io(uint64_t operation, uint64_t count, uint64_t buffer)
{
    if (!current->domain->privileged) {
        return -XEN_EPERM;
    }
    switch ((uint32_t)operation) {
    case CONSOLEIO_write:
        return console_write((uint32_t)count, buffer);
    case CONSOLEIO_read:
        return (uint32_t)count > INT32_MAX ? -XEN_E2BIG : console_read((uint32_t)count, buffer);
    default:
        return -XEN_ENOSYS;
    }
}

void console_input_ready(void)
{
    if (dom0 != NULL) {
        event_send_global_virq(VIRQ_CONSOLE);
    }
}
