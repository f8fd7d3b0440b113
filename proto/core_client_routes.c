/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Routes told to cores, and tickets.
 *
 * When is a route everywhere? Each core that serves answers ROUTE_DONE when every gateway that it
 * knows has a digest that covers it. A core that does not serve yet answers nothing; nobody
 * publishes through it, but it may begin to serve at any moment, so it must at least have taken
 * our ROUTE_ADD: its feed's `done` says so. A ticket is answered when somebody has answered it and
 * every core that is up has answered it or, not serving, taken it. A core that comes up meanwhile
 * gets all open tickets behind the resync and counts from then on. A core that is not up may
 * still serve others (we have just started, or the link to it broke): tickets give it grace_ms to
 * come up; after that it counts as dead.
 */
#include "proto/core_client_part.h"

#include "common/cursor.h"
#include "common/mem.h"
#include "proto/records.h"
#include <assert.h>

enum { BACKLOG_HEAD = 13, TICKETS_MIN = 256, LANE_MIN = 64 };

static void
lane_push(struct core_lane *lane, uint64_t seq, uint64_t ticket)
{
    if (lane->count == lane->size) {
        size_t size = lane->size == 0 ? LANE_MIN : lane->size * 2, i;
        struct core_lane_item *items = mem_zalloc_array(size, sizeof(*items));
        for (i = 0; i < lane->count; i++)
            items[i] = lane->items[(lane->start + i) & (lane->size - 1)];
        mem_free(lane->items);
        lane->items = items;
        lane->start = 0;
        lane->size = size;
    }
    lane->items[(lane->start + lane->count++) & (lane->size - 1)] =
        (struct core_lane_item){seq, ticket};
}

void
core_client_routes_control(struct core_client *client, uint32_t index, uint8_t type,
                           const struct slice *parts, size_t n, uint64_t ticket)
{
    struct core_state *core = &client->cores[index];
    size_t len = 0, i;
    uint64_t seq = 0;
    if (!core->up)
        return;
    if (buf_len(&core->backlog) == 0) {
        enum err err = client->io.append(client->arg, index, type, parts, n, true, &seq);
        if (err == OK && ticket != 0)
            lane_push(&core->lane, seq, ticket);
        if (err != ERR_BUSY)
            return; /* lost: the resync of the next session says it again */
    }
    for (i = 0; i < n; i++)
        len += parts[i].len;
    if (buf_len(&core->backlog) + BACKLOG_HEAD + len > client->config.backlog_bytes) {
        client->stats.backlog_dropped++;
        return;
    }
    buf_put_u8(&core->backlog, type);
    buf_put_u32(&core->backlog, (uint32_t)len);
    buf_put_u64(&core->backlog, ticket);
    for (i = 0; i < n; i++)
        buf_append_slice(&core->backlog, parts[i]);
}

void
core_client_routes_pump(struct core_client *client, uint32_t index)
{
    struct core_state *core = &client->cores[index];
    while (buf_len(&core->backlog) != 0) {
        struct slice all = buf_slice(&core->backlog);
        size_t len = cursor_load_u32(all.data + 1);
        uint64_t ticket = cursor_load_u64(all.data + 5), seq = 0;
        struct slice body = slice_sub(all, BACKLOG_HEAD, len);
        enum err err = client->io.append(client->arg, index, all.data[0], &body, 1, true, &seq);
        if (err == ERR_BUSY || err == ERR_PEER_LOST)
            return;
        if (err == OK && ticket != 0)
            lane_push(&core->lane, seq, ticket);
        buf_consume(&core->backlog, BACKLOG_HEAD + len);
    }
}

static void
route_send(struct core_client *client, uint32_t core, uint64_t ticket, struct slice filter,
           uint64_t wants)
{
    uint8_t head[RECORDS_ROUTE_ADD_BYTES];
    struct slice parts[2] = {slice_of(head, records_route_add_encode(ticket, wants, head)), filter};
    core_client_routes_control(client, core, FEED_ROUTE_ADD, parts, 2, ticket);
}

