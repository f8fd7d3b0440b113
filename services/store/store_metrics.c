/* SPDX-License-Identifier: Apache-2.0 */
/* Series of sluice-store; see store_metrics.h. */
#include "services/store/store_metrics.h"

const struct drops_reason store_metrics_drops[STORE_DROP_COUNT] = {
    [STORE_DROP_QUEUE_FULL] = {"messages_dropped", "queue_full"},
    [STORE_DROP_EXPIRED] = {"messages_dropped", "expired"},
    [STORE_DROP_SESSION_END] = {"messages_dropped", "session_end"},
    [STORE_DROP_QOS0] = {"messages_dropped", "qos0"},
    [STORE_DROP_TOTAL_FULL] = {"messages_dropped", "total_full"},
    [STORE_DROP_RETAINED_FULL] = {"messages_dropped", "retained_full"},
};

static struct metric_counter *
counter(struct metrics *metrics, const char *name, const char *help)
{
    return metrics_counter(metrics, name, help, NULL, 0);
}

void
store_metrics_init(struct store_metrics *c, struct metrics *m)
{
    static const uint64_t op_bounds[] = {1, 4, 16, 64, 256, 1024, 4096, 16384, 65536};
    unsigned i;
    c->publishes = counter(m, "sluice_store_publishes_total", "Publishes taken from cores");
    c->repeats = counter(m, "sluice_store_repeats_total", "Publishes recognised as repeats");
    c->late = counter(m, "sluice_store_late_qos0_total",
                      "QoS 0 publishes that came after newer ones of their publisher; dropped");
    c->queued = counter(m, "sluice_store_queued_total", "Messages put into queues of sessions");
    c->delivered = counter(m, "sluice_store_delivered_total", "Deliveries pushed to gateways");
    c->acked = counter(m, "sluice_store_acked_total", "Deliveries acknowledged by clients");
    c->moved = counter(m, "sluice_store_shared_moved_total",
                       "Messages taken from sleeping members of shared subscriptions");
    c->inbound =
        counter(m, "sluice_store_inbound_total", "QoS 2 publishes of persistent publishers");
    c->wills = counter(m, "sluice_store_wills_total", "Wills published");
    c->opens = counter(m, "sluice_store_opens_total", "Sessions opened or resumed");
    c->refused = counter(m, "sluice_store_refused_total", "Session opens refused");
    c->quota = counter(m, "sluice_store_sessions_full_total",
                       "Session opens refused because there are too many sessions");
    c->takeovers = counter(m, "sluice_store_takeovers_total", "Sessions taken from a connection");
    c->expired = counter(m, "sluice_store_sessions_expired_total", "Sessions that expired");
    c->stale = counter(m, "sluice_store_stale_total", "Records and calls of a former epoch");
    c->malformed = counter(m, "sluice_store_malformed_total", "Records and calls not understood");
    c->unreadable =
        counter(m, "sluice_store_queues_unreadable_total",
                "Queues that cannot be read from the driver; their clients are disconnected");
    c->parked = counter(m, "sluice_store_parked_total", "Records that waited for room");
    c->foreign = counter(m, "sluice_store_foreign_total",
                         "What came here and belongs to another shard, or disagrees about shards");
    c->retained_missed =
        counter(m, "sluice_store_retained_missed_total",
                "Subscriptions that did not get what another store retains: it was away");
    c->verified = counter(m, "sluice_store_passwords_total", "Passwords hashed");
    for (i = 0; i < STORE_DROP_COUNT; i++) {
        struct metric_label label = {"reason", store_metrics_drops[i].label};
        c->dropped[i] =
            metrics_counter(m, "sluice_store_dropped_total",
                            "Messages dropped for a session, or not retained", &label, 1);
    }
    c->commits = counter(m, "sluice_store_commits_total", "Commits made durable");
    c->commit_failures = counter(m, "sluice_store_commit_failures_total", "Commits that failed");
    c->reads = counter(m, "sluice_store_reads_total", "Reads from the driver");
    c->read_failures =
        counter(m, "sluice_store_read_failures_total", "Reads that failed; they are tried again");
    c->read_us = metrics_histogram(m, "sluice_store_read_seconds", "Time of one read", NULL, 0,
                                   metrics_bounds_us, metrics_bounds_us_count, METRICS_US);
    c->commit_us = metrics_histogram(m, "sluice_store_commit_seconds", "Time of one commit", NULL,
                                     0, metrics_bounds_us, metrics_bounds_us_count, METRICS_US);
    c->commit_ops =
        metrics_histogram(m, "sluice_store_commit_changes", "Changes in one commit", NULL, 0,
                          op_bounds, sizeof(op_bounds) / sizeof(op_bounds[0]), 1);
}
