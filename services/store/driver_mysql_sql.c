/* SPDX-License-Identifier: Apache-2.0 */
/* The statements; see driver_mysql_sql.h. What the columns mean: services/store/mysql.md. */
#include "services/store/driver_mysql_sql.h"

#include <assert.h>
#include <string.h>

const size_t driver_mysql_sql_sizes[MYSQL_SIZES] = {1, 8, 64};

struct sql {
    const char *text;
    const char *params;
    const char *columns;
    /* For statements over several keys: item, repeated with joints between, then tail. */
    const char *item;
    const char *joint;
    const char *item_params;
    const char *tail;
};

/* Of the server, at the start of the statement. */
#define NOW_MS "CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS UNSIGNED)"
#define QUEUE_BODIES                                                                               \
    {                                                                                              \
        "SELECT message, COUNT(*) FROM queue FORCE INDEX (PRIMARY) WHERE shard = ? AND message "   \
        "<> 0 AND (",                                                                              \
            "b", "uu", "(session = ? AND seq BETWEEN ? AND ?)", " OR ", "uuu",                     \
            ") GROUP BY message"                                                                   \
    }
#define RETAINED_SIZES                                                                             \
    {                                                                                              \
        "SELECT COUNT(*), CAST(IFNULL(SUM(size), 0) AS UNSIGNED) FROM retained WHERE topic_key "   \
        "IN (",                                                                                    \
            "", "uu", "?", ", ", "b", ") FOR UPDATE"                                               \
    }
#define USER_COUNT                                                                                 \
    {                                                                                              \
        "SELECT COUNT(*), 0 FROM users WHERE name_key IN (", "", "uu", "?", ", ", "b",             \
            ") FOR UPDATE"                                                                         \
    }
#define ROW_PUT(table)                                                                             \
    {                                                                                              \
        .text = "INSERT INTO " table " (name_key, name, value, changed) VALUES (?, ?, ?, ?) ON "   \
                "DUPLICATE KEY UPDATE value = VALUES(value), changed = VALUES(changed)",           \
        .params = "bbbu"                                                                           \
    }
#define ROW_DELETE(table)                                                                          \
    {                                                                                              \
        .text = "DELETE FROM " table " WHERE name_key = ?", .params = "b"                          \
    }
#define ROW_GET(table)                                                                             \
    {                                                                                              \
        .text = "SELECT name, value, changed FROM " table " WHERE name_key = ?", .params = "b",    \
        .columns = "bbu"                                                                           \
    }
#define ROW_PAGE(table)                                                                            \
    {                                                                                              \
        .text = "SELECT name, value, changed FROM " table                                          \
                " WHERE name_key > ? ORDER BY name_key LIMIT ?",                                   \
        .params = "bu", .columns = "bbu"                                                           \
    }

