/* SPDX-License-Identifier: Apache-2.0 */
/* The hall of sluice-store: what the parts are, and who holds them. One thread (the loop's) owns
 * everything here; the committer, the reading threads and the password threads have their own.
 *
 * How a change becomes real: a desk (on_*.c) changes the rooms at once and adds the same change to
 * the committer's open batch; whatever tells somebody else (a reply, a `done`, a push, an answer to
 * an inbound publish) is a mark of that batch and happens only when it is durable.
 *
 * Memory of a session that was removed lives until the marks before its removal have run
 * (session_life.c), so a mark may hold a pointer and look at session->state. */
#ifndef SERVICES_STORE_STORE_H
#define SERVICES_STORE_STORE_H

#include "common/http.h"
#include "common/loop.h"
#include "common/metrics.h"
#include "common/peer.h"
#include "common/wheel.h"
#include "proto/core_client.h"
#include "proto/origins.h"
#include "proto/publish_record.h"
#include "proto/shard_seats.h"
#include "proto/takes.h"
#include "proto/trace_desk.h"
#include "services/store/commit.h"
#include "services/store/driver.h"
#include "services/store/late_wills.h"
#include "services/store/outbox.h"
#include "services/store/read_pool.h"
#include "services/store/sessions.h"
#include "services/store/store_config.h"
#include "services/store/store_metrics.h"
#include "services/store/subscriptions.h"
#include "services/store/users.h"
#include "services/store/verify_pool.h"

#include <stdbool.h>
#include <stdint.h>

struct access_rows;
struct admin_publish;
struct signin_job;
struct user_rows;
struct restore_copy;
struct retained_job;
struct retained_limit;
struct retained_sweep;
struct session_ending_wait;
struct subscribe_job;
struct store_link;
struct store_start;

struct store {
    const struct store_config *config;
    struct loop *loop;
    struct metrics *metrics;
    struct store_metrics counters;
    struct drops *drops;     /* says in the log what counters.dropped counts */
    struct trace_desk trace; /* what operators watch */
    struct http *http;
    struct store_start *start;
    struct driver *driver;
    struct read_pool *reads;
    struct commit *commit;
    struct peers *peers;
    struct core_client *cores;
    struct sessions *sessions;
    struct subscriptions *subscriptions;
    struct origins *origins;
    struct takes *takes; /* of shared subscriptions */
    struct outbox *outbox;
    struct late_wills *late_wills;
    struct users *users;
    struct user_rows *user_rows;
    struct access_rows *access; /* roles, bans, keys, audit */
    struct verify_pool *pool;
    struct signin_job *signins;
    struct retained_job *retained_jobs; /* a line: first and last */
    struct retained_job *retained_last;
    unsigned retained_reading; /* of these, with a page on its way */
    unsigned retained_asking;  /* and with a question to another store */
    struct retained_sweep *sweep;
    struct retained_limit *retained_limit;
    struct session_ending_wait *ending_waits;
    struct restore_copy *outbox_copies; /* from the last run, not given to cores yet */
    struct store_link *links;           /* every peer that has been up */
    struct wheel deadlines;             /* sessions: wills and expiry */
    struct loop_timer tick;
    struct shards shards;
    uint32_t shard;                /* which of these we have, once claimed */
    struct shard_seats neighbours; /* who has the others */
    struct lease_keeper *lease;    /* of it, in a shared database; else NULL */
    uint64_t boot;                 /* starts of this data, this one included */
    uint64_t origin;               /* of the outbox: lasting */
    uint64_t next_body;
    uint64_t stamp; /* what is added now is durable when committed >= stamp */
    uint64_t committed;
    uint64_t stamped;     /* a mark for stamps up to this one is on its way */
    uint64_t queue_count; /* of all sessions */
    uint64_t queue_bytes;
    uint64_t connected;
    uint64_t persistent; /* sessions that outlive their connection */
    uint64_t started_ms; /* monotonic, when we began to listen */
    uint64_t last_sweep_ms;
    uint64_t report_ms;          /* when the cores are told our counters */
    struct driver_totals totals; /* as last read */
    bool totals_wanted;          /* being read */
    uint64_t next_job;
    struct subscribe_job *subscribe_jobs;
    struct admin_publish *publishes; /* of operators, that wait for their answer */
    struct admin_publish **publishes_tail;
    size_t publish_count;
    bool limbo;      /* some sessions may still be LIMBO */
    bool lease_over; /* those of absent gateways have been let go */
    bool has_core;   /* a core has our routes */
    bool serving;
    bool started; /* the rooms are loaded, peers may come */
    bool stopping;
    int exit_status; /* of the program, once the loop has ended */
    bool parked;     /* some link waits for room */
};

/* New: answers probes at once; opens the driver and loads what lasts while the loop runs, then
 * listens (store->started). When that fails, it says why in the log, sets exit_status and stops the
 * loop. So it does when another store has taken its data over. */
ERR_MUST_USE enum err store_new(const struct store_config *config, struct loop *loop,
                                struct store **out);
/* Writes what is pending (bounded wait), then takes everything down. */
void store_free(struct store *store);

/* The name under which others know this store. */
void store_name(const struct store *store, char *out, size_t size);
/* Wall clock of now, milliseconds. */
uint64_t store_wall_ms(const struct store *store);
/* Something was added to the batch that a push waits for: it becomes pushable with the commit. */
void store_stamp(struct store *store);
/* Packs a protobuf message and replies. message is a ProtobufCMessage. */
void store_reply(struct store *store, struct call_request request, enum err err,
                 const void *message);
/* Whether something new may be taken on: the batch has room. */
bool store_has_room(const struct store *store);

#endif
