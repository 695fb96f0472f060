/* SPDX-License-Identifier: MIT */
/*
 * The page through which a guest's kernel makes hypercalls: see hypercall_page.h.
 */
#include "hypervisor/pv/hypercall_page.h"

#include "hypervisor/lib/string.h"
#include "hypervisor/mm/page_type.h"

#define STUB_SIZE 32u
#define NUMBER_AT 4u /* in `call`, the immediate of mov */
#define IRET_AT   5u /* likewise in `leave` */
#define TRAP      0xcc

void hypercall_page_fill(void *page)
{
    /* SYSCALL overwrites rcx and r11. */
    static const uint8_t call[] = {
        0x51,                /* push %rcx */
        0x41, 0x53,          /* push %r11 */
        0xb8, 0,    0, 0, 0, /* mov $number, %eax */
        0x0f, 0x05,          /* syscall */
        0x41, 0x5b,          /* pop %r11 */
        0x59,                /* pop %rcx */
        0xc3,                /* ret */
    };
    /* iret finds rax in its frame, too, and does not come back. */
    static const uint8_t leave[] = {
        0x51, 0x41, 0x53, 0x50, 0xb8, 0, 0, 0, 0, 0x0f, 0x05,
    };
    uint8_t *stub = page;

    memset(page, TRAP, PAGE_SIZE);
    for (unsigned int number = 0; number < PAGE_SIZE / STUB_SIZE; number++) {
        if (number == __HYPERVISOR_iret) {
            memcpy(stub, leave, sizeof(leave));
            stub[IRET_AT] = (uint8_t)number;
        } else {
            memcpy(stub, call, sizeof(call));
            stub[NUMBER_AT] = (uint8_t)number;
        }
        stub += STUB_SIZE;
    }
}

int hypercall_page_write(struct domain *domain, uint64_t value)
{
    mfn_t frame = mfn(value >> PAGE_SHIFT);
    int error =
        (value & PAGE_MASK) != 0 ? -XEN_EINVAL : frame_type_get(frame, domain->id, PAGE_WRITABLE);

    if (error == 0) {
        hypercall_page_fill(direct_map_mfn(frame));
        frame_type_put(page_of(frame));
    }
    return error;
}
