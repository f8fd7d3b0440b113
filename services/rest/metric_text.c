/* SPDX-License-Identifier: Apache-2.0 */
/* See metric_text.h. */
#include "services/rest/metric_text.h"

#include <math.h>
#include <stdlib.h>

struct line {
    struct slice name, labels; /* labels: inside the braces */
    double value;
};

static bool
next_line(struct slice *text, struct line *out)
{
    struct slice line;
    while (str_split(text, '\n', &line)) {
        size_t space = line.len, brace = slice_find(line, '{');
        char number[64];
        while (space > 0 && line.data[space - 1] != ' ')
            space--;
        if (space == 0 || line.len - space >= sizeof number)
            continue;
        struct slice head = slice_sub(line, 0, space - 1);
        out->name = slice_sub(head, 0, brace < head.len ? brace : head.len);
        out->labels = brace + 1 < head.len ? slice_sub(head, brace + 1, head.len - brace - 2)
                                           : slice_of(NULL, 0);
        str_format(number, sizeof number, "%.*s", (int)(line.len - space),
                   (const char *)line.data + space);
        out->value = strtod(number, NULL);
        return true;
    }
    return false;
}

/* label="value": our values have no quotes in them. */
static struct slice
label_of(struct slice labels, const char *label)
{
    struct slice pair;
    size_t len = strlen(label);
    while (str_split(&labels, ',', &pair)) {
        if (pair.len > len + 2 && slice_equal_cstr(slice_sub(pair, 0, len), label) &&
            pair.data[len] == '=')
            return slice_sub(pair, len + 2, pair.len - len - 3);
    }
    return slice_of(NULL, 0);
}

double
metric_text_sum(struct slice text, const char *name, bool *is_there)
{
    struct line line;
    double sum = 0;
    while (next_line(&text, &line)) {
        if (!slice_equal_cstr(line.name, name))
            continue;
        sum += line.value;
        if (is_there != NULL)
            *is_there = true;
    }
    return sum;
}

void
metric_text_by_label(struct slice text, const char *name, const char *label, json_t *out)
{
    struct line line;
    while (next_line(&text, &line)) {
        struct slice value = label_of(line.labels, label);
        char key[64];
        if (!slice_equal_cstr(line.name, name) || value.len == 0 || value.len >= sizeof key)
            continue;
        str_format(key, sizeof key, "%.*s", (int)value.len, (const char *)value.data);
        json_int_t former = json_integer_value(json_object_get(out, key));
        json_object_set_new(out, key, json_integer(former + (json_int_t)line.value));
    }
}

void
metric_text_histogram_add(struct slice text, const char *name, struct metric_text_histogram *out)
{
    struct line line;
    char bucket[160];
    str_format(bucket, sizeof bucket, "%s_bucket", name);
    while (next_line(&text, &line)) {
        struct slice le = label_of(line.labels, "le");
        char number[32];
        size_t i = 0;
        if (!slice_equal_cstr(line.name, bucket) || le.len == 0 || le.len >= sizeof number)
            continue;
        str_format(number, sizeof number, "%.*s", (int)le.len, (const char *)le.data);
        double bound = strtod(number, NULL); /* "+Inf" too */
        while (i < out->count && out->bounds[i] < bound)
            i++;
        if (i == out->count && out->count < METRIC_TEXT_BOUNDS) {
            out->bounds[out->count++] = bound; /* every program has the same, rising */
            out->counts[i] = 0;
        }
        if (i < out->count)
            out->counts[i] += line.value;
    }
}

double
metric_text_quantile(const struct metric_text_histogram *histogram, double share)
{
    double all = histogram->count != 0 ? histogram->counts[histogram->count - 1] : 0;
    for (size_t i = 0; all > 0 && i < histogram->count; i++)
        if (histogram->counts[i] >= share * all)
            return isinf(histogram->bounds[i]) ? -1 : histogram->bounds[i];
    return -1;
}
