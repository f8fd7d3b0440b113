/* SPDX-License-Identifier: Apache-2.0 */
/* A page of a session's queue, copied from the driver by the reading threads. Who asked decides
 * what to do with it; whether the session is still what it was is for him to see (page->epoch). */
#ifndef SERVICES_STORE_QUEUE_PAGE_H
#define SERVICES_STORE_QUEUE_PAGE_H

#include "services/store/body.h"
#include "services/store/read_pool.h"
#include "services/store/sessions.h"

struct store;
struct queue_page;

struct queue_page_entry {
    uint64_t seq;
    struct body *body; /* the page's reference; set NULL when taken. NULL: PUBREC was recorded */
    uint32_t len;      /* of its record */
    uint8_t flags;     /* DELIVER_* */
    uint8_t id_count;
    uint32_t *ids; /* the page's */
};

/* session: NULL when it is gone; else the one asked about, in whatever state it is now. */
typedef void (*queue_page_fn)(struct store *store, struct session *session,
                              struct queue_page *page);

struct queue_page {
    struct read_job job; /* .err: how it went */
    struct store *store;
    queue_page_fn fn;
    void *arg;
    uint64_t session;
    uint64_t epoch; /* of the session when it was asked */
    uint64_t from;  /* first sequence number wanted */
    size_t max_count;
    size_t max_bytes;
    bool more; /* others follow */
    size_t count;
    size_t size;
    struct queue_page_entry *entries; /* rising; without what cannot be decoded */
};

/* Asks for up to max_count entries from `from` on (limits as driver_queue_page). fn is called once,
 * later; the page is freed after it. Tried until it works, as long as the session exists. Not
 * called when the store is taken down. */
void queue_page_read(struct store *store, const struct session *session, uint64_t from,
                     size_t max_count, size_t max_bytes, queue_page_fn fn, void *arg);

#endif
