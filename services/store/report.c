/* SPDX-License-Identifier: Apache-2.0 */
/* See report.h. */
#include "services/store/report.h"

#include "common/mem.h"
#include "proto/records.h"
#include "services/store/driver_open.h"
#include "services/store/retained_limit.h"
#include "services/store/store.h"
#include "services/store/store_link.h"

#include <string.h>

#define REPORT_MS 1000u

bool
report_counts_retained(const struct store *store)
{
    return store->shard == 0 ||
           strcmp(driver_open_choice(store->config, DRIVER_RETAINED), "embedded") == 0;
}

static void
count(const struct store *store, uint64_t now_ms, struct records_counters *out)
{
    uint64_t *values = out->values;
    unsigned i;
    values[COUNTER_RETAINED] = report_counts_retained(store) ? store->totals.retained_count : 0;
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

struct totals_job {
    struct read_job job;
    struct store *store;
    struct driver_totals totals;
};

static enum err
read_totals(struct read_job *base, struct driver *driver)
{
    struct totals_job *job = (struct totals_job *)(void *)base; /* its first member */
    return driver_totals(driver, &job->totals);
}

static void
totals_read(struct read_job *base)
{
    struct totals_job *job = (struct totals_job *)(void *)base;
    job->store->totals_wanted = false;
    if (base->err == OK)
        job->store->totals = job->totals;
    mem_free(job);
}

static void
ask_totals(struct store *store)
{
    struct totals_job *job;
    if (store->totals_wanted)
        return;
    store->totals_wanted = true;
    retained_limit_counted(store);
    job = mem_zalloc(sizeof(*job));
    job->job = (struct read_job){.read = read_totals, .done = totals_read};
    job->store = store;
    read_pool_submit(store->reads, &job->job);
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
    ask_totals(store);
    count(store, now_ms, &report);
    part = slice_of(bytes, records_counters_encode(&report, bytes));
    for (link = store->links; link != NULL; link = link->next) {
        struct peer *peer =
            link->kind == STORE_LINK_CORE ? peers_by_id(store->peers, link->peer) : NULL;
        if (peer != NULL)
            (void)!peer_append(peer, FEED_CONTROL, FEED_COUNTERS, &part, 1, NULL);
    }
}
