/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The questions of this gateway's clients to the stores: each waits for its store, flies, comes
 * back to wait when its store was lost, and is answered by its deadline whatever happens. An answer
 * after the deadline is still seen, so that what it opened can be closed again. Pure: it sends
 * nothing and the clock is told; store_link.c does the rest.
 */
#ifndef SLUICE_SERVICES_GATEWAY_PENDING_H
#define SLUICE_SERVICES_GATEWAY_PENDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/str.h"
#include "common/wheel.h"

enum pending_state { PENDING_WAITING, PENDING_FLYING };

/* Owned by struct pending; the owner of that reads it. */
struct pending_call {
    struct pending_call *next, **link; /* queue of waiting calls of its store */
    struct wheel_node timer;
    struct pending *owner;
    uint64_t number; /* rising */
    uint64_t conn;
    uint64_t ticket;
    uint64_t deadline_ms;
    uint64_t key; /* of the owner of struct pending, as the next one; 0 at first */
    uint64_t visited;
    uint8_t *body; /* encoded question */
    size_t body_len;
    uint16_t method;
    uint8_t store; /* queue that it waits in */
    uint8_t state; /* enum pending_state */
    bool answered; /* the deadline has passed and the client knows: only the echo is awaited */
};

struct pending;

/* The deadline has passed. The call stays if it flies (answered is set), and is freed after fn
 * otherwise. */
typedef void (*pending_expired_fn)(void *arg, struct pending_call *call);

/* New; at most cap calls, for at most `stores` stores. */
struct pending *pending_new(size_t cap, unsigned stores, uint64_t now_ms, pending_expired_fn fn,
                            void *arg);
void pending_free(struct pending *pending);

/* A waiting call, behind all others of its store; takes body (mem_free). NULL when full: body is
 * freed. Borrowed until pending_remove. */
struct pending_call *pending_add(struct pending *pending, unsigned store, uint16_t method,
                                 uint64_t conn, uint64_t ticket, uint8_t *body, size_t body_len,
                                 uint64_t deadline_ms);
/* The first waiting call of the store, NULL when none waits. */
struct pending_call *pending_first(struct pending *pending, unsigned store);
/* A waiting call, behind all others of another store. */
void pending_move(struct pending_call *call, unsigned store);
/* It was sent. */
void pending_fly(struct pending_call *call);
/* Its answer will not come: it waits again, where it was in the order. Not for an answered one. */
void pending_land(struct pending_call *call);
/* Ends the call in any state. */
void pending_remove(struct pending_call *call);
/* Calls the expired function for what is overdue. */
void pending_expire(struct pending *pending, uint64_t now_ms);
/* What pending_new was given. */
void *pending_arg(const struct pending *pending);
size_t pending_count(const struct pending *pending);

#endif
