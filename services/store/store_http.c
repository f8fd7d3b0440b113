/* SPDX-License-Identifier: Apache-2.0 */
/* Probes and metrics; see store_http.h. */
#include "services/store/store_http.h"

#include "common/log.h"
#include "services/store/lease_keeper.h"
#include "services/store/report.h"
#include "services/store/store_start.h"

static bool
ready(void *arg)
{
    struct store *store = arg;
    if (!store->started) /* a spare is ready for what it is there for */
        return store_start_is_waiting(store->start);
    return store->serving && commit_state(store->commit) == OK &&
           read_pool_state(store->reads) == OK;
}

static void
add_peer(void *arg, struct peer *peer)
{
    struct buf *json = arg;
    struct slice so_far = buf_slice(json);
    if (!peer_is_up(peer))
        return;
    if (so_far.len != 0 && so_far.data[so_far.len - 1] != '[')
        buf_put_u8(json, ',');
    buf_append_cstr(json, "{\"service\":");
    http_json_string(json, slice_cstr(peer_service(peer)));
    buf_append_cstr(json, ",\"name\":");
    http_json_string(json, slice_cstr(peer_name(peer)));
    buf_printf(json, ",\"incarnation\":\"%016llx\"}", (unsigned long long)peer_incarnation(peer));
}

static bool
health(void *arg, struct buf *json)
{
    struct store *store = arg;
    enum err err;
    if (!store->started) {
        buf_printf(json,
                   ",\"serving\":false,\"starting\":true,\"waiting_for_shard\":%s,\"reason\":",
                   store_start_is_waiting(store->start) ? "true" : "false");
        http_json_string(json, slice_cstr(store_start_reason(store->start)));
        return store_start_is_waiting(store->start);
    }
    err = commit_state(store->commit);
    buf_printf(json,
               ",\"serving\":%s,\"driver\":\"%s\",\"commit\":", store->serving ? "true" : "false",
               store->driver->ops->name);
    http_json_string(json, slice_cstr(err_text(err)));
    buf_append_cstr(json, ",\"reason\":");
    http_json_string(json, slice_cstr(commit_reason(store->commit)));
    buf_append_cstr(json, ",\"reads\":");
    http_json_string(json, slice_cstr(err_text(read_pool_state(store->reads))));
    buf_append_cstr(json, ",\"lease\":");
    http_json_string(json, slice_cstr(err_text(lease_keeper_state(store->lease))));
    buf_printf(
        json,
        ",\"shard\":%u,\"shards\":%u,\"sessions\":%llu,\"connected\":%llu,\"queued_messages\":%llu,"
        "\"queued_bytes\":%llu,\"outbox\":%zu,\"peers\":[",
        store->shard, store->shards.count, (unsigned long long)sessions_count(store->sessions),
        (unsigned long long)store->connected, (unsigned long long)store->queue_count,
        (unsigned long long)store->queue_bytes, outbox_count(store->outbox));
    peers_each(store->peers, add_peer, json);
    buf_put_u8(json, ']');
    return err == OK && read_pool_state(store->reads) == OK &&
           lease_keeper_state(store->lease) == OK && store->has_core;
}

static void
gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
    metrics_put(out, name, "gauge", help, (double)value);
}

static void
scrape(void *arg, struct buf *out)
{
    struct store *store = arg;
    const struct driver_totals *totals = &store->totals; /* of the last second */
    struct core_client_stats cores;
    gauge(out, "sluice_store_waiting_for_shard",
          "1: another store has the shard; a spare: no shard is without a store",
          !store->started && store_start_is_waiting(store->start));
    if (!store->started)
        return;
    gauge(out, "sluice_store_lease_failing",
          "1: the lease of the shard cannot be renewed in the database",
          lease_keeper_state(store->lease) != OK);
    cores = core_client_stats(store->cores);
    gauge(out, "sluice_store_serving", "1: takes connections", store->serving ? 1 : 0);
    gauge(out, "sluice_store_degraded", "1: commits or reads fail",
          commit_state(store->commit) != OK || read_pool_state(store->reads) != OK);
    gauge(out, "sluice_store_sessions", "Sessions, connected or not",
          sessions_count(store->sessions));
    gauge(out, "sluice_store_persistent", "Sessions that outlive their connection",
          store->persistent);
    gauge(out, "sluice_store_connected", "Sessions with a connection", store->connected);
    gauge(out, "sluice_store_subscriptions", "Subscriptions of persistent sessions",
          subscriptions_count(store->subscriptions));
    gauge(out, "sluice_store_filters", "Different filters of persistent sessions",
          subscriptions_filter_count(store->subscriptions));
    gauge(out, "sluice_store_queue_messages", "Messages in queues of sessions", store->queue_count);
    gauge(out, "sluice_store_queue_bytes",
          "Bytes of messages in queues, shared bodies counted once "
          "per session",
          store->queue_bytes);
    gauge(out, "sluice_store_outbox", "Own publishes that no core has answered",
          outbox_count(store->outbox));
    gauge(out, "sluice_store_outbox_unsent", "Of these, in no feed yet", cores.unsent);
    gauge(out, "sluice_store_origins", "Publishers of tokens remembered",
          origins_count(store->origins));
    gauge(out, "sluice_store_commit_waiting_bytes", "Bytes that wait for the disk",
          commit_bytes(store->commit));
    gauge(out, "sluice_store_password_checks_waiting", "Passwords that wait to be checked",
          verify_pool_waiting(store->pool));
    metrics_put(out, "sluice_store_loop_lag_seconds", "gauge", "Lag of the owner thread",
                (double)loop_lag_us(store->loop) / 1e6);
    gauge(out, "sluice_store_reads_waiting", "Reads that have not come back",
          read_pool_waiting(store->reads));
    gauge(out, "sluice_store_retained_messages",
          "Retained messages; of a table that stores share, shard 0 says how many",
          report_counts_retained(store) ? totals->retained_count : 0);
    gauge(out, "sluice_store_retained_bytes", "Bytes of these",
          report_counts_retained(store) ? totals->retained_bytes : 0);
    gauge(out, "sluice_store_users", "Users", totals->user_count);
    gauge(out, "sluice_store_used_bytes", "Bytes in use of the database", totals->used_bytes);
    gauge(out, "sluice_store_limit_bytes", "Bytes that the database may use", totals->limit_bytes);
}

enum err
store_http_open(struct store *store)
{
    const struct conf_common *common = &store->config->common;
    struct http_config config = {
        .bind = common->http_bind,
        .port = (uint16_t)common->http_port,
        .program = "sluice-store",
        .version = SLUICE_VERSION,
        .metrics = store->metrics,
        .ready = ready,
        .health = health,
        .arg = store,
    };
    enum err err;
    metrics_on_scrape(store->metrics, scrape, store);
    metrics_add_process(store->metrics, "sluice-store", SLUICE_VERSION);
    if (common->http_port == 0)
        return OK;
    err = http_open(store->loop, &config, &store->http);
    if (err != OK)
        log_error("http_not_opened", LOG_U64("port", common->http_port), LOG_ERR(err), LOG_END);
    return err;
}

void
store_http_close(struct store *store)
{
    if (store->http != NULL)
        http_close(store->http);
    store->http = NULL;
}
