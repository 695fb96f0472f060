/* SPDX-License-Identifier: MIT */
/* The cache of unpacked kernels. */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>

#include "libvmctl/kernel_cache.h"
#include "libvmctl/sha256.h"
#include "tests/fake/failing_malloc.h"
#include "tests/unit/kernel_maker.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#define SECTOR    512u
#define PAYLOAD   (2 * SECTOR)
#define NAME_ROOM 400

static char directory[SCRATCH_SIZE];
static char cache_path[SCRATCH_SIZE + 32];
static char kernel_path[SCRATCH_SIZE + 32];
static struct kernel_cache cache;
static struct vmctl_error error;

static void begin(void)
{
    scratch_make(directory);
    (void)snprintf(cache_path, sizeof(cache_path), "%s/deep/cache", directory);
    (void)snprintf(kernel_path, sizeof(kernel_path), "%s/vmlinuz", directory);
    cache = (struct kernel_cache){ cache_path, KERNEL_CACHE_LIMIT };
}

static void end(void)
{
    scratch_remove(directory);
}

static void put32(uint8_t *at, size_t value)
{
    uint32_t word = (uint32_t)value;

    memcpy(at, &word, sizeof(word));
}

/* A bzImage with a gzipped kernel in it; kernels differ by their first byte of text. */
static void write_bzimage(const char *path, uint8_t mark)
{
    static uint8_t file[PAYLOAD + 2 * KERNEL_SIZE];
    struct kernel_image kernel;
    z_stream stream = { .next_in = kernel.bytes, .avail_in = KERNEL_SIZE };

    make_kernel(&kernel, &usual_kernel);
    kernel.bytes[TEXT_OFFSET] = mark;
    memset(file, 0, sizeof(file));
    ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY),
                     Z_OK);
    stream.next_out = file + PAYLOAD;
    stream.avail_out = (uInt)(sizeof(file) - PAYLOAD);
    ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
    file[0x1f1] = 1;
    put32(file + 0x1fe, 0xaa55);
    memcpy(file + 0x202, "HdrS", 4);
    file[0x206] = 0x0f;
    file[0x207] = 0x02;
    put32(file + 0x24c, stream.total_out);
    ck_assert(write_file(path, file, PAYLOAD + stream.total_out));
    (void)deflateEnd(&stream);
}

/* Open the kernel; its first byte of text. */
static int open_kernel(const char *path, bool *unpacked)
{
    uint8_t mark = 0;
    int fd = -1;
    int r = kernel_cache_open(&cache, path, &fd, unpacked, &error);

    if (r < 0) {
        return r;
    }
    ck_assert_int_eq(pread(fd, &mark, 1, TEXT_OFFSET), 1);
    ck_assert_int_eq(close(fd), 0);
    return mark;
}

static void expect(const char *path, uint8_t mark, bool unpacks)
{
    bool unpacked = !unpacks;
    int got = open_kernel(path, &unpacked);

    ck_assert_msg(got >= 0, "%s", error.message);
    ck_assert_int_eq(got, mark);
    ck_assert_int_eq(unpacked, unpacks);
}

/* Entries whose names begin so (NULL: kernels); the last one's name. */
static unsigned int count_entries(const char *prefix, char *name)
{
    DIR *list = opendir(cache_path);
    const struct dirent *row;
    unsigned int count = 0;

    ck_assert_ptr_nonnull(list);
    while ((row = readdir(list)) != NULL) {
        bool kernel = strlen(row->d_name) > 64 && strncmp(row->d_name, "id-", 3) != 0;

        if (prefix == NULL ? kernel : strncmp(row->d_name, prefix, strlen(prefix)) == 0) {
            count++;
            if (name != NULL) {
                (void)snprintf(name, NAME_ROOM, "%s/%s", cache_path, row->d_name);
            }
        }
    }
    (void)closedir(list);
    return count;
}

