/* SPDX-License-Identifier: MIT */
/*
 * The decoder on bytes of any number, with rubbish where the code has ended.
 */
#ifndef TESTS_UNIT_DECODE_BYTES_H
#define TESTS_UNIT_DECODE_BYTES_H

#include "hypervisor/pv/decode.h"

#include <string.h>

static inline bool decode_bytes(const uint8_t *bytes, size_t count, const struct cpu_regs *regs,
                                bool code64, struct instruction *out)
{
    uint8_t buffer[DECODE_BUFFER];

    memset(buffer, 0xf0, sizeof(buffer));
    memcpy(buffer, bytes, count < sizeof(buffer) ? count : sizeof(buffer));
    return decode_instruction(buffer, count, regs, code64, out);
}

#endif
