/* SPDX-License-Identifier: Apache-2.0 */
/* What a batch amounts to, table by table, so that it can be written many rows at a time: of
 * changes to the same row only the last counts, what a later end of the session deletes is not
 * written, and references to bodies are counted. Pure: no SQL, no server.
 *
 * A batch is worked off in stages of at most MYSQL_PLAN_MAX changes. In a stage, first the rows of
 * ended sessions go, then the changes, in any order: each row is changed once. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_PLAN_H
#define SERVICES_STORE_DRIVER_MYSQL_PLAN_H

#include "services/store/batch.h"

#define MYSQL_PLAN_MAX 16384u

enum driver_mysql_plan_table {
    MYSQL_PLAN_META,
    MYSQL_PLAN_SESSION,
    MYSQL_PLAN_SUBSCRIPTION,
    MYSQL_PLAN_QUEUE,
    MYSQL_PLAN_INBOUND,
    MYSQL_PLAN_WILL,
    MYSQL_PLAN_OUTBOX,
    MYSQL_PLAN_TOKENS,
    MYSQL_PLAN_RETAINED,
    MYSQL_PLAN_USER,
    MYSQL_PLAN_ROW
};

enum driver_mysql_plan_what {
    MYSQL_PLAN_PUT,
    MYSQL_PLAN_DELETE,
    MYSQL_PLAN_MARK /* queue only: DELIVER_REL, without message */
};

struct driver_mysql_change {
    enum driver_mysql_plan_table table;
    enum driver_mysql_plan_what what;
    size_t order; /* in the stage */
    /* The row's key; what a table does not use is 0. */
    uint64_t number; /* session, sequence (outbox), origin (tokens), kind (row) */
    uint64_t seq;    /* queue: sequence; inbound: packet id */
    struct slice text;
    size_t pos; /* of the change in the batch, for batch_next */
    /* A put into a queue. */
    bool replaces; /* a row with this key goes first */
    uint8_t flags;
    uint8_t id_count;
    const uint8_t *ids;
    uint64_t body;       /* 0: the record is the entry's own */
    struct slice record; /* of the message, also when body is not 0 */
};

/* A message for several entries, to be stored once. */
struct driver_mysql_body {
    uint64_t id;
    uint32_t refs;
    struct slice record;
};

/* References that will not be, or are no more. */
struct driver_mysql_release {
    uint64_t body;
    uint64_t refs;
};

struct driver_mysql_ended {
    uint64_t session;
    size_t order; /* of its last end */
};

struct driver_mysql_plan {
    /* The stage, borrowed until the next one; texts and records are the batch's. */
    struct driver_mysql_change *changes; /* by table and key, each key once */
    size_t change_count;
    struct driver_mysql_ended *ended; /* by session, each once */
    size_t ended_count;
    struct driver_mysql_body *bodies;
    size_t body_count;
    struct driver_mysql_release *releases; /* of entries that are not written; in any order */
    size_t release_count;
    /* Its own. */
    uint64_t next_body;
    struct driver_mysql_body message; /* the last one; id 0: not stored apart */
    size_t changes_size, ended_size, bodies_size, releases_size;
};

void driver_mysql_plan_init(struct driver_mysql_plan *plan);
void driver_mysql_plan_fini(struct driver_mysql_plan *plan);
/* For a new batch. next_body: numbers of bodies from it on were never used. */
void driver_mysql_plan_begin(struct driver_mysql_plan *plan, uint64_t next_body);
/* Reads the next stage from *pos (0 at first) on; false at the end of the batch. */
bool driver_mysql_plan_stage(struct driver_mysql_plan *plan, const struct batch *batch,
                             size_t *pos);
/* One release more: for entries that were found in the database. */
void driver_mysql_plan_release(struct driver_mysql_plan *plan, uint64_t body, uint64_t refs);
/* Sorts the releases and sums them up: each body once. */
void driver_mysql_plan_sum_releases(struct driver_mysql_plan *plan);

#endif
