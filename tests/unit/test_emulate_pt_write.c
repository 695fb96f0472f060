/* SPDX-License-Identifier: MIT */
/*
 * Emulated writes to page tables: each instruction is run by the CPU on ordinary
 * memory and by the core on a copy, and both must come to the same entry, the
 * same registers and the same flags.
 */
#include "guest-pv-headers/errno.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/entry_apply.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/x86/cpu.h"
#include "tests/fake/fake.h"
#include "tests/unit/decode_bytes.h"
#include "tests/unit/dirty_stack.h"
#include "tests/unit/native.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define CF              0x001u
#define ZF              0x040u
#define AF              0x010u
#define ARITHMETIC      0x8d5u
#define ROUNDS          200
#define OPERAND_RDI     0x07u
#define MODRM_MIDDLE(n) ((uint8_t)((n) << 3 | OPERAND_RDI))

/* ---- neighbours --------------------------------------------------------------------------- */

static struct {
    bool is_table;
    unsigned int writes;
    pte_t adds;            /* bits it stores beside what it was given */
    int error;             /* what pt_write_entry() answers ... */
    unsigned int error_at; /* ... at its n-th call; 0: always ... */
    bool errors_stay;      /* ... and after that */
    unsigned int busy_for; /* so many calls find the entry changed first */
    unsigned int injected; /* vector, of the last exception */
    bool code32;           /* of any segment but the one all 64-bit kernels have */
} neighbour;

static struct page *table_page;
static uint64_t *table;

bool pt_find_l1_of_table(struct vcpu *vcpu, uint64_t address, mfn_t *out)
{
    (void)vcpu;
    (void)address;
    *out = page_frame(table_page);
    return neighbour.is_table;
}

int pt_write_entry(struct vcpu *vcpu, mfn_t frame, unsigned int index, pte_t old, pte_t new_entry)
{
    (void)vcpu;
    ck_assert(mfn_equal(frame, page_frame(table_page)));
    neighbour.writes++;
    if (neighbour.error != 0 &&
        (neighbour.error_at == 0 || neighbour.error_at == neighbour.writes ||
         (neighbour.errors_stay && neighbour.error_at < neighbour.writes))) {
        return neighbour.error;
    }
    if (neighbour.busy_for > 0) {
        neighbour.busy_for--;
        table[index] ^= UINT64_C(0x20); /* the CPU notes an access */
    }
    if (table[index] != old) {
        return -XEN_EAGAIN;
    }
    table[index] = new_entry | neighbour.adds;
    return 0;
}

bool pv_code_is_64bit(const struct cpu_regs *regs)
{
    ck_assert_uint_ne((uint16_t)regs->cs, FLAT_RING3_CS64); /* everybody knows that one */
    return !neighbour.code32;
}

void pv_inject_exception(struct cpu_regs *regs, struct vcpu *vcpu, unsigned int vector,
                         uint32_t error_code)
{
    (void)regs;
    (void)vcpu;
    (void)error_code;
    neighbour.injected = vector;
}

static struct domain *domain;
static struct vcpu *vcpu;
static uint64_t code_segment; /* as the guest has it, or as all 64-bit kernels have it */

static void set_up(void)
{
    fake_reset();
    memset(&neighbour, 0, sizeof(neighbour));
    neighbour.is_table = true;
    domain = fake_domain_new(1, 1, false);
    vcpu = domain->vcpu[0];
    vcpu->pv.kernel_mode = true;
    fake_cpu_use(0, vcpu);
    table_page = fake_page_new(domain);
    table = page_address(table_page);
}

static void set_up_flat(void)
{
    set_up();
    code_segment = FLAT_RING3_CS64;
}

static void tear_down(void)
{
    fake_domain_free(domain);
}

/* ---- every instruction against the CPU ------------------------------------------------------ */

