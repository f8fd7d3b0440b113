/* SPDX-License-Identifier: Apache-2.0 */
/* Connecting: options, TLS, the session's variables, and whether the server can be used at all. */
#include "common/address.h"
#include "services/store/driver_mysql_conn_inner.h"

#include <mariadb/mysqld_error.h>
#include <stdio.h>
#include <string.h>

#define PACKET_MIN   ((uint64_t)1 << 20)
#define PACKET_SPARE 65536u /* what a packet has besides the record: keys of a row, heads */
/* No method that hands the password to whoever asks; TLS is the operator's choice. */
#define AUTH_METHODS                                                                               \
    "mysql_native_password,client_ed25519,caching_sha2_password,sha256_password,parsec"

static unsigned int
seconds(uint64_t ms)
{
    return (unsigned int)((ms + 999) / 1000);
}

static void
set_options(MYSQL *mysql, const struct driver_mysql_config *config)
{
    unsigned int connect_s = seconds(config->connect_timeout_ms);
    unsigned int io_s = seconds(config->timeout_ms);
    unsigned int no = 0;
    unsigned int protocol = MYSQL_PROTOCOL_TCP;
    my_bool on = 1;
    my_bool off = 0;
    mysql_optionsv(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &connect_s);
    mysql_optionsv(mysql, MYSQL_OPT_READ_TIMEOUT, &io_s);
    mysql_optionsv(mysql, MYSQL_OPT_WRITE_TIMEOUT, &io_s);
    mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &protocol);
    mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, "utf8mb4");
    mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
    mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, AUTH_METHODS);
    mysql_optionsv(mysql, MYSQL_OPT_RECONNECT, &off);
    mysql_optionsv(mysql, MYSQL_REPORT_DATA_TRUNCATION, &on);
    if (config->tls_ca[0] == '\0')
        return;
    mysql_optionsv(mysql, MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_optionsv(mysql, MYSQL_OPT_SSL_CA, config->tls_ca);
    if (config->tls_cert[0] != '\0') {
        mysql_optionsv(mysql, MYSQL_OPT_SSL_CERT, config->tls_cert);
        mysql_optionsv(mysql, MYSQL_OPT_SSL_KEY, config->tls_key);
    }
    mysql_optionsv(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, config->tls_verify ? &on : &off);
}

static enum err
split_host(const char *text, char host[256], unsigned int *port)
{
    struct slice name;
    uint16_t number;
    if (address_split(slice_cstr(text), &name, &number) != OK || number == 0 ||
        str_format(host, 256, "%.*s", (int)name.len, (const char *)name.data) != OK)
        return ERR_INVALID;
    *port = number;
    return OK;
}

/* The library goes on without TLS if the server (or who is in between) says that it has none and
 * its name is not to be verified. */
static enum err
require_tls(struct driver_mysql_conn *conn)
{
    if (conn->config->tls_ca[0] == '\0' || mysql_get_ssl_cipher(conn->mysql) != NULL)
        return OK;
    (void)str_format(conn->reason, sizeof(conn->reason), "%.60s does not speak TLS",
                     conn->config->hosts.items[conn->host]);
    return ERR_UNAVAILABLE;
}

/* One attempt, with or without naming the database. */
static enum err
dial(struct driver_mysql_conn *conn, const char *database)
{
    const struct driver_mysql_config *config = conn->config;
    char host[256];
    char text[DRIVER_REASON_SIZE];
    unsigned int port;
    unsigned int number;
    MYSQL *mysql;
    if (split_host(config->hosts.items[conn->host], host, &port) != OK)
        return ERR_INVALID;
    mysql = mysql_init(NULL);
    if (mysql == NULL)
        return ERR_IO;
    set_options(mysql, config);
    if (mysql_real_connect(mysql, host, config->user, config->password, database, port, NULL, 0) !=
        NULL) {
        conn->mysql = mysql;
        return require_tls(conn);
    }
    number = mysql_errno(mysql);
    (void)str_format(text, sizeof(text), "%.150s", mysql_error(mysql));
    mysql_close(mysql);
    return driver_mysql_conn_failed(conn, number, text);
}

/* The name was checked to need no quotes; it takes some all the same for its '-'. */
static enum err
make_database(struct driver_mysql_conn *conn)
{
    char sql[256];
    enum err err = dial(conn, NULL);
    if (err == OK)
        err = str_format(sql, sizeof(sql),
                         "CREATE DATABASE IF NOT EXISTS `%s` CHARACTER SET utf8mb4 COLLATE "
                         "utf8mb4_bin",
                         conn->config->database);
    if (err == OK)
        err = driver_mysql_conn_text(conn, sql);
    driver_mysql_conn_close(conn);
    return err != OK ? err : dial(conn, conn->config->database);
}

