/* SPDX-License-Identifier: Apache-2.0 */
/* The clock, the work of clients, one run. */
#include "tests/unit/core/sim.h"

uint64_t
sim_rnd(struct world *w, uint64_t n)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (w->random >> 33) % n;
}

void
sim_fail(struct world *w, const char *what, uint32_t message, uint32_t who)
{
    if (!w->failed)
        printf("\n  seed %llu time %llu: %s (message %u, client %u)\n", (unsigned long long)w->seed,
               (unsigned long long)w->now, what, message, who);
    w->failed = true;
}

struct slice
sim_filter(uint32_t i)
{
    static char names[FILTERS][16];
    if (i < TOPICS)
        snprintf(names[i], 16, "t/%u/x", i);
    else if (i == TOPICS)
        snprintf(names[i], 16, "#");
    else
        snprintf(names[i], 16, "+/%u/+", i - TOPICS);
    return slice_cstr(names[i]);
}

size_t
sim_encode(struct world *w, uint32_t id, uint8_t *bytes)
{
    struct publish_record r = {.qos = w->messages[id].qos,
                               .topic = sim_filter(w->messages[id].topic),
                               .payload = slice_of(&id, 4)};
    size_t len = publish_record_encode_head(&r, bytes);
    memcpy(bytes + len, &id, 4);
    return len + 4;
}

static void
publish(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint8_t bytes[128];
    uint32_t id = w->message_count, i, g;
    struct message *m = &w->messages[id];
    bool wanted = index == STORE || !c->digest_valid;
    struct slice topic;
    size_t len;
    enum err err;
    if (id >= MESSAGES)
        return;
    *m = (struct message){
        .publisher = index, .topic = (uint32_t)sim_rnd(w, TOPICS), .at_ms = w->now};
    m->qos = index != STORE && sim_rnd(w, 3) == 0 ? 0 : 1;
    if (sim_rnd(w, 3) == 0) {
        m->topic = sim_rnd(w, 2) == 0 ? TOPIC_A : TOPIC_B;
        m->qos = 2;
    }
    topic = sim_filter(m->topic);
    len = sim_encode(w, id, bytes);
    for (i = 0; i < c->digest_count; i++)
        wanted = wanted || topic_matches(slice_cstr(c->digest[i]), topic);
    w->message_count++;
    for (i = 0; i < FILTERS; i++) {
        if (!topic_matches(sim_filter(i), topic))
            continue;
        for (g = 0; g < GATEWAYS; g++)
            m->must[g] = m->must[g] || (g != index && w->clients[g].sure[i]);
        m->must_store = m->must_store || w->clients[STORE].sure[i];
    }
    if (m->qos == 0) {
        memset(m->must, 0, sizeof(m->must));
        m->must_store = false;
        m->answered = true;
        if (wanted)
            (void)!core_client_publish(c->core_client, slice_of(bytes, len), id, 0);
        return;
    }
    if (!wanted) {
        w->local++;
        m->answered = true;
        for (g = 0; g < GATEWAYS; g++) {
            if (m->must[g])
                sim_fail(w, "the digest hid a wanted topic", id, g);
        }
        if (m->must_store)
            sim_fail(w, "the digest hid a topic from the store", id, STORE);
        return;
    }
    if (index == STORE)
        err = core_client_publish_numbered(c->core_client, id, slice_of(bytes, len), id, 0);
    else
        err = core_client_publish(c->core_client, slice_of(bytes, len), id, 0);
    if (err != OK)
        sim_fail(w, "publish refused", id, index);
}

static void
subscribe(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint32_t f = (uint32_t)sim_rnd(w, FILTERS), i;
    if (c->asked[f])
        return;
    if (c->wants[f]) {
        c->wants[f] = c->sure[f] = false;
        core_client_route_remove(c->core_client, sim_filter(f));
        for (i = 0; i < w->message_count; i++) { /* what came before may still come, need not */
            if (index == STORE)
                w->messages[i].must_store = false;
            else
                w->messages[i].must[index] = false;
        }
        return;
    }
    c->wants[f] = c->asked[f] = true;
    if (core_client_route_add(c->core_client, sim_filter(f), index == STORE ? ROUTE_QOS1 : 0, f,
                              w->now + 5000) != OK)
        sim_fail(w, "route refused", 0, index);
}

