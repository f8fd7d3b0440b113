/* SPDX-License-Identifier: Apache-2.0 */
/* The registry: families by name, series by label text, under one lock that adding never takes. */
#include "common/metrics.h"

#include "common/mem.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#define METRICS_HOOKS_MAX  16
#define METRICS_LABELS_MAX 8
#define METRICS_LABEL_LEN  1024 /* rendered labels of one series */

enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

static const char *const metrics_kind_texts[] = {"counter", "gauge", "histogram"};

struct metrics_series {
    struct metrics_series *next;
    char *labels; /* `reason="full"`, "" when there are none */
    union {
        struct metric_counter *counter;
        struct metric_gauge *gauge;
        struct metric_histogram *histogram;
    } as;
};

struct metrics_family {
    struct metrics_family *next;
    char *name;
    char *help;
    enum metrics_kind kind;
    uint64_t divisor;
    uint64_t *bounds;
    size_t bound_count;
    struct metrics_series *series;
    size_t series_count;
};

struct metrics_hook {
    metrics_scrape_fn fn;
    void *arg;
};

struct metrics {
    pthread_mutex_t lock;
    struct metrics_family *families; /* in the order of creation */
    struct metrics_family **last;
    struct metrics_hook hooks[METRICS_HOOKS_MAX];
    size_t hook_count;
};

_Thread_local unsigned metrics_shard_plus1;
static _Atomic unsigned metrics_shard_next;

const uint64_t metrics_bounds_us[] = {50,     100,     250,     500,     1000,   2500,
                                      5000,   10000,   25000,   50000,   100000, 250000,
                                      500000, 1000000, 2500000, 10000000};
const size_t metrics_bounds_us_count = sizeof(metrics_bounds_us) / sizeof(metrics_bounds_us[0]);

unsigned
metrics_shard_assign(void)
{
    unsigned shard = atomic_fetch_add(&metrics_shard_next, 1);
    if (shard > METRICS_SHARDS - 1)
        shard = METRICS_SHARDS - 1;
    metrics_shard_plus1 = shard + 1;
    return shard;
}

struct metrics *
metrics_new(void)
{
    struct metrics *metrics = mem_zalloc(sizeof(*metrics));
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->last = &metrics->families;
    return metrics;
}

static void
metrics_series_free(const struct metrics_family *family, struct metrics_series *series)
{
    if (family->kind == METRICS_COUNTER) {
        mem_free(series->as.counter);
    } else if (family->kind == METRICS_GAUGE) {
        mem_free(series->as.gauge);
    } else {
        mem_free(series->as.histogram->cells);
        mem_free(series->as.histogram);
    }
    mem_free(series->labels);
    mem_free(series);
}

void
metrics_free(struct metrics *metrics)
{
    struct metrics_family *family;
    if (metrics == NULL)
        return;
    while ((family = metrics->families) != NULL) {
        struct metrics_series *series;
        metrics->families = family->next;
        while ((series = family->series) != NULL) {
            family->series = series->next;
            metrics_series_free(family, series);
        }
        mem_free(family->bounds);
        mem_free(family->name);
        mem_free(family->help);
        mem_free(family);
    }
    pthread_mutex_destroy(&metrics->lock);
    mem_free(metrics);
}

static bool
metrics_name_is_valid(const char *name)
{
    const char *c;
    for (c = name; *c != '\0'; c++) {
        bool letter =
            (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_' || *c == ':';
        if (!letter && (c == name || *c < '0' || *c > '9'))
            return false;
    }
    return c != name;
}

static void
metrics_put_escaped(struct buf *out, const char *text, bool quotes)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            buf_append_cstr(out, "\\\\");
        else if (*text == '\n')
            buf_append_cstr(out, "\\n");
        else if (*text == '"' && quotes)
            buf_append_cstr(out, "\\\"");
        else
            buf_put_u8(out, (uint8_t)*text);
    }
}

