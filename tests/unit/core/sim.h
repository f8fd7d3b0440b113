/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The whole routing protocol in one thread without sockets: real core clients and real routers,
 * joined by simulated feeds that delay, fill up and end (at one end first, too), while cores, the
 * store and gateways are killed, stopped and restarted at random. An oracle checks, for every seed:
 *
 *   - a publish is answered once, and when it is answered, every other gateway whose SUBSCRIBE was
 *     answered before it was published has it, and the store has it committed;
 *   - a publish that the digest kept local was wanted by nobody elsewhere;
 *   - nobody takes a message twice; messages of one publisher, topic and QoS arrive in order;
 *   - of a shared subscription no two members get a QoS 2 message, and one gets it if it was
 * answered (unless a gateway was killed with it);
 *   - when everything works again, everything is answered.
 *
 *   sim_world   the clock, work, one run
 *   sim_feed    one direction of a link
 *   sim_client  a gateway or the store
 *   sim_core    a core
 *   sim_shared  members of shared subscriptions at gateways and the store
 *   sim_fault   what goes wrong, and how it heals
 *
 * The scenes are in cluster_sim_test.c.
 */
#ifndef SLUICE_TESTS_UNIT_CORE_SIM_H
#define SLUICE_TESTS_UNIT_CORE_SIM_H

#include "common/buf.h"
#include "common/mem.h"
#include "proto/core_client.h"
#include "proto/origins.h"
#include "proto/publish_record.h"
#include "proto/records.h"
#include "proto/takes.h"
#include "proto/topic.h"
#include "services/core/router.h"
#include "tests/unit/cunit_main.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sim_options {
    bool faults, gateway_faults; /* the latter: gateways die, too */
    unsigned cores;
};

struct sim_result {
    unsigned answered, local, shared, ended, beyond;
};

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
    DIGEST_CAP = 64,
    SHARES = 3,
    TOPIC_A = 3, /* of the shares */
    TOPIC_B = 4
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
    uint64_t give_up_ms, frozen_ms; /* nothing passes until frozen_ms, but what flows says */
    bool flows_out, flows_in;       /* until it is given up */
    struct feed out, in;            /* client -> core, core -> client */
    uint64_t whole_ms;              /* newest time at which both ends lived */
};

struct message {
    uint32_t publisher, topic;
    uint8_t qos;
    uint64_t at_ms;
    uint64_t origin_serial; /* incarnation count of the publisher */
    unsigned published_at;  /* event count */
    bool must[GATEWAYS];    /* subscribed for sure when published */
    bool must_store;
    bool answered, lost_publisher;
    bool from_store; /* it gave it to a member of a group */
};

struct origin {
    uint64_t id;
    uint32_t last_id[3][TOPICS]; /* by QoS: highest message taken */
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
    /* Of the shares (sim_shared.c). */
    uint32_t members[SHARES];
    struct origins *shared_seen;
    struct takes *takes;
    struct buf numbers[CORES][3]; /* SHARED_DONE, SHARED_CLAIM, SHARED_HELD */
    /* Store: taken but not committed. */
    uint32_t pending[4096];
    unsigned pending_count;
    uint64_t pending_seq[CORES];
};

struct core_node {
    struct router *router;
    bool alive, serving;
    uint64_t started_ms;
    uint64_t stopped_ms;     /* until then it does nothing */
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
    uint8_t *given[SHARES];    /* by message: members of the share that got it */
    unsigned shared, ended;    /* given; lost with a gateway */
    unsigned beyond;           /* given twice: sim_shared.c says when that may be */
    uint64_t gateway_ended_ms; /* sessions of a gateway's clients last ended */
    uint64_t gateway_killed_ms, store_ended_ms;
    const struct sim_options *options;
    bool failed;
};

struct ref { /* arg of callbacks */
    struct world *world;
    uint32_t index;
};
/* sim_world.c */
bool sim_run(uint64_t seed, const struct sim_options *options, struct sim_result *result);
uint64_t sim_rnd(struct world *w, uint64_t n);
void sim_fail(struct world *w, const char *what, uint32_t message, uint32_t who);
struct slice sim_filter(uint32_t i);
size_t sim_encode(struct world *w, uint32_t id, uint8_t *bytes);

/* sim_feed.c */
void sim_feed_init(struct feed *f);
void sim_feed_drop(struct feed *f);
enum err sim_feed_append(struct world *w, struct feed *f, uint8_t type, const struct slice *parts,
                         size_t n, bool control, uint64_t *seq);
struct packet *sim_feed_next(struct feed *f);
bool sim_feed_ack(struct feed *f);
bool sim_feed_room(struct feed *f);

/* sim_client.c */
void sim_client_start(struct world *w, uint32_t index);
void sim_client_take(struct world *w, uint32_t index, struct slice body);
void sim_client_commit(struct world *w);

/* sim_core.c */
void sim_core_start(struct world *w, uint32_t index);

/* sim_shared.c */
void sim_shared_start(struct world *w, uint32_t index);
void sim_shared_stop(struct world *w, uint32_t index);
void sim_shared_routes(struct world *w, uint32_t index, core_client_route_fn fn, void *arg);
bool sim_shared_record(struct world *w, uint32_t index, uint32_t core, uint8_t type,
                       struct slice body);
void sim_shared_change(struct world *w, uint32_t index); /* somebody joins or leaves */
void sim_shared_leave(struct world *w, uint32_t index);  /* everybody leaves */
void sim_shared_up(struct world *w, uint32_t index, uint32_t core);
void sim_shared_turn(struct world *w, uint32_t index);
void sim_shared_check(struct world *w);

/* sim_fault.c */
void sim_fault_session_end(struct world *w, uint32_t client, uint32_t core);
void sim_fault_half_end(struct world *w, uint32_t client, uint32_t core);
void sim_fault_session_begin(struct world *w, uint32_t client, uint32_t core);
void sim_fault_core_kill(struct world *w, uint32_t index);
void sim_fault_lapse(struct world *w, uint32_t client, uint32_t core);
void sim_fault(struct world *w);
void sim_fault_recover(struct world *w, bool heal);

#endif