struct resync {
    struct core_client *client;
    uint32_t core;
};

static void
resync_route(void *arg, struct slice filter, uint64_t wants)
{
    struct resync *resync = arg;
    route_send(resync->client, resync->core, 0, filter, wants);
}

static struct core_ticket **
ticket_of(struct core_client *client, uint64_t number)
{
    return &client->tickets[number & (client->tickets_size - 1)];
}

void
core_client_routes_resync(struct core_client *client, uint32_t core)
{
    struct resync resync = {client, core};
    uint64_t number;
    client->io.routes(client->arg, resync_route, &resync);
    for (number = client->ticket_first; number < client->ticket_next; number++) {
        const struct core_ticket *ticket = *ticket_of(client, number);
        if (ticket != NULL)
            route_send(client, core, number, slice_of(ticket->filter, ticket->len), ticket->wants);
    }
    core_client_routes_control(client, core, FEED_RESYNC_END, NULL, 0, 0);
}

void
core_client_routes_lost(struct core_client *client, uint32_t index)
{
    uint64_t number;
    buf_fini(&client->cores[index].backlog);
    client->cores[index].lane.count = 0;
    for (number = client->ticket_first; number < client->ticket_next; number++) {
        struct core_ticket *ticket = *ticket_of(client, number);
        if (ticket == NULL)
            continue;
        ticket->answered &= ~(1u << index);
        ticket->have &= ~(1u << index);
    }
}

/* Removes the ticket, then answers. */
static void
ticket_end(struct core_client *client, uint64_t number, enum err err)
{
    struct core_ticket *ticket = *ticket_of(client, number);
    uint64_t cookie = ticket->cookie;
    uint32_t i;
    *ticket_of(client, number) = NULL;
    mem_free(ticket);
    client->stats.tickets_open--;
    for (i = 0; err == OK && i < client->core_count; i++)
        client->cores[i].exposed = client->cores[i].exposed || !client->cores[i].up;
    if (err == OK)
        client->stats.tickets_done++;
    else
        client->stats.tickets_timeout++;
    while (client->ticket_first < client->ticket_next &&
           *ticket_of(client, client->ticket_first) == NULL)
        client->ticket_first++;
    client->io.route_done(client->arg, cookie, err);
}

static bool
ticket_is_done(const struct core_client *client, const struct core_ticket *ticket)
{
    uint32_t i;
    if (!ticket->any)
        return false;
    for (i = 0; i < client->core_count; i++) {
        const struct core_state *core = &client->cores[i];
        if (!core->up && client->now_ms - core->away_ms < client->config.grace_ms)
            return false;
        if (!core->up || (ticket->answered >> i & 1) != 0)
            continue;
        if (core->serving || (ticket->have >> i & 1) == 0)
            return false;
    }
    return true;
}

static struct core_ticket *
ticket_get(struct core_client *client, uint64_t number)
{
    if (number < client->ticket_first || number >= client->ticket_next)
        return NULL;
    return *ticket_of(client, number);
}

static void
ticket_check(struct core_client *client, uint64_t number)
{
    const struct core_ticket *ticket = ticket_get(client, number);
    if (ticket != NULL && ticket_is_done(client, ticket))
        ticket_end(client, number, OK);
}

void
core_client_routes_check(struct core_client *client)
{
    uint64_t number, end = client->ticket_next;
    for (number = client->ticket_first; number < end; number++)
        ticket_check(client, number);
}

void
core_client_routes_received(struct core_client *client, uint32_t index, uint64_t seq)
{
    struct core_lane *lane = &client->cores[index].lane;
    while (lane->count != 0 && lane->items[lane->start].seq <= seq) {
        uint64_t number = lane->items[lane->start].ticket;
        struct core_ticket *ticket = ticket_get(client, number);
        lane->start = (lane->start + 1) & (lane->size - 1);
        lane->count--;
        if (ticket == NULL)
            continue;
        ticket->have |= 1u << index;
        ticket_check(client, number);
    }
}

