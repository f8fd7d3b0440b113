/* SPDX-License-Identifier: Apache-2.0 */
/* A publish that a core routed to this store: retained, or wanted by persistent sessions. */
#include "common/log.h"
#include "services/store/desks.h"
#include "services/store/retained_jobs.h"
#include "services/store/session_push.h"

static void
put_token_set(void *arg, uint64_t origin, struct slice encoded)
{
    struct store *store = arg;
    batch_token_set_put(commit_batch(store->commit), origin, encoded);
}

void
on_routed_end(struct store *store)
{
    origins_flush(store->origins, put_token_set, store);
}

/* Whether it was taken before. */
static bool
is_repeat(struct store *store, const struct publish_record *record)
{
    static struct log_limit limit;
    uint64_t suppressed;
    bool seen = false;
    enum err err;
    if (record->token == 0)
        return false;
    err = origins_take(store->origins, record->origin, record->token, record->floor,
                       store_wall_ms(store), &seen);
    if (err != OK && log_every(&limit, 10000, &suppressed))
        log_warn("token_not_remembered", LOG_HEX("origin", record->origin), LOG_ERR(err),
                 LOG_U64("suppressed", suppressed), LOG_END);
    return err == OK && seen;
}

static void
retain(struct store *store, const struct publish_record *record, struct slice bytes)
{
    struct batch *batch = commit_batch(store->commit);
    if (record->payload.len == 0)
        batch_retained_delete(batch, record->topic);
    else
        batch_retained_put(batch, record->topic, record->expiry_ms, &bytes, 1);
}

void
on_routed_publish(struct store *store, struct slice body)
{
    struct publish_record record;
    struct subscription_hit *hits;
    size_t count;
    if (publish_record_decode(body, &record) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    if (is_repeat(store, &record)) {
        metric_counter_add(store->counters.repeats, 1);
        return;
    }
    metric_counter_add(store->counters.publishes, 1);
    if (record.expiry_ms != 0 && record.expiry_ms <= store_wall_ms(store)) {
        metric_counter_add(store->counters.dropped[STORE_DROP_EXPIRED], 1);
        return;
    }
    if (record.retain)
        retain(store, &record, body);
    if (record.qos == 0)
        return;
    if (record.retain)
        retained_jobs_overtaken(store, record.topic);
    count = subscriptions_match(store->subscriptions, record.topic, record.publisher, &hits);
    if (count != 0)
        session_push_message(store, &record, body, hits, count);
}