static uint64_t random_word(void)
{
    return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

struct form {
    const char *name;
    uint8_t opcode[2];
    uint8_t opcode_bytes;
    int middle;         /* of ModRM; -1: a register */
    bool byte;          /* a byte operand */
    uint8_t immediate;  /* bytes; 4 means at most that */
    unsigned int flags; /* that the manual defines */
    uint8_t sizes;      /* 2, 4, 8 as bits 1, 2, 3 */
};

#define SIZES     0x0e
#define SIZES_4_8 0x0c
#define LOGIC     (ARITHMETIC & ~AF)

static const struct form forms[] = {
    { "mov", { 0x88 }, 1, -1, true, 0, ARITHMETIC, SIZES },
    { "mov", { 0x89 }, 1, -1, false, 0, ARITHMETIC, SIZES },
    { "mov imm8", { 0xc6 }, 1, 0, true, 1, ARITHMETIC, SIZES },
    { "mov imm", { 0xc7 }, 1, 0, false, 4, ARITHMETIC, SIZES },
    { "movnti", { 0x0f, 0xc3 }, 2, -1, false, 0, ARITHMETIC, SIZES_4_8 },
    { "xchg", { 0x86 }, 1, -1, true, 0, ARITHMETIC, SIZES },
    { "xchg", { 0x87 }, 1, -1, false, 0, ARITHMETIC, SIZES },
    { "add", { 0x00 }, 1, -1, true, 0, ARITHMETIC, SIZES },
    { "add", { 0x01 }, 1, -1, false, 0, ARITHMETIC, SIZES },
    { "or", { 0x08 }, 1, -1, true, 0, LOGIC, SIZES },
    { "or", { 0x09 }, 1, -1, false, 0, LOGIC, SIZES },
    { "and", { 0x20 }, 1, -1, true, 0, LOGIC, SIZES },
    { "and", { 0x21 }, 1, -1, false, 0, LOGIC, SIZES },
    { "sub", { 0x28 }, 1, -1, true, 0, ARITHMETIC, SIZES },
    { "sub", { 0x29 }, 1, -1, false, 0, ARITHMETIC, SIZES },
    { "xor", { 0x30 }, 1, -1, true, 0, LOGIC, SIZES },
    { "xor", { 0x31 }, 1, -1, false, 0, LOGIC, SIZES },
    { "add imm8", { 0x80 }, 1, 0, true, 1, ARITHMETIC, SIZES },
    { "or imm8", { 0x80 }, 1, 1, true, 1, LOGIC, SIZES },
    { "and imm8", { 0x80 }, 1, 4, true, 1, LOGIC, SIZES },
    { "sub imm8", { 0x80 }, 1, 5, true, 1, ARITHMETIC, SIZES },
    { "xor imm8", { 0x80 }, 1, 6, true, 1, LOGIC, SIZES },
    { "add imm", { 0x81 }, 1, 0, false, 4, ARITHMETIC, SIZES },
    { "or imm", { 0x81 }, 1, 1, false, 4, LOGIC, SIZES },
    { "and imm", { 0x81 }, 1, 4, false, 4, LOGIC, SIZES },
    { "sub imm", { 0x81 }, 1, 5, false, 4, ARITHMETIC, SIZES },
    { "xor imm", { 0x81 }, 1, 6, false, 4, LOGIC, SIZES },
    { "add short", { 0x83 }, 1, 0, false, 1, ARITHMETIC, SIZES },
    { "or short", { 0x83 }, 1, 1, false, 1, LOGIC, SIZES },
    { "and short", { 0x83 }, 1, 4, false, 1, LOGIC, SIZES },
    { "sub short", { 0x83 }, 1, 5, false, 1, ARITHMETIC, SIZES },
    { "xor short", { 0x83 }, 1, 6, false, 1, LOGIC, SIZES },
    { "not", { 0xf6 }, 1, 2, true, 0, ARITHMETIC, SIZES },
    { "not", { 0xf7 }, 1, 2, false, 0, ARITHMETIC, SIZES },
    { "neg", { 0xf6 }, 1, 3, true, 0, ARITHMETIC, SIZES },
    { "neg", { 0xf7 }, 1, 3, false, 0, ARITHMETIC, SIZES },
    { "inc", { 0xfe }, 1, 0, true, 0, ARITHMETIC, SIZES },
    { "inc", { 0xff }, 1, 0, false, 0, ARITHMETIC, SIZES },
    { "dec", { 0xfe }, 1, 1, true, 0, ARITHMETIC, SIZES },
    { "dec", { 0xff }, 1, 1, false, 0, ARITHMETIC, SIZES },
    { "bts imm", { 0x0f, 0xba }, 2, 5, false, 1, CF | ZF, SIZES },
    { "btr imm", { 0x0f, 0xba }, 2, 6, false, 1, CF | ZF, SIZES },
    { "btc imm", { 0x0f, 0xba }, 2, 7, false, 1, CF | ZF, SIZES },
    { "cmpxchg", { 0x0f, 0xb0 }, 2, -1, true, 0, ARITHMETIC, SIZES },
    { "cmpxchg", { 0x0f, 0xb1 }, 2, -1, false, 0, ARITHMETIC, SIZES },
    { "xadd", { 0x0f, 0xc0 }, 2, -1, true, 0, ARITHMETIC, SIZES },
    { "xadd", { 0x0f, 0xc1 }, 2, -1, false, 0, ARITHMETIC, SIZES },
    { "cmpxchg8b", { 0x0f, 0xc7 }, 2, 1, false, 0, ARITHMETIC, 0x04 },
};

/* Build one instruction on [rdi]; returns its length. */
static size_t build(const struct form *form, unsigned int size, unsigned int reg, uint8_t *code)
{
    size_t at = 0, immediate = form->immediate;
    uint8_t rex = (uint8_t)((size == 8 ? 0x48 : 0) | (reg >= 8 ? 0x44 : 0) |
                            (form->byte && random() % 2 != 0 ? 0x40 : 0));

    if (immediate == 4 && !form->byte && size == 2) {
        immediate = 2;
    }
    if (size == 2 && !form->byte) {
        code[at++] = 0x66;
    }
    if (rex != 0) {
        code[at++] = rex;
    }
    memcpy(&code[at], form->opcode, form->opcode_bytes);
    at += form->opcode_bytes;
    code[at++] =
        form->middle >= 0 ? MODRM_MIDDLE((unsigned int)form->middle) : MODRM_MIDDLE(reg & 7);
    for (size_t i = 0; i < immediate; i++) {
        code[at++] = (uint8_t)(random() >> 8);
    }
    return at;
}

/* Values that meet: all alike, or differing in one bit, or anything. */
static void choose(struct native_regs *regs, uint64_t *entry)
{
    uint64_t common = random_word();
    bool alike = random() % 2 != 0;

    for (unsigned int i = 0; i < 16; i++) {
        regs->gpr[i] = alike ? common : random_word();
    }
    *entry = alike ? common : random_word();
    if (random() % 4 == 0) {
        *entry = common ^ (UINT64_C(1) << random() % 64);
    }
    if (random() % 4 == 0) {
        /* So that cmpxchg8b can find its pair. */
        *entry = regs->gpr[2] << 32 | (uint32_t)regs->gpr[0];
    }
    regs->rflags = 2 | ((uint64_t)random() & ARITHMETIC);
}

static void compare(const struct form *form, unsigned int size, unsigned int reg)
{
    static _Alignas(16) uint64_t memory;
    unsigned int operand = form->opcode[1] == 0xc7 ? 8 : size;
    unsigned int offset = (unsigned int)random() % (8 / operand) * operand;
    uint8_t code[16] = { 0 };
    struct native_regs machine;
    struct cpu_regs regs = { 0 }, after;
    struct instruction insn;
    struct entry_change change;
    size_t length = build(form, size, reg, code);
    uint64_t entry;

    choose(&machine, &entry);
    machine.gpr[7] = (uint64_t)&memory + offset;
    for (unsigned int i = 0; i < 16; i++) {
        register_put(&regs, i, machine.gpr[i]);
    }
    regs.rflags = machine.rflags;
    after = regs;
    memory = entry;
    native_run(code, length, &machine);

    require(decode_bytes(code, length, &regs, true, &insn));
    require(insn.length == length && insn.address == (uint64_t)&memory + offset);
    change.entry = entry;
    require(entry_apply(&insn, offset, &regs, &change));
    if (change.target == TARGET_PAIR) {
        after.rax = (uint32_t)change.value;
        after.rdx = change.value >> 32;
    } else if (change.target != TARGET_NONE) {
        register_write(&after, change.target, size, (insn.prefixes & PREFIX_REX) != 0,
                       change.value);
    }
    if (change.entry != memory || ((change.rflags ^ machine.rflags) & form->flags) != 0) {
        ck_abort_msg("%s size %u reg %u: %lx flags %lx, not %lx flags %lx", form->name, size, reg,
                     change.entry, change.rflags & ARITHMETIC, memory, machine.rflags & ARITHMETIC);
    }
    require(((change.rflags ^ regs.rflags) & ~(uint64_t)ARITHMETIC) == 0);
    for (unsigned int i = 0; i < 16; i++) {
        if (i != 4 && register_get(&after, i) != machine.gpr[i]) {
            ck_abort_msg("%s size %u reg %u: register %u is %lx, not %lx", form->name, size, reg, i,
                         register_get(&after, i), machine.gpr[i]);
        }
    }
}

static void compare_sizes(const struct form *form, unsigned int reg)
{
    if (form->byte) {
        compare(form, 1, reg);
        return;
    }
    for (unsigned int size = 2; size <= 8; size *= 2) {
        if ((form->sizes & size) != 0) {
            compare(form, size, reg);
        }
    }
}

START_TEST(each_instruction_does_what_the_cpu_does)
{
    const struct form *form = &forms[_i];

    for (unsigned int reg = 0; reg < 16; reg++) {
        /* rsp is the test's own stack, rdi the operand's address; ah to bh are not these. */
        if (reg == 4 || reg == 7) {
            continue;
        }
        for (unsigned int round = 0; round < ROUNDS; round++) {
            compare_sizes(form, reg);
        }
    }
}
END_TEST

/* ---- the whole of it ------------------------------------------------------------------------ */

static uint8_t guest_code[64];

static void start(struct cpu_regs *regs, const uint8_t *code, size_t length)
{
    memset(guest_code, 0xcc, sizeof(guest_code));
    memcpy(guest_code, code, length);
    memset(regs, 0, sizeof(*regs));
    regs->rip = (uint64_t)guest_code;
    regs->rflags = 2;
    regs->cs = code_segment;
}

#define START(regs, ...)                         \
    do {                                         \
        const uint8_t code_[] = { __VA_ARGS__ }; \
        start((regs), code_, sizeof(code_));     \
    } while (0)

START_TEST(a_store_reaches_the_entry_it_names)
{
    struct cpu_regs regs;

    for (unsigned int index = 0; index < 512; index++) {
        START(&regs, 0x48, 0x89, 0x07); /* mov %rax, (%rdi) */
        regs.rax = index * UINT64_C(0x1001001);
        regs.rdi = UINT64_C(0xffff888000000000) + 8 * index;
        ck_assert(pv_emulate_pt_write(vcpu, &regs, regs.rdi));
        ck_assert_uint_eq(table[index], regs.rax);
        ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + 3);
        ck_assert_uint_eq(regs.rdi, UINT64_C(0xffff888000000000) + 8 * index);
    }
}
END_TEST

