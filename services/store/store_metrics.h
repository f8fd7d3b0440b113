/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers that sluice-store shows, as pointers to series. What moves them is the desks'. */
#ifndef SERVICES_STORE_STORE_METRICS_H
#define SERVICES_STORE_STORE_METRICS_H

#include "common/drops.h"
#include "common/metrics.h"

/* Why a message left a queue without being acknowledged, or never got in. */
enum store_drop {
    STORE_DROP_QUEUE_FULL,
    STORE_DROP_EXPIRED,
    STORE_DROP_SESSION_END,
    STORE_DROP_QOS0,
    STORE_DROP_TOTAL_FULL,    /* queues of all sessions together */
    STORE_DROP_RETAINED_FULL, /* not retained */
    STORE_DROP_COUNT
};

extern const struct drops_reason store_metrics_drops[STORE_DROP_COUNT];

struct store_metrics {
    struct metric_counter *publishes; /* taken from cores */
    struct metric_counter *repeats;   /* recognised and not taken again */
    struct metric_counter *late;      /* retained QoS 0 of a former era, dropped */
    struct metric_counter *queued;    /* queue entries */
    struct metric_counter *delivered; /* pushed to gateways */
    struct metric_counter *acked;
    struct metric_counter *moved; /* from a sleeping member of a shared subscription */
    struct metric_counter *inbound;
    struct metric_counter *wills;
    struct metric_counter *opens;
    struct metric_counter *refused;
    struct metric_counter *quota; /* opens refused for the number of sessions */
    struct metric_counter *takeovers;
    struct metric_counter *expired; /* sessions */
    struct metric_counter *stale;   /* records and calls of an epoch that has passed */
    struct metric_counter *malformed;
    struct metric_counter *unreadable; /* queues: their clients were disconnected */
    struct metric_counter *parked;
    struct metric_counter *foreign;         /* what belongs to another shard */
    struct metric_counter *retained_missed; /* another store did not answer for them in time */
    struct metric_counter *verified;        /* passwords hashed */
    struct metric_counter *dropped[STORE_DROP_COUNT];
    struct metric_counter *commits;
    struct metric_counter *commit_failures;
    struct metric_histogram *commit_us;
    struct metric_counter *reads;
    struct metric_counter *read_failures;
    struct metric_histogram *read_us;
    struct metric_histogram *commit_ops;
};

void store_metrics_init(struct store_metrics *counters, struct metrics *metrics);

#endif
