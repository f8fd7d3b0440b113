/* SPDX-License-Identifier: Apache-2.0 */
/* See traces.h. */
#include "proto/traces.h"

#include "common/mem.h"

struct kept {
    uint64_t number; /* 0: free */
    uint64_t asked_ms;
    uint64_t next; /* number of the next event; the first has 1 */
    uint64_t first;
    struct trace_event **ring; /* TRACES_EVENTS */
};

struct traces {
    struct kept list[TRACES_MAX];
};

/* What strangers choose may be long, and many events are kept. No character is cut in two. */
static struct slice
cut(struct slice text)
{
    size_t len = text.len;
    if (len <= TRACES_TEXT)
        return text;
    len = TRACES_TEXT;
    while (len > 0 && (text.data[len] & 0xc0) == 0x80)
        len--;
    return slice_of(text.data, len);
}

struct trace_event *
trace_event_new(uint64_t time_ms, struct slice client, const char *event, struct slice topic,
                const char *detail)
{
    struct slice name = slice_cstr(event), more = slice_cstr(detail);
    client = cut(client);
    topic = cut(topic);
    struct trace_event *made =
        mem_alloc(sizeof(*made) + client.len + topic.len + name.len + more.len);
    uint8_t *at = made->bytes;
    made->time_ms = time_ms;
    made->client = slice_put(&at, client);
    made->topic = slice_put(&at, topic);
    made->event = slice_put(&at, name);
    made->detail = slice_put(&at, more);
    return made;
}

void
trace_event_free(struct trace_event *event)
{
    mem_free(event);
}

struct traces *
traces_new(void)
{
    return mem_zalloc(sizeof(struct traces));
}

static struct kept *
find(struct traces *traces, uint64_t number)
{
    for (unsigned i = 0; i < TRACES_MAX; i++)
        if (traces->list[i].number == number)
            return &traces->list[i];
    return NULL;
}

static void
clear(struct kept *trace)
{
    for (; trace->first < trace->next; trace->first++)
        trace_event_free(trace->ring[trace->first % TRACES_EVENTS]);
    mem_free(trace->ring);
    *trace = (struct kept){0};
}

void
traces_free(struct traces *traces)
{
    if (traces == NULL)
        return;
    for (unsigned i = 0; i < TRACES_MAX; i++)
        clear(&traces->list[i]);
    mem_free(traces);
}

enum err
traces_begin(struct traces *traces, uint64_t number, uint64_t now_ms, bool *is_new)
{
    struct kept *trace = number != 0 ? find(traces, number) : NULL;
    *is_new = trace == NULL;
    if (number == 0)
        return ERR_INVALID;
    if (trace == NULL)
        trace = find(traces, 0);
    if (trace == NULL)
        return ERR_BUSY;
    trace->asked_ms = now_ms;
    if (!*is_new)
        return OK;
    trace->number = number;
    trace->first = trace->next = 1;
    trace->ring = mem_zalloc_array(TRACES_EVENTS, sizeof(*trace->ring));
    return OK;
}

bool
traces_end(struct traces *traces, uint64_t number)
{
    struct kept *trace = number != 0 ? find(traces, number) : NULL;
    if (trace == NULL)
        return false;
    clear(trace);
    return true;
}

void
traces_add(struct traces *traces, uint64_t number, struct trace_event *event)
{
    struct kept *trace = number != 0 ? find(traces, number) : NULL;
    if (trace == NULL) {
        trace_event_free(event);
        return;
    }
    if (trace->next - trace->first == TRACES_EVENTS)
        trace_event_free(trace->ring[trace->first++ % TRACES_EVENTS]);
    trace->ring[trace->next++ % TRACES_EVENTS] = event;
}

enum err
traces_read(struct traces *traces, uint64_t number, uint64_t after, uint64_t now_ms,
            struct admin_writer *writer)
{
    struct kept *trace = number != 0 ? find(traces, number) : NULL;
    if (trace == NULL)
        return ERR_NOT_FOUND;
    trace->asked_ms = now_ms;
    uint64_t at = after + 1;
    if (at < trace->first) {
        admin_text(writer, "event", slice_cstr("lost"));
        admin_number(writer, "lost", trace->first - at);
        (void)admin_item_end(writer);
        at = trace->first;
    }
    for (; at < trace->next && admin_has_room(writer); at++) {
        const struct trace_event *event = trace->ring[at % TRACES_EVENTS];
        admin_number(writer, "time_ms", event->time_ms);
        admin_text(writer, "client", event->client);
        admin_text(writer, "event", event->event);
        admin_text(writer, "topic", event->topic);
        admin_text(writer, "detail", event->detail);
        (void)admin_item_end(writer);
    }
    admin_next_number(writer, at - 1);
    return OK;
}

uint64_t
traces_expire(struct traces *traces, uint64_t now_ms)
{
    for (unsigned i = 0; i < TRACES_MAX; i++) {
        struct kept *trace = &traces->list[i];
        uint64_t number = trace->number;
        if (number == 0 || now_ms - trace->asked_ms < TRACES_IDLE_MS)
            continue;
        clear(trace);
        return number;
    }
    return 0;
}
