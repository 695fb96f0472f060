/* SPDX-License-Identifier: MIT */
/*
 * libvmctl/image.c: kernels as a distribution packs them, and as a liar would.
 * Each test builds its bzImage here, with the compressors' own libraries.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <lz4hc.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "libvmctl/image.h"
#include "tests/unit/suite.h"

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))
#define SETUP_SECTORS     3u
#define PAYLOAD           64u /* where in the protected-mode part the kernel starts */
#define SETUP_SIZE        ((SETUP_SECTORS + 1) * 512)
#define KERNEL_SIZE       ((size_t)9 << 20) /* more than one block of lz4 */

struct bytes {
    uint8_t *data;
    size_t size;
};

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static struct bytes bytes_new(size_t size)
{
    struct bytes made = { .data = calloc(1, size), .size = size };

    ck_assert_ptr_nonnull(made.data);
    return made;
}

/* An ELF kernel with one segment and contents that pack, but not to nothing. */
static struct bytes kernel_new(size_t size)
{
    struct bytes kernel = bytes_new(size);
    Elf64_Ehdr header = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 1,
    };
    Elf64_Phdr segment = { .p_type = PT_LOAD, .p_offset = 4096, .p_filesz = size - 4096 };
    uint32_t noise = 1;

    for (size_t i = 4096; i < size; i++) {
        noise = noise * 1103515245u + 12345u;
        kernel.data[i] = (uint8_t)((noise >> 16) & 7u);
    }
    memcpy(kernel.data, &header, sizeof(header));
    memcpy(kernel.data + sizeof(header), &segment, sizeof(segment));
    return kernel;
}

static struct bytes pack_gzip(struct bytes kernel)
{
    struct bytes packed = bytes_new(kernel.size + 4096);
    z_stream stream = { .next_in = kernel.data, .avail_in = (uInt)kernel.size };

