/* SPDX-License-Identifier: Apache-2.0 */
/* See worker_counts.h. */
#include "services/gateway/worker_counts.h"

#include "common/str.h"

void
worker_counts_init(struct worker_counts *counts, struct metrics *metrics, uint8_t worker)
{
    *counts = (struct worker_counts){0};
    if (metrics == NULL)
        return;
    size_t i = 0;
#define COUNT(field, name, key, value, help)                                                       \
    counts->counters[i++] =                                                                        \
        metrics_counter(metrics, "sluice_gateway_" name "_total", help,                            \
                        &(struct metric_label){(key), (value)}, (key) != NULL ? 1 : 0);
    WORKER_COUNTS(COUNT)
#undef COUNT
#define HISTOGRAM(name, help)                                                                      \
    metrics_histogram(metrics, "sluice_gateway_" name "_seconds", help, NULL, 0,                   \
                      metrics_bounds_us, metrics_bounds_us_count, METRICS_US)
    counts->delivery_us =
        HISTOGRAM("publish_to_delivery", "from PUBLISH to its delivery here, one in 256");
    counts->acknowledge_us =
        HISTOGRAM("publish_to_acknowledgement",
                  "from PUBLISH to its acknowledgement where that waits for others, one in 256");
    counts->lag_us = HISTOGRAM("loop_lag", "how late the loop of a worker is");
    counts->connect_us = HISTOGRAM("connect", "from CONNECT to its welcome");
#undef HISTOGRAM
    char text[8];
    (void)str_format(text, sizeof(text), "%u", worker);
    struct metric_label label = {"worker", text};
    counts->connections =
        metrics_gauge(metrics, "sluice_gateway_connections", "open connections", &label, 1);
    counts->clients =
        metrics_gauge(metrics, "sluice_gateway_clients", "clients with a session", &label, 1);
    counts->clean_subscriptions =
        metrics_gauge(metrics, "sluice_gateway_clean_subscriptions",
                      "subscriptions that end with their connection", &label, 1);
    counts->subscriptions = metrics_gauge(metrics, "sluice_gateway_subscriptions",
                                          "subscriptions of open connections", &label, 1);
    counts->output_chunks = metrics_gauge(metrics, "sluice_gateway_output_chunks",
                                          "4 KiB chunks of output that wait", &label, 1);
    counts->overloaded =
        metrics_gauge(metrics, "sluice_gateway_overloaded",
                      "1: late or out of memory; new connections are refused", &label, 1);
    counts->memory = metrics_gauge(metrics, "sluice_gateway_memory_bytes",
                                   "memory in use, as memory-max counts it", NULL, 0);
    counts->tls_expires =
        metrics_gauge(metrics, "sluice_gateway_certificate_expires_timestamp_seconds",
                      "when the first TLS certificate ends; 0: no TLS", NULL, 0);
}

void
worker_counts_observe(struct metric_histogram *histogram, uint64_t us)
{
    if (histogram != NULL)
        metric_histogram_observe(histogram, us);
}

static void
publish(struct metric_counter *counter, uint64_t *number)
{
    if (counter != NULL && *number > 0)
        metric_counter_add(counter, *number);
    *number = 0;
}

void
worker_counts_publish(struct worker_counts *counts)
{
    size_t i = 0;
#define COUNT(field, name, key, value, help) publish(counts->counters[i++], &counts->field);
    WORKER_COUNTS(COUNT)
#undef COUNT
}
