/* SPDX-License-Identifier: Apache-2.0 */
/* See trace_watch.h. */
#include "proto/trace_watch.h"

#include "common/mem.h"
#include "proto/topic.h"

struct trace_watch {
    struct trace_watch *next;
    uint64_t number;
    uint64_t lost;  /* since the last tick */
    uint32_t count; /* events since then */
    struct slice client, filter;
    uint8_t bytes[];
};

void
trace_watch_begin(struct trace_watch **list, uint64_t number, struct slice client,
                  struct slice filter)
{
    for (const struct trace_watch *one = *list; one != NULL; one = one->next)
        if (one->number == number)
            return;
    struct trace_watch *watch = mem_zalloc(sizeof(*watch) + client.len + filter.len);
    uint8_t *at = watch->bytes;
    watch->number = number;
    watch->client = slice_put(&at, client);
    watch->filter = slice_put(&at, filter);
    watch->next = *list;
    *list = watch;
}

void
trace_watch_end(struct trace_watch **list, uint64_t number)
{
    while (*list != NULL && (*list)->number != number)
        list = &(*list)->next;
    if (*list == NULL)
        return;
    struct trace_watch *gone = *list;
    *list = gone->next;
    mem_free(gone);
}

void
trace_watch_end_all(struct trace_watch **list)
{
    while (*list != NULL)
        trace_watch_end(list, (*list)->number);
}

static bool
is_of(const struct trace_watch *watch, struct slice client, struct slice topic)
{
    if (watch->client.len != 0 && !slice_equal(watch->client, client))
        return false;
    if (watch->filter.len == 0)
        return true;
    return topic.len != 0 && topic_name_is_valid(topic) && topic_matches(watch->filter, topic);
}

void
trace_watch_tell(struct trace_watch *list, uint64_t time_ms, struct slice client, const char *event,
                 struct slice topic, const char *detail, trace_watch_fn fn, void *arg)
{
    for (struct trace_watch *watch = list; watch != NULL; watch = watch->next) {
        if (!is_of(watch, client, topic))
            continue;
        if (watch->count < TRACE_WATCH_EVENTS) {
            watch->count++;
            fn(arg, watch->number, trace_event_new(time_ms, client, event, topic, detail));
        } else {
            watch->lost++;
        }
    }
}

void
trace_watch_tick(struct trace_watch *list, uint64_t time_ms, trace_watch_fn fn, void *arg)
{
    const struct slice nothing = slice_of(NULL, 0);
    char text[64];
    for (struct trace_watch *watch = list; watch != NULL; watch = watch->next) {
        if (watch->lost != 0) {
            str_format(text, sizeof(text), "%llu events came too fast and are left out",
                       (unsigned long long)watch->lost);
            fn(arg, watch->number, trace_event_new(time_ms, nothing, "lost", nothing, text));
        }
        watch->lost = 0;
        watch->count = 0;
    }
}