/* From the client to its core. */
static void
pass_out(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    struct core_node *node = &w->cores[core];
    struct packet *p;
    unsigned n = (unsigned)sim_rnd(w, 6);
    while (n-- != 0 && (p = sim_feed_next(&link->out)) != NULL) {
        if (router_record(node->router, node->place[client], p->type, slice_of(p->bytes, p->len)) !=
            OK)
            sim_fail(w, "router refuses a record", p->type, client);
        router_frame_end(node->router, node->place[client], p->seq);
    }
}

/* From the core to its client. */
static void
pass_in(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    struct client *c = &w->clients[client];
    struct packet *p;
    unsigned n = (unsigned)sim_rnd(w, 6);
    while (n-- != 0 && (p = sim_feed_next(&link->in)) != NULL) {
        struct slice body = slice_of(p->bytes, p->len);
        if (p->type == FEED_PUBLISH)
            sim_client_take(w, client, body);
        else if (!sim_shared_record(w, client, core, p->type, body) &&
                 core_client_record(c->core_client, core, p->type, body) != OK)
            sim_fail(w, "client refuses a record", p->type, client);
        if (client == STORE)
            c->pending_seq[core] = p->seq;
        else if (p->seq > link->in.done_receiver)
            link->in.done_receiver = p->seq;
    }
}

/* A cut: nothing passes, or only one way, until the client gives the core up. */
static void
frozen_step(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    if (!link->up || !w->cores[core].alive || !w->clients[client].alive)
        return;
    if (w->now >= link->give_up_ms) {
        sim_fault_lapse(w, client, core);
        sim_fault_half_end(w, client, core);
        return;
    }
    if (link->flows_out)
        pass_out(w, client, core);
    if (link->flows_in)
        pass_in(w, client, core);
}

/* Moves one link a little. */
static void
link_step(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    struct core_node *node = &w->cores[core];
    struct client *c = &w->clients[client];
    if (w->now < link->frozen_ms) {
        frozen_step(w, client, core);
        return;
    }
    if (link->half && node->alive) {
        pass_out(w, client, core); /* what it sent before it gave the core up */
        if (sim_rnd(w, 100) == 0)
            sim_fault_session_end(w, client, core);
    }
    if (!link->up || !node->alive || !c->alive)
        return;
    pass_out(w, client, core);
    pass_in(w, client, core);
    if (sim_rnd(w, 2) == 0 && sim_feed_ack(&link->out))
        core_client_done(c->core_client, core, link->out.done_sender);
    if (sim_rnd(w, 2) == 0 && sim_feed_ack(&link->in))
        router_done(node->router, node->place[client], link->in.done_sender);
    if (sim_feed_room(&link->out))
        core_client_room(c->core_client, core);
    if (sim_feed_room(&link->in))
        router_room(node->router, node->place[client]);
    if (sim_rnd(w, 4) == 0) /* heartbeats overtake records */
        core_client_state(c->core_client, core, STATE_EXACT | (node->serving ? STATE_SERVING : 0));
}

static void
step(struct world *w, bool work)
{
    uint32_t i, k;
    w->now++;
    for (i = 0; i < CLIENTS; i++) {
        struct client *c = &w->clients[i];
        if (!c->alive)
            continue;
        if (work && sim_rnd(w, i == STORE ? 12 : 3) == 0)
            publish(w, i);
        if (work && sim_rnd(w, 60) == 0)
            subscribe(w, i);
        if (work && sim_rnd(w, 40) == 0)
            sim_shared_change(w, i);
        for (k = 0; k < CORES; k++)
            link_step(w, i, k);
        sim_shared_turn(w, i);
        if (c->apply != 0 && sim_rnd(w, 3) == 0) {
            uint64_t stamp = c->apply;
            c->apply = 0;
            core_client_digest_applied(c->core_client, stamp);
        }
        if (w->now % 10 == 0)
            core_client_tick(c->core_client, w->now);
    }
    if (sim_rnd(w, 5) == 0 && w->clients[STORE].alive)
        sim_client_commit(w);
    for (k = 0; k < CORES; k++) {
        if (!w->cores[k].alive || w->now < w->cores[k].stopped_ms)
            continue;
        router_turn(w->cores[k].router);
        router_tick(w->cores[k].router, w->now);
    }
}

