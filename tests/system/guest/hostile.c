/* SPDX-License-Identifier: MIT */
/*
 * A guest that does all it can to its rings and to its part of the store, and
 * says on its console how far it has come:
 *
 *   HOSTILE: paths done     nonsense in every node it may write, and refused ones
 *   HOSTILE: quota N        nodes it could make until the store said ENOSPC
 *   HOSTILE: store done     rounds of nonsense in the store's ring
 *
 * A while later both rings are noise, for ever.
 */
#include "guest-pv-headers/io/xs_wire.h"
#include "tests/system/guest/say.h"

#define NODES  2000
#define ROUNDS 3000
#define CALM   (30000 * MILLISECOND) /* to read the console in before noise pushes it out */

static volatile struct xenstore_domain_interface *store;
static char payload[XENSTORE_PAYLOAD_MAX];

static unsigned int noise(void)
{
    static unsigned int state = 12345;

    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static void tell_store(void)
{
    barrier();
    (void)port_send(start_info->store_evtchn);
}

/* --- requests as they should be ------------------------------------------------------ */

/* Whether there is room in the ring for a byte, sooner or later. */
static bool has_room(void)
{
    if (store->req_prod - store->req_cons < XENSTORE_RING_SIZE) {
        return true;
    }
    tell_store();
    return wait_for(store->req_prod - store->req_cons < XENSTORE_RING_SIZE, 20000);
}

/* Whether there is a byte of an answer. */
static bool has_come(void)
{
    if (store->rsp_prod != store->rsp_cons) {
        return true;
    }
    tell_store();
    return wait_for(store->rsp_prod != store->rsp_cons, 20000);
}

static bool send(const void *data, size_t length)
{
    const char *bytes = data;

    for (size_t i = 0; i < length; i++) {
        if (!has_room()) {
            return false;
        }
        store->req[MASK_XENSTORE_IDX(store->req_prod)] = bytes[i];
        barrier();
        store->req_prod++;
    }
    tell_store();
    return true;
}

static bool receive(void *data, size_t length)
{
    char *bytes = data;

    for (size_t i = 0; i < length; i++) {
        if (!has_come()) {
            return false;
        }
        bytes[i] = store->rsp[MASK_XENSTORE_IDX(store->rsp_cons)];
        barrier();
        store->rsp_cons++;
    }
    return true;
}

/* The type of the answer; `payload` has the rest.  Events are passed over. */
static unsigned int request(unsigned int type, const char *first, const char *second, size_t length)
{
    struct xsd_sockmsg head = { .type = type, .req_id = 7 };
    size_t path = strlen(first) + 1;

    head.len = (uint32_t)(path + length);
    if (!send(&head, sizeof(head)) || !send(first, path) || !send(second, length)) {
        return XS_INVALID;
    }
    do {
        if (!receive(&head, sizeof(head)) || head.len > sizeof(payload) ||
            !receive(payload, head.len)) {
            return XS_INVALID;
        }
    } while (head.type == XS_WATCH_EVENT);
    payload[head.len < sizeof(payload) ? head.len : sizeof(payload) - 1] = '\0';
    return head.type;
}

static bool refused(const char *why)
{
    return memcmp(payload, why, strlen(why) + 1) == 0;
}

/* What dom0's programs read of a guest, and what they must not be made to believe. */
static void attack_paths(void)
{
    static const char *const own[] = {
        "device/vbd/51712/state",
        "device/vbd/51712/ring-ref",
        "device/vbd/51712/event-channel",
        "device/vbd/51712/protocol",
        "device/vbd/51712/backend",
        "device/vbd/51712/backend-id",
        "device/vif/0/tx-ring-ref",
        "device/vif/0/rx-ring-ref",
        "device/vif/0/event-channel",
        "device/vif/0/request-rx-copy",
        "device/vif/0/backend",
        "device/vif/0/state",
        "control/shutdown",
        "control/feature-poweroff",
        "attr/x",
        "error/device/vbd/51712/error",
    };
    static const char *const foreign[] = {
        "/local/domain/0/name",
        "/paravane/guest/1/name",
        "/paravane/guest/99/name",
        "/paravane/name/hostile",
        "/tool/x",
        "/vm/x",
        "name",
        "vm",
        "domid",
        "console/tty",
        "console/port",
        "console/ring-ref",
        "device",
        "/local/domain/0/backend/vbd/1/51712/params",
    };
    static const char *const values[] = { "",  "4",        "99999999999999999999", "-1", "6", "3",
                                          "1", "../../..", "\033[2J\007%s%n\xff" };
    char big[1500];

    memset(big, 'A', sizeof(big));
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(values); j++) {
            (void)request(XS_WRITE, own[i], values[j], strlen(values[j]));
        }
        (void)request(XS_WRITE, own[i], big, sizeof(big));
        (void)request(XS_SET_PERMS, own[i], "b0", 3);
    }
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
        if (request(XS_WRITE, foreign[i], "x", 1) != XS_ERROR || !refused("EACCES")) {
            say("HOSTILE: could write ");
            say(foreign[i]);
            say("\r\n");
        }
        (void)request(XS_RM, foreign[i], "", 0);
    }
    for (unsigned int type = 0; type < 40; type++) {
        (void)request(type, "data", "\0\0T", 3);
        (void)request(type, "", "", 0);
    }
    say("HOSTILE: paths done\r\n");
}

