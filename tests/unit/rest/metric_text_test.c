/* SPDX-License-Identifier: Apache-2.0 */
#include "services/rest/metric_text.h"

#include "tests/unit/cunit_main.h"

static const char text[] = "a_total 3\n"
                           "b_total{reason=\"slow\",qos=\"1\"} 4\n"
                           "b_total{reason=\"slow\",qos=\"2\"} 1\n"
                           "b_total{reason=\"late\",qos=\"1\"} 2.0\n"
                           "h_seconds_bucket{le=\"0.001\"} 50\n"
                           "h_seconds_bucket{le=\"0.01\"} 99\n"
                           "h_seconds_bucket{le=\"+Inf\"} 100\n"
                           "nonsense\n"
                           "{ 1\n";

static void
values_are_summed(void)
{
    bool is_there = false;
    json_t *by = json_object();
    CU_ASSERT_EQUAL(metric_text_sum(slice_cstr(text), "a_total", &is_there), 3);
    CU_ASSERT_TRUE(is_there);
    CU_ASSERT_EQUAL(metric_text_sum(slice_cstr(text), "b_total", NULL), 7);
    is_there = false;
    CU_ASSERT_EQUAL(metric_text_sum(slice_cstr(text), "c_total", &is_there), 0);
    CU_ASSERT_FALSE(is_there);
    metric_text_by_label(slice_cstr(text), "b_total", "reason", by);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(by, "slow")), 5);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(by, "late")), 2);
    json_decref(by);
}

static void
histograms_are_summed_and_asked(void)
{
    struct metric_text_histogram histogram = {0};
    CU_ASSERT(metric_text_quantile(&histogram, 0.5) < 0);
    metric_text_histogram_add(slice_cstr(text), "h_seconds", &histogram);
    metric_text_histogram_add(slice_cstr(text), "h_seconds", &histogram);
    CU_ASSERT_EQUAL(histogram.count, 3);
    CU_ASSERT_EQUAL(histogram.counts[1], 198);
    CU_ASSERT_DOUBLE_EQUAL(metric_text_quantile(&histogram, 0.5), 0.001, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(metric_text_quantile(&histogram, 0.99), 0.01, 1e-9);
    CU_ASSERT(metric_text_quantile(&histogram, 0.999) < 0); /* beyond the last bound */
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(values_are_summed),
    CUNIT_CASE(histograms_are_summed_and_asked),
};

CUNIT_MAIN("metric_text", cases)
