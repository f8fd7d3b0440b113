/* SPDX-License-Identifier: Apache-2.0 */
/* Wills of connections that were taken over while their gateway may already have said how they
 * ended: that word travels in the feed, the open that takes over in a call, and either may be
 * first. So such a will waits until the gateway has spoken, or for a while. Pure: the clock is
 * told. */
#ifndef SERVICES_STORE_LATE_WILLS_H
#define SERVICES_STORE_LATE_WILLS_H

#include "services/store/sessions.h"

#include <stdint.h>

struct late_wills;

struct late_wills *late_wills_new(void);
void late_wills_free(struct late_wills *wills);
/* Takes the will of a connection of session in epoch. */
void late_wills_add(struct late_wills *wills, uint64_t session, uint64_t epoch,
                    struct session_will *will, uint64_t until_ms);
/* The gateway has spoken: gives the will back (the caller's), or NULL. */
struct session_will *late_wills_take(struct late_wills *wills, uint64_t session, uint64_t epoch);
/* One will whose time is over at now_ms (the caller's), or NULL. */
struct session_will *late_wills_due(struct late_wills *wills, uint64_t now_ms, uint64_t *session);

#endif