    ck_assert_int_eq(deflateInit2(&stream, 1, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_out = packed.data;
    stream.avail_out = (uInt)packed.size;
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    packed.size = stream.total_out;
    (void)deflateEnd(&stream);
    return packed;
}

static struct bytes pack_xz(struct bytes kernel)
{
    struct bytes packed = bytes_new(kernel.size + 4096);
    size_t used = 0;

    ck_assert_int_eq(lzma_easy_buffer_encode(0, LZMA_CHECK_CRC32, NULL, kernel.data, kernel.size,
                                             packed.data, &used, packed.size),
                     LZMA_OK);
    packed.size = used;
    return packed;
}

static struct bytes pack_zstd(struct bytes kernel)
{
    struct bytes packed = bytes_new(ZSTD_compressBound(kernel.size));

    packed.size = ZSTD_compress(packed.data, packed.size, kernel.data, kernel.size, 1);
    ck_assert(!ZSTD_isError(packed.size));
    return packed;
}

static struct bytes pack_lz4(struct bytes kernel)
{
    struct bytes packed = bytes_new(kernel.size + (kernel.size >> 4) + 4096);
    size_t at = 4;

    put32(packed.data, 0x184c2102);
    for (size_t done = 0; done < kernel.size; done += 8u << 20) {
        size_t piece = kernel.size - done < 8u << 20 ? kernel.size - done : 8u << 20;
        int got = LZ4_compress_HC((const char *)kernel.data + done, (char *)packed.data + at + 4,
                                  (int)piece, (int)(packed.size - at - 4), 1);

        ck_assert_int_gt(got, 0);
        put32(packed.data + at, (uint32_t)got);
        at += 4 + (size_t)got;
    }
    packed.size = at;
    return packed;
}

static const struct packer {
    const char *name;
    struct bytes (*pack)(struct bytes kernel);
    bool has_own_trailer;
} packers[] = {
    { "gzip", pack_gzip, true },
    { "xz", pack_xz, false },
    { "zstd", pack_zstd, false },
    { "lz4", pack_lz4, false },
};

/* `trailer`: the unpacked size, added where the compressor has none of its own. */
static struct bytes bzimage_new(struct bytes packed, bool has_own_trailer, uint32_t trailer)
{
    size_t length = packed.size + (has_own_trailer ? 0 : 4);
    struct bytes file = bytes_new(SETUP_SIZE + PAYLOAD + length + 16);

    file.data[0x1f1] = SETUP_SECTORS;
    file.data[0x1fe] = 0x55;
    file.data[0x1ff] = 0xaa;
    memcpy(file.data + 0x202, "HdrS", 4);
    file.data[0x206] = 0x0f;
    file.data[0x207] = 0x02;
    put32(file.data + 0x248, PAYLOAD);
    put32(file.data + 0x24c, (uint32_t)length);
    memcpy(file.data + SETUP_SIZE + PAYLOAD, packed.data, packed.size);
    if (!has_own_trailer) {
        put32(file.data + SETUP_SIZE + PAYLOAD + packed.size, trailer);
    }
    return file;
}

static struct bytes packed_kernel(const struct packer *packer, size_t size)
{
    struct bytes kernel = kernel_new(size);
    struct bytes packed = packer->pack(kernel);
    struct bytes file = bzimage_new(packed, packer->has_own_trailer, (uint32_t)size);

    free(kernel.data);
    free(packed.data);
    return file;
}

/* Unpack a copy of exactly `size` bytes, so that ASan sees one byte too far. */
static int unpack(struct bytes file, size_t limit, struct vmctl_error *error)
{
    struct vmctl_image image = { .data = NULL };
    uint8_t *exact = malloc(file.size == 0 ? 1 : file.size);
    int r;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, file.data, file.size);
    r = vmctl_image_unpack(exact, file.size, limit, &image, error);
    if (r == 0) {
        ck_assert_ptr_nonnull(image.data);
    } else {
        ck_assert_ptr_null(image.data);
    }
    vmctl_image_release(&image);
    free(exact);
    return r;
}

static void expect(struct bytes file, size_t limit, int code, const char *words)
{
    struct vmctl_error error = { .code = 0 };

    ck_assert_int_eq(unpack(file, limit, &error), code);
    if (code != 0) {
        ck_assert_int_eq(error.code, code);
        ck_assert_msg(strstr(error.message, words) != NULL, "'%s' is not in '%s'", words,
                      error.message);
        ck_assert_int_eq(unpack(file, limit, NULL), code);
    }
}

START_TEST(every_compression_gives_the_kernel_back)
{
    const struct packer *packer = &packers[_i];
    struct bytes kernel = kernel_new(KERNEL_SIZE);
    struct bytes packed = packer->pack(kernel);
    struct bytes file = bzimage_new(packed, packer->has_own_trailer, (uint32_t)kernel.size);
    struct vmctl_image image;

    ck_assert_int_eq(vmctl_image_unpack(file.data, file.size, VMCTL_IMAGE_LIMIT, &image, NULL), 0);
    ck_assert_str_eq(image.compression, packer->name);
    ck_assert_uint_eq(image.size, kernel.size);
    ck_assert_mem_eq(image.data, kernel.data, kernel.size);
    vmctl_image_release(&image);
    free(kernel.data);
    free(packed.data);
    free(file.data);
}
END_TEST

START_TEST(a_kernel_cut_anywhere_is_refused)
{
    struct bytes file = packed_kernel(&packers[_i], 64 << 10);
    size_t needed = file.size - 16;

    for (size_t size = 0; size < needed; size += size < SETUP_SIZE + 256 ? 1 : 97) {
        struct bytes cut = { file.data, size };

        ck_assert_int_ne(unpack(cut, VMCTL_IMAGE_LIMIT, NULL), 0);
    }
    expect((struct bytes){ file.data, needed - 1 }, VMCTL_IMAGE_LIMIT, -EINVAL, "truncated");
    expect((struct bytes){ file.data, needed }, VMCTL_IMAGE_LIMIT, 0, "");
    free(file.data);
}
END_TEST

/* The payload ends too early although the header and the file agree on its end. */
START_TEST(packed_data_cut_anywhere_is_refused)
{
    const struct packer *packer = &packers[_i];
    struct bytes kernel = kernel_new(64 << 10);
    struct bytes packed = packer->pack(kernel);

    for (size_t size = 5; size < packed.size; size += 61) {
        struct bytes file = bzimage_new((struct bytes){ packed.data, size }, false, 64 << 10);

        ck_assert_int_ne(unpack(file, VMCTL_IMAGE_LIMIT, NULL), 0);
        free(file.data);
    }
    free(kernel.data);
    free(packed.data);
}
END_TEST

START_TEST(a_wrong_size_is_noticed)
{
    const struct packer *packer = &packers[_i];
    const uint32_t lies[] = { 0, 1, (64 << 10) - 1, (64 << 10) + 1, 1 << 20 };
    struct bytes kernel = kernel_new(64 << 10);
    struct bytes packed = packer->pack(kernel);

    for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
        struct bytes file;

        if (packer->has_own_trailer) {
            put32(packed.data + packed.size - 4, lies[i]);
        }
        file = bzimage_new(packed, packer->has_own_trailer, lies[i]);
        expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, packer->name);
        free(file.data);
    }
    free(kernel.data);
    free(packed.data);
}
END_TEST

