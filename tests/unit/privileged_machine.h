/* SPDX-License-Identifier: MIT */
/*
 * A machine for code that executes privileged instructions: in a test's process
 * each of them faults, and the handler of the fault plays the CPU.
 */
#ifndef TESTS_UNIT_PRIVILEGED_MACHINE_H
#define TESTS_UNIT_PRIVILEGED_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

struct port_access {
    bool out;
    uint16_t port;
    uint8_t size;
    uint32_t value;
};

#define MACHINE_MSRS 16

extern struct machine {
    uint64_t cr[16], dr[8];
    struct {
        uint32_t number;
        uint64_t value;
    } msr[MACHINE_MSRS]; /* unused ones have number 0 */
    uint8_t ports[65536];
    struct port_access access[64]; /* the first of them */
    unsigned int accesses;
    unsigned int wbinvds, clts;
} machine;

/* All zero, and the fault handler in place. */
void machine_reset(void);

uint64_t machine_msr(uint32_t number);
void machine_set_msr(uint32_t number, uint64_t value);

#endif
