/* SPDX-License-Identifier: Apache-2.0 */
/* Reads lines of the Prometheus text format that other programs of ours sent: sums, sums by a
 * label, histograms. Pure; what makes no sense is passed over. */
#ifndef SLUICE_SERVICES_REST_METRIC_TEXT_H
#define SLUICE_SERVICES_REST_METRIC_TEXT_H

#include "common/str.h"

#include <jansson.h>
#include <stdbool.h>

/* The sum over all label values; *is_there (may be NULL): some line has it. */
double metric_text_sum(struct slice text, const char *name, bool *is_there);
/* Adds each value to the member of `out` that its label names. */
void metric_text_by_label(struct slice text, const char *name, const char *label, json_t *out);

#define METRIC_TEXT_BOUNDS 64

/* Buckets of one or more histograms, summed. */
struct metric_text_histogram {
    double bounds[METRIC_TEXT_BOUNDS]; /* the last is infinite */
    double counts[METRIC_TEXT_BOUNDS]; /* up to the bound, cumulative */
    size_t count;
};
void metric_text_histogram_add(struct slice text, const char *name,
                               struct metric_text_histogram *out);
/* The bound below which this share of all lies; negative: nothing was observed, or beyond. */
double metric_text_quantile(const struct metric_text_histogram *histogram, double share);

#endif
