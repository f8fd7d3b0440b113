/* SPDX-License-Identifier: Apache-2.0 */
/* Every statement of the MySQL driver: its text, what it takes, what it gives. Values never become
 * part of a text: they are parameters of prepared statements. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_SQL_H
#define SERVICES_STORE_DRIVER_MYSQL_SQL_H

#include "common/buf.h"

#include <stddef.h>

/* Statements over several keys come in three sizes; unused places repeat the last key. */
#define MYSQL_SIZES 3
extern const size_t driver_mysql_sql_sizes[MYSQL_SIZES]; /* rising */

enum driver_mysql_sql {
    /* the server and the shard */
    MYSQL_SERVER,
    MYSQL_SEMI_SYNC,
    MYSQL_SCHEMA_VERSION,
    MYSQL_SCHEMA_ADD,
    MYSQL_LEASE_ALL,
    MYSQL_LEASE_ADD,
    MYSQL_LEASE_CLAIM,
    MYSQL_LEASE_RENEW,
    MYSQL_LEASE_OWNER,
    MYSQL_SHARD_TAKE,
    MYSQL_SHARD_GET,
    MYSQL_SHARD_LOCK,
    MYSQL_SHARD_BATCH,
    MYSQL_SHARD_REPEAT,
    MYSQL_SHARD_TOTALS,
    MYSQL_LAST_BODY,
    MYSQL_TOTALS,
    /* changes */
    MYSQL_META_PUT,
    MYSQL_SESSION_PUT,
    MYSQL_SESSION_DELETE,
    MYSQL_SUBSCRIPTION_PUT,
    MYSQL_SUBSCRIPTION_DELETE,
    MYSQL_SUBSCRIPTIONS_END,
    MYSQL_INBOUND_PUT,
    MYSQL_INBOUND_DELETE,
    MYSQL_INBOUND_END,
    MYSQL_WILL_PUT,
    MYSQL_WILL_DELETE,
    MYSQL_OUTBOX_PUT,
    MYSQL_OUTBOX_DELETE,
    MYSQL_TOKENS_PUT,
    MYSQL_TOKENS_DELETE,
    MYSQL_QUEUE_PUT,
    MYSQL_QUEUE_DELETE,
    MYSQL_QUEUE_MARK,
    MYSQL_QUEUE_BODIES, /* MYSQL_SIZES of them */
    MYSQL_QUEUE_BODIES_LAST = MYSQL_QUEUE_BODIES + MYSQL_SIZES - 1,
    MYSQL_BODY_PUT,
    MYSQL_BODY_RELEASE,
    MYSQL_BODY_DELETE,
    MYSQL_RETAINED_PUT,
    MYSQL_RETAINED_DELETE,
    MYSQL_RETAINED_SIZES, /* MYSQL_SIZES of them */
    MYSQL_RETAINED_SIZES_LAST = MYSQL_RETAINED_SIZES + MYSQL_SIZES - 1,
    MYSQL_USER_PUT,
    MYSQL_USER_DELETE,
    MYSQL_USER_COUNT, /* MYSQL_SIZES of them */
    MYSQL_USER_COUNT_LAST = MYSQL_USER_COUNT + MYSQL_SIZES - 1,
    MYSQL_ROW_PUT, /* four each, in the order of enum driver_row_kind */
    MYSQL_ROW_PUT_LAST = MYSQL_ROW_PUT + 3,
    MYSQL_ROW_DELETE,
    MYSQL_ROW_DELETE_LAST = MYSQL_ROW_DELETE + 3,
    /* reads */
    MYSQL_META_ALL,
    MYSQL_SESSIONS_ALL,
    MYSQL_SUBSCRIPTIONS_ALL,
    MYSQL_QUEUES_ALL,
    MYSQL_INBOUND_ALL,
    MYSQL_WILLS_ALL,
    MYSQL_OUTBOX_ALL,
    MYSQL_TOKENS_ALL,
    MYSQL_QUEUE_PAGE,
    MYSQL_RETAINED_FROM,
    MYSQL_RETAINED_BEHIND,
    MYSQL_RETAINED_EXPIRED,
    MYSQL_USER_GET,
    MYSQL_USER_PAGE,
    MYSQL_ROW_GET,
    MYSQL_ROW_GET_LAST = MYSQL_ROW_GET + 3,
    MYSQL_ROW_PAGE,
    MYSQL_ROW_PAGE_LAST = MYSQL_ROW_PAGE + 3,
    MYSQL_STATEMENTS
};

/* One letter per parameter and per column: u and i are 64-bit numbers without and with a sign, b is
 * bytes. */
struct driver_mysql_sql_shape {
    const char *params;
    const char *repeated; /* parameters of each repeated part, behind params; "" for most */
    size_t repeats;
    const char *columns; /* "" when it gives no rows */
};

struct driver_mysql_sql_shape driver_mysql_sql_shape(enum driver_mysql_sql id);
/* The text, ended by NUL, into out (reset). */
void driver_mysql_sql_text(enum driver_mysql_sql id, struct buf *out);

#endif
