/* SPDX-License-Identifier: Apache-2.0 */
/* A page of retained messages that match a filter, copied from the driver by the reading threads;
 * what has expired is left out. */
#ifndef SERVICES_STORE_RETAINED_PAGE_H
#define SERVICES_STORE_RETAINED_PAGE_H

#include "common/buf.h"
#include "services/store/read_pool.h"

struct store;
struct retained_page;

typedef void (*retained_page_fn)(struct store *store, struct retained_page *page);

struct retained_page {
    struct read_job job; /* .err: how it went */
    struct store *store;
    retained_page_fn fn;
    void *arg;
    uint64_t now_ms; /* wall clock */
    size_t max_count;
    size_t max_bytes;
    struct buf filter;
    struct buf after;
    struct buf next; /* topic to go on behind; empty: complete */
    size_t count;
    size_t size;
    struct slice *records; /* the page's, until fn returns */
};

/* Asks for a page (limits and `after` as driver_retained_page). deadline_ms: monotonic, 0: tried
 * until it works. fn is called once, later, with ERR_CANCELLED when the store is taken down; the
 * page is freed after it. */
void retained_page_read(struct store *store, struct slice filter, struct slice after,
                        size_t max_count, size_t max_bytes, uint64_t deadline_ms,
                        retained_page_fn fn, void *arg);

#endif
