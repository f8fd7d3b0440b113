/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of cores, the set of those that serve, and what happens when it changes.
 *
 * A topic belongs to the core that wins rendezvous hashing over the serving cores. When a core is
 * lost, only its topics move, and what it left unanswered is sent again first: nothing to wait for.
 * When one joins, or stops serving while it is up, topics move away from cores that may still have
 * our publishes on the way: a new publish of a moved topic is held until each such core has
 * answered a FLUSH. If the set changes again meanwhile, all topics are held (we do not keep the
 * history of sets), and everybody is flushed once more.
 */
#include "proto/core_client.h"

#include "common/mem.h"
#include "proto/core_client_part.h"
#include "proto/records.h"
#include <assert.h>

#define FLUSH_BIT (UINT64_C(1) << 63) /* tokens of FLUSH: never those of publishes */

struct core_client *
core_client_new(const struct core_client_config *config, const struct core_client_io *io, void *arg)
{
    struct core_client *client = mem_zalloc(sizeof(*client));
    client->config = *config;
    client->io = *io;
    client->arg = arg;
    if (client->config.tokens_max == 0 || client->config.tokens_max > 1u << 20)
        client->config.tokens_max = 1u << 20; /* TOKEN_SET_SPAN: what destinations remember */
    if (client->config.bytes_max == 0)
        client->config.bytes_max = (size_t)64 << 20;
    if (client->config.tickets_max == 0)
        client->config.tickets_max = 65536;
    if (client->config.backlog_bytes == 0)
        client->config.backlog_bytes = (size_t)64 << 20;
    if (client->config.digest_max == 0)
        client->config.digest_max = 65536;
    if (client->config.flush_ms == 0)
        client->config.flush_ms = 10000;
    if (client->config.grace_ms == 0)
        client->config.grace_ms = 3000;
    rendezvous_init(&client->set);
    rendezvous_init(&client->was);
    core_queue_init(&client->held);
    client->floor = 1;
    client->next = 1;
    /* Answers may outlive the incarnation that they were meant for (a core's feed to a store keeps
     * them), so neither tickets nor flushes start from the same number again. */
    client->era = config->era;
    client->attempt = config->era;
    client->flush_counter = config->ticket_base & ~FLUSH_BIT;
    client->ticket_first = config->ticket_base + 1;
    client->ticket_next = config->ticket_base + 1;
    return client;
}

void
core_client_free(struct core_client *client)
{
    uint32_t i;
    if (client == NULL)
        return;
    core_client_tokens_fini(client);
    core_client_routes_fini(client);
    core_client_digest_fini(client);
    for (i = 0; i < client->core_count; i++)
        mem_free(client->cores[i].name);
    mem_free(client);
}

uint32_t
core_client_core_add(struct core_client *client, struct slice name)
{
    struct core_state *core;
    assert(client->core_count < CORE_CLIENT_CORES_MAX);
    core = &client->cores[client->core_count];
    core->name = slice_dup(name);
    core->away_ms = client->now_ms;
    core_queue_init(&core->unsent);
    buf_init(&core->backlog, client->config.backlog_bytes);
    return client->core_count++;
}

bool
core_client_flushing(const struct core_client *client)
{
    uint32_t i;
    for (i = 0; i < client->core_count; i++) {
        if (client->cores[i].flush_token != 0)
            return true;
    }
    return false;
}

void
core_client_release(struct core_client *client)
{
    if (client->set.members == 0 || core_client_flushing(client))
        return;
    client->conservative = false;
    core_client_tokens_release(client);
}

void
core_client_flush_end(struct core_client *client, uint32_t core)
{
    client->cores[core].flush_token = 0;
    client->cores[core].flush_wanted = false;
    core_client_release(client);
}

/* Asks for a FLUSH; the record leaves behind everything that waits for this core. */
static void
flush_begin(struct core_client *client, uint32_t index)
{
    struct core_state *core = &client->cores[index];
    core->flush_token = FLUSH_BIT | ++client->flush_counter;
    core->flush_wanted = true;
    core->flush_deadline_ms = client->now_ms + client->config.flush_ms;
    client->stats.flushes++;
    core_client_tokens_pump(client, index);
}