/* Labels as text; values are replaced by "other" if asked or if they do not fit. New. */
static char *
metrics_labels_text(const struct metric_label *labels, size_t count, bool other)
{
    struct buf text;
    char *result;
    size_t i;
    assert(count <= METRICS_LABELS_MAX);
    buf_init(&text, METRICS_LABEL_LEN);
    for (i = 0; i < count; i++) {
        const char *value = other ? "other" : labels[i].value;
        assert(metrics_name_is_valid(labels[i].key));
        if (!str_utf8_is_valid(slice_cstr(value)))
            value = "invalid";
        buf_printf(&text, "%s%s=\"", i != 0 ? "," : "", labels[i].key);
        metrics_put_escaped(&text, value, true);
        buf_put_u8(&text, '"');
    }
    if (buf_error(&text) != OK && !other) {
        buf_fini(&text);
        return metrics_labels_text(labels, count, true);
    }
    result = slice_dup(buf_slice(&text));
    buf_fini(&text);
    return result;
}

static struct metrics_family *
metrics_family_get(struct metrics *metrics, const char *name, const char *help,
                   enum metrics_kind kind)
{
    struct metrics_family *family;
    for (family = metrics->families; family != NULL; family = family->next) {
        if (strcmp(family->name, name) == 0) {
            assert(family->kind == kind);
            return family;
        }
    }
    assert(metrics_name_is_valid(name));
    family = mem_zalloc(sizeof(*family));
    family->name = mem_strdup(name);
    family->help = mem_strdup(help);
    family->kind = kind;
    family->divisor = 1;
    *metrics->last = family;
    metrics->last = &family->next;
    return family;
}

static struct metrics_series *
metrics_series_find(const struct metrics_family *family, const char *labels)
{
    struct metrics_series *series;
    for (series = family->series; series != NULL; series = series->next) {
        if (strcmp(series->labels, labels) == 0)
            return series;
    }
    return NULL;
}

/* *fresh: the caller must still give it a value. */
static struct metrics_series *
metrics_series_get(struct metrics_family *family, const struct metric_label *labels, size_t count,
                   bool *fresh)
{
    char *text = metrics_labels_text(labels, count, false);
    struct metrics_series *series = metrics_series_find(family, text);
    struct metrics_series **last;
    if (series == NULL && family->series_count >= METRICS_SERIES_MAX) {
        mem_free(text);
        text = metrics_labels_text(labels, count, true);
        series = metrics_series_find(family, text);
    }
    *fresh = series == NULL;
    if (series != NULL) {
        mem_free(text);
        return series;
    }
    series = mem_zalloc(sizeof(*series));
    series->labels = text;
    for (last = &family->series; *last != NULL; last = &(*last)->next)
        ;
    *last = series;
    family->series_count++;
    return series;
}

struct metric_counter *
metrics_counter(struct metrics *metrics, const char *name, const char *help,
                const struct metric_label *labels, size_t label_count)
{
    struct metrics_series *series;
    bool fresh;
    pthread_mutex_lock(&metrics->lock);
    series = metrics_series_get(metrics_family_get(metrics, name, help, METRICS_COUNTER), labels,
                                label_count, &fresh);
    if (fresh)
        series->as.counter = mem_zalloc_aligned(64, sizeof(*series->as.counter));
    pthread_mutex_unlock(&metrics->lock);
    return series->as.counter;
}

struct metric_gauge *
metrics_gauge(struct metrics *metrics, const char *name, const char *help,
              const struct metric_label *labels, size_t label_count)
{
    struct metrics_series *series;
    bool fresh;
    pthread_mutex_lock(&metrics->lock);
    series = metrics_series_get(metrics_family_get(metrics, name, help, METRICS_GAUGE), labels,
                                label_count, &fresh);
    if (fresh)
        series->as.gauge = mem_zalloc(sizeof(*series->as.gauge));
    pthread_mutex_unlock(&metrics->lock);
    return series->as.gauge;
}

static struct metric_histogram *
metrics_histogram_new(const struct metrics_family *family)
{
    struct metric_histogram *histogram = mem_zalloc(sizeof(*histogram));
    histogram->bounds = family->bounds;
    histogram->bound_count = family->bound_count;
    histogram->stride = (family->bound_count + 2 + 7) / 8 * 8; /* whole cache lines per shard */
    histogram->cells =
        mem_zalloc_aligned(64, METRICS_SHARDS * histogram->stride * sizeof(*histogram->cells));
    return histogram;
}

