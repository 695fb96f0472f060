/* SPDX-License-Identifier: MIT */
/*
 * Unpacking kernel images: see image.h.
 *
 * Offsets are those of the Linux/x86 boot protocol.  Behind the compressed
 * kernel stand four bytes that give its unpacked size (in gzip's case its own
 * trailer); they bound the output buffer before anything is unpacked.
 */
#include "libvmctl/image.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <lz4.h>
#include <lzma.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>

#define SETUP_SECTORS   0x1f1
#define BOOT_FLAG       0x1fe
#define HEADER_MAGIC    0x202
#define PROTOCOL        0x206
#define PAYLOAD_OFFSET  0x248
#define PAYLOAD_LENGTH  0x24c
#define HEADER_END      0x250
#define SECTOR          512u
#define SIZE_TRAILER    4u
#define LZ4_BLOCK       (8 << 20)
#define XZ_MEMORY_LIMIT (UINT64_C(256) << 20)

/* A stretch of the file, or of memory to unpack into. */
struct span {
    const uint8_t *data;
    size_t size;
};
struct room {
    uint8_t *data;
    size_t size;
};

/* Unpack all of `from` into `to`; what is made must fill it exactly. */
typedef int unpack_fn(struct span from, struct room to, struct vmctl_error *error);

static uint16_t read16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t read32(const uint8_t *at)
{
    return (uint32_t)read16(at) | (uint32_t)read16(at + 2) << 16;
}

static int damaged(struct vmctl_error *error, const char *method, const char *how)
{
    return vmctl_fail(error, -EINVAL, "the %s data is damaged: %s", method, how);
}

static int check_amount(size_t left, size_t made, struct room to, const char *method,
                        struct vmctl_error *error)
{
    if (made != to.size) {
        return vmctl_fail(error, -EINVAL, "the %s data unpacks to %zu bytes, not %zu as it says",
                          method, made, to.size);
    }
    if (left != 0) {
        return vmctl_fail(error, -EINVAL, "%zu bytes follow the end of the %s data", left, method);
    }
    return 0;
}

static int unpack_gzip(struct span from, struct room to, struct vmctl_error *error)
{
    z_stream stream = { .next_in = from.data, .avail_in = (uInt)from.size };
    const int gzip_header_only = 16 + MAX_WBITS;
    int result;
    int r;

    if (inflateInit2(&stream, gzip_header_only) != Z_OK) {
        return vmctl_fail(error, -ENOMEM, "no memory to unpack gzip data");
    }
    stream.next_out = to.data;
    stream.avail_out = (uInt)to.size;
    result = inflate(&stream, Z_FINISH);
    if (result == Z_STREAM_END) {
        r = check_amount(stream.avail_in, stream.total_out, to, "gzip", error);
    } else if (stream.avail_out == 0) {
        r = damaged(error, "gzip", "it unpacks to more than it says");
    } else if (stream.avail_in == 0) {
        r = damaged(error, "gzip", "it ends too early");
    } else {
        r = damaged(error, "gzip", stream.msg != NULL ? stream.msg : zError(result));
    }
    (void)inflateEnd(&stream);
    return r;
}

static const char *lzma_words(lzma_ret result)
{
    if (result == LZMA_BUF_ERROR) {
        return "it ends too early or unpacks to more than it says";
    }
    if (result == LZMA_OPTIONS_ERROR) {
        return "it wants options that are not known here";
    }
    return "its contents are not valid";
}

static int unpack_xz(struct span from, struct room to, struct vmctl_error *error)
{
    uint64_t memory_limit = XZ_MEMORY_LIMIT;
    size_t taken = 0;
    size_t made = 0;
    lzma_ret result;

    result = lzma_stream_buffer_decode(&memory_limit, 0, NULL, from.data, &taken, from.size,
                                       to.data, &made, to.size);
    if (result == LZMA_MEM_ERROR) {
        return vmctl_fail(error, -ENOMEM, "no memory to unpack xz data");
    }
    if (result == LZMA_MEMLIMIT_ERROR) {
        return vmctl_fail(error, -EFBIG, "the xz data needs %llu MiB to unpack, limit %llu MiB",
                          (unsigned long long)memory_limit >> 20,
                          (unsigned long long)XZ_MEMORY_LIMIT >> 20);
    }
    if (result != LZMA_OK) {
        return damaged(error, "xz", lzma_words(result));
    }
    return check_amount(from.size - taken, made, to, "xz", error);
}

