/* SPDX-License-Identifier: MIT */
/*
 * The "state" node that each half of a split driver has in the store.
 *
 * Usually the backend goes 1, 2, 4 and the frontend 1, 3, 4; either side begins
 * the end with 5, and 6 is the last word of both.
 */
#ifndef GUEST_PV_HEADERS_IO_XENBUS_H
#define GUEST_PV_HEADERS_IO_XENBUS_H

enum xenbus_state {
    XenbusStateUnknown = 0, /* no such node */
    XenbusStateInitialising = 1,
    XenbusStateInitWait = 2,    /* features are published; waits for the other's ring */
    XenbusStateInitialised = 3, /* ring and port are published */
    XenbusStateConnected = 4,
    XenbusStateClosing = 5, /* an error, or the device is being removed */
    XenbusStateClosed = 6,
    XenbusStateReconfiguring = 7,
    XenbusStateReconfigured = 8
};

typedef enum xenbus_state XenbusState;

#endif
