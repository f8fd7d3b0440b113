/* SPDX-License-Identifier: Apache-2.0 */
/* See report.h. */
#include "services/store/report.h"

#include "proto/records.h"
#include "services/store/store.h"
#include "services/store/store_link.h"

#define REPORT_MS 1000u

static void
count(const struct store *store, uint64_t now_ms, struct records_counters *out)
{
    struct driver_totals totals = {0};
    uint64_t *values = out->values;
    unsigned i;
    if (driver_totals(store->driver, &totals) == OK)
        values[COUNTER_RETAINED] = totals.retained_count;
    values[COUNTER_CLIENTS_DISCONNECTED] = sessions_count(store->sessions) - store->connected;
    values[COUNTER_SUBSCRIPTIONS] = subscriptions_count(store->subscriptions);
    values[COUNTER_STORED_MESSAGES] = store->queue_count;
    values[COUNTER_STORED_BYTES] = store->queue_bytes;
    values[COUNTER_UPTIME_S] = (now_ms - store->started_ms) / 1000;
    values[COUNTER_CLIENTS_EXPIRED] = metric_counter_get(store->counters.expired);
    for (i = 0; i < STORE_DROP_COUNT; i++)
        values[COUNTER_PUBLISH_DROPPED] += metric_counter_get(store->counters.dropped[i]);
    out->incarnation = peers_incarnation(store->peers);
}

void
report_tick(struct store *store, uint64_t now_ms)
{
    struct records_counters report = {0};
    uint8_t bytes[RECORDS_COUNTERS_BYTES];
    const struct store_link *link;
    struct slice part;
    if (now_ms < store->report_ms)
        return;
    store->report_ms = now_ms + REPORT_MS;
    count(store, now_ms, &report);
    part = slice_of(bytes, records_counters_encode(&report, bytes));
    for (link = store->links; link != NULL; link = link->next) {
        struct peer *peer =
            link->kind == STORE_LINK_CORE ? peers_by_id(store->peers, link->peer) : NULL;
        if (peer != NULL)
            (void)!peer_append(peer, FEED_CONTROL, FEED_COUNTERS, &part, 1, NULL);
    }
}
