/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes topics and the route tree. The input is lines: "+filter" adds, "-filter" removes, "?"
 * prunes every second filter, anything else is a topic to match. The tree must agree with
 * topic_matches over a plain list. Each line is also read as a shared subscription.
 */
#include "proto/limits.h"
#include "proto/topic.h"
#include "proto/topic_tree.h"
#include "proto/utf8.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILTERS_MAX 256

struct list {
    struct slice filters[FILTERS_MAX];
    unsigned marks[FILTERS_MAX];
    size_t count;
    unsigned calls;
};

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static size_t
find(const struct list *list, struct slice filter)
{
    size_t i = 0;
    while (i < list->count && !slice_equal(list->filters[i], filter))
        i++;
    return i;
}

/* The value of a filter is the address of its first byte: stable, and the list finds it again. */
static void
mark(void *arg, void *value)
{
    struct list *list = arg;
    for (size_t i = 0; i < list->count; i++) {
        if (list->filters[i].data == value) {
            list->marks[i]++;
            return;
        }
    }
    abort();
}

static void
add(struct topic_tree *tree, struct list *list, struct slice filter)
{
    if (!topic_filter_is_valid(filter))
        return;
    require(utf8_is_valid(filter));
    void **place = topic_tree_add(tree, filter);
    size_t at = find(list, filter);
    if (place == NULL) {
        require(list->count == FILTERS_MAX || topic_level_count(filter) > LIMITS_FILTER_LEVELS);
        return;
    }
    require((*place == NULL) == (at == list->count));
    if (at < list->count)
        return;
    *place = (void *)(uintptr_t)filter.data;
    list->filters[list->count++] = filter;
}

static void
drop(struct list *list, size_t at)
{
    list->filters[at] = list->filters[--list->count];
}

static void
take(struct topic_tree *tree, struct list *list, struct slice filter)
{
    size_t at = find(list, filter);
    require((topic_tree_get(tree, filter) != NULL) == (at < list->count));
    void *value = topic_tree_remove(tree, filter);
    require(value == (at < list->count ? (void *)(uintptr_t)list->filters[at].data : NULL));
    if (at < list->count)
        drop(list, at);
}

static bool
keep_every_second(void *arg, struct slice filter, void **value)
{
    struct list *list = arg;
    size_t at = find(list, filter);
    require(at < list->count && *value == list->filters[at].data);
    if (list->calls++ % 2 == 0)
        return true;
    drop(list, at);
    return false;
}

static void
match(const struct topic_tree *tree, struct list *list, struct slice topic)
{
    size_t want = 0;
    if (!topic_name_is_valid(topic))
        return;
    /* A name is also a filter, unless it looks like a broken $share. */
    require(utf8_is_valid(topic));
    require(topic_filter_is_valid(topic) || slice_has_prefix(topic, slice_cstr("$share/")));
    memset(list->marks, 0, sizeof(list->marks));
    size_t hits = topic_tree_match(tree, topic, mark, list);
    for (size_t i = 0; i < list->count; i++) {
        unsigned one = topic_matches(list->filters[i], topic) ? 1 : 0;
        require(list->marks[i] == one);
        want += one;
    }
    require(hits == want && topic_tree_has_match(tree, topic) == (want > 0));
}

/* A valid one is its parts put together again, and what is inside is a filter of its own. */
static void
share(struct slice text)
{
    const struct slice prefix = slice_cstr("$share/");
    struct slice group, filter;
    enum topic_share kind = topic_share_parse(text, &group, &filter);
    require((kind == TOPIC_SHARE_NONE) == !slice_has_prefix(text, prefix));
    require(kind != TOPIC_SHARE_INVALID || !topic_filter_is_valid(text));
    if (kind != TOPIC_SHARE_VALID)
        return;
    require(group.data == text.data + prefix.len && group.len > 0 && filter.len > 0);
    require(filter.data == group.data + group.len + 1 && filter.data[-1] == '/');
    require(filter.data + filter.len == text.data + text.len);
    require(slice_find(group, '/') == group.len && !topic_filter_has_wildcard(group));
    struct slice inner_group, inner;
    if (topic_filter_is_valid(text) &&
        topic_share_parse(filter, &inner_group, &inner) == TOPIC_SHARE_NONE)
        require(topic_filter_is_valid(filter));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct list list;
    struct topic_tree *tree = topic_tree_new(FILTERS_MAX);
    size_t empty = topic_tree_bytes(tree);
    struct slice rest = slice_of(data, size);
    list.count = 0;
    list.calls = 0;
    while (rest.len > 0) {
        size_t len = slice_find(rest, '\n');
        struct slice line = slice_of(rest.data, len);
        rest = slice_sub(rest, len + 1, rest.len);
        share(line);
        if (line.len > 1 && line.data[0] == '+')
            add(tree, &list, slice_sub(line, 1, line.len));
        else if (line.len > 1 && line.data[0] == '-')
            take(tree, &list, slice_sub(line, 1, line.len));
        else if (line.len == 1 && line.data[0] == '?')
            topic_tree_prune(tree, keep_every_second, &list);
        else
            match(tree, &list, line);
        require(topic_tree_count(tree) == list.count);
    }
    while (list.count > 0)
        take(tree, &list, list.filters[0]);
    require(topic_tree_count(tree) == 0 && topic_tree_bytes(tree) == empty);
    topic_tree_free(tree, NULL, NULL);
    return 0;
}
