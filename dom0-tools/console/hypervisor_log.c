/* SPDX-License-Identifier: MIT */
/* The hypervisor's own log: see hypervisor_log.h. */
#include "dom0-tools/console/hypervisor_log.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "dom0-tools/daemons/report.h"
#include "guest-pv-headers/sysctl.h"
#include "guest-pv-headers/xen.h"

#define BUFFER_SIZE 16384u
#define POLL_MS     1000 /* not every hypervisor sends an event for its log */
#define FILE_NAME   "hypervisor"

/* Bytes from `*index` on, which then is that of the first; a count or a negative errno. */
static int read_log(struct hypervisor_log *log, uint32_t *index)
{
    struct xen_sysctl request = { .cmd = XEN_SYSCTL_readconsole };
    int code;

    request.u.readconsole.incremental = 1;
    request.u.readconsole.index = *index;
    request.u.readconsole.buffer = log->buffer;
    request.u.readconsole.count = BUFFER_SIZE;
    code = privcmd_sysctl(&log->consoles->privcmd, &request);
    if (code != 0) {
        return code;
    }
    if (request.u.readconsole.count > BUFFER_SIZE) {
        return -EPROTO;
    }
    *index = request.u.readconsole.index - request.u.readconsole.count;
    return (int)request.u.readconsole.count;
}

static void poll_log(struct timer *timer)
{
    struct hypervisor_log *log =
        (struct hypervisor_log *)(void *)((char *)timer - offsetof(struct hypervisor_log, timer));
    uint32_t index;
    int count;

    do {
        index = log->transcript.index;
        count = read_log(log, &index);
        if (count <= 0) {
            break;
        }
        if (index != log->transcript.index) {
            transcript_skip(&log->transcript, index); /* more was said than is kept */
        }
        if (!transcript_append(&log->transcript, (const uint8_t *)log->buffer, (size_t)count)) {
            report("cannot log what the hypervisor says: %s", strerror(log->transcript.failure));
        }
        stream_add(&log->stream, (const uint8_t *)log->buffer, (size_t)count);
    } while (count == (int)BUFFER_SIZE);
    loop_set_timer(&log->consoles->loop, timer, POLL_MS);
}

int hypervisor_log_open(struct hypervisor_log *log, struct consoles *consoles,
                        struct vmctl_error *error)
{
    const struct transcript_owner owner = { .domid = DOMID_XEN };
    const struct transcript_place place = {
        .log_directory = consoles->log_directory,
        .record_directory = consoles->record_directory,
        .name = FILE_NAME,
        .limit = consoles->log_limit,
    };
    struct vmctl_error words;
    int code;

    log->consoles = consoles;
    log->stream.loop = &consoles->loop;
    log->timer.fire = poll_log;
    if (transcript_open(&log->transcript, &place, &owner, &words) != 0) {
        report("%s", words.message);
        log->transcript = TRANSCRIPT_CLOSED;
    }
    code = transcript_open_history(&log->transcript, &log->stream.history);
    if (code != 0) {
        return vmctl_fail(error, code, "the hypervisor's log: %s", strerror(-code));
    }
    log->buffer = privcmd_buffer(&consoles->privcmd, BUFFER_SIZE);
    if (log->buffer == NULL) {
        return vmctl_fail(error, -ENOMEM, "the hypervisor's log: %s", strerror(ENOMEM));
    }
    poll_log(&log->timer);
    return 0;
}

void hypervisor_log_close(struct hypervisor_log *log)
{
    if (log->buffer == NULL) {
        return;
    }
    loop_clear_timer(&log->consoles->loop, &log->timer);
    stream_end(&log->stream);
    transcript_close(&log->transcript, false);
    history_close(&log->stream.history);
    privcmd_buffer_free(&log->consoles->privcmd, log->buffer, BUFFER_SIZE);
    log->buffer = NULL;
}
