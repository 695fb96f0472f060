/* SPDX-License-Identifier: MIT */
/*
 * Saving and loading floating-point state.  Intel SDM vol. 1, chapter 13.
 */
#include "hypervisor/x86/fpu.h"

#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/x86/features.h"

#define FXSAVE_SIZE       512
#define FCW_OFFSET        0
#define MXCSR_OFFSET      24
#define MXCSR_MASK_OFFSET 28
#define MXCSR_DEFAULT     0x1f80u
#define FCW_DEFAULT       0x37fu
#define XSTATE_BV         512 /* in the XSAVE header */
#define AREA_ALIGN        64

struct fpu_state {
    uint64_t xcr0;
    uint8_t *area; /* XSAVE format, or FXSAVE format without it; 64-byte aligned */
    uint8_t memory[];
};

static uint32_t mxcsr_mask; /* bits of MXCSR that exist: loading any other faults */

void fpu_setup(void)
{
    static uint8_t image[FXSAVE_SIZE] __attribute__((aligned(16)));

    __asm__ volatile("fxsave (%0)" : : "r"(image) : "memory");
    memcpy(&mxcsr_mask, image + MXCSR_MASK_OFFSET, sizeof(mxcsr_mask));
    if (mxcsr_mask == 0) {
        mxcsr_mask = 0xffbf;
    }
}

/* Of an area with legacy state alone. */
static void make_header(struct fpu_state *state)
{
    if (cpu_features.xsave) {
        memset(state->area + XSTATE_BV, 0, 64);
        state->area[XSTATE_BV] = 3;
    }
}

struct fpu_state *fpu_create(void)
{
    struct fpu_state *state = heap_alloc(sizeof(*state) + AREA_ALIGN + cpu_features.xsave_size);
    const uint32_t mxcsr = MXCSR_DEFAULT;
    const uint16_t fcw = FCW_DEFAULT;

    if (state == NULL) {
        return NULL;
    }
    state->xcr0 = 1;
    state->area = (uint8_t *)ROUND_UP((uintptr_t)state->memory, (uintptr_t)AREA_ALIGN);
    memcpy(state->area + FCW_OFFSET, &fcw, sizeof(fcw));
    memcpy(state->area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    make_header(state);
    return state;
}

void fpu_from_fxsave(struct fpu_state *state, const void *fxsave)
{
    uint32_t mxcsr;

    memcpy(state->area, fxsave, FXSAVE_SIZE);
    memcpy(&mxcsr, state->area + MXCSR_OFFSET, sizeof(mxcsr));
    mxcsr &= mxcsr_mask;
    memcpy(state->area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
    make_header(state);
}

void fpu_to_fxsave(const struct fpu_state *state, void *fxsave)
{
    memcpy(fxsave, state->area, FXSAVE_SIZE);
}

static void load_xcr0(uint64_t xcr0)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)xcr0), "d"(0));
}

void fpu_save(struct fpu_state *state)
{
    if (!cpu_features.xsave) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(state->area) : "memory");
        return;
    }
    if (state->xcr0 != cpu_features.xcr0) {
        /* All components the core knows, whatever the guest's: that may shrink and grow again. */
        load_xcr0(cpu_features.xcr0);
    }
    __asm__ volatile("xsave64 (%0)" : : "r"(state->area), "a"(-1), "d"(-1) : "memory");
}

void fpu_load(const struct fpu_state *state)
{
    /* Else the addresses of the last instruction and its operand would be whose state was there. */
    if (cpu_features.fpu_keeps_addresses) {
        __asm__ volatile("fninit");
    }
    if (!cpu_features.xsave) {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(state->area) : "memory");
        return;
    }
    __asm__ volatile("xrstor64 (%0)" : : "r"(state->area), "a"(-1), "d"(-1) : "memory");
    if (state->xcr0 != cpu_features.xcr0) {
        load_xcr0(state->xcr0);
    }
}

void fpu_set_xcr0(struct fpu_state *state, uint64_t xcr0)
{
    state->xcr0 = xcr0;
    load_xcr0(xcr0);
}

uint64_t fpu_xcr0(const struct fpu_state *state)
{
    return state->xcr0;
}
