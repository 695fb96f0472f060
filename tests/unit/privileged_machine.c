/* SPDX-License-Identifier: MIT */
/*
 * A machine for code that executes privileged instructions: see the header.
 */
#define _GNU_SOURCE
#include "tests/unit/privileged_machine.h"

#include "tests/unit/decode_bytes.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

struct machine machine;

/* The kernel's places for the registers, by number. */
static const int gregs[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                               REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                               REG_R12, REG_R13, REG_R14, REG_R15 };

static void port_access(const struct instruction *insn, struct cpu_regs *regs)
{
    unsigned int port = (insn->opcode & 8) != 0 ? (uint16_t)regs->rdx : (uint8_t)insn->immediate;
    bool out = (insn->opcode & 2) != 0;
    uint32_t value = (uint32_t)regs->rax;

    if (insn->size < 4) {
        value &= (1u << (8 * insn->size)) - 1;
    }
    for (unsigned int i = 0; i < insn->size; i++) {
        uint8_t *place = &machine.ports[(port + i) & 0xffff];

        if (out) {
            *place = (uint8_t)(value >> (8 * i));
        } else {
            value = (value & ~(0xffu << (8 * i))) | (uint32_t)*place << (8 * i);
        }
    }
    if (!out) {
        register_write(regs, 0, insn->size, true, value);
    }
    if (machine.accesses < sizeof(machine.access) / sizeof(machine.access[0])) {
        machine.access[machine.accesses] =
            (struct port_access){ out, (uint16_t)port, insn->size, value };
    }
    machine.accesses++;
}

static bool execute(const struct instruction *insn, struct cpu_regs *regs)
{
    uint64_t value;

    switch (insn->opcode) {
    case 0x0f30:
        machine_set_msr((uint32_t)regs->rcx, regs->rdx << 32 | (uint32_t)regs->rax);
        return true;
    case 0x0f32:
        value = machine_msr((uint32_t)regs->rcx);
        regs->rax = (uint32_t)value;
        regs->rdx = value >> 32;
        return true;
    case 0x0f20:
        register_put(regs, insn->rm, machine.cr[insn->reg]);
        return true;
    case 0x0f22:
        machine.cr[insn->reg] = register_get(regs, insn->rm);
        return true;
    case 0x0f21:
        register_put(regs, insn->rm, machine.dr[insn->reg & 7]);
        return true;
    case 0x0f23:
        machine.dr[insn->reg & 7] = register_get(regs, insn->rm);
        return true;
    case 0x0f06:
        machine.clts++;
        machine.cr[0] &= ~UINT64_C(8);
        return true;
    case 0x0f09:
        machine.wbinvds++;
        return true;
    default:
        if ((insn->opcode & 0xfff4) == 0xe4) {
            port_access(insn, regs);
            return true;
        }
        return false;
    }
}

static void fault(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    greg_t *places = user->uc_mcontext.gregs;
    const uint8_t *code = (const uint8_t *)places[REG_RIP];
    struct cpu_regs regs = { .rip = (uint64_t)places[REG_RIP] };
    struct instruction insn;

    (void)info;
    for (unsigned int i = 0; i < 16; i++) {
        register_put(&regs, i, (uint64_t)places[gregs[i]]);
    }
    if (!decode_bytes(code, INSTRUCTION_LIMIT, &regs, true, &insn) || !execute(&insn, &regs)) {
        (void)signal(signal_number, SIG_DFL); /* an ordinary crash: let it happen again */
        return;
    }
    for (unsigned int i = 0; i < 16; i++) {
        places[gregs[i]] = (greg_t)register_get(&regs, i);
    }
    places[REG_RIP] += insn.length;
}

void machine_reset(void)
{
    struct sigaction action = { .sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

    memset(&machine, 0, sizeof(machine));
    if (sigaction(SIGSEGV, &action, NULL) != 0) {
        abort();
    }
}

uint64_t machine_msr(uint32_t number)
{
    for (unsigned int i = 0; i < MACHINE_MSRS; i++) {
        if (machine.msr[i].number == number) {
            return machine.msr[i].value;
        }
    }
    return 0;
}

void machine_set_msr(uint32_t number, uint64_t value)
{
    for (unsigned int i = 0; i < MACHINE_MSRS; i++) {
        if (machine.msr[i].number == number || machine.msr[i].number == 0) {
            machine.msr[i].number = number;
            machine.msr[i].value = value;
            return;
        }
    }
    abort();
}