/* The two by which kernels write entries, with every pair of registers. */
START_TEST(plain_stores_name_any_two_registers)
{
    for (unsigned int i = 0; i < 2 * 256; i++) {
        unsigned int reg = i / 16 % 16, base = i % 16;
        bool exchange = i >= 256;
        struct cpu_regs regs;

        if (reg == base || base % 8 == 4 || base % 8 == 5) {
            continue; /* these have a SIB byte, or a displacement */
        }
        START(&regs, (uint8_t)(0x48 | (reg >= 8 ? 4 : 0) | (base >= 8 ? 1 : 0)),
              exchange ? 0x87 : 0x89, (uint8_t)(reg % 8 << 3 | base % 8));
        table[3] = 0x1000 + i;
        register_put(&regs, reg, 0x777);
        register_put(&regs, base, 0x5018);
        ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x5020)); /* another address faulted */
        ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);
        ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x5018));
        ck_assert_uint_eq(table[3], 0x777);
        ck_assert_uint_eq(register_get(&regs, reg), exchange ? 0x1000 + i : 0x777);
        ck_assert_uint_eq(register_get(&regs, base), 0x5018);
        ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + 3);
        /* What is there already is not written again. */
        neighbour.writes = 0;
        START(&regs, (uint8_t)(0x48 | (reg >= 8 ? 4 : 0) | (base >= 8 ? 1 : 0)),
              exchange ? 0x87 : 0x89, (uint8_t)(reg % 8 << 3 | base % 8));
        register_put(&regs, reg, 0x777);
        register_put(&regs, base, 0x5018);
        ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x5018));
        ck_assert_uint_eq(neighbour.writes, 0);
    }
}
END_TEST