START_TEST(bytes_behind_the_data_are_noticed)
{
    const struct packer *packer = &packers[_i];
    struct bytes kernel = kernel_new(64 << 10);
    struct bytes packed = packer->pack(kernel);

    for (size_t extra = 1; extra <= 4; extra++) {
        struct bytes longer = bytes_new(packed.size + extra);
        struct bytes file;

        memcpy(longer.data, packed.data, packed.size);
        memset(longer.data + packed.size, 1, extra);
        file = bzimage_new(longer, false, 64 << 10);
        expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, packer->name);
        free(longer.data);
        free(file.data);
    }
    free(kernel.data);
    free(packed.data);
}
END_TEST

START_TEST(more_than_the_limit_is_refused_before_unpacking)
{
    struct bytes file = packed_kernel(&packers[_i], 64 << 10);

    expect(file, 64 << 10, 0, "");
    expect(file, (64 << 10) - 1, -EFBIG, "limit 65535");
    free(file.data);
}
END_TEST

/* A bomb says it is small; what it makes must stop at what it said. */
START_TEST(a_bomb_is_cut_off)
{
    const struct packer *packer = &packers[_i];
    struct bytes kernel = kernel_new(16 << 20);
    struct bytes packed = packer->pack(kernel);
    struct bytes file;

    if (packer->has_own_trailer) {
        put32(packed.data + packed.size - 4, 4096);
    }
    file = bzimage_new(packed, packer->has_own_trailer, 4096);
    expect(file, 1 << 20, -EINVAL, packer->name);
    free(kernel.data);
    free(packed.data);
    free(file.data);
}
END_TEST

START_TEST(flipped_bits_never_hurt)
{
    struct bytes file = packed_kernel(&packers[_i], 64 << 10);
    uint32_t noise = 7;

    for (unsigned int i = 0; i < 400; i++) {
        size_t at;

        noise = noise * 1664525u + 1013904223u;
        at = SETUP_SIZE + PAYLOAD + noise % (file.size - SETUP_SIZE - PAYLOAD);
        file.data[at] ^= (uint8_t)(1u << (noise >> 29));
        (void)unpack(file, 1 << 20, NULL);
    }
    free(file.data);
}
END_TEST