static struct world *
world_new(uint64_t seed, const struct sim_options *options)
{
    struct world *w = mem_zalloc(sizeof(*w));
    uint32_t i, k;
    w->seed = seed;
    w->random = seed * 7919 + 1;
    w->options = options;
    w->messages = mem_zalloc_array(MESSAGES, sizeof(*w->messages));
    w->message_count = 1; /* 0 means none */
    w->messages[0].answered = true;
    for (i = 0; i < SHARES; i++)
        w->given[i] = mem_zalloc(MESSAGES);
    for (i = 0; i < CLIENTS; i++) {
        w->clients[i].taken = mem_zalloc(MESSAGES);
        w->clients[i].seen = origins_new(ORIGINS_WRITTEN, ORIGINS);
        for (k = 0; k < CORES; k++) {
            sim_feed_init(&w->links[i][k].out);
            sim_feed_init(&w->links[i][k].in);
        }
        sim_client_start(w, i);
    }
    for (k = 0; k < options->cores; k++)
        sim_core_start(w, k);
    return w;
}

static void
check_answers(struct world *w)
{
    unsigned open = 0;
    uint32_t i;
    for (i = 0; i < w->message_count; i++) {
        if (!w->messages[i].answered && !w->messages[i].lost_publisher)
            open++;
    }
    if (open != 0)
        sim_fail(w, "not everything is answered", open, 0);
}

static void
client_end(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    struct core_client_stats s = core_client_stats(c->core_client);
    uint32_t k;
    if (!w->failed && (s.tokens_open != 0 || s.unsent != 0 || s.bytes_kept != 0 ||
                       s.tickets_open != 0 || s.backlog_dropped != 0))
        sim_fail(w, "a client keeps something", (uint32_t)s.tokens_open, index);
    sim_shared_stop(w, index);
    origins_free(c->shared_seen);
    core_client_free(c->core_client);
    origins_free(c->seen);
    mem_free(c->taken);
    for (k = 0; k < CORES; k++) {
        sim_feed_drop(&w->links[index][k].out);
        sim_feed_drop(&w->links[index][k].in);
    }
}

static void
core_end(struct world *w, uint32_t index)
{
    struct router_stats s = {0};
    if (w->cores[index].router != NULL)
        s = router_stats(w->cores[index].router);
    if (!w->failed && (s.tokens_open != 0 || s.tickets_open != 0 || s.parked_bytes != 0 ||
                       s.input_bytes != 0 || s.malformed != 0 || s.asking != 0 || s.unknown != 0))
        sim_fail(w, "a core keeps something", (uint32_t)s.tokens_open, index);
    router_free(w->cores[index].router);
}

bool
sim_run(uint64_t seed, const struct sim_options *options, struct sim_result *result)
{
    struct world *w = world_new(seed, options);
    uint32_t i;
    bool failed;
    while (w->message_count < MESSAGES && !w->failed && w->now < 20000) {
        step(w, true);
        if (options->faults && sim_rnd(w, 250) == 0)
            sim_fault(w);
        if (options->faults || w->now < 50)
            sim_fault_recover(w, !options->faults && options->cores == CORES);
        if (options->cores < CORES)
            sim_fault_core_kill(w, CORES - 1);
    }
    for (i = 0; i < 3000 && !w->failed; i++) {
        sim_fault_recover(w, true);
        step(w, false);
    }
    if (!w->failed) {
        check_answers(w);
        sim_shared_check(w);
    }
    for (i = 0; i < CLIENTS; i++)
        client_end(w, i);
    for (i = 0; i < CORES; i++)
        core_end(w, i);
    result->answered += w->answered;
    result->local += w->local;
    result->shared += w->shared;
    result->ended += w->ended;
    result->beyond += w->beyond;
    failed = w->failed;
    for (i = 0; i < SHARES; i++)
        mem_free(w->given[i]);
    mem_free(w->messages);
    mem_free(w);
    return !failed;
}