struct metric_histogram *
metrics_histogram(struct metrics *metrics, const char *name, const char *help,
                  const struct metric_label *labels, size_t label_count, const uint64_t *bounds,
                  size_t bound_count, uint64_t divisor)
{
    struct metrics_family *family;
    struct metrics_series *series;
    bool fresh;
    assert(bound_count > 0 && bound_count <= METRICS_BOUNDS_MAX && divisor > 0);
    pthread_mutex_lock(&metrics->lock);
    family = metrics_family_get(metrics, name, help, METRICS_HISTOGRAM);
    if (family->bounds == NULL) {
        family->bounds = mem_dup(bounds, bound_count * sizeof(*bounds));
        family->bound_count = bound_count;
        family->divisor = divisor;
    }
    series = metrics_series_get(family, labels, label_count, &fresh);
    if (fresh)
        series->as.histogram = metrics_histogram_new(family);
    pthread_mutex_unlock(&metrics->lock);
    return series->as.histogram;
}

uint64_t
metric_counter_get(const struct metric_counter *counter)
{
    uint64_t sum = 0;
    size_t i;
    for (i = 0; i < METRICS_SHARDS; i++)
        sum += atomic_load_explicit(&counter->cells[i].value, memory_order_relaxed);
    return sum;
}

void
metrics_on_scrape(struct metrics *metrics, metrics_scrape_fn fn, void *arg)
{
    assert(metrics->hook_count < METRICS_HOOKS_MAX);
    metrics->hooks[metrics->hook_count++] = (struct metrics_hook){fn, arg};
}

static void
metrics_put_head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s ", name);
    metrics_put_escaped(out, help, false);
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

void
metrics_put(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    metrics_put_head(out, name, type, help);
    buf_printf(out, "%s %.15g\n", name, value);
}

static void
metrics_put_histogram(struct buf *out, const struct metrics_family *family,
                      const struct metrics_series *series)
{
    const struct metric_histogram *h = series->as.histogram;
    const char *comma = series->labels[0] != '\0' ? "," : "";
    uint64_t sums[METRICS_BOUNDS_MAX + 2] = {0};
    uint64_t below = 0;
    char labels[METRICS_LABEL_LEN + 3] = "";
    size_t shard;
    size_t i;
    for (shard = 0; shard < METRICS_SHARDS; shard++) {
        for (i = 0; i < h->bound_count + 2; i++)
            sums[i] += atomic_load_explicit(&h->cells[shard * h->stride + i], memory_order_relaxed);
    }
    for (i = 0; i <= h->bound_count; i++) {
        below += sums[i];
        buf_printf(out, "%s_bucket{%s%sle=\"", family->name, series->labels, comma);
        if (i < h->bound_count)
            buf_printf(out, "%.9g", (double)h->bounds[i] / (double)family->divisor);
        else
            buf_append_cstr(out, "+Inf");
        buf_printf(out, "\"} %" PRIu64 "\n", below);
    }
    if (series->labels[0] != '\0')
        str_format(labels, sizeof(labels), "{%s}", series->labels);
    buf_printf(out, "%s_sum%s %.15g\n%s_count%s %" PRIu64 "\n", family->name, labels,
               (double)sums[h->bound_count + 1] / (double)family->divisor, family->name, labels,
               below);
}

static void
metrics_put_series(struct buf *out, const struct metrics_family *family,
                   const struct metrics_series *series)
{
    if (family->kind == METRICS_HISTOGRAM) {
        metrics_put_histogram(out, family, series);
        return;
    }
    buf_append_cstr(out, family->name);
    if (series->labels[0] != '\0')
        buf_printf(out, "{%s}", series->labels);
    if (family->kind == METRICS_COUNTER)
        buf_printf(out, " %" PRIu64 "\n", metric_counter_get(series->as.counter));
    else
        buf_printf(out, " %" PRId64 "\n", metric_gauge_get(series->as.gauge));
}

/* Hooks run outside the lock: they may create series. */
void
metrics_render(struct metrics *metrics, struct buf *out)
{
    const struct metrics_family *family;
    const struct metrics_series *series;
    size_t i;
    for (i = 0; i < metrics->hook_count; i++)
        metrics->hooks[i].fn(metrics->hooks[i].arg, out);
    pthread_mutex_lock(&metrics->lock);
    for (family = metrics->families; family != NULL; family = family->next) {
        metrics_put_head(out, family->name, metrics_kind_texts[family->kind], family->help);
        for (series = family->series; series != NULL; series = series->next)
            metrics_put_series(out, family, series);
    }
    pthread_mutex_unlock(&metrics->lock);
}
