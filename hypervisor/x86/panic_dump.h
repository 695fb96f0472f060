/* SPDX-License-Identifier: MIT */
/*
 * The core's last words: registers, symbolised back-trace, every CPU.
 */
#pragma once

#include "hypervisor/lib/panic.h"
#include "hypervisor/x86/regs.h"

/* An exception nobody foresaw. */
void never_returns panic_registers(const struct cpu_regs *regs);

/* An NMI while another CPU panics: say where this one was, and stop. */
bool panic_in_progress(void);
void never_returns panic_stop_here(const struct cpu_regs *regs);

/* Have another CPU print its registers, by NMI; returns when it has, or after a moment. */
void registers_request(unsigned int cpu);

/* An NMI from hardware or for registers_request(). */
void nmi_received(const struct cpu_regs *regs);

/* The address of a symbol by position, for XENPF_get_symbol; false beyond the last. */
bool symbol_at(uint32_t index, uint64_t *address, const char **name);

/* Registers of an interrupted program, guest or core. */
void registers_dump(const struct cpu_regs *regs);

/* 20 bytes; NULL and 0 without one. */
const uint8_t *build_id(size_t *size);
