/* SPDX-License-Identifier: Apache-2.0 */
/* Counters, gauges and histograms, rendered in the Prometheus text format 0.0.4. Series are created
 * at start or at the edge, then kept by pointer: adding is a plain store to a shard of the
 * thread's own. It opens no port: http.h serves what metrics_render writes. */
#ifndef SLUICE_COMMON_METRICS_H
#define SLUICE_COMMON_METRICS_H

#include "common/buf.h"

#include <stdatomic.h>
#include <stdint.h>

#define METRICS_SERIES_MAX 256 /* series per name; further ones share one labelled "other" */
#define METRICS_SHARDS     8
#define METRICS_BOUNDS_MAX 32

struct metrics;

struct metric_label {
    const char *key;
    const char *value;
};

struct metric_cell {
    _Alignas(64) _Atomic uint64_t value;
};

struct metric_counter {
    struct metric_cell cells[METRICS_SHARDS];
};

struct metric_gauge {
    _Atomic int64_t value;
};

struct metric_histogram {
    const uint64_t *bounds;  /* rising upper bounds; owned by the registry */
    size_t bound_count;      /* <= METRICS_BOUNDS_MAX */
    size_t stride;           /* numbers per shard: buckets, +Inf, sum */
    _Atomic uint64_t *cells; /* METRICS_SHARDS * stride */
};

/* New; free when no thread adds any more. All pointers handed out end with it. */
struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* Finds or creates a series, borrowed until metrics_free. Any thread. name must be a valid metric
 * name and of one kind only (asserted); counters are named ..._total. labels may be NULL; values
 * are escaped. Texts are copied. */
struct metric_counter *metrics_counter(struct metrics *metrics, const char *name, const char *help,
                                       const struct metric_label *labels, size_t label_count);
struct metric_gauge *metrics_gauge(struct metrics *metrics, const char *name, const char *help,
                                   const struct metric_label *labels, size_t label_count);
/* Values are whole numbers of a small unit; shown divided by divisor (1000000 for microseconds
 * shown as seconds, 1 for counts). bounds are copied. */
struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name,
                                           const char *help, const struct metric_label *labels,
                                           size_t label_count, const uint64_t *bounds,
                                           size_t bound_count, uint64_t divisor);

/* 50 us to 10 s, for histograms in microseconds with divisor METRICS_US. */
#define METRICS_US 1000000u
extern const uint64_t metrics_bounds_us[];
extern const size_t metrics_bounds_us_count;

/* fn runs at every scrape, before rendering, on the scraping thread: set gauges there. It may
 * append own families to out with metrics_put. At most 16. */
typedef void (*metrics_scrape_fn)(void *arg, struct buf *out);
void metrics_on_scrape(struct metrics *metrics, metrics_scrape_fn fn, void *arg);
/* One family of one unlabelled series; type "gauge" or "counter". */
void metrics_put(struct buf *out, const char *name, const char *type, const char *help,
                 double value);
/* Process families (memory, descriptors, CPU, start time) and sluice_build_info. */
void metrics_add_process(struct metrics *metrics, const char *program, const char *version);

/* Appends everything. The error of out tells when it did not fit. Any thread, one at a time per
 * registry is ensured inside. */
void metrics_render(struct metrics *metrics, struct buf *out);

/* This thread's shard, given out at its first use: its own while there are any, then the last one,
 * which all further threads share. */
extern _Thread_local unsigned metrics_shard_plus1;
unsigned metrics_shard_assign(void);

static inline unsigned
metrics_shard(void)
{
    unsigned shard = metrics_shard_plus1;
    return shard != 0 ? shard - 1 : metrics_shard_assign();
}

static inline void
metric_counter_add(struct metric_counter *counter, uint64_t n)
{
    unsigned shard = metrics_shard();
    _Atomic uint64_t *value = &counter->cells[shard].value;
    /* Nobody else writes to a shard of one's own. A locked operation would wait for all that this
     * thread has written before, a message for another one perhaps. */
    if (shard < METRICS_SHARDS - 1)
        atomic_store_explicit(value, atomic_load_explicit(value, memory_order_relaxed) + n,
                              memory_order_relaxed);
    else
        atomic_fetch_add_explicit(value, n, memory_order_relaxed);
}

uint64_t metric_counter_get(const struct metric_counter *counter);

static inline void
metric_gauge_set(struct metric_gauge *gauge, int64_t value)
{
    atomic_store_explicit(&gauge->value, value, memory_order_relaxed);
}

static inline void
metric_gauge_add(struct metric_gauge *gauge, int64_t n)
{
    atomic_fetch_add_explicit(&gauge->value, n, memory_order_relaxed);
}

static inline int64_t
metric_gauge_get(const struct metric_gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

/* Counts value in the first bucket whose bound is >= value. */
static inline void
metric_histogram_observe_n(struct metric_histogram *h, uint64_t value, uint64_t times)
{
    _Atomic uint64_t *cells = h->cells + metrics_shard() * h->stride;
    size_t at = 0;
    while (at < h->bound_count && value > h->bounds[at])
        at++;
    atomic_fetch_add_explicit(&cells[at], times, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[h->bound_count + 1], value * times, memory_order_relaxed);
}

static inline void
metric_histogram_observe(struct metric_histogram *h, uint64_t value)
{
    metric_histogram_observe_n(h, value, 1);
}

#endif
