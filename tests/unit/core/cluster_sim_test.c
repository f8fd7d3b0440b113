/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole routing protocol in one thread without sockets: real core clients and real routers,
 * joined by simulated feeds that delay, fill up and end (at one end first, too), while cores, the
 * store and gateways are killed and restarted at random. An oracle checks, for every seed:
 *
 *   - a publish is answered once, and when it is answered, every other gateway whose SUBSCRIBE was
 *     answered before it was published has it, and the store has it committed;
 *   - a publish that the digest kept local was wanted by nobody elsewhere;
 *   - nobody takes a message twice; messages of one publisher, topic and QoS arrive in order;
 *   - when everything works again, everything is answered.
 */
#include "common/mem.h"
#include "proto/core_client.h"
#include "proto/origins.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "proto/topic.h"
#include "services/core/router.h"
#include "tests/unit/cunit_main.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CORES = 2,
    GATEWAYS = 3,
    CLIENTS = GATEWAYS + 1, /* the last is the store */
    STORE = GATEWAYS,
    TOPICS = 12,
    FILTERS = 18, /* topics, then some wildcards */
    LEASE = 300,
    WINDOW = 3000,
    MESSAGES = 4000,
    ORIGINS = 256,
    DIGEST_CAP = 64
};

struct packet {
    struct packet *next;
    uint64_t seq;
    uint8_t type;
    uint32_t len;
    uint8_t bytes[];
};

/* One direction. Every record is a frame; seq and ticket are one number that rises for ever. */
struct feed {
    struct packet *head, **tail; /* not done */
    struct packet **undelivered; /* link to the first not delivered */
    uint64_t last, done_receiver, done_sender;
    size_t bytes;
    bool refused;
};

struct link {
    bool up;
    bool half;                      /* the client has given it up, the core has not yet */
    uint64_t give_up_ms, frozen_ms; /* nothing passes until frozen_ms */
    struct feed out, in;            /* client -> core, core -> client */
    uint64_t whole_ms;              /* newest time at which both ends lived */
};

struct message {
    uint32_t publisher, topic;
    uint64_t origin_serial; /* incarnation count of the publisher */
    unsigned published_at;  /* event count */
    bool must[GATEWAYS];    /* subscribed for sure when published */
    bool must_store;
    bool answered, lost_publisher;
};

struct origin {
    uint64_t id;
    uint32_t last_id[2][TOPICS]; /* by QoS: highest message taken */
};

struct client {
    struct core_client *core_client;
    bool alive;
    uint64_t incarnation;
    uint64_t serial;
    bool wants[FILTERS]; /* in io.routes */
    bool sure[FILTERS];  /* SUBACK given */
    bool asked[FILTERS]; /* ticket open */
    char digest[DIGEST_CAP][24];
    unsigned digest_count;
    bool digest_valid;
    uint64_t apply; /* stamp waiting, 0: none */
    struct origins *seen;
    struct origin origins[ORIGINS];
    unsigned origin_count;
    uint8_t *taken; /* by message: has it */
    /* Store: taken but not committed. */
    uint32_t pending[4096];
    unsigned pending_count;
    uint64_t pending_seq[CORES];
};

struct core_node {
    struct router *router;
    bool alive, serving;
    uint32_t place[CLIENTS]; /* of each client, in this incarnation */
};

struct world {
    uint64_t random, seed, now;
    struct client clients[CLIENTS];
    struct core_node cores[CORES];
    struct link links[CLIENTS][CORES];
    struct message *messages;
    uint32_t message_count;
    unsigned answered, local, deliveries;
    bool failed;
};

struct ref { /* arg of callbacks */
    struct world *world;
    uint32_t index;
};
static struct ref client_refs[CLIENTS], core_refs[CORES];

static uint64_t
rnd(struct world *w, uint64_t n)
{
    w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (w->random >> 33) % n;
}

static void
fail(struct world *w, const char *what, uint32_t message, uint32_t who)
{
    if (!w->failed)
        printf("\n  seed %llu time %llu: %s (message %u, client %u)\n", (unsigned long long)w->seed,
               (unsigned long long)w->now, what, message, who);
    w->failed = true;
}

