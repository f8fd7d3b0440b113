/* SPDX-License-Identifier: Apache-2.0 */
/* See hub_metrics.h. */
#include "services/gateway/hub_metrics.h"

#include "services/gateway/hub_state.h"

static void
put_link(struct buf *out, const struct peers_stats *stats)
{
    metrics_put(out, "sluice_peer_sessions_total", "counter", "sessions with cores and stores",
                (double)stats->sessions);
    metrics_put(out, "sluice_peer_leases_ended_total", "counter", "sessions that ended in silence",
                (double)stats->leases_ended);
    metrics_put(out, "sluice_peer_frames_refused_total", "counter",
                "frames of strangers or former sessions", (double)stats->frames_refused);
    metrics_put(out, "sluice_peer_hellos_refused_total", "counter", "hellos refused",
                (double)stats->hellos_refused);
    metrics_put(out, "sluice_peer_calls_total", "counter", "calls asked", (double)stats->calls_out);
    metrics_put(out, "sluice_peer_calls_timeout_total", "counter",
                "calls without an answer in time", (double)stats->calls_timeout);
}

struct feed_sums {
    uint64_t frames_out, frames_in, records_out, bytes_out, repeats, gaps, full;
    size_t used;
};

static void
add_feed(void *arg, struct peer *peer)
{
    struct feed_sums *sums = arg;
    const struct feed_window_stats *stats = peer_feed_stats(peer);
    if (stats == NULL)
        return;
    sums->frames_out += stats->frames_out;
    sums->frames_in += stats->frames_in;
    sums->records_out += stats->records_out;
    sums->bytes_out += stats->bytes_out;
    sums->repeats += stats->repeats;
    sums->gaps += stats->gaps_in;
    sums->full += stats->full;
    sums->used += stats->used_bytes;
}

static void
put_feeds(struct buf *out, struct peers *peers)
{
    struct feed_sums sums = {0};
    peers_each(peers, add_feed, &sums);
    metrics_put(out, "sluice_feed_frames_out_total", "counter", "frames sent",
                (double)sums.frames_out);
    metrics_put(out, "sluice_feed_frames_in_total", "counter", "frames received",
                (double)sums.frames_in);
    metrics_put(out, "sluice_feed_records_out_total", "counter", "records sent",
                (double)sums.records_out);
    metrics_put(out, "sluice_feed_bytes_out_total", "counter", "bytes sent",
                (double)sums.bytes_out);
    metrics_put(out, "sluice_feed_repeats_total", "counter", "frames sent again",
                (double)sums.repeats);
    metrics_put(out, "sluice_feed_gaps_total", "counter", "gaps in received frames",
                (double)sums.gaps);
    metrics_put(out, "sluice_feed_full_total", "counter", "records refused by a full feed",
                (double)sums.full);
    metrics_put(out, "sluice_feed_window_bytes", "gauge", "bytes sent and not declared done",
                (double)sums.used);
}

static void
put_shards(struct buf *out, const struct store_link *link)
{
    static const char serving[] = "sluice_hub_shard_serving";
    static const char held[] = "sluice_hub_shard_held_bytes";
    unsigned count = store_link_count(link);
    buf_printf(out, "# HELP %s 1: the store of the shard serves\n# TYPE %s gauge\n", serving,
               serving);
    for (unsigned i = 0; i < count; i++)
        buf_printf(out, "%s{shard=\"%u\"} %d\n", serving, i, store_link_info(link, i).serving);
    buf_printf(out, "# HELP %s records that wait for the store of the shard\n# TYPE %s gauge\n",
               held, held);
    for (unsigned i = 0; i < count; i++)
        buf_printf(out, "%s{shard=\"%u\"} %zu\n", held, i, store_link_info(link, i).held_bytes);
}

static void
on_scrape(void *arg, struct buf *out)
{
    struct hub *hub = arg;
    if (hub->peers == NULL || hub->store == NULL)
        return;
    metric_gauge_set(hub->metric.filters, (int64_t)filters_count(hub->filters));
    metric_gauge_set(hub->metric.waiting_posts, (int64_t)post_box_count(hub->box));
    metric_gauge_set(hub->metric.pending_calls, (int64_t)store_link_pending_count(hub->store));
    metric_gauge_set(hub->metric.held_bytes, (int64_t)store_link_held_bytes(hub->store));
    metric_gauge_set(hub->metric.tokens_open, (int64_t)core_link_open_tokens(hub->core));
    metric_gauge_set(hub->metric.cores_serving, (int64_t)core_link_serving_count(hub->core));
    metric_gauge_set(hub->metric.stores_serving, (int64_t)store_link_serving_count(hub->store));
    metric_gauge_set(hub->metric.holding, hub->hold != 0 || hub->hold_stores != 0);
    put_shards(out, hub->store);
    put_link(out, peers_stats(hub->peers));
    put_feeds(out, hub->peers);
}