enum err
core_client_routes_done(struct core_client *client, uint32_t core, struct slice body)
{
    size_t count, i;
    enum err err = records_route_done_count(body, &count);
    if (err != OK)
        return err;
    for (i = 0; i < count; i++) {
        uint64_t number = records_route_done_get(body, i);
        struct core_ticket *ticket = ticket_get(client, number);
        if (ticket == NULL)
            continue;
        ticket->answered |= 1u << core;
        ticket->any = true;
        ticket_check(client, number);
    }
    return OK;
}

void
core_client_routes_tick(struct core_client *client)
{
    uint64_t number, end = client->ticket_next;
    for (number = client->ticket_first; number < end; number++) {
        const struct core_ticket *ticket = ticket_get(client, number);
        if (ticket == NULL)
            continue;
        if (ticket_is_done(client, ticket))
            ticket_end(client, number, OK);
        else if (client->now_ms >= ticket->deadline_ms)
            ticket_end(client, number, ERR_TIMEOUT);
    }
}

static void
tickets_cover(struct core_client *client)
{
    size_t size = client->tickets_size;
    struct core_ticket **tickets;
    uint64_t number;
    if (client->ticket_next - client->ticket_first < size)
        return;
    size = size == 0 ? TICKETS_MIN : size * 2;
    tickets = mem_zalloc_array(size, sizeof(struct core_ticket *));
    for (number = client->ticket_first; number < client->ticket_next; number++)
        tickets[number & (size - 1)] = *ticket_of(client, number);
    mem_free(client->tickets);
    client->tickets = tickets;
    client->tickets_size = size;
}

enum err
core_client_route_add(struct core_client *client, struct slice filter, uint64_t wants,
                      uint64_t cookie, uint64_t deadline_ms)
{
    struct core_ticket *ticket;
    uint64_t number = client->ticket_next;
    uint32_t i;
    assert(filter.len != 0 && filter.len <= UINT16_MAX);
    if (number - client->ticket_first >= client->config.tickets_max)
        return ERR_BUSY;
    tickets_cover(client);
    ticket = mem_alloc(sizeof(*ticket) + filter.len);
    *ticket = (struct core_ticket){
        .cookie = cookie, .deadline_ms = deadline_ms, .wants = wants, .len = (uint32_t)filter.len};
    memcpy(ticket->filter, filter.data, filter.len);
    *ticket_of(client, number) = ticket;
    client->ticket_next++;
    client->stats.tickets_open++;
    for (i = 0; i < client->core_count; i++)
        route_send(client, i, number, filter, wants);
    return OK;
}

void
core_client_route_tell(struct core_client *client, struct slice filter, uint64_t wants)
{
    uint32_t i;
    for (i = 0; i < client->core_count; i++)
        route_send(client, i, 0, filter, wants);
}

void
core_client_route_remove(struct core_client *client, struct slice filter)
{
    uint32_t i;
    for (i = 0; i < client->core_count; i++)
        core_client_routes_control(client, i, FEED_ROUTE_REMOVE, &filter, 1, 0);
}

void
core_client_shared_tell(struct core_client *client, uint32_t core, uint8_t type, struct slice body)
{
    core_client_routes_control(client, core, type, &body, 1, 0);
}

void
core_client_routes_fini(struct core_client *client)
{
    uint64_t number;
    uint32_t i;
    for (number = client->ticket_first; number < client->ticket_next; number++)
        mem_free(*ticket_of(client, number));
    mem_free(client->tickets);
    for (i = 0; i < client->core_count; i++) {
        buf_fini(&client->cores[i].backlog);
        mem_free(client->cores[i].lane.items);
    }
}
