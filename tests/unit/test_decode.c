/* SPDX-License-Identifier: MIT */
/*
 * The decoder against two judges: the assembler, which knows how long each
 * instruction is, and the CPU, which computes the same addresses with lea.
 */
#include "hypervisor/pv/decode.h"
#include "tests/unit/decode_bytes.h"
#include "tests/unit/native.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* What is to come out for one line of assembly. */
struct sample {
    const uint8_t *start, *end;
    uint16_t opcode;
    uint8_t size, prefixes;
    bool code64, memory;
    uint64_t immediate;
    const char *text;
};

/*
 * The assembler puts the bytes of `text` between two labels in read-only data;
 * `bits` is the mode it assembles for.
 */
#define SAMPLE_BITS(bits, wide, opcode_, size_, prefixes_, memory_, immediate_, text_)            \
    {                                                                                             \
        const uint8_t *start_, *end_;                                                             \
                                                                                                  \
        __asm__(".pushsection .rodata\n\t.code" #bits                                             \
                "\nsample_" NUMBER(__LINE__) ":\n\t" text_ "\nsample_end_" NUMBER(                \
                    __LINE__) ":\n\t.code64\n\t.popsection");                                     \
        __asm__("lea sample_" NUMBER(__LINE__) "(%%rip), %0\n\t"                                  \
                                               "lea sample_end_" NUMBER(__LINE__) "(%%rip), %1"   \
                : "=r"(start_), "=r"(end_));                                                      \
        check_sample(&(const struct sample){ start_, end_, (opcode_), (size_), (prefixes_),       \
                                             (wide), (memory_), (uint64_t)(immediate_), text_ }); \
    }
#define NUMBER(line)  NUMBER_(line)
#define NUMBER_(line) #line

#define SAMPLE(opcode, size, prefixes, memory, immediate, text) \
    SAMPLE_BITS(64, true, opcode, size, prefixes, memory, immediate, text)
#define SAMPLE32(opcode, size, prefixes, memory, immediate, text) \
    SAMPLE_BITS(32, false, opcode, size, prefixes, memory, immediate, text)

static uint8_t random_byte(void)
{
    return (uint8_t)(random() >> 8);
}

