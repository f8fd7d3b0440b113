/* SPDX-License-Identifier: Apache-2.0 */
/* See trace_desk.h. */
#include "proto/trace_desk.h"

#include "proto/topic.h"

static void
keep(void *arg, uint64_t number, struct trace_event *event)
{
    struct trace_desk *desk = arg;
    traces_add(desk->traces, number, event);
}

static enum err
begin(struct trace_desk *desk, uint64_t number, const char *name, const Sluice__AdminAsk *ask,
      uint64_t now_ms, struct admin_writer *writer)
{
    struct slice client = admin_ask_text(ask, "client"), filter = admin_ask_text(ask, "topic");
    bool is_new;
    enum err err;
    if ((client.len == 0 && filter.len == 0) || (filter.len != 0 && !topic_filter_is_valid(filter)))
        return ERR_INVALID;
    if (desk->traces == NULL)
        desk->traces = traces_new();
    err = traces_begin(desk->traces, number, now_ms, &is_new);
    if (err != OK)
        return err;
    trace_watch_begin(&desk->watched, number, client, filter);
    admin_text(writer, "name", slice_cstr(name));
    (void)admin_item_end(writer);
    return OK;
}

enum err
trace_desk_ask(struct trace_desk *desk, const char *name, const Sluice__AdminAsk *ask,
               uint64_t now_ms, struct admin_writer *writer)
{
    uint64_t number = admin_ask_number(ask, "trace"), after = 0;
    enum err err = admin_ask_after(ask, &after);
    if (err != OK)
        return err;
    if (admin_ask_flag(ask, "begin"))
        return begin(desk, number, name, ask, now_ms, writer);
    if (desk->traces == NULL)
        return ERR_NOT_FOUND;
    if (!admin_ask_flag(ask, "end"))
        return traces_read(desk->traces, number, after, now_ms, writer);
    (void)traces_end(desk->traces, number);
    trace_watch_end(&desk->watched, number);
    return OK;
}

void
trace_desk_tell(struct trace_desk *desk, uint64_t wall_ms, struct slice client, const char *event,
                struct slice topic, const char *detail)
{
    trace_watch_tell(desk->watched, wall_ms, client, event, topic, detail, keep, desk);
}

void
trace_desk_tick(struct trace_desk *desk, uint64_t now_ms, uint64_t wall_ms)
{
    uint64_t number;
    if (desk->watched == NULL)
        return;
    trace_watch_tick(desk->watched, wall_ms, keep, desk);
    while ((number = traces_expire(desk->traces, now_ms)) != 0)
        trace_watch_end(&desk->watched, number);
}

void
trace_desk_fini(struct trace_desk *desk)
{
    trace_watch_end_all(&desk->watched);
    traces_free(desk->traces);
    *desk = (struct trace_desk){NULL, NULL};
}