/* Of the same opcodes, but not what they seem. */
START_TEST(stores_of_other_forms_are_decoded)
{
    struct cpu_regs regs;

    START(&regs, 0x48, 0x89, 0x47, 0x08); /* a displacement */
    regs.rax = 0x777;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 8));
    ck_assert_uint_eq(table[1], 0x777);
    START(&regs, 0x48, 0x89, 0x04, 0x1f); /* a SIB byte: rdi + rbx */
    regs.rax = 0x888;
    regs.rbx = 8;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 8));
    ck_assert_uint_eq(table[1], 0x888);
    START(&regs, 0x48, 0x89, 0x05, 0, 0, 0, 0); /* after the instruction */
    regs.rax = 0x999;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 8));
    guest_code[3] = (uint8_t)(-(regs.rip + 7) & 7); /* up to the next entry */
    ck_assert(pv_emulate_pt_write(vcpu, &regs, regs.rip + 7 + guest_code[3]));
    ck_assert_uint_eq(table[(uint64_t)&guest_code[7 + guest_code[3]] % PAGE_SIZE / 8], 0x999);
    memset(table, 0, PAGE_SIZE);
    START(&regs, 0x4a, 0x89, 0x07); /* REX.X means nothing here */
    regs.rax = 0xaaa;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(table[0], 0xaaa);
    START(&regs, 0x40, 0x89, 0x07); /* four bytes */
    table[0] = UINT64_MAX;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(table[0], UINT64_MAX << 32);
    START(&regs, 0x48, 0x31, 0x07); /* another opcode: xor */
    regs.rax = 1;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(table[0], UINT64_MAX << 32 | 1);
    START(&regs, 0x89, 0x07); /* four bytes at the upper half */
    regs.rdi = 4;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 4));
    ck_assert_uint_eq(table[0], 1);
    START(&regs, 0x86, 0x27); /* xchg %ah, (%rdi) */
    regs.rax = 0x7700;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(table[0], 0x77);
    ck_assert_uint_eq(regs.rax, 0x100);
}
END_TEST