static uint64_t random_word(void)
{
    return (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
}

static void random_regs(struct cpu_regs *regs)
{
    for (unsigned int i = 0; i < 16; i++) {
        register_put(regs, i, random_word());
    }
    regs->rip = random_word();
}

/* Decoded alone, with rubbish behind it, and cut short at every byte. */
static void check_sample(const struct sample *sample)
{
    size_t length = (size_t)(sample->end - sample->start);
    uint8_t bytes[32];
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    random_regs(&regs);
    for (unsigned int i = 0; i < sizeof(bytes); i++) {
        bytes[i] = i < length ? sample->start[i] : random_byte();
    }
    for (size_t count = length; count <= sizeof(bytes); count++) {
        ck_assert_msg(decode_bytes(bytes, count, &regs, sample->code64, &insn), "%s", sample->text);
        ck_assert_msg(insn.length == length, "%s: length %u", sample->text, insn.length);
        ck_assert_msg(insn.opcode == sample->opcode, "%s: opcode %x", sample->text, insn.opcode);
        ck_assert_msg(insn.size == sample->size, "%s: size %u", sample->text, insn.size);
        ck_assert_msg(insn.memory == sample->memory, "%s: memory", sample->text);
        ck_assert_msg(insn.prefixes == sample->prefixes, "%s: prefixes %x", sample->text,
                      insn.prefixes);
        ck_assert_msg(insn.immediate == sample->immediate, "%s: immediate %lx", sample->text,
                      insn.immediate);
    }
    for (size_t count = 0; count < length; count++) {
        ck_assert_msg(!decode_bytes(bytes, count, &regs, sample->code64, &insn),
                      "%s: decoded from %zu bytes", sample->text, count);
    }
}

/* clang-format off */
START_TEST(privileged_instructions_are_as_the_assembler_made_them)
{
    SAMPLE(0x0f30, 4, 0, false, 0, "wrmsr")
    SAMPLE(0x0f32, 4, 0, false, 0, "rdmsr")
    SAMPLE(0x0f31, 4, 0, false, 0, "rdtsc")
    SAMPLE(0x0fa2, 4, 0, false, 0, "cpuid")
    SAMPLE(0x0f06, 4, 0, false, 0, "clts")
    SAMPLE(0x0f09, 4, 0, false, 0, "wbinvd")
    SAMPLE(0x00f4, 4, 0, false, 0, "hlt")
    SAMPLE(0x00fa, 4, 0, false, 0, "cli")
    SAMPLE(0x00fb, 4, 0, false, 0, "sti")
    SAMPLE(0x0f20, 4, 0, false, 0, "mov %cr0, %rax")
    SAMPLE(0x0f20, 4, PREFIX_REX, false, 0, "mov %cr4, %r15")
    SAMPLE(0x0f20, 4, PREFIX_REX, false, 0, "mov %cr8, %rcx")
    SAMPLE(0x0f22, 4, 0, false, 0, "mov %rdi, %cr4")
    SAMPLE(0x0f21, 4, 0, false, 0, "mov %db7, %rsi")
    SAMPLE(0x0f23, 4, 0, false, 0, "mov %rbx, %db3")
    SAMPLE(0x0f01, 4, 0, false, 0, "xsetbv")
    SAMPLE(0x0f01, 4, 0, false, 0, "rdtscp")
    SAMPLE(0x0f01, 4, 0, true, 0, "invlpg (%rax)")
    SAMPLE(0x0f01, 4, PREFIX_REX, true, 0, "invlpg 0x1234(%r12, %r13, 8)")
    SAMPLE(0x0f01, 2, 0, false, 0, "smsw %ax")
    SAMPLE(0x00e4, 1, 0, false, 0x42, "in $0x42, %al")
    SAMPLE(0x00e4, 1, 0, false, -1, "in $0xff, %al")
    SAMPLE(0x00e5, 2, 0, false, 0x60, "in $0x60, %ax")
    SAMPLE(0x00e5, 4, 0, false, 0x60, "in $0x60, %eax")
    SAMPLE(0x00e6, 1, 0, false, 0x43, "out %al, $0x43")
    SAMPLE(0x00e7, 4, 0, false, 0x70, "out %eax, $0x70")
    SAMPLE(0x00ec, 1, 0, false, 0, "in %dx, %al")
    SAMPLE(0x00ed, 2, 0, false, 0, "in %dx, %ax")
    SAMPLE(0x00ed, 4, 0, false, 0, "in %dx, %eax")
    SAMPLE(0x00ee, 1, 0, false, 0, "out %al, %dx")
    SAMPLE(0x00ef, 2, 0, false, 0, "out %ax, %dx")
    SAMPLE(0x00ef, 4, 0, false, 0, "out %eax, %dx")
    SAMPLE(0x006c, 1, PREFIX_REP, false, 0, "rep insb")
    SAMPLE(0x006d, 2, PREFIX_REP, false, 0, "rep insw")
    SAMPLE(0x006d, 4, 0, false, 0, "insl")
    SAMPLE(0x006e, 1, PREFIX_FS, false, 0, "outsb %fs:(%rsi), %dx")
    SAMPLE(0x006f, 4, PREFIX_REP, false, 0, "rep outsl")
    SAMPLE32(0x0f20, 4, 0, false, 0, "mov %cr0, %eax")
    SAMPLE32(0x0f32, 4, 0, false, 0, "rdmsr")
    SAMPLE32(0x00ed, 2, 0, false, 0, "in %dx, %ax")
}
END_TEST

START_TEST(writes_to_memory_are_as_the_assembler_made_them)
{
    SAMPLE(0x0088, 1, 0, true, 0, "mov %al, (%rdi)")
    SAMPLE(0x0088, 1, PREFIX_REX, true, 0, "mov %sil, (%rdi)")
    SAMPLE(0x0089, 2, 0, true, 0, "mov %cx, 8(%rdi)")
    SAMPLE(0x0089, 4, 0, true, 0, "mov %ecx, 0x1000(%rdi)")
    SAMPLE(0x0089, 8, PREFIX_REX, true, 0, "mov %rcx, (%rdi, %rax, 8)")
    SAMPLE(0x0089, 8, PREFIX_REX, true, 0, "mov %rcx, 0x10(%rip)")
    SAMPLE(0x0089, 8, PREFIX_REX | PREFIX_GS, true, 0, "mov %rcx, %gs:0x10")
    SAMPLE(0x0089, 8, PREFIX_REX, false, 0, "mov %rcx, %rax")
    SAMPLE(0x00c6, 1, 0, true, -2, "movb $0xfe, (%rdi)")
    SAMPLE(0x00c7, 2, 0, true, 0x1234, "movw $0x1234, (%rdi)")
    SAMPLE(0x00c7, 2, 0, true, -2, "movw $0xfffe, (%rdi)")
    SAMPLE(0x00c7, 4, 0, true, 0x12345678, "movl $0x12345678, (%rdi)")
    SAMPLE(0x00c7, 8, PREFIX_REX, true, -0x12345678, "movq $-0x12345678, 0x7f(%rdi)")
    SAMPLE(0x00c7, 8, PREFIX_REX, true, 0x55, "movq $0x55, 0x10(%rip)")
    SAMPLE(0x0086, 1, 0, true, 0, "xchg %al, (%rdi)")
    SAMPLE(0x0087, 8, PREFIX_REX, true, 0, "xchg %rax, (%rdi)")
    SAMPLE(0x0080, 1, PREFIX_LOCK, true, -3, "lock andb $0xfd, (%rdi)")
    SAMPLE(0x0081, 4, PREFIX_LOCK, true, 0x1000, "lock orl $0x1000, (%rdi)")
    SAMPLE(0x0081, 2, 0, true, 0x1000, "addw $0x1000, (%rdi)")
    SAMPLE(0x0083, 8, PREFIX_REX | PREFIX_LOCK, true, -0x60, "lock andq $-0x60, (%rdi)")
    SAMPLE(0x0001, 8, PREFIX_REX, true, 0, "add %rax, (%rdi)")
    SAMPLE(0x0008, 1, 0, true, 0, "or %al, (%rdi)")
    SAMPLE(0x0021, 8, PREFIX_REX | PREFIX_LOCK, true, 0, "lock and %rax, (%rdi)")
    SAMPLE(0x0029, 4, 0, true, 0, "sub %eax, (%rdi)")
    SAMPLE(0x0030, 1, 0, true, 0, "xor %al, (%rdi)")
    SAMPLE(0x00f6, 1, 0, true, 0, "notb (%rdi)")
    SAMPLE(0x00f7, 8, PREFIX_REX, true, 0, "negq (%rdi)")
    SAMPLE(0x00ff, 8, PREFIX_REX, true, 0, "incq (%rdi)")
    SAMPLE(0x00fe, 1, 0, true, 0, "decb (%rdi)")
    SAMPLE(0x0fba, 8, PREFIX_REX | PREFIX_LOCK, true, 5, "lock btrq $5, (%rdi)")
    SAMPLE(0x0fba, 4, 0, true, 1, "btsl $1, (%rdi)")
    SAMPLE(0x0fab, 8, PREFIX_REX, true, 0, "bts %rax, (%rdi)")
    SAMPLE(0x0fb3, 2, 0, true, 0, "btr %ax, (%rdi)")
    SAMPLE(0x0fbb, 4, 0, true, 0, "btc %eax, (%rdi)")
    SAMPLE(0x0fb0, 1, PREFIX_LOCK, true, 0, "lock cmpxchg %cl, (%rdi)")
    SAMPLE(0x0fb1, 8, PREFIX_REX | PREFIX_LOCK, true, 0, "lock cmpxchg %rcx, (%rdi)")
    SAMPLE(0x0fc1, 8, PREFIX_REX | PREFIX_LOCK, true, 0, "lock xadd %rcx, (%rdi)")
    SAMPLE(0x0fc3, 8, PREFIX_REX, true, 0, "movnti %rcx, (%rdi)")
    SAMPLE(0x0fc7, 4, PREFIX_LOCK, true, 0, "lock cmpxchg8b (%rdi)")
    SAMPLE(0x0fc7, 8, PREFIX_REX | PREFIX_LOCK, true, 0, "lock cmpxchg16b (%rdi)")
    SAMPLE(0x00ab, 8, PREFIX_REX | PREFIX_REP, false, 0, "rep stosq")
    SAMPLE(0x00aa, 1, 0, false, 0, "stosb")
    SAMPLE32(0x0089, 4, 0, true, 0, "mov %ecx, 0x12345678")
    SAMPLE32(0x0089, 4, 0, true, 0, "mov %ecx, 0x10(%edi, %eax, 4)")
    SAMPLE32(0x00c7, 4, 0, true, 7, "movl $7, (%edi)")
}
END_TEST

/* The one-byte and two-byte opcodes the tests above name, and their siblings; no others. */
static const uint8_t known_one[] = {
    0x00, 0x01, 0x08, 0x09, 0x20, 0x21, 0x28, 0x29, 0x30, 0x31, 0x6c, 0x6d, 0x6e, 0x6f, 0x80, 0x81,
    0x83, 0x86, 0x87, 0x88, 0x89, 0xaa, 0xab, 0xc6, 0xc7, 0xe4, 0xe5, 0xe6, 0xe7, 0xec, 0xed, 0xee,
    0xef, 0xf4, 0xf6, 0xf7, 0xfa, 0xfb, 0xfe, 0xff,
};
static const uint8_t known_two[] = {
    0x00, 0x01, 0x06, 0x09, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x32, 0xa2, 0xab, 0xb0, 0xb1, 0xb3,
    0xba, 0xbb, 0xc0, 0xc1, 0xc3, 0xc7,
};
static const uint8_t prefix_bytes[] = { 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x67, 0xf0, 0xf2,
                                        0xf3 };
/* clang-format on */

static bool among(const uint8_t *set, size_t size, unsigned int byte)
{
    return memchr(set, (int)byte, size) != NULL;
}

START_TEST(every_other_opcode_is_refused)
{
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    for (unsigned int opcode = 0; opcode < 256; opcode++) {
        /* ModRM 0x10 is a memory operand and the third of a group: in f6 and f7, not. */
        uint8_t one[16] = { (uint8_t)opcode, 0x10 }, two[16] = { 0x0f, (uint8_t)opcode, 0x10 };
        bool prefix = among(prefix_bytes, sizeof(prefix_bytes), opcode);

        if (opcode != 0x0f && !prefix && (opcode & 0xf0) != 0x40) {
            ck_assert_int_eq(decode_bytes(one, sizeof(one), &regs, true, &insn),
                             among(known_one, sizeof(known_one), opcode));
        }
        if (opcode != 0x0f && !prefix) {
            ck_assert_int_eq(decode_bytes(one, sizeof(one), &regs, false, &insn),
                             among(known_one, sizeof(known_one), opcode));
        }
        ck_assert_int_eq(decode_bytes(two, sizeof(two), &regs, true, &insn),
                         among(known_two, sizeof(known_two), opcode));
    }
}
END_TEST

START_TEST(the_test_forms_of_f6_and_f7_are_refused)
{
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    for (unsigned int modrm = 0; modrm < 256; modrm++) {
        uint8_t bytes[16] = { 0xf6, (uint8_t)modrm };
        bool is_test = (modrm >> 3 & 7) < 2;

        ck_assert_int_eq(decode_bytes(bytes, sizeof(bytes), &regs, true, &insn), !is_test);
        bytes[0] = 0xf7;
        ck_assert_int_eq(decode_bytes(bytes, sizeof(bytes), &regs, true, &insn), !is_test);
    }
}
END_TEST

/* One mov to memory, and the lea with the same operand. */
static void compare_address(uint8_t rex, bool address32, uint8_t modrm, uint8_t sib)
{
    uint8_t code[16];
    size_t at = 0, opcode;
    struct native_regs machine;
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    for (unsigned int i = 0; i < 16; i++) {
        machine.gpr[i] = random_word();
    }
    machine.rflags = 0;
    if (address32) {
        code[at++] = 0x67;
    }
    code[at++] = (uint8_t)(0x48 | rex);
    opcode = at;
    code[at++] = 0x8d;
    code[at++] = modrm;
    code[at++] = sib;
    while (at < 12) {
        code[at++] = random_byte();
    }
    code[opcode] = 0x89;
    regs.rip = native_address();
    for (unsigned int i = 0; i < 16; i++) {
        register_put(&regs, i, machine.gpr[i]);
    }
    /* lea has the length of mov; run exactly that. */
    require(decode_bytes(code, sizeof(code), &regs, true, &insn));
    code[opcode] = 0x8d;
    native_run(code, insn.length, &machine);
    register_put(&regs, 4, machine.gpr[4]);
    code[opcode] = 0x89;
    require(decode_bytes(code, sizeof(code), &regs, true, &insn));
    require(insn.memory);
    if (insn.address != machine.gpr[insn.reg]) {
        ck_abort_msg("rex %x%s modrm %02x sib %02x: %lx, not %lx", rex, address32 ? " addr32" : "",
                     modrm, sib, insn.address, machine.gpr[insn.reg]);
    }
}

START_TEST(every_memory_operand_has_the_address_the_cpu_computes)
{
    for (unsigned int rex = 0; rex < 8; rex++) {
        for (unsigned int modrm = 0; modrm < 0xc0; modrm++) {
            unsigned int sibs = (modrm & 7) == 4 ? 256 : 1;

            if ((modrm >> 3 & 7) == 4 && (rex & 4) == 0) {
                continue; /* lea would load rsp */
            }
            for (unsigned int sib = 0; sib < sibs; sib++) {
                compare_address((uint8_t)rex, false, (uint8_t)modrm, (uint8_t)sib);
                compare_address((uint8_t)rex, true, (uint8_t)modrm, (uint8_t)sib);
            }
        }
    }
}
END_TEST

START_TEST(in_32_bit_code_addresses_are_32_bits_and_never_relative)
{
    struct cpu_regs regs = { .rip = 0x1000, .rax = UINT64_C(0x1ffffffff), .rbx = 1 };
    const uint8_t absolute[] = { 0x89, 0x05, 0x78, 0x56, 0x34, 0x12 };
    const uint8_t wraps[] = { 0x89, 0x04, 0x18 }; /* mov %eax, (%eax, %ebx) */
    struct instruction insn;

    ck_assert(decode_bytes(absolute, sizeof(absolute), &regs, false, &insn));
    ck_assert_uint_eq(insn.address, 0x12345678);
    ck_assert(decode_bytes(wraps, sizeof(wraps), &regs, false, &insn));
    ck_assert_uint_eq(insn.address, 0);
    ck_assert_uint_eq(insn.address_size, 4);
}
END_TEST

START_TEST(addresses_of_16_bits_are_refused)
{
    const uint8_t code[] = { 0x67, 0x89, 0x00, 0, 0, 0 };
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    ck_assert(!decode_bytes(code, sizeof(code), &regs, false, &insn));
    ck_assert(decode_bytes(code, sizeof(code), &regs, true, &insn));
}
END_TEST

START_TEST(rex_counts_only_right_before_the_opcode)
{
    const uint8_t stray[] = { 0x48, 0x66, 0x89, 0x00 }, two[] = { 0x41, 0x48, 0x89, 0x00 };
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    ck_assert(decode_bytes(stray, sizeof(stray), &regs, true, &insn));
    ck_assert_uint_eq(insn.size, 2);
    ck_assert_uint_eq(insn.prefixes, 0);
    ck_assert(decode_bytes(two, sizeof(two), &regs, true, &insn));
    ck_assert_uint_eq(insn.size, 8);
    ck_assert(insn.memory && insn.rm == 0);
    /* In 32-bit code the byte is an instruction, none of ours. */
    ck_assert(!decode_bytes(two, sizeof(two), &regs, false, &insn));
}
END_TEST

START_TEST(the_last_of_contradicting_prefixes_counts)
{
    const uint8_t segments[] = { 0x64, 0x65, 0x89, 0x00 }, repeats[] = { 0xf3, 0xf2, 0x6c };
    const uint8_t segments2[] = { 0x65, 0x64, 0x89, 0x00 }, repeats2[] = { 0xf2, 0xf3, 0x6c };
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    ck_assert(decode_bytes(segments, sizeof(segments), &regs, true, &insn));
    ck_assert_uint_eq(insn.prefixes, PREFIX_GS);
    ck_assert(decode_bytes(segments2, sizeof(segments2), &regs, true, &insn));
    ck_assert_uint_eq(insn.prefixes, PREFIX_FS);
    ck_assert(decode_bytes(repeats, sizeof(repeats), &regs, true, &insn));
    ck_assert_uint_eq(insn.prefixes, PREFIX_REPNE);
    ck_assert(decode_bytes(repeats2, sizeof(repeats2), &regs, true, &insn));
    ck_assert_uint_eq(insn.prefixes, PREFIX_REP);
}
END_TEST

START_TEST(more_than_fifteen_bytes_are_refused)
{
    struct cpu_regs regs = { 0 };
    struct instruction insn;
    uint8_t code[32];

    for (size_t prefixes = 0; prefixes < 30; prefixes++) {
        memset(code, 0x2e, sizeof(code));
        code[prefixes] = 0x0f;
        code[prefixes + 1] = 0x32;
        ck_assert_int_eq(decode_bytes(code, sizeof(code), &regs, true, &insn),
                         prefixes + 2 <= INSTRUCTION_LIMIT);
    }
    memset(code, 0x66, sizeof(code));
    ck_assert(!decode_bytes(code, sizeof(code), &regs, true, &insn));
    memset(code, 0x48, sizeof(code));
    ck_assert(!decode_bytes(code, sizeof(code), &regs, true, &insn));
}
END_TEST

START_TEST(control_and_debug_registers_take_no_memory)
{
    struct cpu_regs regs = { 0 };
    struct instruction insn;

    for (unsigned int modrm = 0; modrm < 256; modrm++) {
        for (uint8_t opcode = 0x20; opcode < 0x24; opcode++) {
            uint8_t code[4] = { 0x45, 0x0f, opcode, (uint8_t)modrm };

            ck_assert(decode_bytes(code, sizeof(code), &regs, true, &insn));
            ck_assert_uint_eq(insn.length, 4);
            ck_assert(!insn.memory);
            ck_assert_uint_eq(insn.reg, 8 + (modrm >> 3 & 7));
            ck_assert_uint_eq(insn.rm, 8 + (modrm & 7));
        }
    }
}
END_TEST

START_TEST(registers_are_read_and_written_in_their_parts)
{
    struct cpu_regs regs = { 0 };

    for (unsigned int number = 0; number < 16; number++) {
        const uint64_t before = UINT64_C(0x1122334455667788);

        for (unsigned int i = 0; i < 16; i++) {
            register_put(&regs, i, i == number ? before : UINT64_C(0xa0a0a0a0a0a0a0a0) + i);
        }
        ck_assert_uint_eq(register_read(&regs, number, 8, false), before);
        ck_assert_uint_eq(register_read(&regs, number, 4, false), 0x55667788);
        ck_assert_uint_eq(register_read(&regs, number, 2, false), 0x7788);
        ck_assert_uint_eq(register_read(&regs, number, 1, true), 0x88);
        register_write(&regs, number, 1, true, 0x1ff);
        ck_assert_uint_eq(register_get(&regs, number), UINT64_C(0x11223344556677ff));
        register_write(&regs, number, 2, true, 0x10000);
        ck_assert_uint_eq(register_get(&regs, number), UINT64_C(0x1122334455660000));
        register_write(&regs, number, 4, true, UINT64_C(0xffffffff00000001));
        ck_assert_uint_eq(register_get(&regs, number), 1);
        register_write(&regs, number, 8, true, before);
        if (number >= 4 && number < 8) {
            ck_assert_uint_eq(register_read(&regs, number, 1, false), 0xa0);
            register_write(&regs, number, 1, false, 0x5c);
            ck_assert_uint_eq(register_get(&regs, number), before);
            ck_assert_uint_eq(register_get(&regs, number - 4),
                              UINT64_C(0xa0a0a0a0a0a05ca0) + number - 4);
            register_put(&regs, number - 4, UINT64_C(0xa0a0a0a0a0a0a0a0) + number - 4);
        }
        for (unsigned int i = 0; i < 16; i++) {
            ck_assert(i == number || register_get(&regs, i) == UINT64_C(0xa0a0a0a0a0a0a0a0) + i);
        }
    }
    ck_assert_uint_eq(regs.rip, 0);
    ck_assert_uint_eq(regs.rflags, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("decode");
    TCase *tests = suite_case(suite, "decode");

    tcase_add_test(tests, privileged_instructions_are_as_the_assembler_made_them);
    tcase_add_test(tests, writes_to_memory_are_as_the_assembler_made_them);
    tcase_add_test(tests, every_other_opcode_is_refused);
    tcase_add_test(tests, the_test_forms_of_f6_and_f7_are_refused);
    tcase_add_test(tests, every_memory_operand_has_the_address_the_cpu_computes);
    tcase_add_test(tests, in_32_bit_code_addresses_are_32_bits_and_never_relative);
    tcase_add_test(tests, addresses_of_16_bits_are_refused);
    tcase_add_test(tests, rex_counts_only_right_before_the_opcode);
    tcase_add_test(tests, the_last_of_contradicting_prefixes_counts);
    tcase_add_test(tests, more_than_fifteen_bytes_are_refused);
    tcase_add_test(tests, control_and_debug_registers_take_no_memory);
    tcase_add_test(tests, registers_are_read_and_written_in_their_parts);
    tcase_set_timeout(tests, 60);
    return suite_run(suite);
}