/* Takes note of who serves now. */
static void
set_update(struct core_client *client)
{
    struct rendezvous former = client->set;
    uint64_t flush, joined;
    bool was_flushing = core_client_flushing(client);
    uint32_t i;
    for (i = 0; i < client->core_count; i++) {
        const struct core_state *core = &client->cores[i];
        if (core->up && core->serving)
            rendezvous_add(&client->set, i, slice_cstr(core->name));
        else
            rendezvous_remove(&client->set, i);
    }
    if (client->set.members != former.members) {
        joined = client->set.members & ~former.members;
        flush = joined != 0 ? former.members : former.members & ~client->set.members;
        if (was_flushing)
            client->conservative = true;
        else
            client->was = former;
        for (i = 0; i < client->core_count; i++) {
            if ((flush >> i & 1) != 0 && client->cores[i].up)
                flush_begin(client, i);
        }
    }
    core_client_release(client);
    core_client_digest_check(client);
    core_client_routes_check(client);
}

bool
core_client_up(struct core_client *client, uint32_t index, uint32_t state)
{
    bool missed;
    assert(index < client->core_count);
    if (client->cores[index].up)
        core_client_down(client, index);
    missed = client->cores[index].exposed && (state & STATE_SERVING) != 0;
    client->cores[index].exposed = false;
    client->cores[index].up = true;
    client->cores[index].serving = false;
    core_client_routes_resync(client, index);
    core_client_state(client, index, state);
    return missed;
}

void
core_client_down(struct core_client *client, uint32_t index)
{
    struct core_state *core;
    assert(index < client->core_count);
    core = &client->cores[index];
    if (!core->up)
        return;
    core->up = false;
    core->exposed = true;
    /* It may live, and pass on what we gave it after our newer publishes went another way. */
    client->era += core->serving || core->flush_token != 0;
    client->attempt++;
    core->serving = false;
    core->away_ms = client->now_ms;
    core->flush_token = 0;
    core->flush_wanted = false;
    core_client_tokens_lost(client, index);
    core_client_routes_lost(client, index);
    core_client_digest_lost(client, index);
    set_update(client);
}

void
core_client_state(struct core_client *client, uint32_t index, uint32_t state)
{
    assert(index < client->core_count);
    if (!client->cores[index].up)
        return;
    client->cores[index].serving = (state & STATE_SERVING) != 0;
    client->cores[index].exact = (state & STATE_EXACT) != 0;
    set_update(client);
}

enum err
core_client_record(struct core_client *client, uint32_t core, uint8_t type, struct slice body)
{
    enum err err;
    assert(core < client->core_count);
    switch (type) {
    case FEED_TOKEN_DONE:
        err = core_client_tokens_done(client, core, body);
        break;
    case FEED_ROUTE_DONE:
        err = core_client_routes_done(client, core, body);
        break;
    case FEED_DIGEST_RESET:
    case FEED_DIGEST_ADD:
    case FEED_DIGEST_REMOVE:
    case FEED_RESYNC_END:
        err = core_client_digest_record(client, core, type, body);
        break;
    default:
        return ERR_UNSUPPORTED;
    }
    if (err != OK)
        client->stats.protocol_errors++;
    return err;
}

void
core_client_done(struct core_client *client, uint32_t core, uint64_t seq)
{
    assert(core < client->core_count);
    core_client_routes_received(client, core, seq);
}

void
core_client_room(struct core_client *client, uint32_t core)
{
    assert(core < client->core_count);
    if (!client->cores[core].up)
        return;
    core_client_routes_pump(client, core);
    core_client_tokens_pump(client, core);
}

void
core_client_recovering(struct core_client *client, bool on, uint64_t age_ms)
{
    client->recovering = on;
    client->recovered_ms = age_ms;
}

void
core_client_tick(struct core_client *client, uint64_t now_ms)
{
    uint32_t i;
    for (i = 0; client->now_ms == 0 && i < client->core_count; i++)
        client->cores[i].away_ms = now_ms; /* the first tick: nobody was away before */
    client->now_ms = now_ms;
    core_client_routes_tick(client);
    for (i = 0; i < client->core_count; i++) {
        struct core_state *core = &client->cores[i];
        if (core->up) /* in case a room event was ours to miss: costs nothing when idle */
            core_client_room(client, i);
        if (core->flush_token == 0 || now_ms < core->flush_deadline_ms)
            continue;
        client->stats.flush_timeouts++;
        client->era++;
        core_client_flush_end(client, i);
    }
}

bool
core_client_is_serving(const struct core_client *client)
{
    return client->set.members != 0;
}

bool
core_client_digest_is_valid(const struct core_client *client)
{
    return client->valid;
}

bool
core_client_is_holding(const struct core_client *client)
{
    return client->holding;
}

struct core_client_stats
core_client_stats(const struct core_client *client)
{
    struct core_client_stats stats = client->stats;
    stats.tokens_span = (size_t)(client->next - client->floor);
    stats.era = client->era;
    stats.digest_filters = HASH_COUNT(client->filters);
    return stats;
}
