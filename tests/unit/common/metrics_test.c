/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of the registry and of its text format. */
#include "common/metrics.h"
#include "tests/unit/cunit_main.h"

#include <pthread.h>
#include <string.h>

static struct buf out;

static const char *
render(struct metrics *metrics)
{
    buf_fini(&out);
    buf_init(&out, 1 << 20);
    metrics_render(metrics, &out);
    CU_ASSERT_EQUAL(buf_error(&out), OK);
    buf_put_u8(&out, 0);
    return (const char *)buf_slice(&out).data;
}

static void
families_have_help_type_and_series(void)
{
    const struct metric_label full = {"reason", "full"};
    const struct metric_label odd = {"reason", "a\"b\\c\nd"};
    struct metrics *metrics = metrics_new();
    metric_counter_add(metrics_counter(metrics, "drops_total", "Drops.\n", &full, 1), 3);
    metric_counter_add(metrics_counter(metrics, "drops_total", "Drops.\n", &odd, 1), 1);
    metric_counter_add(metrics_counter(metrics, "drops_total", "Drops.\n", &full, 1), 4);
    metric_gauge_set(metrics_gauge(metrics, "depth", "Depth.", NULL, 0), -7);
    metric_gauge_add(metrics_gauge(metrics, "depth", "Depth.", NULL, 0), 2);
    CU_ASSERT_STRING_EQUAL(render(metrics), "# HELP drops_total Drops.\\n\n"
                                            "# TYPE drops_total counter\n"
                                            "drops_total{reason=\"full\"} 7\n"
                                            "drops_total{reason=\"a\\\"b\\\\c\\nd\"} 1\n"
                                            "# HELP depth Depth.\n"
                                            "# TYPE depth gauge\n"
                                            "depth -5\n");
    metrics_free(metrics);
}

static void
histogram_buckets_are_cumulative(void)
{
    static const uint64_t bounds[] = {100, 1000, 50000};
    const struct metric_label label = {"qos", "1"};
    struct metrics *metrics = metrics_new();
    struct metric_histogram *h =
        metrics_histogram(metrics, "lag_seconds", "Lag.", &label, 1, bounds, 3, METRICS_US);
    metric_histogram_observe(h, 0);
    metric_histogram_observe(h, 100);
    metric_histogram_observe(h, 101);
    metric_histogram_observe_n(h, 2000000, 2);
    CU_ASSERT_STRING_EQUAL(render(metrics), "# HELP lag_seconds Lag.\n"
                                            "# TYPE lag_seconds histogram\n"
                                            "lag_seconds_bucket{qos=\"1\",le=\"0.0001\"} 2\n"
                                            "lag_seconds_bucket{qos=\"1\",le=\"0.001\"} 3\n"
                                            "lag_seconds_bucket{qos=\"1\",le=\"0.05\"} 3\n"
                                            "lag_seconds_bucket{qos=\"1\",le=\"+Inf\"} 5\n"
                                            "lag_seconds_sum{qos=\"1\"} 4.000201\n"
                                            "lag_seconds_count{qos=\"1\"} 5\n");
    metrics_free(metrics);
}

static void
too_many_series_share_one(void)
{
    struct metrics *metrics = metrics_new();
    struct metric_counter *last = NULL;
    unsigned i;
    for (i = 0; i < METRICS_SERIES_MAX + 100; i++) {
        char value[32];
        const struct metric_label label = {"client", value};
        str_format(value, sizeof(value), "c%u", i);
        last = metrics_counter(metrics, "x_total", "X.", &label, 1);
        metric_counter_add(last, 1);
    }
    CU_ASSERT_EQUAL(metric_counter_get(last), 100);
    CU_ASSERT_PTR_NOT_NULL(strstr(render(metrics), "x_total{client=\"other\"} 100\n"));
    metrics_free(metrics);
}

struct hooked {
    struct metric_gauge *gauge;
    int64_t runs;
};

static void
hook(void *arg, struct buf *text)
{
    struct hooked *hooked = arg;
    metric_gauge_set(hooked->gauge, ++hooked->runs);
    metrics_put(text, "own", "gauge", "Own.", 0.5);
}

static void
scrape_hooks_run_before_rendering(void)
{
    struct metrics *metrics = metrics_new();
    struct hooked hooked = {metrics_gauge(metrics, "runs", "Runs.", NULL, 0), 0};
    metrics_on_scrape(metrics, hook, &hooked);
    render(metrics);
    CU_ASSERT_PTR_NOT_NULL(strstr(render(metrics), "\nruns 2\n"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr((const char *)buf_slice(&out).data, "# TYPE own gauge\nown 0.5\n"));
    metrics_free(metrics);
}

static void
the_process_describes_itself(void)
{
    static const char *const names[] = {
        "\nprocess_resident_memory_bytes ", "\nprocess_open_fds ", "\nprocess_cpu_seconds_total ",
        "\nprocess_start_time_seconds ", "\nsluice_build_info{program=\"t\",version=\"9\"} 1\n"};
    struct metrics *metrics = metrics_new();
    const char *text;
    size_t i;
    metrics_add_process(metrics, "t", "9");
    text = render(metrics);
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        CU_ASSERT_PTR_NOT_NULL(strstr(text, names[i]));
    metrics_free(metrics);
}

static void
what_does_not_fit_is_told(void)
{
    struct metrics *metrics = metrics_new();
    struct buf small;
    buf_init(&small, 10);
    metrics_counter(metrics, "x_total", "X.", NULL, 0);
    metrics_render(metrics, &small);
    CU_ASSERT_EQUAL(buf_error(&small), ERR_TOO_LARGE);
    buf_fini(&small);
    metrics_free(metrics);
    metrics_free(NULL);
}

struct shared {
    struct metrics *metrics;
    struct metric_histogram *histogram;
};

static void *
add_many(void *arg)
{
    struct shared *shared = arg;
    struct metric_counter *counter = metrics_counter(shared->metrics, "n_total", "N.", NULL, 0);
    unsigned i;
    for (i = 0; i < 100000; i++) {
        metric_counter_add(counter, 1);
        metric_histogram_observe(shared->histogram, i);
    }
    return NULL;
}

static void
more_threads_than_shards_add_while_another_scrapes(void)
{
    struct shared shared = {metrics_new(), NULL};
    pthread_t threads[METRICS_SHARDS + 4];
    unsigned i;
    shared.histogram = metrics_histogram(shared.metrics, "h_seconds", "H.", NULL, 0,
                                         metrics_bounds_us, metrics_bounds_us_count, METRICS_US);
    for (i = 0; i < METRICS_SHARDS + 4; i++)
        pthread_create(&threads[i], NULL, add_many, &shared);
    for (i = 0; i < 20; i++)
        render(shared.metrics);
    for (i = 0; i < METRICS_SHARDS + 4; i++)
        pthread_join(threads[i], NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(render(shared.metrics), "\nn_total 1200000\n"));
    CU_ASSERT_PTR_NOT_NULL(strstr(render(shared.metrics), "\nh_seconds_count 1200000\n"));
    metrics_free(shared.metrics);
    buf_fini(&out);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(families_have_help_type_and_series),
    CUNIT_CASE(histogram_buckets_are_cumulative),
    CUNIT_CASE(too_many_series_share_one),
    CUNIT_CASE(scrape_hooks_run_before_rendering),
    CUNIT_CASE(the_process_describes_itself),
    CUNIT_CASE(what_does_not_fit_is_told),
    CUNIT_CASE(more_threads_than_shards_add_while_another_scrapes),
};
CUNIT_MAIN("metrics", cases)