START_TEST(lies_in_the_header_are_named)
{
    struct bytes file = packed_kernel(&packers[0], 64 << 10);
    uint32_t length = (uint32_t)(file.size - SETUP_SIZE - PAYLOAD - 16);

    put32(file.data + 0x248, UINT32_MAX);
    expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, "truncated");
    put32(file.data + 0x24c, UINT32_MAX);
    expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, "truncated");
    put32(file.data + 0x248, PAYLOAD);
    expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, "truncated");
    put32(file.data + 0x24c, 4);
    expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, "holds no kernel");
    put32(file.data + 0x24c, 0);
    expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, "holds no kernel");
    put32(file.data + 0x24c, length);
    file.data[0x206] = 7;
    expect(file, VMCTL_IMAGE_LIMIT, -EOPNOTSUPP, "2.07");
    file.data[0x206] = 8;
    expect(file, VMCTL_IMAGE_LIMIT, 0, "");
    file.data[0x1f1] = 255;
    expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, "truncated");
    file.data[0x1fe] = 0;
    expect(file, VMCTL_IMAGE_LIMIT, -ENOEXEC, "neither");
    free(file.data);
}
END_TEST

START_TEST(no_setup_sectors_means_four)
{
    struct bytes file = packed_kernel(&packers[0], 64 << 10);

    file.data[0x1f1] = 0;
    put32(file.data + 0x248, PAYLOAD - 512);
    expect(file, VMCTL_IMAGE_LIMIT, -EINVAL, "truncated");
    free(file.data);

    file = packed_kernel(&packers[0], 64 << 10);
    file.data = realloc(file.data, file.size + 512);
    ck_assert_ptr_nonnull(file.data);
    memmove(file.data + SETUP_SIZE + 512, file.data + SETUP_SIZE, file.size - SETUP_SIZE);
    file.size += 512;
    file.data[0x1f1] = 0;
    expect(file, VMCTL_IMAGE_LIMIT, 0, "");
    free(file.data);
}
END_TEST