static void attack_quota(void)
{
    char path[] = "feature/0000";
    unsigned int made = 0;

    while (made < NODES) {
        for (unsigned int digit = 0, rest = made; digit < 4; digit++, rest /= 10) {
            path[sizeof(path) - 2 - digit] = (char)('0' + rest % 10);
        }
        if (request(XS_WRITE, path, "x", 1) == XS_ERROR) {
            break;
        }
        made++;
    }
    say(refused("ENOSPC") ? "HOSTILE: quota " : "HOSTILE: no quota ");
    say_number(made);
    say("\r\n");
}

/* --- and as they should not ---------------------------------------------------------- */

static void store_noise(void)
{
    struct xsd_sockmsg head = { .type = noise() % 30, .req_id = noise(), .tx_id = noise() % 3 };
    unsigned int kind = noise() % 8;

    head.len = kind < 3 ? noise() % 64 : kind < 5 ? noise() : XENSTORE_PAYLOAD_MAX + noise() % 3;
    for (unsigned int i = 0; i < sizeof(head); i++) {
        store->req[MASK_XENSTORE_IDX(store->req_prod + i)] = ((const char *)&head)[i];
    }
    for (unsigned int i = 0; i < 64; i++) {
        store->req[noise() % XENSTORE_RING_SIZE] = (char)noise();
    }
    barrier();
    store->req_prod += kind == 7 ? noise() : noise() % XENSTORE_RING_SIZE;
    if (noise() % 4 == 0) {
        store->rsp_cons = noise() % 2 == 0 ? store->rsp_prod : noise();
    }
    if (noise() % 16 == 0) {
        store->req_cons = noise();
        store->rsp_prod = noise();
        store->server_features = noise();
    }
    if (noise() % 4 == 0) {
        store->connection = noise() % 2 == 0 ? XENSTORE_RECONNECT : noise();
    }
    tell_store();
}

static void console_noise(void)
{
    console->out[noise() % OUT_SIZE] = (char)noise();
    console->out_prod += noise() % 4 == 0 ? noise() : noise() % OUT_SIZE;
    if (noise() % 4 == 0) {
        console->in_cons = noise();
        console->in_prod = noise();
        console->out_cons = noise();
    }
    tell_console();
}

void test_main(void)
{
    uint64_t calm;

    store = mfn_to_va(start_info->store_mfn);
    console_open();
    attack_paths();
    attack_quota();
    for (unsigned int i = 0; i < ROUNDS; i++) {
        store_noise();
        hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
    }
    say("HOSTILE: store done\r\n");
    calm = now() + CALM;
    for (;;) {
        store_noise();
        if (now() > calm) {
            console_noise();
        }
    }
}
