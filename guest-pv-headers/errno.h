/* SPDX-License-Identifier: MIT */
/*
 * Error numbers.  A hypercall that fails returns one of these, negated.
 *
 * The values are Linux's on x86 whatever the guest's own errno values are; the
 * prefix keeps them apart from <errno.h>.  Grant operations report GNTST_*
 * in a status field instead (grant_table.h).
 */
#ifndef GUEST_PV_HEADERS_ERRNO_H
#define GUEST_PV_HEADERS_ERRNO_H

/* The request itself. */
#define XEN_EINVAL       22  /* a field has a value that makes no sense */
#define XEN_ENOSYS       38  /* no such hypercall or sub-operation */
#define XEN_EOPNOTSUPP   95  /* known, but not offered here */
#define XEN_EFAULT       14  /* a pointer does not lead to mapped guest memory */
#define XEN_E2BIG        7   /* more elements than one call may carry */
#define XEN_ENOBUFS      105 /* the caller's buffer is too small; needed size is reported */
#define XEN_ERANGE       34
#define XEN_EDOM         33
#define XEN_EOVERFLOW    75 /* a result or count does not fit its field */
#define XEN_EMSGSIZE     90
#define XEN_EBADMSG      74
#define XEN_EILSEQ       84
#define XEN_ENAMETOOLONG 36

/* The caller's rights. */
#define XEN_EPERM  1  /* this domain may not do that */
#define XEN_EACCES 13 /* wrong interface version in a control call, or refused by its owner */
#define XEN_EROFS  30

/* The object named. */
#define XEN_ENOENT  2 /* no such object */
#define XEN_ESRCH   3 /* no such domain or vCPU */
#define XEN_ENXIO   6 /* no such device, or index past the end */
#define XEN_ENODEV  19
#define XEN_EEXIST  17 /* there is one already */
#define XEN_EBADF   9
#define XEN_ECHILD  10
#define XEN_EXDEV   18
#define XEN_ENOTDIR 20
#define XEN_EISDIR  21
#define XEN_ENODATA 61

/* Resources and state. */
#define XEN_EAGAIN      11 /* transient: ask again */
#define XEN_EWOULDBLOCK XEN_EAGAIN
#define XEN_EBUSY       16 /* in use, or in a state in which this cannot be done */
#define XEN_ENOMEM      12
#define XEN_ENOSPC      28 /* a fixed table (ports, ids, handles) is full */
#define XEN_ENFILE      23
#define XEN_EMFILE      24
#define XEN_EMLINK      31
#define XEN_EDEADLK     35
#define XEN_EDEADLOCK   XEN_EDEADLK
#define XEN_ENOLCK      37
#define XEN_ENOTEMPTY   39
#define XEN_ETIME       62  /* the moment asked for has passed */
#define XEN_ETIMEDOUT   110 /* waited in vain */
#define XEN_EIO         5
#define XEN_ENOEXEC     8

/* Connections. */
#define XEN_ENOTSOCK      88
#define XEN_EADDRINUSE    98
#define XEN_EADDRNOTAVAIL 99
#define XEN_EISCONN       106
#define XEN_ENOTCONN      107
#define XEN_ECONNREFUSED  111

/*
 * Used inside a hypervisor to ask for a continuation.  A caller should not see
 * them; the one way is a per-element error of a batch that was interrupted.
 */
#define XEN_EINTR    4
#define XEN_ERESTART 85

#endif