static struct slice
filter_name(uint32_t i)
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

/* ---- feeds ---- */

static void
feed_init(struct feed *f)
{
    f->head = NULL;
    f->tail = &f->head;
    f->undelivered = &f->head;
    f->bytes = 0;
    f->refused = false;
}

static void
feed_drop(struct feed *f)
{
    while (f->head != NULL) {
        struct packet *p = f->head;
        f->head = p->next;
        mem_free(p);
    }
    feed_init(f);
}

static enum err
feed_append(struct world *w, struct feed *f, uint8_t type, const struct slice *parts, size_t n,
            bool control, uint64_t *seq)
{
    struct packet *p;
    size_t len = 0, at = 0, i;
    for (i = 0; i < n; i++)
        len += parts[i].len;
    if (f->bytes > (control ? WINDOW * 2 : WINDOW) || (control && rnd(w, 40) == 0)) {
        f->refused = true;
        return ERR_BUSY;
    }
    p = mem_alloc(sizeof(*p) + len);
    p->next = NULL;
    p->seq = ++f->last;
    p->type = type;
    p->len = (uint32_t)len;
    for (i = 0; i < n; i++) {
        if (parts[i].len != 0)
            memcpy(p->bytes + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    *f->tail = p;
    f->tail = &p->next;
    f->bytes += len + 20;
    if (seq != NULL)
        *seq = p->seq;
    return OK;
}

static struct packet *
feed_next(struct feed *f)
{
    struct packet *p = *f->undelivered;
    if (p != NULL)
        f->undelivered = &p->next;
    return p;
}

/* The sender learns of done. */
static bool
feed_ack(struct feed *f)
{
    bool moved = f->done_sender < f->done_receiver;
    f->done_sender = f->done_receiver;
    while (f->head != NULL && f->head->seq <= f->done_sender) {
        struct packet *p = f->head;
        if (f->undelivered == &p->next)
            f->undelivered = &f->head;
        f->head = p->next;
        if (f->tail == &p->next)
            f->tail = &f->head;
        f->bytes -= p->len + 20;
        mem_free(p);
    }
    return moved;
}

static bool
feed_room(struct feed *f)
{
    if (!f->refused || f->bytes > WINDOW * 3 / 4)
        return false;
    f->refused = false;
    return true;
}

/* ---- the clients' callbacks ---- */

static enum err
c_append(void *arg, uint32_t core, uint8_t type, const struct slice *parts, size_t n, bool control,
         uint64_t *seq)
{
    struct ref *ref = arg;
    struct link *link = &ref->world->links[ref->index][core];
    if (!link->up)
        return ERR_PEER_LOST;
    return feed_append(ref->world, &link->out, type, parts, n, control, seq);
}

static void
c_routes(void *arg, core_client_route_fn fn, void *fn_arg)
{
    struct ref *ref = arg;
    struct client *c = &ref->world->clients[ref->index];
    uint32_t i;
    for (i = 0; i < FILTERS; i++) {
        if (c->wants[i])
            fn(fn_arg, filter_name(i), ref->index == STORE ? ROUTE_QOS1 : 0);
    }
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
        core_client_route_remove(c->core_client, filter_name(filter));
    }
}

static void
c_token_done(void *arg, uint64_t a, uint64_t b, bool wanted)
{
    struct ref *ref = arg;
    struct world *w = ref->world;
    struct message *m = &w->messages[a];
    uint32_t g;
    (void)b;
    (void)wanted;
    if (m->answered)
        fail(w, "answered twice", (uint32_t)a, ref->index);
    m->answered = true;
    w->answered++;
    for (g = 0; g < GATEWAYS; g++) {
        if (m->must[g] && w->clients[g].taken[a] == 0)
            fail(w, "answered, but a subscriber does not have it", (uint32_t)a, g);
    }
    if (m->must_store && w->clients[STORE].taken[a] != 2)
        fail(w, "answered, but not committed", (uint32_t)a, STORE);
}

static void
c_digest_add(void *arg, struct slice filter)
{
    struct ref *ref = arg;
    struct client *c = &ref->world->clients[ref->index];
    if (c->digest_count == DIGEST_CAP || filter.len > 23) {
        fail(ref->world, "digest too long", 0, ref->index);
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
    fail(ref->world, "digest removes what was not added", 0, ref->index);
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

static size_t
encode(struct world *w, uint32_t id, uint8_t qos, uint8_t *bytes)
{
    struct publish_record r = {
        .qos = qos, .topic = filter_name(w->messages[id].topic), .payload = slice_of(&id, 4)};
    size_t len = publish_record_encode_head(&r, bytes);
    memcpy(bytes + len, &id, 4);
    return len + 4;
}

static void
client_start(struct world *w, uint32_t index)
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
    for (id = 1; index == STORE && id < w->message_count; id++) { /* its outbox */
        uint8_t bytes[128];
        if (w->messages[id].publisher == STORE && !w->messages[id].answered &&
            core_client_publish_numbered(c->core_client, id,
                                         slice_of(bytes, encode(w, id, 1, bytes)), id, 0) != OK)
            fail(w, "outbox refused", id, index);
    }
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
static void
client_take(struct world *w, uint32_t index, struct slice body)
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
        fail(w, "token beyond the span", id, index);
    if (seen)
        return;
    /* A repeat may bring an older message to somebody who subscribed after it: no disorder. */
    if (id < o->last_id[r.qos][topic] &&
        (r.qos == 0 || (index == STORE ? w->messages[id].must_store : w->messages[id].must[index])))
        fail(w, "out of order", id, index);
    if (id > o->last_id[r.qos][topic])
        o->last_id[r.qos][topic] = id;
    if (c->taken[id] != 0)
        fail(w, "taken twice", id, index);
    c->taken[id] = 1;
    w->deliveries++;
    if (index == STORE)
        c->pending[c->pending_count++] = id;
}

static void
store_commit(struct world *w)
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

/* ---- the routers' callbacks ---- */

static uint32_t
client_at(const struct core_node *core, uint32_t place)
{
    uint32_t i;
    for (i = 0; i < CLIENTS; i++) {
        if (core->place[i] == place)
            return i;
    }
    return CLIENTS;
}

static enum err
r_append(void *arg, uint32_t place, uint8_t type, const struct slice *parts, size_t n,
         enum feed_class class, uint64_t *ticket)
{
    struct ref *ref = arg;
    uint32_t client = client_at(&ref->world->cores[ref->index], place);
    struct link *link = &ref->world->links[client][ref->index];
    if (!link->up && !link->half)
        return ERR_PEER_LOST;
    return feed_append(ref->world, &link->in, type, parts, n, feed_class_is_control(class), ticket);
}

static void
r_finished(void *arg, uint32_t place, uint64_t seq)
{
    struct ref *ref = arg;
    uint32_t client = client_at(&ref->world->cores[ref->index], place);
    struct feed *f = &ref->world->links[client][ref->index].out;
    if (ref->world->links[client][ref->index].up && seq > f->done_receiver && seq <= f->last)
        f->done_receiver = seq;
}

static void
r_serving(void *arg, bool serving)
{
    struct ref *ref = arg;
    ref->world->cores[ref->index].serving = serving;
}

static void
r_drop(void *arg, uint32_t place, enum err why)
{
    struct ref *ref = arg;
    (void)place;
    (void)why;
    fail(ref->world, "router ends a session", 0, 0);
}

static void
core_start(struct world *w, uint32_t index)
{
    static const struct router_io io = {r_append, r_finished, r_serving, r_drop, NULL};
    struct router_config config = {.lease_ms = LEASE, .stores = 1, .store_park_bytes = 20000};
    config.digest_entries = w->seed % 2 == 0 ? 6 : 40; /* always shortened, never shortened */
    struct core_node *core = &w->cores[index];
    uint32_t i;
    core_refs[index] = (struct ref){w, index};
    core->router = router_new(&config, &io, &core_refs[index]);
    core->alive = true;
    core->serving = false;
    for (i = 0; i < CLIENTS; i++)
        core->place[i] = ROUTER_NO_PLACE;
    router_tick(core->router, w->now);
}

/* ---- sessions ---- */

/* Ends a session; the core's feed to the store is kept by the core as long as the core lives. */
static void
session_end(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    bool up = link->up;
    if (!up && !link->half)
        return;
    link->up = link->half = false;
    link->frozen_ms = 0;
    feed_drop(&link->out);
    if (client == STORE && w->cores[core].alive)
        link->in.undelivered = &link->in.head;
    else
        feed_drop(&link->in);
    if (w->cores[core].alive)
        router_down(w->cores[core].router, w->cores[core].place[client]);
    if (up && w->clients[client].alive)
        core_client_down(w->clients[client].core_client, core);
    w->clients[client].pending_seq[core] = 0;
}

/* The client gives the core up, as it does first when a link is cut; what it sent may still arrive,
 * and be passed on, but nothing comes back. */
static void
session_half_end(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    link->up = false;
    link->half = true;
    core_client_down(w->clients[client].core_client, core);
    w->clients[client].pending_seq[core] = 0;
}

static void
session_begin(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    struct core_node *node = &w->cores[core];
    char name[8];
    if (link->up || !node->alive || !w->clients[client].alive)
        return;
    session_end(w, client, core); /* a new hello: the core learns that its session is over */
    link->up = true;
    link->out.done_receiver = link->out.done_sender = link->out.last;
    if (client != STORE)
        link->in.done_receiver = link->in.done_sender = link->in.last;
    else
        link->in.done_receiver = link->in.done_sender;
    snprintf(name, sizeof(name), "%u", client);
    node->place[client] = client == STORE ? router_store(node->router, 0, 1, slice_cstr(name))
                                          : router_place(node->router, slice_cstr(name));
    router_up(node->router, node->place[client]);
    core_client_up(w->clients[client].core_client, core, node->serving ? STATE_SERVING : 0);
}

/* ---- faults ---- */

static void
core_kill(struct world *w, uint32_t index)
{
    uint32_t i;
    if (!w->cores[index].alive)
        return;
    w->cores[index].alive = false;
    router_free(w->cores[index].router);
    w->cores[index].router = NULL;
    w->cores[index].serving = false;
    for (i = 0; i < CLIENTS; i++)
        feed_drop(&w->links[i][index].in); /* what was on its way to it is noticed later */
}

static void
client_kill(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint32_t i;
    if (!c->alive)
        return;
    c->alive = false;
    core_client_free(c->core_client);
    c->core_client = NULL;
    for (i = 0; i < w->message_count; i++) {
        if (w->messages[i].publisher == index && !w->messages[i].answered && index != STORE)
            w->messages[i].lost_publisher = true;
    }
    if (index == STORE)
        return; /* it is killed right after a commit, so its sets are as on disk; it keeps them */
    memset(c->wants, 0, sizeof(c->wants));
    memset(c->sure, 0, sizeof(c->sure));
    memset(c->asked, 0, sizeof(c->asked));
    for (i = 0; i < w->message_count; i++)
        w->messages[i].must[index] = false;
}

/* A lease ends though both live: the gateway's subscribers are told (their sessions are closed). */
static void
subscribers_lapse(struct world *w, uint32_t client, uint32_t core)
{
    struct client *c = &w->clients[client];
    uint32_t i;
    if (client == STORE || !w->links[client][core].up)
        return;
    for (i = 0; i < FILTERS; i++) {
        if (c->wants[i] && c->sure[i]) {
            c->wants[i] = c->sure[i] = false;
            core_client_route_remove(c->core_client, filter_name(i));
        }
    }
    for (i = 0; i < w->message_count; i++)
        w->messages[i].must[client] = false;
}

/* Either both ends see it at once, or the link is silent until the client has given the core up;
 * then what was on the way arrives all the same. */
static void
lapse(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    if (rnd(w, 2) == 0) {
        subscribers_lapse(w, client, core);
        session_end(w, client, core);
    } else if (link->up && w->cores[core].alive && w->clients[client].alive) {
        link->give_up_ms = w->now + 20 + rnd(w, 20);
        link->frozen_ms = link->give_up_ms + rnd(w, 20);
    }
}

/* ---- work ---- */

static void
publish(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint8_t bytes[128], qos = index != STORE && rnd(w, 3) == 0 ? 0 : 1;
    uint32_t id = w->message_count, i, g;
    struct message *m = &w->messages[id];
    bool wanted = index == STORE || !c->digest_valid;
    struct slice topic;
    size_t len;
    enum err err;
    if (id >= MESSAGES)
        return;
    *m = (struct message){.publisher = index, .topic = (uint32_t)rnd(w, TOPICS)};
    topic = filter_name(m->topic);
    len = encode(w, id, qos, bytes);
    for (i = 0; i < c->digest_count; i++)
        wanted = wanted || topic_matches(slice_cstr(c->digest[i]), topic);
    w->message_count++;
    for (i = 0; i < FILTERS; i++) {
        if (!topic_matches(filter_name(i), topic))
            continue;
        for (g = 0; g < GATEWAYS; g++)
            m->must[g] = m->must[g] || (g != index && w->clients[g].sure[i]);
        m->must_store = m->must_store || w->clients[STORE].sure[i];
    }
    if (qos == 0) {
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
                fail(w, "the digest hid a wanted topic", id, g);
        }
        if (m->must_store)
            fail(w, "the digest hid a topic from the store", id, STORE);
        return;
    }
    if (index == STORE)
        err = core_client_publish_numbered(c->core_client, id, slice_of(bytes, len), id, 0);
    else
        err = core_client_publish(c->core_client, slice_of(bytes, len), id, 0);
    if (err != OK)
        fail(w, "publish refused", id, index);
}

static void
subscribe(struct world *w, uint32_t index)
{
    struct client *c = &w->clients[index];
    uint32_t f = (uint32_t)rnd(w, FILTERS), i;
    if (c->asked[f])
        return;
    if (c->wants[f]) {
        c->wants[f] = c->sure[f] = false;
        core_client_route_remove(c->core_client, filter_name(f));
        for (i = 0; i < w->message_count; i++) { /* what came before may still come, need not */
            if (index == STORE)
                w->messages[i].must_store = false;
            else
                w->messages[i].must[index] = false;
        }
        return;
    }
    c->wants[f] = c->asked[f] = true;
    if (core_client_route_add(c->core_client, filter_name(f), index == STORE ? ROUTE_QOS1 : 0, f,
                              w->now + 5000) != OK)
        fail(w, "route refused", 0, index);
}

/* What the client sent before it gave the core up. */
static void
link_half_step(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    struct core_node *node = &w->cores[core];
    struct packet *p;
    unsigned n = (unsigned)rnd(w, 6);
    while (n-- != 0 && (p = feed_next(&link->out)) != NULL) {
        if (router_record(node->router, node->place[client], p->type, slice_of(p->bytes, p->len)) !=
            OK)
            fail(w, "router refuses a record", 0, client);
        router_frame_end(node->router, node->place[client], p->seq);
    }
    if (rnd(w, 100) == 0)
        session_end(w, client, core);
}

/* Moves one link a little. */
static void
link_step(struct world *w, uint32_t client, uint32_t core)
{
    struct link *link = &w->links[client][core];
    struct core_node *node = &w->cores[core];
    struct client *c = &w->clients[client];
    struct packet *p;
    unsigned n = (unsigned)rnd(w, 6);
    if (w->now < link->frozen_ms) {
        if (w->now >= link->give_up_ms && link->up && node->alive && c->alive) {
            subscribers_lapse(w, client, core);
            session_half_end(w, client, core);
        }
        return;
    }
    if (link->half && node->alive)
        link_half_step(w, client, core);
    if (!link->up || !node->alive || !c->alive)
        return;
    while (n-- != 0 && (p = feed_next(&link->out)) != NULL) {
        if (router_record(node->router, node->place[client], p->type, slice_of(p->bytes, p->len)) !=
            OK)
            fail(w, "router refuses a record", 0, client);
        router_frame_end(node->router, node->place[client], p->seq);
    }
    n = (unsigned)rnd(w, 6);
    while (n-- != 0 && (p = feed_next(&link->in)) != NULL) {
        struct slice body = slice_of(p->bytes, p->len);
        if (p->type == FEED_PUBLISH)
            client_take(w, client, body);
        else if (core_client_record(c->core_client, core, p->type, body) != OK)
            fail(w, "client refuses a record", 0, client);
        if (client == STORE)
            c->pending_seq[core] = p->seq;
        else if (p->seq > link->in.done_receiver)
            link->in.done_receiver = p->seq;
    }
    if (rnd(w, 2) == 0 && feed_ack(&link->out))
        core_client_done(c->core_client, core, link->out.done_sender);
    if (rnd(w, 2) == 0 && feed_ack(&link->in))
        router_done(node->router, node->place[client], link->in.done_sender);
    if (feed_room(&link->out))
        core_client_room(c->core_client, core);
    if (feed_room(&link->in))
        router_room(node->router, node->place[client]);
    if (rnd(w, 4) == 0) /* heartbeats overtake records */
        core_client_state(c->core_client, core, node->serving ? STATE_SERVING : 0);
}

static void
fault(struct world *w)
{
    uint32_t core = (uint32_t)rnd(w, CORES), gateway = (uint32_t)rnd(w, GATEWAYS);
    switch (rnd(w, 6)) {
    case 0:
    case 1:
        core_kill(w, core);
        break;
    case 2:
        client_kill(w, gateway);
        break;
    case 3:
        store_commit(w);
        client_kill(w, STORE);
        break;
    case 4:
        lapse(w, gateway, core);
        break;
    default:
        store_commit(w);
        lapse(w, STORE, core);
        break;
    }
}

/* What is dead comes back, what is apart meets, at random or (heal) now. A client notices that a
 * core is gone within a lease; a core that starts waits for one. */
static void
recover(struct world *w, bool heal)
{
    uint32_t i, k;
    for (k = 0; k < CORES; k++) {
        for (i = 0; i < CLIENTS; i++) {
            bool broken = !w->cores[k].alive || !w->clients[i].alive;
            if (!broken)
                w->links[i][k].whole_ms = w->now;
            if ((w->links[i][k].up || w->links[i][k].half) && broken &&
                (heal || rnd(w, 30) == 0 || w->now - w->links[i][k].whole_ms >= LEASE - 10))
                session_end(w, i, k);
        }
        if (!w->cores[k].alive && (heal || rnd(w, 100) == 0)) {
            for (i = 0; i < CLIENTS; i++) /* the new one says hello: the old one is gone */
                session_end(w, i, k);
            core_start(w, k);
        }
    }
    for (i = 0; i < CLIENTS; i++) {
        if (!w->clients[i].alive && (heal || rnd(w, 100) == 0)) {
            for (k = 0; k < CORES; k++)
                session_end(w, i, k);
            client_start(w, i);
        }
        for (k = 0; k < CORES; k++) {
            /* Within a lease: who is away for longer may miss something, and is told (exposed). */
            bool late = w->links[i][k].half && w->now < w->links[i][k].give_up_ms + LEASE / 2;
            if (heal || rnd(w, late ? 100 : 20) == 0)
                session_begin(w, i, k);
        }
    }
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
        if (work && rnd(w, i == STORE ? 12 : 3) == 0)
            publish(w, i);
        if (work && rnd(w, 60) == 0)
            subscribe(w, i);
        for (k = 0; k < CORES; k++)
            link_step(w, i, k);
        if (c->apply != 0 && rnd(w, 3) == 0) {
            uint64_t stamp = c->apply;
            c->apply = 0;
            core_client_digest_applied(c->core_client, stamp);
        }
        if (w->now % 10 == 0)
            core_client_tick(c->core_client, w->now);
    }
    if (rnd(w, 5) == 0 && w->clients[STORE].alive)
        store_commit(w);
    for (k = 0; k < CORES; k++) {
        if (!w->cores[k].alive)
            continue;
        router_turn(w->cores[k].router);
        router_tick(w->cores[k].router, w->now);
    }
}