/* A store that stops or is gone in the middle of a transaction must not hold its locks for hours,
 * or nobody could take its shard over. MySQL has no such variable: there, wait_timeout decides. */
static enum err
limit_idle_transactions(struct driver_mysql_conn *conn)
{
    const struct driver_mysql_config *config = conn->config;
    uint64_t ms = config->timeout_ms;
    char sql[80];
    enum err err;
    if (config->idle_ms != 0 && config->idle_ms < ms)
        ms = config->idle_ms;
    err = str_format(sql, sizeof(sql), "SET SESSION idle_transaction_timeout = %u", seconds(ms));
    if (err == OK && driver_mysql_conn_text(conn, sql) != OK && !driver_mysql_conn_is_open(conn))
        err = ERR_IO;
    return err;
}

static enum err
set_session(struct driver_mysql_conn *conn, bool writes)
{
    char sql[400];
    /* A lock is waited for less long than a socket, so that the server's answer comes first. */
    unsigned lock_s = seconds(conn->config->timeout_ms) / 2;
    enum err err = str_format(
        sql, sizeof(sql),
        "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', "
        "autocommit = 0, innodb_lock_wait_timeout = %u",
        lock_s != 0 ? lock_s : 1);
    if (err == OK)
        err = driver_mysql_conn_text(conn, sql);
    if (err == OK && writes)
        err = limit_idle_transactions(conn);
    if (err == OK)
        err = driver_mysql_conn_text(
            conn, writes ? "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"
                         : "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ");
    return err;
}

static bool
takes_many_rows(MYSQL *mysql)
{
    unsigned long extended = 0; /* the upper half of the capabilities */
    return mariadb_get_infov(mysql, MARIADB_CONNECTION_EXTENDED_SERVER_CAPABILITIES, &extended) ==
               0 &&
           (extended & (MARIADB_CLIENT_STMT_BULK_OPERATIONS >> 32)) != 0;
}

static enum err
ask_server(struct driver_mysql_conn *conn)
{
    struct driver_mysql_value v[6];
    struct driver_mysql_server *server = &conn->server;
    enum err err = driver_mysql_conn_one(conn, MYSQL_SERVER, NULL, v);
    if (err != OK)
        return err;
    server->max_packet = v[0].number;
    server->read_only = v[1].number != 0;
    server->durable = v[2].number == 1 && (v[3].number == 0 || v[4].number == 1);
    server->statement_binlog = v[3].number != 0 && v[5].number != 0;
    server->many_rows = takes_many_rows(conn->mysql);
    server->semi_sync_ms = 0;
    /* A server without that plugin has no such variables. */
    if (driver_mysql_conn_one(conn, MYSQL_SEMI_SYNC, NULL, v) == OK && v[0].number != 0)
        server->semi_sync_ms = v[1].number;
    conn->reason[0] = '\0';
    driver_mysql_conn_rollback(conn);
    return driver_mysql_conn_is_open(conn) ? OK : ERR_IO;
}

static enum err
judge_server(struct driver_mysql_conn *conn)
{
    const struct driver_mysql_server *server = &conn->server;
    uint64_t need = PACKET_MIN;
    const char *why = NULL;
    char packet[80];
    if (conn->config->max_record > need)
        need = conn->config->max_record;
    need += PACKET_SPARE;
    if (server->read_only) {
        why = "is read only";
    } else if (server->statement_binlog) {
        why = "has binlog_format=STATEMENT; it must be ROW or MIXED";
    } else if (server->max_packet < need) {
        snprintf(packet, sizeof(packet), "has max_allowed_packet=%llu; %llu is needed",
                 (unsigned long long)server->max_packet, (unsigned long long)need);
        why = packet;
    }
    if (why == NULL)
        return OK;
    snprintf(conn->reason, sizeof(conn->reason), "%.60s %.90s",
             conn->config->hosts.items[conn->host], why);
    return ERR_UNAVAILABLE;
}

enum err
driver_mysql_conn_open(struct driver_mysql_conn *conn, size_t host, bool writes)
{
    struct driver *fault = conn->fault;
    enum err err;
    driver_mysql_conn_close(conn);
    conn->reason[0] = '\0';
    conn->host = host;
    conn->error_no = 0;
    conn->fault = NULL; /* connecting is no step of an apply */
    err = dial(conn, conn->config->database);
    if (err != OK && conn->makes_database && conn->error_no == ER_BAD_DB_ERROR)
        err = make_database(conn);
    if (err == OK)
        err = set_session(conn, writes);
    if (err == OK)
        err = ask_server(conn);
    if (err == OK)
        err = judge_server(conn);
    if (err != OK)
        driver_mysql_conn_close(conn);
    conn->fault = fault;
    return err;
}