static int unpack_zstd(struct span from, struct room to, struct vmctl_error *error)
{
    size_t made = ZSTD_decompress(to.data, to.size, from.data, from.size);

    if (ZSTD_isError(made)) {
        return damaged(error, "zstd", ZSTD_getErrorName(made));
    }
    return check_amount(0, made, to, "zstd", error);
}

/*
 * The legacy frame, the one that Linux uses: a magic number, then blocks, each
 * with its packed size before it.  Only the last unpacks to less than 8 MiB.
 */
static int unpack_lz4(struct span from, struct room to, struct vmctl_error *error)
{
    size_t at = 4;
    size_t made = 0;

    while (at < from.size) {
        size_t space = to.size - made;
        uint32_t block;
        int got;

        if (from.size - at < 4) {
            return damaged(error, "lz4", "it ends too early");
        }
        block = read32(from.data + at);
        at += 4;
        if (block > from.size - at || block > (uint32_t)LZ4_compressBound(LZ4_BLOCK)) {
            return damaged(error, "lz4", "a block is larger than what is there");
        }
        got = LZ4_decompress_safe((const char *)from.data + at, (char *)to.data + made, (int)block,
                                  space < LZ4_BLOCK ? (int)space : LZ4_BLOCK);
        if (got < 0) {
            return damaged(error, "lz4", "a block is not valid or unpacks to more than it may");
        }
        at += block;
        made += (size_t)got;
    }
    return check_amount(0, made, to, "lz4", error);
}

/* How a kernel may be packed; `unpack` is NULL where we only know the name. */
static const struct method {
    const char *name;
    const char *magic;
    size_t magic_length;
    unpack_fn *unpack;
    bool has_own_trailer; /* the size behind it is part of the data */
} methods[] = {
    { "gzip", "\x1f\x8b", 2, unpack_gzip, true },
    { "xz", "\xfd\x37zXZ\0", 6, unpack_xz, false },
    { "zstd", "\x28\xb5\x2f\xfd", 4, unpack_zstd, false },
    { "lz4", "\x02\x21\x4c\x18", 4, unpack_lz4, false },
    { "bzip2", "BZh", 3, NULL, false },
    { "lzma", "\x5d\0\0", 3, NULL, false },
    { "lzo", "\x89LZO", 4, NULL, false },
};

static const struct method *method_of(struct span payload)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (payload.size >= methods[i].magic_length &&
            memcmp(payload.data, methods[i].magic, methods[i].magic_length) == 0) {
            return &methods[i];
        }
    }
    return NULL;
}

static int check_segments(struct span kernel, const Elf64_Ehdr *header, struct vmctl_error *error)
{
    bool loads = false;

    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff > kernel.size ||
        (kernel.size - header->e_phoff) / sizeof(Elf64_Phdr) < header->e_phnum) {
        return vmctl_fail(error, -EINVAL, "the ELF kernel's program headers are not in the file");
    }
    for (unsigned int i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;

        memcpy(&segment, kernel.data + header->e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_offset > kernel.size || segment.p_filesz > kernel.size - segment.p_offset) {
            return vmctl_fail(error, -EINVAL, "segment %u of the ELF kernel is not in the file", i);
        }
        loads = loads || segment.p_type == PT_LOAD;
    }
    if (!loads) {
        return vmctl_fail(error, -EINVAL, "the ELF kernel has nothing to load");
    }
    return 0;
}

static bool is_elf(struct span file)
{
    return file.size >= SELFMAG && memcmp(file.data, ELFMAG, SELFMAG) == 0;
}

static int check_kernel(struct span kernel, struct vmctl_error *error)
{
    Elf64_Ehdr header;

    if (!is_elf(kernel)) {
        return vmctl_fail(error, -ENOEXEC, "what was packed is not an ELF kernel");
    }
    if (kernel.size < sizeof(header)) {
        return vmctl_fail(error, -EINVAL, "the ELF kernel ends within its header");
    }
    memcpy(&header, kernel.data, sizeof(header));
    if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
        header.e_machine != EM_X86_64) {
        return vmctl_fail(error, -ENOEXEC, "the ELF kernel is not for 64-bit x86");
    }
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) {
        return vmctl_fail(error, -ENOEXEC, "the ELF file is not a program (type %u)",
                          header.e_type);
    }
    return check_segments(kernel, &header, error);
}