/* The kernel, with a cache that has never been there. */
static int unpack_afresh(void *context)
{
    unsigned int *tries = context;
    bool unpacked = false;
    int fd = -1;
    int r;

    (void)snprintf(cache_path, sizeof(cache_path), "%s/cache-%u", directory, ++*tries);
    r = kernel_cache_open(&cache, kernel_path, &fd, &unpacked, &error);
    if (r == 0) {
        (void)close(fd);
    }
    /* Without memory the cache is not made smaller, and the kernel can be had all the same. */
    return r == 0 && allocation_failed() ? -ENOMEM : r;
}

START_TEST(each_allocation_may_fail)
{
    unsigned int tries = 0;
    int first = dup(0);

    write_bzimage(kernel_path, 1);
    (void)close(first);
    ck_assert_uint_ge(survive_failing_allocations(unpack_afresh, &tries), 2);
    ck_assert_int_eq(dup(0), first); /* no descriptor was left open */
    (void)close(first);
}
END_TEST

START_TEST(sha256_is_as_in_the_standard)
{
    static const uint8_t empty[4] = { 0xe3, 0xb0, 0xc4, 0x42 };
    static const uint8_t abc[4] = { 0xba, 0x78, 0x16, 0xbf };
    static const uint8_t two_blocks[4] = { 0x24, 0x8d, 0x6a, 0x61 };
    static const uint8_t million[4] = { 0xcd, 0xc7, 0x6e, 0x5c };
    static const char long_text[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    uint8_t digest[SHA256_SIZE];
    char *letters = malloc(1000000);

    ck_assert_ptr_nonnull(letters);
    sha256("", 0, digest);
    ck_assert_mem_eq(digest, empty, sizeof(empty));
    sha256("abc", 3, digest);
    ck_assert_mem_eq(digest, abc, sizeof(abc));
    sha256(long_text, strlen(long_text), digest);
    ck_assert_mem_eq(digest, two_blocks, sizeof(two_blocks));
    memset(letters, 'a', 1000000);
    sha256(letters, 1000000, digest);
    ck_assert_mem_eq(digest, million, sizeof(million));
    free(letters);
}
END_TEST

START_TEST(an_elf_kernel_is_used_as_it_is)
{
    struct kernel_image kernel;
    bool unpacked = true;

    make_kernel(&kernel, &usual_kernel);
    ck_assert(write_file(kernel_path, kernel.bytes, sizeof(kernel.bytes)));
    ck_assert_int_eq(open_kernel(kernel_path, &unpacked), text_byte(0));
    ck_assert(!unpacked);
    ck_assert_int_lt(access(cache_path, F_OK), 0);
}
END_TEST

START_TEST(a_kernel_is_unpacked_once)
{
    write_bzimage(kernel_path, 1);
    expect(kernel_path, 1, true);
    expect(kernel_path, 1, false);
    expect(kernel_path, 1, false);
    ck_assert_uint_eq(count_entries(NULL, NULL), 1);
    ck_assert_uint_eq(count_entries("id-", NULL), 1);
    ck_assert_uint_eq(count_entries("new-", NULL), 0);
}
END_TEST

START_TEST(the_second_time_the_file_is_not_read)
{
    struct stat status;
    int fd;

    write_bzimage(kernel_path, 1);
    expect(kernel_path, 1, true);
    /* Its pages are dropped, and would have to come back from the disk. */
    fd = open(kernel_path, O_RDONLY);
    ck_assert_int_eq(fstat(fd, &status), 0);
    ck_assert_int_eq(close(fd), 0);
    ck_assert_int_eq(truncate(kernel_path, status.st_size), 0);
    expect(kernel_path, 1, true);
    expect(kernel_path, 1, false);
    ck_assert_uint_eq(count_entries(NULL, NULL), 1);
}
END_TEST

START_TEST(a_changed_file_is_another_kernel)
{
    write_bzimage(kernel_path, 1);
    expect(kernel_path, 1, true);
    write_bzimage(kernel_path, 2);
    expect(kernel_path, 2, true);
    ck_assert_uint_eq(count_entries(NULL, NULL), 2);
}
END_TEST

START_TEST(copies_of_a_kernel_are_kept_once)
{
    char other[SCRATCH_SIZE + 48];

    write_bzimage(kernel_path, 1);
    (void)snprintf(other, sizeof(other), "%s-copy", kernel_path);
    write_bzimage(other, 1);
    expect(kernel_path, 1, true);
    expect(other, 1, true);
    expect(other, 1, false);
    ck_assert_uint_eq(count_entries(NULL, NULL), 1);
    ck_assert_uint_eq(count_entries("id-", NULL), 2);
}
END_TEST

START_TEST(a_torn_or_foreign_entry_is_not_used)
{
    char name[NAME_ROOM] = "";

    write_bzimage(kernel_path, 1);
    expect(kernel_path, 1, true);
    (void)count_entries(NULL, name);
    ck_assert_int_eq(truncate(name, TEXT_OFFSET + 1), 0);
    expect(kernel_path, 1, true);
    ck_assert_int_eq(chmod(name, 0622), 0);
    expect(kernel_path, 1, true);
    ck_assert_int_eq(unlink(name), 0);
    ck_assert_int_eq(symlink(kernel_path, name), 0);
    expect(kernel_path, 1, true);
    expect(kernel_path, 1, false);
}
END_TEST

START_TEST(the_kernel_used_longest_ago_goes)
{
    char paths[4][SCRATCH_SIZE + 48];

    cache.limit = 3 * KERNEL_SIZE;
    for (uint8_t i = 0; i < 4; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "%s%u", kernel_path, i);
        write_bzimage(paths[i], (uint8_t)(10 + i));
        if (i == 3) {
            (void)usleep(20000);
            expect(paths[0], 10, false);
        }
        (void)usleep(20000);
        expect(paths[i], (uint8_t)(10 + i), true);
    }
    ck_assert_uint_eq(count_entries(NULL, NULL), 3);
    expect(paths[0], 10, false);
    expect(paths[2], 12, false);
    expect(paths[3], 13, false);
    expect(paths[1], 11, true);
}
END_TEST

