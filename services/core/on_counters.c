/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FEED_COUNTERS: what gateways and stores have counted, into the totals; and from the totals the
 * $SYS messages, and the load of all, for the gateways that want them from this core. Nobody waits
 * for these: what finds no room in a feed is left out, the next interval brings newer ones.
 */
#include "proto/feed_records.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "services/core/router_part.h"

#define RECORD_MAX (PUBLISH_RECORD_FIXED + 128u) /* topic and value are short */

struct receiver {
    struct router *router;
    uint32_t place;
};

static void
send_value(void *arg, struct slice topic, struct slice value)
{
    const struct receiver *to = arg;
    struct publish_record record = {.topic = topic, .payload = value, .retain = true};
    uint8_t head[RECORD_MAX];
    struct slice parts[2] = {slice_of(head, 0), value};
    if (publish_record_size(&record) > sizeof(head))
        return;
    parts[0].len = publish_record_encode_head(&record, head);
    if (to->router->io.append(to->router->arg, to->place, FEED_SYS, parts, 2, FEED_DATA_EASY,
                              NULL) != OK)
        to->router->stats.undeliverable++;
}

static void
send_totals(struct router *router, uint32_t index)
{
    struct receiver to = {router, index};
    totals_each(router->totals, send_value, &to);
}

/* What a gateway needs to know to see whether it holds too many of the clients. */
static void
send_load(struct router *router, uint32_t index)
{
    struct records_load load = {.clients = totals_sum(router->totals, COUNTER_CLIENTS_CONNECTED)};
    uint8_t bytes[RECORDS_LOAD_BYTES];
    struct slice part;
    uint32_t i;
    for (i = 0; i < router->place_count; i++)
        load.gateways += router->places[i]->up && router->places[i]->kind == ROUTER_GATEWAY;
    part = slice_of(bytes, records_load_encode(&load, bytes));
    if (router->io.append(router->arg, index, FEED_LOAD, &part, 1, FEED_DATA_EASY, NULL) != OK)
        router->stats.undeliverable++;
}

enum err
on_counters_record(struct router *router, uint32_t index, struct slice body)
{
    struct place *place = router->places[index];
    struct records_counters report;
    enum err err = records_counters_decode(body, &report);
    bool wants;
    if (err != OK)
        return err;
    totals_report(router->totals, index, &report);
    wants = (report.flags & COUNTERS_WANT_SYS) != 0 && place->kind == ROUTER_GATEWAY;
    /* It has just come, or come over from another core: it need not wait for the interval. */
    if (wants && !place->wants_sys && router->config.sys_interval_ms != 0)
        send_totals(router, index);
    if (wants)
        send_load(router, index);
    place->wants_sys = wants;
    return OK;
}

void
on_counters_tick(struct router *router)
{
    uint32_t i;
    if (router->config.sys_interval_ms == 0 || router->now_ms < router->sys_at_ms)
        return;
    router->sys_at_ms = router->now_ms + router->config.sys_interval_ms;
    totals_tick(router->totals, router->now_ms);
    for (i = 0; i < router->place_count; i++) {
        if (router->places[i]->up && router->places[i]->wants_sys)
            send_totals(router, i);
    }
}

void
on_counters_down(struct router *router, uint32_t index)
{
    router->places[index]->wants_sys = false;
    totals_down(router->totals, index);
}