START_TEST(unknown_compressions_are_named)
{
    static const struct {
        const char *begins;
        const char *words;
    } cases[] = {
        { "BZh91AY", "bzip2" },
        { "\x5d\0\0\0\x04", "lzma" },
        { "\x89LZO\0\r\n", "lzo" },
        { "what is this?", "77 68 61 74" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct bytes payload = bytes_new(64);
        struct bytes file;

        memcpy(payload.data, cases[i].begins, 5);
        file = bzimage_new(payload, false, 4096);
        expect(file, VMCTL_IMAGE_LIMIT, -EOPNOTSUPP, cases[i].words);
        free(payload.data);
        free(file.data);
    }
}
END_TEST

START_TEST(a_plain_elf_kernel_is_taken_as_it_is)
{
    struct bytes kernel = kernel_new(64 << 10);

    expect(kernel, 64 << 10, 0, "");
    expect(kernel, (64 << 10) - 1, -EFBIG, "limit");
    for (size_t size = 4; size < kernel.size; size += 31) {
        expect((struct bytes){ kernel.data, size }, VMCTL_IMAGE_LIMIT, -EINVAL, "ELF kernel");
    }
    free(kernel.data);
}
END_TEST

START_TEST(an_elf_that_is_no_kernel_is_refused)
{
    struct bytes kernel = kernel_new(64 << 10);
    Elf64_Ehdr good;
    Elf64_Ehdr bad;

    memcpy(&good, kernel.data, sizeof(good));

    bad = good;
    bad.e_ident[EI_CLASS] = ELFCLASS32;
    memcpy(kernel.data, &bad, sizeof(bad));
    expect(kernel, VMCTL_IMAGE_LIMIT, -ENOEXEC, "64-bit x86");

    bad = good;
    bad.e_machine = EM_AARCH64;
    memcpy(kernel.data, &bad, sizeof(bad));
    expect(kernel, VMCTL_IMAGE_LIMIT, -ENOEXEC, "64-bit x86");

    bad = good;
    bad.e_type = ET_REL;
    memcpy(kernel.data, &bad, sizeof(bad));
    expect(kernel, VMCTL_IMAGE_LIMIT, -ENOEXEC, "not a program");

    bad = good;
    bad.e_phoff = UINT64_MAX - 8;
    memcpy(kernel.data, &bad, sizeof(bad));
    expect(kernel, VMCTL_IMAGE_LIMIT, -EINVAL, "program headers");

    bad = good;
    bad.e_phnum = UINT16_MAX;
    memcpy(kernel.data, &bad, sizeof(bad));
    expect(kernel, VMCTL_IMAGE_LIMIT, -EINVAL, "program headers");

    bad = good;
    bad.e_phnum = 0;
    memcpy(kernel.data, &bad, sizeof(bad));
    expect(kernel, VMCTL_IMAGE_LIMIT, -EINVAL, "nothing to load");
    free(kernel.data);
}
END_TEST

START_TEST(a_segment_outside_the_file_is_refused)
{
    struct bytes kernel = kernel_new(64 << 10);
    Elf64_Phdr segment;

    memcpy(&segment, kernel.data + sizeof(Elf64_Ehdr), sizeof(segment));
    segment.p_offset = UINT64_MAX - 4096;
    segment.p_filesz = 8192;
    memcpy(kernel.data + sizeof(Elf64_Ehdr), &segment, sizeof(segment));
    expect(kernel, VMCTL_IMAGE_LIMIT, -EINVAL, "segment 0");
    free(kernel.data);
}
END_TEST

START_TEST(packed_data_that_is_no_kernel_is_refused)
{
    struct bytes text = bytes_new(4096);
    struct bytes packed = pack_zstd(text);
    struct bytes file = bzimage_new(packed, false, 4096);

    expect(file, VMCTL_IMAGE_LIMIT, -ENOEXEC, "not an ELF");
    free(text.data);
    free(packed.data);
    free(file.data);
}
END_TEST

START_TEST(errors_collect_their_context)
{
    struct vmctl_error error = { .code = 0 };

    ck_assert_int_eq(vmctl_fail(&error, -ENOENT, "no %s", "kernel"), -ENOENT);
    ck_assert_int_eq(vmctl_context(&error, -ENOENT, "guest '%s'", "web1"), -ENOENT);
    ck_assert_str_eq(error.message, "guest 'web1': no kernel");
    ck_assert_int_eq(vmctl_context(NULL, -ENOENT, "guest"), -ENOENT);

    for (unsigned int i = 0; i < 100; i++) {
        (void)vmctl_context(&error, -ENOENT, "again and again");
    }
    ck_assert_uint_lt(strlen(error.message), sizeof(error.message));
}
END_TEST

int main(void)
{
    const TTest *const per_packer[] = {
        every_compression_gives_the_kernel_back,
        a_kernel_cut_anywhere_is_refused,
        packed_data_cut_anywhere_is_refused,
        a_wrong_size_is_noticed,
        bytes_behind_the_data_are_noticed,
        more_than_the_limit_is_refused_before_unpacking,
        a_bomb_is_cut_off,
        flipped_bits_never_hurt,
    };
    Suite *suite = suite_create("image");
    TCase *tests = suite_case(suite, "image");

    for (size_t i = 0; i < ARRAY_SIZE(per_packer); i++) {
        tcase_add_loop_test(tests, per_packer[i], 0, (int)ARRAY_SIZE(packers));
    }
    tcase_add_test(tests, lies_in_the_header_are_named);
    tcase_add_test(tests, no_setup_sectors_means_four);
    tcase_add_test(tests, unknown_compressions_are_named);
    tcase_add_test(tests, a_plain_elf_kernel_is_taken_as_it_is);
    tcase_add_test(tests, an_elf_that_is_no_kernel_is_refused);
    tcase_add_test(tests, a_segment_outside_the_file_is_refused);
    tcase_add_test(tests, packed_data_that_is_no_kernel_is_refused);
    tcase_add_test(tests, errors_collect_their_context);
    tcase_set_timeout(tests, 60);
    return suite_run(suite);
}