/* Fill what later calls find on the stack: it is no code, whatever it says. */
START_TEST(a_store_whose_code_is_gone_is_refused)
{
    struct cpu_regs regs;

    START(&regs, 0x48, 0x89, 0x07);
    regs.rax = 5;
    fake_answers.fault_start = guest_code;
    fake_answers.fault_size = sizeof(guest_code);
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(neighbour.writes, 0);
}
END_TEST

START_TEST(a_store_whose_code_ends_too_early_is_refused)
{
    static const uint8_t store[] = { 0x48, 0xc7, 0x07, 1, 2, 3, 4 }; /* mov $0x4030201, (%rdi) */
    static _Alignas(4096) uint8_t pages[8192];
    static const uint8_t plain[] = { 0x48, 0x89, 0x07 }; /* mov %rax, (%rdi) */
    struct cpu_regs regs = { .rip = (uint64_t)pages + 4096 - 5, .cs = code_segment, .rax = 5 };

    memcpy(&pages[4096 - 5], store, sizeof(store));
    fake_answers.fault_start = pages + 4096;
    fake_answers.fault_size = 4096;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    memcpy(&pages[4096 - 2], plain, sizeof(plain));
    regs.rip = (uint64_t)pages + 4096 - 2;
    leave_on_stack(plain[2]);
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(neighbour.writes, 0);
}
END_TEST

START_TEST(addresses_of_32_bits_wrap)
{
    struct cpu_regs regs;

    START(&regs, 0x67, 0x48, 0xab); /* stos */
    regs.rdi = UINT64_C(0x7ffffffff8);
    regs.rax = 0x123;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, regs.rdi));
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0xfffffff8));
    ck_assert_uint_eq(table[511], 0x123);
    ck_assert_uint_eq(regs.rdi, 0);
    START(&regs, 0x67, 0x48, 0x0f, 0xab, 0x07); /* bts %rax, (%edi) */
    regs.rdi = 0xfffffff8;
    regs.rax = 64;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(table[0], 1);
    START(&regs, 0x48, 0x0f, 0xab, 0x07); /* by rdi it does not */
    regs.rdi = 0xfffffff8;
    regs.rax = 64;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert(pv_emulate_pt_write(vcpu, &regs, UINT64_C(0x100000000)));
    START(&regs, 0x48, 0xab);
    regs.rdi = UINT64_C(0x7ffffffff8);
    ck_assert(pv_emulate_pt_write(vcpu, &regs, regs.rdi));
    ck_assert_uint_eq(regs.rdi, UINT64_C(0x8000000000));
}
END_TEST

START_TEST(in_32_bit_code_a_rex_prefix_is_an_instruction)
{
    struct cpu_regs regs;

    neighbour.code32 = true;
    START(&regs, 0x48, 0x89, 0x07); /* dec %eax */
    regs.cs = 0;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(neighbour.writes, 0);
}
END_TEST

START_TEST(a_program_may_not)
{
    struct cpu_regs regs;

    vcpu->pv.kernel_mode = false;
    START(&regs, 0x48, 0x89, 0x07);
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, regs.rdi));
    ck_assert_uint_eq(neighbour.writes, 0);
}
END_TEST

START_TEST(what_is_no_table_is_the_guests_business)
{
    struct cpu_regs regs;

    neighbour.is_table = false;
    START(&regs, 0x48, 0x89, 0x07);
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, regs.rdi));
}
END_TEST

START_TEST(an_instruction_that_writes_elsewhere_is_refused)
{
    struct cpu_regs regs;

    START(&regs, 0x48, 0x89, 0x07);
    regs.rdi = 0x1008;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x1000));
    START(&regs, 0x48, 0x89, 0xc7); /* mov %rax, %rdi */
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    START(&regs, 0x65, 0x48, 0x89, 0x07); /* %gs: */
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    START(&regs, 0x0f, 0x32); /* rdmsr */
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    START(&regs, 0xf3, 0x48, 0xab); /* rep stos of nothing */
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(neighbour.writes, 0);
}
END_TEST