static bool
run(uint64_t seed, bool faults, unsigned cores_used, unsigned *answered, unsigned *local)
{
    struct world *w = mem_zalloc(sizeof(*w));
    uint32_t i, k;
    unsigned open = 0;
    bool failed;
    w->seed = seed;
    w->random = seed * 7919 + 1;
    w->messages = mem_zalloc_array(MESSAGES, sizeof(*w->messages));
    w->message_count = 1; /* 0 means none */
    w->messages[0].answered = true;
    for (i = 0; i < CLIENTS; i++) {
        w->clients[i].taken = mem_zalloc(MESSAGES);
        w->clients[i].seen = origins_new(ORIGINS_WRITTEN, ORIGINS);
        client_start(w, i);
        for (k = 0; k < CORES; k++) {
            feed_init(&w->links[i][k].out);
            feed_init(&w->links[i][k].in);
        }
    }
    for (k = 0; k < cores_used; k++)
        core_start(w, k);
    while (w->message_count < MESSAGES && !w->failed && w->now < 20000) {
        step(w, true);
        if (faults && rnd(w, 250) == 0)
            fault(w);
        if (faults || w->now < 50)
            recover(w, !faults && cores_used == CORES);
        if (cores_used < CORES)
            core_kill(w, CORES - 1);
    }
    for (i = 0; i < 3000 && !w->failed; i++) {
        recover(w, true);
        step(w, false);
    }
    for (i = 0; i < w->message_count && !w->failed; i++) {
        if (!w->messages[i].answered && !w->messages[i].lost_publisher)
            open++;
    }
    if (open != 0)
        fail(w, "not everything is answered", open, 0);
    for (i = 0; i < CLIENTS; i++) {
        struct core_client_stats s = core_client_stats(w->clients[i].core_client);
        if (!w->failed && (s.tokens_open != 0 || s.unsent != 0 || s.bytes_kept != 0 ||
                           s.tickets_open != 0 || s.backlog_dropped != 0))
            fail(w, "a client keeps something", (uint32_t)s.tokens_open, i);
        core_client_free(w->clients[i].core_client);
        origins_free(w->clients[i].seen);
        mem_free(w->clients[i].taken);
        for (k = 0; k < CORES; k++) {
            feed_drop(&w->links[i][k].out);
            feed_drop(&w->links[i][k].in);
        }
    }
    for (k = 0; k < CORES; k++) {
        struct router_stats s = {0};
        if (w->cores[k].router != NULL)
            s = router_stats(w->cores[k].router);
        if (!w->failed && (s.tokens_open != 0 || s.tickets_open != 0 || s.parked_bytes != 0 ||
                           s.input_bytes != 0 || s.malformed != 0))
            fail(w, "a core keeps something", (uint32_t)s.tokens_open, k);
        router_free(w->cores[k].router);
    }
    *answered += w->answered;
    *local += w->local;
    failed = w->failed;
    mem_free(w->messages);
    mem_free(w);
    return !failed;
}

static unsigned
seeds(unsigned usual)
{
    const char *text = getenv("SIM_SEEDS");
    return text != NULL ? (unsigned)strtoul(text, NULL, 10) : usual;
}

static void
quiet_cluster_answers_everything(void)
{
    unsigned answered = 0, local = 0;
    uint64_t seed;
    for (seed = 1; seed <= 5; seed++)
        CU_ASSERT_TRUE_FATAL(run(seed, false, CORES, &answered, &local));
    CU_ASSERT_TRUE(answered > 1000 && local > 0);
}

static void
faults_lose_nothing(void)
{
    unsigned answered = 0, local = 0, n = seeds(60);
    uint64_t seed;
    for (seed = 100; seed < 100 + n; seed++)
        CU_ASSERT_TRUE_FATAL(run(seed, true, CORES, &answered, &local));
    CU_ASSERT_TRUE(answered > 1000);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(quiet_cluster_answers_everything),
    CUNIT_CASE(faults_lose_nothing),
};
CUNIT_MAIN("cluster_sim", cases)