static const struct sql table[MYSQL_STATEMENTS] = {
    [MYSQL_SERVER] = {.text = "SELECT @@max_allowed_packet, @@read_only, "
                              "@@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog, "
                              "@@binlog_format = 'STATEMENT'",
                      .params = "",
                      .columns = "uuuuuu"},
    [MYSQL_SEMI_SYNC] = {.text = "SELECT @@rpl_semi_sync_master_enabled, "
                                 "@@rpl_semi_sync_master_timeout",
                         .params = "",
                         .columns = "uu"},
    [MYSQL_SCHEMA_VERSION] = {.text = "SELECT IFNULL(MAX(version), 0) FROM schema_versions",
                              .params = "",
                              .columns = "u"},
    [MYSQL_SCHEMA_ADD] = {.text = "INSERT IGNORE INTO schema_versions (version, program) "
                                  "VALUES (?, ?)",
                          .params = "ub"},
    [MYSQL_LEASE_ALL] = {.text = "SELECT shard, until_ms, " NOW_MS ", lease_ms, holder FROM leases "
                                 "ORDER BY LENGTH(shard), shard",
                         .params = "",
                         .columns = "buuub"},
    [MYSQL_LEASE_ADD] = {.text = "INSERT IGNORE INTO leases (shard, owner, until_ms, lease_ms, "
                                 "holder) VALUES (?, 0, 0, 0, '')",
                         .params = "b"},
    [MYSQL_LEASE_CLAIM] = {.text = "UPDATE leases SET owner = ?, holder = ?, lease_ms = ?, "
                                   "until_ms = IF(? = 0, 0, " NOW_MS " + ?) WHERE shard = ? AND "
                                   "(? <> 0 OR until_ms = ?)",
                           .params = "ubuuubuu"},
    [MYSQL_LEASE_RENEW] = {.text = "UPDATE leases SET until_ms = IF(? = 0, 0, " NOW_MS " + ?) "
                                   "WHERE shard = ? AND owner = ?",
                           .params = "uubu"},
    [MYSQL_LEASE_OWNER] = {.text = "SELECT owner FROM leases WHERE shard = ?",
                           .params = "b",
                           .columns = "u"},
    [MYSQL_SHARD_TAKE] = {.text = "INSERT INTO shards (shard, owner) VALUES (?, ?) ON DUPLICATE "
                                  "KEY UPDATE owner = VALUES(owner)",
                          .params = "bu"},
    [MYSQL_SHARD_GET] = {.text = "SELECT owner, batch FROM shards WHERE shard = ? FOR UPDATE",
                         .params = "b",
                         .columns = "uu"},
    [MYSQL_SHARD_LOCK] = {.text = "SELECT owner, batch FROM shards WHERE shard = ? AND owner = ? "
                                  "FOR UPDATE",
                          .params = "bu",
                          .columns = "uu"},
    [MYSQL_SHARD_BATCH] = {.text = "UPDATE shards SET batch = ? WHERE shard = ? AND owner = ? AND "
                                   "batch <> ?",
                           .params = "ubuu"},
    [MYSQL_SHARD_REPEAT] = {.text = "UPDATE shards SET repeats = repeats + 1 WHERE shard = ?",
                            .params = "b"},
    [MYSQL_SHARD_TOTALS] = {.text = "UPDATE shards SET retained_count = retained_count + ?, "
                                    "retained_bytes = retained_bytes + ?, user_count = user_count "
                                    "+ ? WHERE shard = ?",
                            .params = "iiib"},
    [MYSQL_LAST_BODY] = {.text = "SELECT IFNULL(MAX(message), 0) FROM messages WHERE shard = ?",
                         .params = "b",
                         .columns = "u"},
    [MYSQL_TOTALS] = {.text = "SELECT CAST(SUM(retained_count) AS SIGNED), "
                              "CAST(SUM(retained_bytes) AS SIGNED), CAST(SUM(user_count) AS "
                              "SIGNED) FROM shards",
                      .params = "",
                      .columns = "iii"},

    [MYSQL_META_PUT] = {.text = "INSERT INTO meta (shard, name, value) VALUES (?, ?, ?) ON "
                                "DUPLICATE KEY UPDATE value = VALUES(value)",
                        .params = "bbb"},
    [MYSQL_SESSION_PUT] =
        {.text = "INSERT INTO sessions (shard, session, client_id, user, epoch, owner, conn, "
                 "created_ms, disconnected_ms, seq_limit, expiry_s, receive_maximum, version, "
                 "extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY "
                 "UPDATE client_id = VALUES(client_id), user = VALUES(user), epoch = "
                 "VALUES(epoch), owner = VALUES(owner), conn = VALUES(conn), created_ms = "
                 "VALUES(created_ms), disconnected_ms = VALUES(disconnected_ms), seq_limit = "
                 "VALUES(seq_limit), expiry_s = VALUES(expiry_s), receive_maximum = "
                 "VALUES(receive_maximum), version = VALUES(version), extra = VALUES(extra)",
         .params = "bubbuuuuuuuuub"},
    [MYSQL_SESSION_DELETE] = {.text = "DELETE FROM sessions WHERE shard = ? AND session = ?",
                              .params = "bu"},
    [MYSQL_SUBSCRIPTION_PUT] =
        {.text = "INSERT INTO subscriptions (shard, session, filter_key, filter, qos, no_local, "
                 "retain_as_published, retain_handling, identifier) VALUES (?, ?, ?, ?, ?, ?, ?, "
                 "?, ?) ON DUPLICATE KEY UPDATE qos = VALUES(qos), no_local = VALUES(no_local), "
                 "retain_as_published = VALUES(retain_as_published), retain_handling = "
                 "VALUES(retain_handling), identifier = VALUES(identifier)",
         .params = "bubbuuuuu"},
    [MYSQL_SUBSCRIPTION_DELETE] = {.text = "DELETE FROM subscriptions WHERE shard = ? AND session "
                                           "= ? AND filter_key = ?",
                                   .params = "bub"},
    [MYSQL_SUBSCRIPTIONS_END] = {.text = "DELETE FROM subscriptions WHERE shard = ? AND session = "
                                         "?",
                                 .params = "bu"},
    [MYSQL_INBOUND_PUT] = {.text = "INSERT INTO inbound (shard, session, packet_id, outbox) "
                                   "VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE outbox = "
                                   "VALUES(outbox)",
                           .params = "buuu"},
    [MYSQL_INBOUND_DELETE] = {.text = "DELETE FROM inbound WHERE shard = ? AND session = ? AND "
                                      "packet_id = ?",
                              .params = "buu"},
    [MYSQL_INBOUND_END] = {.text = "DELETE FROM inbound WHERE shard = ? AND session = ?",
                           .params = "bu"},
    [MYSQL_WILL_PUT] = {.text = "INSERT INTO wills (shard, session, due_ms, will) VALUES (?, ?, "
                                "?, ?) ON DUPLICATE KEY UPDATE due_ms = VALUES(due_ms), will = "
                                "VALUES(will)",
                        .params = "buub"},
    [MYSQL_WILL_DELETE] = {.text = "DELETE FROM wills WHERE shard = ? AND session = ?",
                           .params = "bu"},
    [MYSQL_OUTBOX_PUT] = {.text = "INSERT INTO outbox (shard, seq, record) VALUES (?, ?, ?) ON "
                                  "DUPLICATE KEY UPDATE record = VALUES(record)",
                          .params = "bub"},
    [MYSQL_OUTBOX_DELETE] = {.text = "DELETE FROM outbox WHERE shard = ? AND seq = ?",
                             .params = "bu"},
    [MYSQL_TOKENS_PUT] = {.text = "INSERT INTO tokens (shard, origin, tokens) VALUES (?, ?, ?) ON "
                                  "DUPLICATE KEY UPDATE tokens = VALUES(tokens)",
                          .params = "bub"},
    [MYSQL_TOKENS_DELETE] = {.text = "DELETE FROM tokens WHERE shard = ? AND origin = ?",
                             .params = "bu"},
    [MYSQL_QUEUE_PUT] = {.text = "INSERT INTO queue (shard, session, seq, flags, identifiers, "
                                 "size, message, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                         .params = "buuubuub"},
    [MYSQL_QUEUE_DELETE] = {.text = "DELETE FROM queue WHERE shard = ? AND session = ? AND seq "
                                    "BETWEEN ? AND ?",
                            .params = "buuu"},
    [MYSQL_QUEUE_MARK] = {.text = "UPDATE queue SET flags = flags | ?, identifiers = '', size = "
                                  "0, message = 0, record = '' WHERE shard = ? AND session = ? "
                                  "AND seq = ?",
                          .params = "ubuu"},
    [MYSQL_QUEUE_BODIES] = QUEUE_BODIES,
    [MYSQL_QUEUE_BODIES + 1] = QUEUE_BODIES,
    [MYSQL_QUEUE_BODIES + 2] = QUEUE_BODIES,
    [MYSQL_BODY_PUT] = {.text = "INSERT INTO messages (shard, message, refs, record) VALUES (?, "
                                "?, ?, ?)",
                        .params = "buub"},
    [MYSQL_BODY_RELEASE] = {.text = "UPDATE messages SET refs = IF(refs > ?, refs - ?, 0) WHERE "
                                    "shard = ? AND message = ?",
                            .params = "uubu"},
    [MYSQL_BODY_DELETE] = {.text = "DELETE FROM messages WHERE shard = ? AND message = ? AND "
                                   "refs = 0",
                           .params = "bu"},
    [MYSQL_RETAINED_PUT] = {.text = "INSERT INTO retained (topic_key, topic, expiry_ms, size, "
                                    "record) VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE "
                                    "expiry_ms = VALUES(expiry_ms), size = VALUES(size), record = "
                                    "VALUES(record)",
                            .params = "bbuub"},
    [MYSQL_RETAINED_DELETE] = {.text = "DELETE FROM retained WHERE topic_key = ?", .params = "b"},
    [MYSQL_RETAINED_SIZES] = RETAINED_SIZES,
    [MYSQL_RETAINED_SIZES + 1] = RETAINED_SIZES,
    [MYSQL_RETAINED_SIZES + 2] = RETAINED_SIZES,
    [MYSQL_USER_PUT] = {.text = "INSERT INTO users (name_key, name, password, roles, rules, "
                                "changed) VALUES (?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE "
                                "password = VALUES(password), roles = VALUES(roles), rules = "
                                "VALUES(rules), changed = VALUES(changed)",
                        .params = "bbbbbu"},
    [MYSQL_USER_DELETE] = {.text = "DELETE FROM users WHERE name_key = ?", .params = "b"},
    [MYSQL_USER_COUNT] = USER_COUNT,
    [MYSQL_USER_COUNT + 1] = USER_COUNT,
    [MYSQL_USER_COUNT + 2] = USER_COUNT,
    [MYSQL_ROW_PUT] = ROW_PUT("roles"),
    [MYSQL_ROW_PUT + 1] = ROW_PUT("bans"),
    [MYSQL_ROW_PUT + 2] = ROW_PUT("api_keys"),
    [MYSQL_ROW_PUT + 3] = ROW_PUT("audit"),
    [MYSQL_ROW_DELETE] = ROW_DELETE("roles"),
    [MYSQL_ROW_DELETE + 1] = ROW_DELETE("bans"),
    [MYSQL_ROW_DELETE + 2] = ROW_DELETE("api_keys"),
    [MYSQL_ROW_DELETE + 3] = ROW_DELETE("audit"),

    [MYSQL_META_ALL] = {.text = "SELECT name, value FROM meta WHERE shard = ? ORDER BY name",
                        .params = "b",
                        .columns = "bb"},
    [MYSQL_SESSIONS_ALL] = {.text = "SELECT session, client_id, user, epoch, owner, conn, "
                                    "created_ms, disconnected_ms, seq_limit, expiry_s, "
                                    "receive_maximum, version, extra FROM sessions WHERE shard = "
                                    "? ORDER BY session",
                            .params = "b",
                            .columns = "ubbuuuuuuuuub"},
    [MYSQL_SUBSCRIPTIONS_ALL] = {.text = "SELECT session, filter, qos, no_local, "
                                         "retain_as_published, retain_handling, identifier FROM "
                                         "subscriptions WHERE shard = ? ORDER BY session, "
                                         "filter_key",
                                 .params = "b",
                                 .columns = "ubuuuuu"},
    [MYSQL_QUEUES_ALL] = {.text = "SELECT session, COUNT(*), CAST(SUM(size) AS UNSIGNED), "
                                  "MIN(seq), MAX(seq) FROM queue WHERE shard = ? GROUP BY session "
                                  "ORDER BY session",
                          .params = "b",
                          .columns = "uuuuu"},
    [MYSQL_INBOUND_ALL] = {.text = "SELECT session, packet_id, outbox FROM inbound WHERE shard = "
                                   "? ORDER BY session, packet_id",
                           .params = "b",
                           .columns = "uuu"},
    [MYSQL_WILLS_ALL] = {.text = "SELECT session, due_ms, will FROM wills WHERE shard = ? ORDER "
                                 "BY session",
                         .params = "b",
                         .columns = "uub"},
    [MYSQL_OUTBOX_ALL] = {.text = "SELECT seq, record FROM outbox WHERE shard = ? ORDER BY seq",
                          .params = "b",
                          .columns = "ub"},
    [MYSQL_TOKENS_ALL] = {.text = "SELECT origin, tokens FROM tokens WHERE shard = ? ORDER BY "
                                  "origin",
                          .params = "b",
                          .columns = "ub"},
    [MYSQL_QUEUE_PAGE] = {.text = "SELECT q.seq, q.flags, q.identifiers, q.message, "
                                  "IFNULL(m.message, 0), IFNULL(m.record, q.record) FROM queue q "
                                  "LEFT JOIN messages m ON m.shard = q.shard AND m.message = "
                                  "q.message WHERE q.shard = ? AND q.session = ? AND q.seq >= ? "
                                  "ORDER BY q.seq LIMIT ?",
                          .params = "buuu",
                          .columns = "uubuub"},
    [MYSQL_RETAINED_FROM] = {.text = "SELECT topic_key, topic, record FROM retained WHERE "
                                     "topic_key >= ? ORDER BY topic_key LIMIT ?",
                             .params = "bu",
                             .columns = "bbb"},
    [MYSQL_RETAINED_BEHIND] = {.text = "SELECT topic_key, topic, record FROM retained WHERE "
                                       "topic_key > ? ORDER BY topic_key LIMIT ?",
                               .params = "bu",
                               .columns = "bbb"},
    [MYSQL_RETAINED_EXPIRED] = {.text = "SELECT topic, expiry_ms FROM retained WHERE expiry_ms "
                                        "BETWEEN 1 AND ? ORDER BY expiry_ms, topic_key LIMIT ?",
                                .params = "uu",
                                .columns = "bu"},
    [MYSQL_USER_GET] = {.text = "SELECT name, password, roles, rules, changed FROM users WHERE "
                                "name_key = ?",
                        .params = "b",
                        .columns = "bbbbu"},
    [MYSQL_USER_PAGE] = {.text = "SELECT name, password, roles, rules, changed FROM users WHERE "
                                 "name_key > ? ORDER BY name_key LIMIT ?",
                         .params = "bu",
                         .columns = "bbbbu"},
    [MYSQL_ROW_GET] = ROW_GET("roles"),
    [MYSQL_ROW_GET + 1] = ROW_GET("bans"),
    [MYSQL_ROW_GET + 2] = ROW_GET("api_keys"),
    [MYSQL_ROW_GET + 3] = ROW_GET("audit"),
    [MYSQL_ROW_PAGE] = ROW_PAGE("roles"),
    [MYSQL_ROW_PAGE + 1] = ROW_PAGE("bans"),
    [MYSQL_ROW_PAGE + 2] = ROW_PAGE("api_keys"),
    [MYSQL_ROW_PAGE + 3] = ROW_PAGE("audit"),
};

static size_t
repeats_of(enum driver_mysql_sql id)
{
    if (id >= MYSQL_QUEUE_BODIES && id <= MYSQL_QUEUE_BODIES_LAST)
        return driver_mysql_sql_sizes[id - MYSQL_QUEUE_BODIES];
    if (id >= MYSQL_RETAINED_SIZES && id <= MYSQL_RETAINED_SIZES_LAST)
        return driver_mysql_sql_sizes[id - MYSQL_RETAINED_SIZES];
    if (id >= MYSQL_USER_COUNT && id <= MYSQL_USER_COUNT_LAST)
        return driver_mysql_sql_sizes[id - MYSQL_USER_COUNT];
    return 0;
}

struct driver_mysql_sql_shape
driver_mysql_sql_shape(enum driver_mysql_sql id)
{
    const struct sql *sql = &table[id];
    assert(sql->text != NULL);
    return (struct driver_mysql_sql_shape){
        .params = sql->params,
        .repeated = sql->item_params != NULL ? sql->item_params : "",
        .repeats = repeats_of(id),
        .columns = sql->columns != NULL ? sql->columns : "",
    };
}

void
driver_mysql_sql_text(enum driver_mysql_sql id, struct buf *out)
{
    const struct sql *sql = &table[id];
    size_t repeats = repeats_of(id);
    size_t i;
    buf_reset(out);
    buf_append_cstr(out, sql->text);
    for (i = 0; i < repeats; i++) {
        if (i > 0)
            buf_append_cstr(out, sql->joint);
        buf_append_cstr(out, sql->item);
    }
    if (sql->tail != NULL)
        buf_append_cstr(out, sql->tail);
    buf_put_u8(out, 0);
}