START_TEST(an_operand_across_two_entries_is_refused)
{
    struct cpu_regs regs;

    for (unsigned int offset = 0; offset < 8; offset++) {
        START(&regs, 0x89, 0x07); /* mov %eax, (%rdi) */
        regs.rdi = offset;
        regs.rax = 0x11223344;
        ck_assert_int_eq(pv_emulate_pt_write(vcpu, &regs, offset), offset <= 4);
        START(&regs, 0x48, 0x89, 0x07); /* mov %rax, (%rdi) */
        regs.rdi = offset;
        ck_assert_int_eq(pv_emulate_pt_write(vcpu, &regs, offset), offset == 0);
        START(&regs, 0x0f, 0xc7, 0x0f); /* cmpxchg8b (%rdi) */
        regs.rdi = offset;
        ck_assert_int_eq(pv_emulate_pt_write(vcpu, &regs, offset), offset == 0);
    }
}
END_TEST

START_TEST(forms_that_no_kernel_uses_are_refused_without_a_trace)
{
    static const uint8_t codes[][4] = {
        { 0x80, 0x17, 1 },       /* adc */
        { 0x80, 0x1f, 1 },       /* sbb */
        { 0x80, 0x3f, 1 },       /* cmp */
        { 0xc6, 0x0f, 1 },       /* nothing */
        { 0xfe, 0x17 },          /* nothing */
        { 0xff, 0x17 },          /* call */
        { 0xff, 0x37 },          /* push */
        { 0xf6, 0x27 },          /* mul */
        { 0xf7, 0x37 },          /* div */
        { 0x0f, 0xba, 0x27, 1 }, /* bt */
        { 0x0f, 0xc7, 0x37 },    /* vmptrld, or rdrand */
        { 0x66, 0x0f, 0xc3, 0x07 },
        { 0x48, 0x11, 0x07 }, /* adc */
        { 0x48, 0x19, 0x07 }, /* sbb */
        { 0x48, 0x39, 0x07 }, /* cmp */
        { 0x48, 0x03, 0x07 }, /* add, to a register */
        { 0x48, 0x85, 0x07 }, /* test */
        { 0x48, 0x8b, 0x07 }, /* mov, to a register */
        { 0x48, 0xd1, 0x27 }, /* shl */
        { 0x48, 0x8f, 0x07 }, /* pop */
        { 0x48, 0x63, 0x07 }, /* movslq */
        { 0x0f, 0xb6, 0x07 }, /* movzbl */
        { 0x48, 0x0f, 0xc7, 0x37 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        struct cpu_regs regs, before;

        start(&regs, codes[i], sizeof(codes[i]));
        before = regs;
        ck_assert_msg(!pv_emulate_pt_write(vcpu, &regs, 0), "%zu", i);
        ck_assert_mem_eq(&regs, &before, sizeof(regs));
    }
    ck_assert_uint_eq(neighbour.writes, 0);
}
END_TEST

START_TEST(an_entry_that_changed_meanwhile_is_computed_again)
{
    struct cpu_regs regs;

    neighbour.busy_for = 2;
    table[0] = 0x67;
    START(&regs, 0xf0, 0x48, 0x87, 0x07); /* lock xchg: not the short way */
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(neighbour.writes, 3);
    ck_assert_uint_eq(regs.rax, 0x67); /* the accessed bit was flipped twice */
    ck_assert_uint_eq(table[0], 0);
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + 4);
}
END_TEST

START_TEST(an_entry_that_never_stands_still_lets_the_guest_try_again)
{
    struct cpu_regs regs, before;

    neighbour.busy_for = 1000;
    table[0] = 0x67;
    START(&regs, 0x48, 0x87, 0x07);
    before = regs;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_mem_eq(&regs, &before, sizeof(regs));
    ck_assert_uint_le(neighbour.writes, 4);
}
END_TEST

START_TEST(a_refused_entry_leaves_the_guest_with_its_fault)
{
    struct cpu_regs regs, before;

    neighbour.error = -XEN_EINVAL;
    START(&regs, 0x48, 0x0f, 0xc1, 0x07); /* xadd */
    regs.rax = 7;
    before = regs;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_mem_eq(&regs, &before, sizeof(regs));
    START(&regs, 0x48, 0x87, 0x07); /* xchg */
    regs.rax = 7;
    before = regs;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_mem_eq(&regs, &before, sizeof(regs));
}
END_TEST

START_TEST(a_comparison_that_fails_writes_nothing)
{
    struct cpu_regs regs;

    table[0] = 5;
    START(&regs, 0xf0, 0x48, 0x0f, 0xb1, 0x0f); /* lock cmpxchg %rcx, (%rdi) */
    regs.rax = 4;
    regs.rcx = 9;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(regs.rax, 5);
    ck_assert_uint_eq(regs.rflags & ZF, 0);
    ck_assert_uint_eq(table[0], 5);
    ck_assert_uint_eq(neighbour.writes, 0);
}
END_TEST

