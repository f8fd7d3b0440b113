/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the MySQL driver, version by version. Tables are changed under a lock of the
 * server, so that of several stores that start at once only one does it. DDL is not transactional:
 * every statement of a version can be repeated, and a version counts when its row is in
 * schema_versions.
 *
 * To change a table: add a version at the end, never touch those before.
 */
#include "services/store/driver_mysql_inner.h"

#include <stdio.h>

#define LOCK_S 60
#define TABLE  ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
#define SHARD  "shard VARBINARY(64) NOT NULL, "
#define NUMBER " BIGINT UNSIGNED NOT NULL, "
#define KEY    " VARBINARY(472) NOT NULL, " /* TOPIC_SEEK_KEY */
#define NAMED(table)                                                                               \
    "CREATE TABLE IF NOT EXISTS " table " (name_key" KEY "name BLOB NOT NULL, value MEDIUMBLOB "   \
    "NOT NULL, changed" NUMBER "PRIMARY KEY (name_key)" TABLE

static const char *const version_1[] = {
    "CREATE TABLE IF NOT EXISTS shards (" SHARD "owner" NUMBER
    "batch BIGINT UNSIGNED NOT NULL DEFAULT 0, "
    "repeats BIGINT UNSIGNED NOT NULL DEFAULT 0, retained_count BIGINT NOT NULL DEFAULT 0, "
    "retained_bytes BIGINT NOT NULL DEFAULT 0, user_count BIGINT NOT NULL DEFAULT 0, "
    "taken TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, PRIMARY KEY (shard)" TABLE,

    "CREATE TABLE IF NOT EXISTS meta (" SHARD
    "name VARBINARY(100) NOT NULL, value LONGBLOB NOT NULL, PRIMARY KEY (shard, name)" TABLE,

    "CREATE TABLE IF NOT EXISTS sessions (" SHARD "session" NUMBER
    "client_id BLOB NOT NULL, user BLOB NOT NULL, epoch" NUMBER "owner" NUMBER "conn" NUMBER
    "created_ms" NUMBER "disconnected_ms" NUMBER "seq_limit" NUMBER
    "expiry_s INT UNSIGNED NOT NULL, receive_maximum INT UNSIGNED NOT NULL, "
    "version TINYINT UNSIGNED NOT NULL, extra LONGBLOB NOT NULL, PRIMARY KEY (shard, session), "
    "KEY client_id (client_id(64))" TABLE,

    "CREATE TABLE IF NOT EXISTS subscriptions (" SHARD "session" NUMBER "filter_key" KEY
    "filter BLOB NOT NULL, qos TINYINT UNSIGNED NOT NULL, no_local TINYINT UNSIGNED NOT NULL, "
    "retain_as_published TINYINT UNSIGNED NOT NULL, retain_handling TINYINT UNSIGNED NOT NULL, "
    "identifier INT UNSIGNED NOT NULL, PRIMARY KEY (shard, session, filter_key)" TABLE,

    "CREATE TABLE IF NOT EXISTS messages (" SHARD "message" NUMBER
    "refs BIGINT UNSIGNED NOT NULL, record LONGBLOB NOT NULL, PRIMARY KEY (shard, message)" TABLE,

    "CREATE TABLE IF NOT EXISTS queue (" SHARD "session" NUMBER "seq" NUMBER
    "flags TINYINT UNSIGNED NOT NULL, identifiers VARBINARY(1020) NOT NULL, "
    "size INT UNSIGNED NOT NULL, message" NUMBER
    "record LONGBLOB NOT NULL, PRIMARY KEY (shard, session, seq)" TABLE,

    "CREATE TABLE IF NOT EXISTS inbound (" SHARD "session" NUMBER
    "packet_id SMALLINT UNSIGNED NOT NULL, outbox" NUMBER
    "PRIMARY KEY (shard, session, packet_id)" TABLE,

    "CREATE TABLE IF NOT EXISTS wills (" SHARD "session" NUMBER "due_ms" NUMBER
    "will LONGBLOB NOT NULL, PRIMARY KEY (shard, session)" TABLE,

    "CREATE TABLE IF NOT EXISTS outbox (" SHARD "seq" NUMBER
    "record LONGBLOB NOT NULL, PRIMARY KEY (shard, seq)" TABLE,

    "CREATE TABLE IF NOT EXISTS tokens (" SHARD "origin" NUMBER
    "tokens LONGBLOB NOT NULL, PRIMARY KEY (shard, origin)" TABLE,

    "CREATE TABLE IF NOT EXISTS retained (topic_key" KEY "topic BLOB NOT NULL, expiry_ms" NUMBER
    "size INT UNSIGNED NOT NULL, record LONGBLOB NOT NULL, PRIMARY KEY (topic_key), "
    "KEY expiry (expiry_ms)" TABLE,

    "CREATE TABLE IF NOT EXISTS users (name_key" KEY
    "name BLOB NOT NULL, password BLOB NOT NULL, roles BLOB NOT NULL, rules MEDIUMBLOB NOT NULL, "
    "changed" NUMBER "PRIMARY KEY (name_key)" TABLE,
    NAMED("roles"),
    NAMED("bans"),
    NAMED("api_keys"),
    NAMED("audit"),
    NULL,
};

