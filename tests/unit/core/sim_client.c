/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway or the store: its core client, and what it takes. */
#include "tests/unit/core/sim.h"

static struct ref client_refs[CLIENTS];

static enum err
c_append(void *arg, uint32_t core, uint8_t type, const struct slice *parts, size_t n, bool control,
         uint64_t *seq)
{
    struct ref *ref = arg;
    struct link *link = &ref->world->links[ref->index][core];
    if (!link->up)
        return ERR_PEER_LOST;
    return sim_feed_append(ref->world, &link->out, type, parts, n, control, seq);
}

static void
c_routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    struct ref *ref = arg;
    struct client *c = &ref->world->clients[ref->index];
    uint32_t i;
    for (i = 0; i < FILTERS; i++) {
        if (c->wants[i])
            fn(fn_arg, sim_filter(i), ref->index == STORE ? ROUTE_QOS1 : 0);
    }
    sim_shared_routes(ref->world, ref->index, fn, fn_arg);
}

static void
c_route_done(void *arg, uint64_t cookie, enum err err)
{
    struct ref *ref = arg;
    struct client *c = &ref->world->clients[ref->index];
    uint32_t filter = (uint32_t)cookie;
    c->asked[filter] = false;
    if (err == OK) {
        c->sure[filter] = c->wants[filter];
    } else {
        c->wants[filter] = false;
        core_client_route_remove(c->core_client, sim_filter(filter));
    }
}

static void
c_token_done(void *arg, uint64_t a, uint64_t b, bool wanted)
{
    struct ref *ref = arg;
    struct world *w = ref->world;
    struct message *m = &w->messages[a];
    uint32_t g;
    (void)wanted;
    if (b != 0)
        return; /* handed back by a member */
    if (m->answered)
        sim_fail(w, "answered twice", (uint32_t)a, ref->index);
    m->answered = true;
    w->answered++;
    for (g = 0; g < GATEWAYS; g++) {
        if (m->must[g] && w->clients[g].taken[a] == 0)
            sim_fail(w, "answered, but a subscriber does not have it", (uint32_t)a, g);
    }
    if (m->must_store && w->clients[STORE].taken[a] != 2)
        sim_fail(w, "answered, but not committed", (uint32_t)a, STORE);
}

static void
c_digest_add(void *arg, struct slice filter)
{
    struct ref *ref = arg;
    struct client *c = &ref->world->clients[ref->index];
    if (c->digest_count == DIGEST_CAP || filter.len > 23) {
        sim_fail(ref->world, "digest too long", 0, ref->index);
        return;
    }
    memcpy(c->digest[c->digest_count], filter.data, filter.len);
    c->digest[c->digest_count++][filter.len] = 0;
}

static void
c_digest_remove(void *arg, struct slice filter)
{
    struct ref *ref = arg;
    struct client *c = &ref->world->clients[ref->index];
    unsigned i;
    for (i = 0; i < c->digest_count; i++) {
        if (!slice_equal_cstr(filter, c->digest[i]))
            continue;
        c->digest_count--;
        if (i != c->digest_count)
            memcpy(c->digest[i], c->digest[c->digest_count], sizeof(c->digest[i]));
        return;
    }
    sim_fail(ref->world, "digest removes what was not added", 0, ref->index);
}

static void
c_digest_apply(void *arg, uint64_t stamp)
{
    struct ref *ref = arg;
    ref->world->clients[ref->index].apply = stamp;
}

static void
c_digest_valid(void *arg, bool valid)
{
    struct ref *ref = arg;
    ref->world->clients[ref->index].digest_valid = valid;
}

static void
c_hold(void *arg, bool on)
{
    (void)arg;
    (void)on;
}

void
sim_client_start(struct world *w, uint32_t index)
{
    static const struct core_client_io io = {c_append,       c_routes,       c_route_done,
                                             c_token_done,   c_digest_add,   c_digest_remove,
                                             c_digest_apply, c_digest_valid, c_hold};
    struct client *c = &w->clients[index];
    uint32_t id;
    struct core_client_config config = {
        .digests = index != STORE, .flush_ms = 1000000, .grace_ms = LEASE};
    c->alive = true;
    c->serial++;
    c->incarnation = (uint64_t)(index + 1) << 48 | c->serial << 32;
    config.origin = index == STORE ? 77 : c->incarnation; /* an outbox outlives its program */
    config.ticket_base = c->incarnation;
    config.era = index == STORE ? c->serial << 32 : 0;
    c->digest_count = 0;
    c->digest_valid = false;
    c->apply = 0;
    client_refs[index] = (struct ref){w, index};
    c->core_client = core_client_new(&config, &io, &client_refs[index]);
    (void)core_client_core_add(c->core_client, slice_cstr("core-a:7201"));
    (void)core_client_core_add(c->core_client, slice_cstr("core-b:7201"));
    core_client_tick(c->core_client, w->now);
    sim_shared_start(w, index);
    for (id = 1; index == STORE && id < w->message_count; id++) { /* its outbox */
        uint8_t bytes[128];
        core_client_recovering(c->core_client, true, w->now - w->messages[id].at_ms);
        if (w->messages[id].publisher == STORE && !w->messages[id].answered &&
            core_client_publish_numbered(c->core_client, id,
                                         slice_of(bytes, sim_encode(w, id, bytes)), id, 0) != OK)
            sim_fail(w, "outbox refused", id, index);
    }
    core_client_recovering(c->core_client, false, 0);
}

static struct origin *
origin_of(struct client *c, uint64_t id)
{
    unsigned i;
    for (i = 0; i < c->origin_count; i++) {
        if (c->origins[i].id == id)
            return &c->origins[i];
    }
    c->origins[i] = (struct origin){.id = id};
    c->origin_count++;
    return &c->origins[i];
}

/* A publish reaches a client through a core. */
void
sim_client_take(struct world *w, uint32_t index, struct slice body)
{
    struct client *c = &w->clients[index];
    struct publish_record r;
    struct origin *o;
    uint32_t id, topic;
    bool seen = false;
    CU_ASSERT_EQUAL_FATAL(publish_record_decode(body, &r), OK);
    memcpy(&id, r.payload.data, 4);
    topic = w->messages[id].topic;
    o = origin_of(c, r.origin);
    if (r.token == 0 && origins_is_late(c->seen, r.origin, r.floor, 0))
        return;
    if (r.token != 0 && origins_take(c->seen, r.origin, r.token, r.floor, 0, &seen) != OK)
        sim_fail(w, "token beyond the span", id, index);
    if (seen)
        return;
    /* A repeat may bring an older message to somebody who subscribed after it: no disorder. */
    if (id < o->last_id[r.qos][topic] &&
        (r.qos == 0 || (index == STORE ? w->messages[id].must_store : w->messages[id].must[index])))
        sim_fail(w, "out of order", id, index);
    if (id > o->last_id[r.qos][topic])
        o->last_id[r.qos][topic] = id;
    if (c->taken[id] != 0)
        sim_fail(w, "taken twice", id, index);
    c->taken[id] = 1;
    w->deliveries++;
    if (index == STORE)
        c->pending[c->pending_count++] = id;
}

void
sim_client_commit(struct world *w)
{
    struct client *c = &w->clients[STORE];
    unsigned i;
    for (i = 0; i < c->pending_count; i++)
        c->taken[c->pending[i]] = 2;
    c->pending_count = 0;
    for (i = 0; i < CORES; i++) {
        if (w->links[STORE][i].up && c->pending_seq[i] > w->links[STORE][i].in.done_receiver)
            w->links[STORE][i].in.done_receiver = c->pending_seq[i];
    }
}