START_TEST(a_bit_number_in_a_register_reaches_other_entries)
{
    struct cpu_regs regs;
    int64_t bits[] = { 0, 63, 64, 100, 64 * 500, -1, -64, -65 };

    for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
        uint64_t base = 0x1000 + 8 * 8, target = base + (uint64_t)((bits[i] >> 6) * 8);

        memset(table, 0, PAGE_SIZE);
        START(&regs, 0x48, 0x0f, 0xab, 0x07); /* bts %rax, (%rdi) */
        regs.rdi = base;
        regs.rax = (uint64_t)bits[i];
        ck_assert(!pv_emulate_pt_write(vcpu, &regs, target ^ 8));
        ck_assert(pv_emulate_pt_write(vcpu, &regs, target));
        ck_assert_uint_eq(table[target % PAGE_SIZE / 8], UINT64_C(1) << (bits[i] & 63));
    }
    START(&regs, 0x0f, 0xb3, 0x07); /* btr %eax, (%rdi): operands of four bytes */
    table[0] = UINT64_MAX;
    regs.rax = 37;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 4));
    ck_assert_uint_eq(table[0], ~(UINT64_C(1) << 37));
    START(&regs, 0x66, 0x0f, 0xbb, 0x07); /* btc %ax, (%rdi), sign of 16 bits */
    regs.rdi = 8;
    regs.rax = 0xffff;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 6));
    ck_assert_uint_eq(table[0], ~(UINT64_C(1) << 37) & ~(UINT64_C(1) << 63));
}
END_TEST

START_TEST(stos_goes_one_step_at_a_time)
{
    struct cpu_regs regs;

    START(&regs, 0xf3, 0x48, 0xab);
    regs.rdi = 0x2000;
    regs.rax = 0x123;
    regs.rcx = 3;
    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);
        ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x2000 + 8 * i));
        ck_assert_uint_eq(table[i], 0x123);
        ck_assert_uint_eq(regs.rcx, 2 - i);
    }
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + 3);
    ck_assert_uint_eq(regs.rdi, 0x2018);

    START(&regs, 0xaa); /* backwards, a byte */
    regs.rdi = 0x2002;
    regs.rax = 0xff;
    regs.rflags |= RFLAGS_DF;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x2002));
    ck_assert_uint_eq(table[0], 0xff0123);
    ck_assert_uint_eq(regs.rdi, 0x2001);
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + 1);
}
END_TEST

static void start_pair(struct cpu_regs *regs)
{
    START(regs, 0xf0, 0x48, 0x0f, 0xc7, 0x0f); /* lock cmpxchg16b (%rdi) */
    table[2] = 0x22;
    table[3] = 0x33;
    regs->rdi = 0x1010;
    regs->rax = 0x22;
    regs->rdx = 0x33;
    regs->rbx = 0x44;
    regs->rcx = 0x55;
}

START_TEST(cmpxchg16b_writes_only_what_changes)
{
    struct cpu_regs regs;

    start_pair(&regs);
    regs.rbx = regs.rax;
    regs.rcx = regs.rdx;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(regs.rflags & ZF, ZF);
    ck_assert_uint_eq(neighbour.writes, 0);

    start_pair(&regs);
    regs.rbx = regs.rax;
    neighbour.error = -XEN_EINVAL;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(neighbour.writes, 1); /* nothing to put back */
}
END_TEST

START_TEST(cmpxchg16b_changes_both_entries_or_none)
{
    struct cpu_regs regs;

    start_pair(&regs);
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(table[2], 0x44);
    ck_assert_uint_eq(table[3], 0x55);
    ck_assert_uint_eq(regs.rflags & ZF, ZF);
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + 5);

    start_pair(&regs);
    regs.rax = 0x21;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(table[2], 0x22);
    ck_assert_uint_eq(table[3], 0x33);
    ck_assert_uint_eq(regs.rax, 0x22);

    start_pair(&regs);
    regs.rdx = 0x32;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(table[2], 0x22);
    ck_assert_uint_eq(regs.rdx, 0x33);
    ck_assert_uint_eq(regs.rflags & ZF, 0);

    start_pair(&regs);
    neighbour.writes = 0;
    neighbour.error = -XEN_EINVAL;
    neighbour.error_at = 2;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(neighbour.writes, 3);
    ck_assert_uint_eq(table[2], 0x22);
    ck_assert_uint_eq(table[3], 0x33);
    ck_assert_uint_eq(fake.guest_logs, 0);

    start_pair(&regs);
    neighbour.writes = 0;
    neighbour.errors_stay = true;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(table[2], 0x44);
    ck_assert_uint_eq(fake.guest_logs, 1); /* half of it stays */
    neighbour.errors_stay = false;

    start_pair(&regs);
    neighbour.writes = 0;
    neighbour.error_at = 1;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(neighbour.writes, 1);
    neighbour.error_at = 2;

    start_pair(&regs);
    neighbour.adds = PTE_USER;
    neighbour.writes = 0;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(table[2], 0x22 | PTE_USER);
    neighbour.adds = 0;

    neighbour.error = -XEN_EAGAIN;
    neighbour.writes = 0;
    start_pair(&regs);
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0x1010));
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);

    start_pair(&regs);
    regs.rdi = 0x1008;
    ck_assert(!pv_emulate_pt_write(vcpu, &regs, 0x1008));
}
END_TEST

