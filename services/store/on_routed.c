/* SPDX-License-Identifier: Apache-2.0 */
/* A publish that a core routed to this store: retained, or wanted by persistent sessions. */
#include "common/log.h"
#include "proto/core_client.h"
#include "proto/records.h"
#include "services/store/desks.h"
#include "services/store/neighbours.h"
#include "services/store/retained_jobs.h"
#include "services/store/retained_limit.h"
#include "services/store/retained_sweep.h"
#include "services/store/session_push.h"
#include "services/store/session_shared.h"
#include "services/store/store_trace.h"

static const struct slice nobody; /* the publisher's client id is not known here */

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

/* Counts what was taken before, and what is older than what came another way. */
static bool
is_stale(struct store *store, const struct publish_record *record)
{
    static struct log_limit limit;
    uint64_t suppressed;
    bool seen = false;
    enum err err;
    if (record->token == 0) {
        seen = origins_is_late(store->origins, record->origin, record->floor, store_wall_ms(store));
        metric_counter_add(store->counters.late, seen);
        return seen;
    }
    err = origins_take(store->origins, record->origin, record->token, record->floor,
                       store_wall_ms(store), &seen);
    if (err != OK && log_every(&limit, 10000, &suppressed))
        log_warn("token_not_remembered", LOG_HEX("origin", record->origin), LOG_ERR(err),
                 LOG_U64("suppressed", suppressed), LOG_END);
    seen = err == OK && seen;
    metric_counter_add(store->counters.repeats, seen);
    return seen;
}

static void
retain(struct store *store, const struct publish_record *record, struct slice bytes)
{
    struct batch *batch = commit_batch(store->commit);
    retained_sweep_keep(store, record->topic);
    if (record->payload.len == 0) {
        batch_retained_delete(batch, record->topic);
        retained_limit_deleted(store, record->topic);
        STORE_TRACE(store, nobody, "retained", record->topic, "empty: nothing is retained now");
    } else if (!retained_limit_take(store, record, bytes.len)) {
        metric_counter_add(store->counters.dropped[STORE_DROP_RETAINED_FULL], 1);
        STORE_TRACE(store, nobody, "not_retained", record->topic,
                    store_metrics_drops[STORE_DROP_RETAINED_FULL].label);
    } else {
        batch_retained_put(batch, record->topic, record->expiry_ms, &bytes, 1);
        STORE_TRACE(store, nobody, "retained", record->topic, "for who subscribes later");
    }
}

/* Counts what is too old for anybody. */
static bool
has_expired(struct store *store, const struct publish_record *record)
{
    bool is_late = record->expiry_ms != 0 && record->expiry_ms <= store_wall_ms(store);
    metric_counter_add(store->counters.dropped[STORE_DROP_EXPIRED], is_late);
    if (is_late)
        STORE_TRACE(store, nobody, "dropped", record->topic, "expired on its way to the store");
    return is_late;
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
    if (is_stale(store, &record))
        return;
    metric_counter_add(store->counters.publishes, 1);
    if (has_expired(store, &record))
        return;
    if (record.retain && neighbours_is_ours(store, record.topic))
        retain(store, &record, body);
    if (record.qos == 0 || slice_has_prefix(record.topic, slice_cstr("$share/")))
        return; /* the latter are names of groups, not topics */
    if (record.retain)
        retained_jobs_overtaken(store, record.topic);
    count = subscriptions_match(store->subscriptions, record.topic, record.publisher, &hits);
    if (count != 0)
        session_push_message(store, &record, body, hits, count);
}

void
on_routed_shared(struct store *store, uint32_t core, struct slice body)
{
    struct records_shared shared;
    struct publish_record record;
    struct takes_copy copy = {.core = core};
    if (records_shared_publish_decode(body, &shared) != OK ||
        publish_record_decode(shared.record, &record) != OK || record.qos == 0) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    /* The same publish may come once for each group, and once for other subscriptions. */
    copy.key = takes_key(record.origin, shared.share);
    copy.token = record.token;
    copy.floor = record.floor;
    copy.qos = record.qos;
    copy.asked = (shared.flags & SHARED_ASKED) != 0;
    if (takes_arrive(store->takes, &copy, store_wall_ms(store)) == TAKES_DROP) {
        metric_counter_add(store->counters.repeats, 1);
        return;
    }
    metric_counter_add(store->counters.publishes, 1);
    if (!has_expired(store, &record))
        session_shared_push(store, &shared, &record);
}

void
on_routed_ask(struct store *store, uint32_t core, struct slice body)
{
    uint8_t answer[REPEATS_ANSWER_BYTES];
    struct repeats_ask ask;
    enum repeats_verdict verdict;
    if (repeats_ask_decode(body, &ask) != OK) {
        metric_counter_add(store->counters.malformed, 1);
        return;
    }
    verdict = takes_ask(store->takes, core, &ask, store_wall_ms(store));
    core_client_shared_tell(store->cores, core, FEED_SHARED_ANSWER,
                            slice_of(answer, repeats_answer_encode(ask.id, verdict, answer)));
}