static bool is_bzimage(struct span file)
{
    return file.size >= HEADER_END && read16(file.data + BOOT_FLAG) == 0xaa55 &&
           memcmp(file.data + HEADER_MAGIC, "HdrS", 4) == 0;
}

/* The packed kernel within a bzImage, and how much it says it unpacks to. */
static int find_payload(struct span file, struct span *payload, struct vmctl_error *error)
{
    uint16_t protocol = read16(file.data + PROTOCOL);
    size_t sectors = file.data[SETUP_SECTORS];
    uint64_t start;
    uint64_t length;

    if (protocol < 0x208) {
        return vmctl_fail(error, -EOPNOTSUPP,
                          "boot protocol %u.%02u does not say where the kernel is, 2.08 does",
                          protocol >> 8, protocol & 0xffu);
    }
    /* The protocol's oldest rule: no sectors means four. */
    start = ((sectors != 0 ? sectors : 4) + 1) * SECTOR;
    start += read32(file.data + PAYLOAD_OFFSET);
    length = read32(file.data + PAYLOAD_LENGTH);
    if (start > file.size || length > file.size - start) {
        return vmctl_fail(error, -EINVAL,
                          "the file is truncated: its kernel ends at byte %llu, the file at %zu",
                          (unsigned long long)start + length, file.size);
    }
    if (length <= SIZE_TRAILER) {
        return vmctl_fail(error, -EINVAL, "the file holds no kernel");
    }
    *payload = (struct span){ .data = file.data + start, .size = (size_t)length };
    return 0;
}

static int unpack_payload(struct span payload, size_t limit, struct vmctl_image *image,
                          struct vmctl_error *error)
{
    size_t said = read32(payload.data + payload.size - SIZE_TRAILER);
    const struct method *method = method_of(payload);
    struct room to;
    int r;

    if (method == NULL) {
        return vmctl_fail(error, -EOPNOTSUPP,
                          "the kernel is packed in an unknown way (it begins %02x %02x %02x %02x)",
                          payload.data[0], payload.data[1], payload.data[2], payload.data[3]);
    }
    if (method->unpack == NULL) {
        return vmctl_fail(error, -EOPNOTSUPP,
                          "the kernel is packed with %s, which is not supported", method->name);
    }
    if (said > limit) {
        return vmctl_fail(error, -EFBIG, "the kernel unpacks to %zu bytes, limit %zu", said, limit);
    }
    if (!method->has_own_trailer) {
        payload.size -= SIZE_TRAILER;
    }
    /* One byte more, so that a kernel that says it is empty has a buffer too. */
    to = (struct room){ .data = malloc(said + 1), .size = said };
    if (to.data == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for a kernel of %zu bytes", said);
    }
    r = method->unpack(payload, to, error);
    if (r == 0) {
        r = check_kernel((struct span){ .data = to.data, .size = to.size }, error);
    }
    if (r < 0) {
        free(to.data);
        return r;
    }
    *image = (struct vmctl_image){ to.data, to.size, method->name };
    return 0;
}

static int copy_elf(struct span file, size_t limit, struct vmctl_image *image,
                    struct vmctl_error *error)
{
    uint8_t *copy;
    int r = check_kernel(file, error);

    if (r < 0) {
        return r;
    }
    if (file.size > limit) {
        return vmctl_fail(error, -EFBIG, "the kernel has %zu bytes, limit %zu", file.size, limit);
    }
    copy = malloc(file.size);
    if (copy == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for a kernel of %zu bytes", file.size);
    }
    memcpy(copy, file.data, file.size);
    *image = (struct vmctl_image){ copy, file.size, "none" };
    /* cppcheck-suppress memleak ; image has it */
    return 0;
}

int vmctl_image_unpack(const void *file, size_t size, size_t limit, struct vmctl_image *image,
                       struct vmctl_error *error)
{
    struct span whole = { .data = file, .size = size };
    struct span payload = whole;
    int r;

    if (is_elf(whole)) {
        return copy_elf(whole, limit, image, error);
    }
    if (!is_bzimage(whole)) {
        return vmctl_fail(error, -ENOEXEC, "neither a bzImage nor an ELF kernel");
    }
    r = find_payload(whole, &payload, error);
    if (r < 0) {
        return r;
    }
    return unpack_payload(payload, limit, image, error);
}

void vmctl_image_release(struct vmctl_image *image)
{
    free(image->data);
    *image = (struct vmctl_image){ .data = NULL };
}