START_TEST(what_is_like_cmpxchg16b_changes_one_entry)
{
    struct cpu_regs regs;

    START(&regs, 0x0f, 0xc7, 0x0f); /* cmpxchg8b (%rdi) */
    table[0] = UINT64_C(0x200000001);
    table[1] = 0x33;
    regs.rax = 1;
    regs.rdx = 2;
    regs.rbx = 3;
    regs.rcx = 4;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(table[0], UINT64_C(0x400000003));
    ck_assert_uint_eq(table[1], 0x33);
    regs.rip = (uint64_t)guest_code;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0)); /* finds another pair */
    ck_assert_uint_eq(regs.rax, 3);
    ck_assert_uint_eq(regs.rdx, 4);
    START(&regs, 0x48, 0x83, 0x0f, 0x08); /* or, with the same middle of ModRM */
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(table[0], UINT64_C(0x40000000b));
}
END_TEST

START_TEST(sixteen_bytes_do_not_fit_into_an_entry)
{
    const uint8_t code[] = { 0x48, 0x0f, 0xc7, 0x0f };
    struct cpu_regs regs = { 0 };
    struct entry_change change = { .entry = 0 };
    struct instruction insn;

    ck_assert(decode_bytes(code, sizeof(code), &regs, true, &insn));
    ck_assert(!entry_apply(&insn, 0, &regs, &change));
}
END_TEST

START_TEST(a_single_step_follows)
{
    struct cpu_regs regs;

    START(&regs, 0x48, 0x89, 0x07);
    regs.rflags |= RFLAGS_TF | RFLAGS_RF;
    ck_assert(pv_emulate_pt_write(vcpu, &regs, 0));
    ck_assert_uint_eq(neighbour.injected, VECTOR_DB);
    ck_assert_uint_eq(vcpu->pv.debug[6] & 0x4000, 0x4000);
    ck_assert_uint_eq(regs.rflags & RFLAGS_RF, 0);
}
END_TEST

int main(void)
{
    const TTest *whole[] = {
        a_store_reaches_the_entry_it_names,
        plain_stores_name_any_two_registers,
        stores_of_other_forms_are_decoded,
        a_store_whose_code_is_gone_is_refused,
        a_store_whose_code_ends_too_early_is_refused,
        addresses_of_32_bits_wrap,
        in_32_bit_code_a_rex_prefix_is_an_instruction,
        a_program_may_not,
        what_is_no_table_is_the_guests_business,
        an_instruction_that_writes_elsewhere_is_refused,
        an_operand_across_two_entries_is_refused,
        forms_that_no_kernel_uses_are_refused_without_a_trace,
        an_entry_that_changed_meanwhile_is_computed_again,
        an_entry_that_never_stands_still_lets_the_guest_try_again,
        a_refused_entry_leaves_the_guest_with_its_fault,
        a_comparison_that_fails_writes_nothing,
        a_bit_number_in_a_register_reaches_other_entries,
        stos_goes_one_step_at_a_time,
        cmpxchg16b_writes_only_what_changes,
        cmpxchg16b_changes_both_entries_or_none,
        what_is_like_cmpxchg16b_changes_one_entry,
        sixteen_bytes_do_not_fit_into_an_entry,
        a_single_step_follows,
    };
    Suite *suite = suite_create("emulate_pt_write");
    TCase *tests = suite_case(suite, "emulate_pt_write"), *flat = suite_case(suite, "flat");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_loop_test(tests, each_instruction_does_what_the_cpu_does, 0, (int)ARRAY_SIZE(forms));
    for (size_t i = 0; i < ARRAY_SIZE(whole); i++) {
        tcase_add_test(tests, whole[i]);
        tcase_add_test(flat, whole[i]);
    }
    tcase_add_checked_fixture(flat, set_up_flat, tear_down);
    tcase_set_timeout(tests, 60);
    return suite_run(suite);
}
