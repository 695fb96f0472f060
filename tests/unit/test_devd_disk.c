/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/devices/{disk,loop,holders}.c: images good and bad, real loop
 * devices (those need root), and who is said to hold a device.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dom0-tools/devices/disk.h"
#include "dom0-tools/devices/holders.h"
#include "dom0-tools/devices/loop.h"
#include "tests/unit/loop_state.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#define IMAGE_SIZE (64 * 512)

static char folder[SCRATCH_SIZE];
static char image_path[96];
static int loop_lock = -1;

static void path_in(char path[96], const char *name)
{
    (void)snprintf(path, 96, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text)
{
    char path[96];
    FILE *file;

    path_in(path, name);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void enter(void)
{
    scratch_make(folder);
    write_file("image", "first sector");
    path_in(image_path, "image");
    ck_assert_int_eq(truncate(image_path, IMAGE_SIZE), 0);
}

static void leave(void)
{
    scratch_remove(folder);
}

/* Tests that look which loop devices are free do so one at a time, program by program. */
static void enter_loops(void)
{
    loop_lock = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(flock(loop_lock, LOCK_EX), 0);
    enter();
}

static void leave_loops(void)
{
    leave();
    (void)close(loop_lock);
}

static struct disk_request request_of(const char *path)
{
    return (struct disk_request){
        .path = path,
        .type = "file",
        .tag = "paravane vbd/5/51712",
        .sys = "/sys",
        .proc = "/proc",
    };
}

static int try_open(const struct disk_request *request, struct vmctl_error *error)
{
    struct disk_image image = { .fd = -1 };
    int r = disk_image_open(request, &image, error);

    disk_image_close(&image);
    return r;
}

static struct disk_image open_image(const struct disk_request *request)
{
    struct disk_image image = { .fd = -1 };

    ck_assert_int_eq(disk_image_open(request, &image, NULL), 0);
    return image;
}

/* --- images ------------------------------------------------------------------------ */

START_TEST(an_image_is_known_by_what_it_is_not_by_its_path)
{
    struct disk_request request = request_of(image_path);
    struct disk_image image = open_image(&request);
    struct disk_image other;
    char path[96];

    path_in(path, "link");
    ck_assert_int_eq(symlink(image_path, path), 0);
    request.path = path;
    request.type = NULL;
    other = open_image(&request);
    ck_assert(!image.block);
    ck_assert(image.device == other.device && image.inode == other.inode);
    disk_image_close(&image);
    disk_image_close(&other);
}
END_TEST

START_TEST(what_is_no_image_is_refused_by_name)
{
    static const struct {
        const char *name;
        const char *type;
        int code;
        const char *words;
    } rows[] = {
        { "missing", "file", -ENOENT, "No such file" },
        { "image/below", "file", -ENOTDIR, "Not a directory" },
        { "", "file", -EINVAL, "a directory" },
        { "fifo", "file", -EINVAL, "not an image file" },
        { "small", "file", -EINVAL, "not even one sector" },
        { "image", "phy", -EINVAL, "is a file" },
    };
    char path[96];

    write_file("small", "just a few bytes");
    path_in(path, "fifo");
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct disk_request request = request_of(path);
        struct vmctl_error error = { .code = 0 };

        path_in(path, rows[i].name);
        request.type = rows[i].type;
        ck_assert_int_eq(try_open(&request, &error), rows[i].code);
        ck_assert_ptr_nonnull(strstr(error.message, rows[i].words));
        ck_assert_ptr_nonnull(strstr(error.message, path));
    }
}
END_TEST

START_TEST(a_path_has_to_begin_at_the_root)
{
    struct disk_request request = request_of("image");

    ck_assert_int_eq(try_open(&request, NULL), -EINVAL);
    request.path = "";
    ck_assert_int_eq(try_open(&request, NULL), -EINVAL);
}
END_TEST

START_TEST(who_writes_an_image_is_found)
{
    struct disk_request request = request_of(image_path);
    struct disk_image image = open_image(&request);
    struct vmctl_error error = { .code = 0 };
    int reader = open(image_path, O_RDONLY | O_CLOEXEC);
    char words[64];
    int writer;

    ck_assert_int_eq(disk_image_check_writers(&request, &image, &error), 0);
    writer = open(image_path, O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(disk_image_check_writers(&request, &image, &error), -EBUSY);
    (void)snprintf(words, sizeof(words), "(process %d)", (int)getpid());
    ck_assert_ptr_nonnull(strstr(error.holder, words));
    (void)close(writer);
    ck_assert_int_eq(disk_image_check_writers(&request, &image, &error), 0);
    (void)close(reader);
    disk_image_close(&image);
}
END_TEST

/* --- loop devices -------------------------------------------------------------------- */

static struct disk attach(const struct disk_request *request)
{
    struct disk_image image = open_image(request);
    struct disk disk = { .fd = -1 };
    struct vmctl_error error = { .code = 0 };

    if (disk_attach(request, &image, &disk, &error) != 0) {
        ck_abort_msg("%s", error.message);
    }
    ck_assert_int_eq(image.fd, -1);
    return disk;
}

/* Can the file system, and the disk below it, do without dom0's memory? */
static bool direct_works(void)
{
    _Alignas(4096) char sector[512];
    int fd = open(image_path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    bool works = fd >= 0 && pread(fd, sector, sizeof(sector), 512) == (ssize_t)sizeof(sector);

    if (fd >= 0) {
        (void)close(fd);
    }
    return works;
}

START_TEST(a_file_becomes_a_device_until_it_is_closed)
{
    struct disk_request request = request_of(image_path);
    struct disk disk = attach(&request);
    struct loop_info64 info;
    char text[16] = "";

    ck_assert_uint_eq(disk.major, 7);
    ck_assert(bound(disk.minor));
    ck_assert_int_eq(pread(disk.fd, text, 12, 0), 12);
    ck_assert_str_eq(text, "first sector");
    ck_assert_int_eq(ioctl(disk.fd, LOOP_GET_STATUS64, &info), 0);
    ck_assert((info.lo_flags & LO_FLAGS_AUTOCLEAR) != 0);
    ck_assert((info.lo_flags & LO_FLAGS_READ_ONLY) == 0);
    if (direct_works()) {
        ck_assert((info.lo_flags & LO_FLAGS_DIRECT_IO) != 0);
    } else {
        (void)printf("SKIP: direct I/O, which %s has not; the system test guests tries it\n",
                     folder);
    }
    disk_close(&disk);
    ck_assert(!bound_for_long(disk.minor));
}
END_TEST

START_TEST(a_loop_device_of_dom0_that_writes_is_found)
{
    struct disk_request request = request_of(image_path);
    struct vmctl_error error = { .code = 0 };
    struct disk disk = attach(&request);
    struct disk_image image = open_image(&request);

    ck_assert_int_eq(disk_image_check_writers(&request, &image, &error), -EAGAIN);
    ck_assert_ptr_nonnull(strstr(error.holder, disk.name));
    disk_close(&disk);
    ck_assert(!bound_for_long(disk.minor));
    request.readonly = true;
    disk = attach(&request);
    ck_assert_int_eq(disk_image_check_writers(&request, &image, &error), 0);
    disk_close(&disk);
    disk_image_close(&image);
    ck_assert(!bound_for_long(disk.minor));
}
END_TEST

START_TEST(a_file_nobody_may_write_is_said_so)
{
    struct disk_request request = request_of("/sys/kernel/notes");
    struct disk_image image;
    struct disk disk = { .fd = -1 };
    struct vmctl_error error = { .code = 0 };

    /* It has contents, and even root cannot write it. */
    if (disk_image_open(&request, &image, &error) == 0) {
        ck_assert_int_lt(disk_attach(&request, &image, &disk, &error), 0);
        ck_assert_int_eq(image.fd, -1);
        ck_assert_ptr_nonnull(strstr(error.message, "/sys/kernel/notes"));
    }
}
END_TEST

START_TEST(read_only_means_read_only)
{
    struct disk_request request = request_of(image_path);
    char name[48];
    struct disk disk;
    int fd;

    request.readonly = true;
    disk = attach(&request);
    (void)snprintf(name, sizeof(name), "/dev/%s", disk.name);
    fd = open(name, O_RDWR | O_CLOEXEC);
    ck_assert(fd < 0 || pwrite(fd, "x", 1, 0) < 0 || fsync(fd) < 0);
    if (fd >= 0) {
        (void)close(fd);
    }
    disk_close(&disk);
    ck_assert(!bound_for_long(disk.minor));
}
END_TEST

/* As after a SIGKILL: the back end holds the device, nobody else does. */
START_TEST(a_device_is_taken_over_by_its_tag)
{
    struct disk_request request = request_of(image_path);
    struct disk disk = attach(&request);
    struct disk again = { .fd = -1 };
    struct disk_image image;
    char name[48];
    int back_end;

    (void)snprintf(name, sizeof(name), "/dev/%s", disk.name);
    back_end = open(name, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(back_end, 0);
    disk_close(&disk);
    image = open_image(&request);
    ck_assert_int_eq(disk_adopt(&request, &image, makedev(7, disk.minor), &again, NULL), 0);
    ck_assert_uint_eq(again.minor, disk.minor);
    (void)close(back_end);
    (void)usleep(50000);
    ck_assert(bound(disk.minor));
    disk_close(&again);
    ck_assert(!bound_for_long(disk.minor));
}
END_TEST

START_TEST(the_device_of_another_is_left_alone)
{
    struct disk_request request = request_of(image_path);
    struct disk disk = attach(&request);
    struct disk again = { .fd = -1 };
    struct disk_image image;
    struct vmctl_error error;

    request.tag = "paravane vbd/6/51712";
    image = open_image(&request);
    ck_assert_int_eq(disk_adopt(&request, &image, makedev(7, disk.minor), &again, &error), -EBUSY);
    ck_assert_int_eq(again.fd, -1);
    ck_assert_int_eq(image.fd, -1);
    image = open_image(&request);
    ck_assert_int_eq(disk_adopt(&request, &image, makedev(1, 0), &again, &error), -ENODEV);
    disk_close(&disk);
    ck_assert(!bound_for_long(disk.minor));
}
END_TEST

/* Killed after the device was named and before the back end had opened it. */
START_TEST(a_device_that_came_free_is_bound_again)
{
    struct disk_request request = request_of(image_path);
    struct disk disk = attach(&request);
    struct disk again = { .fd = -1 };
    struct disk_image image;
    struct vmctl_error error = { .code = 0 };

    disk_close(&disk);
    ck_assert(!bound_for_long(disk.minor));
    image = open_image(&request);
    if (disk_adopt(&request, &image, makedev(7, disk.minor), &again, &error) != 0) {
        ck_abort_msg("%s", error.message);
    }
    ck_assert_uint_eq(again.minor, disk.minor);
    ck_assert(bound(disk.minor));
    disk_close(&again);
    ck_assert(!bound_for_long(disk.minor));
}
END_TEST

START_TEST(a_block_device_is_held_alone_by_who_writes_it)
{
    struct disk_request request = request_of(image_path);
    struct disk loop = attach(&request);
    struct disk_request block = request;
    struct disk disk;
    struct vmctl_error error;
    char name[48];

    (void)snprintf(name, sizeof(name), "/dev/%s", loop.name);
    block.path = name;
    block.type = "phy";
    disk = attach(&block);
    ck_assert_uint_eq(disk.minor, loop.minor);
    ck_assert_int_eq(try_open(&block, &error), -EBUSY);
    ck_assert_ptr_nonnull(strstr(error.message, "is busy"));
    block.readonly = true;
    ck_assert_int_eq(try_open(&block, NULL), 0);
    block.type = "file";
    ck_assert_int_eq(try_open(&block, &error), -EINVAL);
    disk_close(&disk);
    disk_close(&loop);
    ck_assert(!bound_for_long(loop.minor));
}
END_TEST

START_TEST(a_read_only_block_device_is_not_written)
{
    struct disk_request request = request_of(image_path);
    struct disk_request block;
    struct vmctl_error error;
    struct disk loop;
    char name[48];

    request.readonly = true;
    loop = attach(&request);
    (void)snprintf(name, sizeof(name), "/dev/%s", loop.name);
    block = request_of(name);
    block.type = "phy";
    ck_assert_int_lt(try_open(&block, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.remedy, "<readonly/>"));
    disk_close(&loop);
    ck_assert(!bound_for_long(loop.minor));
}
END_TEST

/* --- holders --------------------------------------------------------------------------- */

static void make_folders(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char path[96];

        path_in(path, names[i]);
        ck_assert_int_eq(mkdir(path, 0755), 0);
    }
}

static void expect_holder(unsigned int major, unsigned int minor, const char *wanted)
{
    char sys[96];
    char proc[96];
    char words[128];

    path_in(sys, "sys");
    path_in(proc, "proc");
    holders_describe(sys, proc, makedev(major, minor), words, sizeof(words));
    ck_assert_str_eq(words, wanted);
}

START_TEST(a_holder_is_named_wherever_the_kernel_lists_it)
{
    static const char *const folders[] = {
        "proc",
        "proc/self",
        "sys",
        "sys/dev",
        "sys/dev/block",
        "sys/dev/block/8:0",
        "sys/dev/block/8:0/sda1",
        "sys/dev/block/8:0/queue",
        "sys/dev/block/8:1",
        "sys/dev/block/8:16",
        "sys/dev/block/8:16/holders",
        "sys/dev/block/8:16/holders/dm-3",
    };

    make_folders(folders, sizeof(folders) / sizeof(folders[0]));
    write_file("proc/self/mountinfo", "21 1 0:19 / /proc rw - proc proc rw\n"
                                      "30 1 8:1 / /srv rw,relatime - ext4 /dev/sda1 rw\n"
                                      "31 1 8:11 / /x rw - ext4 /dev/x rw\n"
                                      "short 8:32\n");
    write_file("proc/swaps", "Filename Type Size Used Priority\n");
    write_file("sys/dev/block/8:0/sda1/dev", "8:1\n");
    expect_holder(8, 1, "mounted on /srv");
    expect_holder(8, 0, "its partition sda1 is mounted on /srv");
    expect_holder(8, 16, "used by dm-3");
    expect_holder(8, 32, "");
    expect_holder(9, 0, "");
}
END_TEST

/* --- the suite ------------------------------------------------------------------------- */

static bool loops_possible(void)
{
    int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    bool possible = fd >= 0 && ioctl(fd, LOOP_CTL_GET_FREE) >= 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return possible;
}

static TCase *loop_cases(void)
{
    TCase *cases = tcase_create("loops");

    tcase_add_checked_fixture(cases, enter_loops, leave_loops);
    tcase_add_test(cases, a_file_becomes_a_device_until_it_is_closed);
    tcase_add_test(cases, a_loop_device_of_dom0_that_writes_is_found);
    tcase_add_test(cases, a_file_nobody_may_write_is_said_so);
    tcase_add_test(cases, read_only_means_read_only);
    tcase_add_test(cases, a_device_is_taken_over_by_its_tag);
    tcase_add_test(cases, the_device_of_another_is_left_alone);
    tcase_add_test(cases, a_device_that_came_free_is_bound_again);
    tcase_add_test(cases, a_block_device_is_held_alone_by_who_writes_it);
    tcase_add_test(cases, a_read_only_block_device_is_not_written);
    return cases;
}

int main(void)
{
    Suite *suite = suite_create("devd_disk");
    TCase *cases = suite_case(suite, "images");

    tcase_add_checked_fixture(cases, enter, leave);
    tcase_add_test(cases, an_image_is_known_by_what_it_is_not_by_its_path);
    tcase_add_test(cases, what_is_no_image_is_refused_by_name);
    tcase_add_test(cases, a_path_has_to_begin_at_the_root);
    tcase_add_test(cases, who_writes_an_image_is_found);
    tcase_add_test(cases, a_holder_is_named_wherever_the_kernel_lists_it);
    if (loops_possible()) {
        suite_add_tcase(suite, loop_cases());
    } else {
        puts("left out, for want of rights: tests of loop devices");
    }
    return suite_run(suite);
}