START_TEST(without_a_cache_a_kernel_is_unpacked_each_time)
{
    cache.directory = "/proc/self/cache";
    write_bzimage(kernel_path, 1);
    expect(kernel_path, 1, true);
    expect(kernel_path, 1, true);
}
END_TEST

START_TEST(what_is_no_kernel_is_named)
{
    bool unpacked = false;

    ck_assert_int_eq(open_kernel(kernel_path, &unpacked), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.message, kernel_path));
    ck_assert_int_eq(open_kernel(directory, &unpacked), -EINVAL);
    ck_assert_int_eq(open_kernel("/dev/null", &unpacked), -EINVAL);
    ck_assert(write_file(kernel_path, "", 0));
    ck_assert_int_eq(open_kernel(kernel_path, &unpacked), -ENOEXEC);
    ck_assert(write_file(kernel_path, "hello", 5));
    ck_assert_int_eq(open_kernel(kernel_path, &unpacked), -ENOEXEC);
    ck_assert_int_eq(error.reason, VMCTL_BAD_KERNEL);
    ck_assert_int_lt(access(cache_path, F_OK), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel_cache");
    TCase *tcase = suite_case(suite, "cache");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, sha256_is_as_in_the_standard);
    tcase_add_test(tcase, each_allocation_may_fail);
    tcase_add_test(tcase, an_elf_kernel_is_used_as_it_is);
    tcase_add_test(tcase, a_kernel_is_unpacked_once);
    tcase_add_test(tcase, the_second_time_the_file_is_not_read);
    tcase_add_test(tcase, a_changed_file_is_another_kernel);
    tcase_add_test(tcase, copies_of_a_kernel_are_kept_once);
    tcase_add_test(tcase, a_torn_or_foreign_entry_is_not_used);
    tcase_add_test(tcase, the_kernel_used_longest_ago_goes);
    tcase_add_test(tcase, without_a_cache_a_kernel_is_unpacked_each_time);
    tcase_add_test(tcase, what_is_no_kernel_is_named);
    return suite_run(suite);
}
