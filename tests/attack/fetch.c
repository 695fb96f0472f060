/* SPDX-License-Identifier: MIT */
/*
 * Guest memory is read once for each request: another vCPU of the guest writes over
 * whatever the core has read, at once, and a second read of the same bytes within
 * one hypercall is a finding.
 */
#include "tests/attack/world.h"

#define READS 256u

static struct {
    uint64_t start, end;
} reads[READS];
static unsigned int read_count;
static bool once;
static uint8_t overwrite;

void fetch_begin(bool reads_once, uint8_t how)
{
    read_count = 0;
    once = reads_once;
    overwrite = how;
}

static uint64_t other_word(uint64_t word)
{
    switch (overwrite % 8) {
    case 1:
        return ~word;
    case 2:
        return word ^ 1;
    case 3:
        return word ^ PAGE_SIZE;
    case 4:
        return word ^ UINT64_C(0x8000000000000000);
    case 5:
        return word + (UINT64_C(1) << 32) + 1;
    case 6:
        return 0;
    default:
        return word << 16 | word >> 48;
    }
}

/* As far as the guest itself may write there. */
static void write_over(uint64_t address, size_t size)
{
    for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
        size_t part = MIN(size - done, sizeof(uint64_t));
        uint64_t word = 0;

        (void)guest_read(address + done, &word, part);
        word = other_word(word);
        (void)guest_write(address + done, &word, part);
    }
}

void fetch_done(uint64_t address, size_t size)
{
    if (once && size != 0) {
        for (unsigned int i = 0; i < read_count; i++) {
            if (address < reads[i].end && reads[i].start < address + size) {
                finding("the guest's memory at %lx is read twice (%zu bytes)", address, size);
            }
        }
        if (read_count < READS) {
            reads[read_count].start = address;
            reads[read_count++].end = address + size;
        }
    }
    if (overwrite % 8 != 0) {
        write_over(address, size);
    }
}