static void
on_lag(void *arg, uint64_t lag_us)
{
    struct hub *hub = arg;
    metric_histogram_observe(hub->metric.lag_us, lag_us);
}

#define COUNTER(name, help)                                                                        \
    metrics_counter(hub->metrics, "sluice_hub_" name "_total", help, NULL, 0)
#define SIGN_IN(result)                                                                            \
    metrics_counter(hub->metrics, "sluice_gateway_sign_ins_total", "users that sign in, by how",   \
                    &(struct metric_label){"result", result}, 1)
#define GAUGE(name, help) metrics_gauge(hub->metrics, "sluice_hub_" name, help, NULL, 0)
#define HISTOGRAM(name, help)                                                                      \
    metrics_histogram(hub->metrics, "sluice_hub_" name "_seconds", help, NULL, 0,                  \
                      metrics_bounds_us, metrics_bounds_us_count, METRICS_US)

void
hub_metrics_init(struct hub *hub)
{
    hub->metric = (struct hub_metrics){
        .publishes = COUNTER("publishes", "publishes given to cores"),
        .messages = COUNTER("messages", "messages that came from cores"),
        .repeats = COUNTER("repeats", "messages recognised as repeats"),
        .late =
            COUNTER("late_qos0", "QoS 0 messages that a core held back until newer ones of their "
                                 "publisher had come another way; dropped"),
        .deliveries = COUNTER("deliveries", "deliveries that stores pushed"),
        .shed = COUNTER("clients_shed", "clients sent to other gateways, which hold fewer"),
        .malformed = COUNTER("malformed", "records that made no sense"),
        .unknown = COUNTER("unknown_records", "records of an unknown type"),
        .dropped_qos0 = COUNTER("dropped_qos0", "QoS 0 publishes that no core could take"),
        .shared = COUNTER("shared", "messages from cores for members of shared subscriptions"),
        .shared_returned =
            COUNTER("shared_handed_back", "messages for shared subscriptions given back to cores"),
        .shared_refused = COUNTER("shared_refused", "messages for shared subscriptions that a core "
                                                    "gave late: another one has asked for them"),
        .shared_unclaimed =
            COUNTER("shared_unclaimed", "QoS 2 messages for shared subscriptions given to members "
                                        "without a claim: too many were waiting for theirs"),
        .shared_promises_forgotten =
            COUNTER("shared_promises_forgotten", "promises to cores given up: there were too many"),
        .dropped_records =
            COUNTER("dropped_records", "records for a store beyond what may be held"),
        .sign_ins_remembered = SIGN_IN("remembered"),
        .sign_ins_confirmed = SIGN_IN("confirmed"),
        .sign_ins_asked = SIGN_IN("asked"),
        .sign_ins_refused = SIGN_IN("refused"),
        .flapping = COUNTER("flapping_refused", "CONNECTs of clients that came too often"),
        .stores_refused =
            COUNTER("stores_refused", "stores that were not believed which shard they are"),
        .opens = COUNTER("opens", "sessions asked for"),
        .opens_refused = COUNTER("opens_refused", "sessions refused here: no answer in time"),
        .timeouts = COUNTER("request_timeouts",
                            "subscriptions and retained lookups without an answer in time"),
        .barrier_timeouts =
            COUNTER("filter_timeouts", "subscriptions that not everybody acknowledged in time"),
        .filters = GAUGE("filters", "different topic filters of this gateway"),
        .waiting_posts = GAUGE("waiting_posts", "posts that wait for a full worker"),
        .pending_calls = GAUGE("pending_calls", "questions to stores without an answer"),
        .held_bytes = GAUGE("held_bytes", "records that wait for a store"),
        .tokens_open = GAUGE("publishes_open", "publishes that a core has not answered"),
        .cores_serving = GAUGE("cores_serving", "cores that serve"),
        .stores_serving = GAUGE("stores_serving", "stores that serve"),
        .holding = GAUGE("holding", "1 while publishing clients are stopped"),
        .open_us = HISTOGRAM("open", "from CONNECT to the store's answer"),
        .lag_us = HISTOGRAM("loop_lag", "how late the hub's loop is"),
    };
    metrics_on_scrape(hub->metrics, on_scrape, hub);
    loop_measure_lag(hub->loop, on_lag, hub);
}