/* Who may take which shard, when: apart from shards, whose rows a batch keeps locked. */
static const char *const version_2[] = {
    "CREATE TABLE IF NOT EXISTS leases (" SHARD "owner" NUMBER "until_ms" NUMBER "lease_ms" NUMBER
    "holder VARBINARY(255) NOT NULL, PRIMARY KEY (shard)" TABLE,
    NULL,
};

static const char *const *const versions[] = {version_1, version_2};
#define NEWEST (sizeof(versions) / sizeof(versions[0]))

static enum err
apply_version(struct driver_mysql_conn *conn, uint64_t version)
{
    const char *const *sql = versions[version - 1];
    const struct driver_mysql_value row[] = {
        MYSQL_NUMBER(version), MYSQL_BYTES(slice_cstr("sluice-store " SLUICE_VERSION))};
    enum err err = OK;
    while (err == OK && *sql != NULL)
        err = driver_mysql_conn_text(conn, *sql++);
    if (err == OK)
        err = driver_mysql_conn_run(conn, MYSQL_SCHEMA_ADD, row);
    if (err == OK)
        err = driver_mysql_conn_commit(conn);
    return err;
}

static enum err
update(struct driver_mysql_conn *conn, char why[DRIVER_REASON_SIZE])
{
    struct driver_mysql_value at = {0};
    enum err err = driver_mysql_conn_text(
        conn, "CREATE TABLE IF NOT EXISTS schema_versions (version INT UNSIGNED NOT NULL, program "
              "VARBINARY(64) NOT NULL, applied TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, "
              "PRIMARY KEY (version)" TABLE);
    if (err == OK)
        err = driver_mysql_conn_one(conn, MYSQL_SCHEMA_VERSION, NULL, &at);
    driver_mysql_conn_rollback(conn);
    if (err == OK && at.number > NEWEST) {
        snprintf(why, DRIVER_REASON_SIZE,
                 "the database has tables of version %llu, this program knows %zu: a newer program "
                 "was here",
                 (unsigned long long)at.number, NEWEST);
        return ERR_VERSION;
    }
    while (err == OK && at.number < NEWEST)
        err = apply_version(conn, ++at.number);
    return err;
}

enum err
driver_mysql_schema_update(struct driver_mysql_conn *conn, const char *database,
                           char why[DRIVER_REASON_SIZE])
{
    char lock[160], unlock[160];
    uint64_t got = 0;
    enum err err =
        str_format(lock, sizeof(lock), "SELECT GET_LOCK('sluice.%.40s', %d)", database, LOCK_S);
    if (err == OK)
        err = str_format(unlock, sizeof(unlock), "SELECT RELEASE_LOCK('sluice.%.40s')", database);
    if (err == OK)
        err = driver_mysql_conn_text_number(conn, lock, &got);
    if (err == OK && got != 1) {
        snprintf(why, DRIVER_REASON_SIZE, "another store has been changing the tables for %d s",
                 LOCK_S);
        return ERR_BUSY;
    }
    if (err != OK)
        return err;
    err = update(conn, why);
    if (driver_mysql_conn_is_open(conn)) {
        enum err released = driver_mysql_conn_text_number(conn, unlock, &got);
        if (err == OK)
            err = released;
    }
    return err;
}
