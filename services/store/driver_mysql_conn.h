/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to a MySQL or MariaDB server: connecting, prepared statements (each prepared at
 * its first use on a connection), rows in and out, errors as enum err. It knows no tables. One
 * thread at a time.
 *
 * A connection whose state is not known any more (the server went away, a timeout, it turned read
 * only) is closed at once: driver_mysql_conn_is_open tells. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_CONN_H
#define SERVICES_STORE_DRIVER_MYSQL_CONN_H

#include "services/store/driver.h"
#include "services/store/driver_mysql_config.h"
#include "services/store/driver_mysql_sql.h"

struct driver_mysql_stmt;

/* One parameter or one column; which of the two counts is in the statement's shape. */
struct driver_mysql_value {
    uint64_t number; /* also of signed ones: their two's complement */
    struct slice bytes;
};

#define MYSQL_NUMBER(n) ((struct driver_mysql_value){.number = (uint64_t)(n)})
#define MYSQL_BYTES(s)  ((struct driver_mysql_value){.bytes = (s)})

/* What a server said about itself. */
struct driver_mysql_server {
    uint64_t max_packet; /* bytes of one packet */
    bool read_only;
    bool durable;          /* a commit is on its disk: log flushed, binary log synced */
    bool statement_binlog; /* cannot take what we write */
    bool many_rows;        /* takes many rows in one execution (MariaDB does) */
    uint64_t semi_sync_ms; /* how long a commit may wait for a replica; 0: not semi-synchronous */
};

struct driver_mysql_conn {
    const struct driver_mysql_config *config; /* borrowed */
    struct driver *fault;                     /* tests: whose steps executions are; NULL: none */
    void *mysql;                              /* MYSQL; NULL: closed */
    size_t host;                              /* of config->hosts */
    bool makes_database;                      /* if it is missing: only at the start */
    uint64_t opened; /* the pool's generation with which this connection was made */
    struct driver_mysql_server server;
    struct driver_mysql_stmt *stmts[MYSQL_STATEMENTS];
    uint64_t affected; /* rows, by the last execution */
    unsigned error_no; /* of the server or the client, with the last error */
    char reason[DRIVER_REASON_SIZE];
};

void driver_mysql_conn_init(struct driver_mysql_conn *conn,
                            const struct driver_mysql_config *config, struct driver *fault);
void driver_mysql_conn_close(struct driver_mysql_conn *conn);
static inline bool
driver_mysql_conn_is_open(const struct driver_mysql_conn *conn)
{
    return conn->mysql != NULL;
}
/* Looks without waiting whether the server has hung up; if so the connection is closed. */
void driver_mysql_conn_look(struct driver_mysql_conn *conn);

/* Connects to host number `host` and asks it about itself. writes: transactions see what others
 * commit meanwhile (read committed); else each has one snapshot (repeatable read). Errors:
 * ERR_DENIED, ERR_UNAVAILABLE (a host that cannot be used as it is), ERR_IO; reason says more. */
ERR_MUST_USE enum err driver_mysql_conn_open(struct driver_mysql_conn *conn, size_t host,
                                             bool writes);

/* Executes a statement that gives no rows. Errors, here and below, by what the server says:
 *   ERR_CONFLICT   a row with this key exists
 *   ERR_AGAIN      deadlock: roll back, do it all again
 *   ERR_NO_SPACE, ERR_TOO_LARGE, ERR_DENIED, ERR_MALFORMED (a table is missing or altered),
 *   ERR_IO         all else */
ERR_MUST_USE enum err driver_mysql_conn_run(struct driver_mysql_conn *conn,
                                            enum driver_mysql_sql id,
                                            const struct driver_mysql_value *params);
/* Executes a statement that gives rows; then driver_mysql_conn_next until it does not return OK, or
 * driver_mysql_conn_end. Nothing else may be executed in between. */
ERR_MUST_USE enum err driver_mysql_conn_ask(struct driver_mysql_conn *conn,
                                            enum driver_mysql_sql id,
                                            const struct driver_mysql_value *params);
/* The next row, borrowed until the next call; ERR_NOT_FOUND: there was none left, all is ended. */
ERR_MUST_USE enum err driver_mysql_conn_next(struct driver_mysql_conn *conn,
                                             enum driver_mysql_sql id,
                                             const struct driver_mysql_value **row);
void driver_mysql_conn_end(struct driver_mysql_conn *conn, enum driver_mysql_sql id);
/* Ask, the first row into out (numbers only), end. ERR_NOT_FOUND: no row. */
ERR_MUST_USE enum err driver_mysql_conn_one(struct driver_mysql_conn *conn,
                                            enum driver_mysql_sql id,
                                            const struct driver_mysql_value *params,
                                            struct driver_mysql_value *out);
/* Constant text without rows (DDL, SET). */
ERR_MUST_USE enum err driver_mysql_conn_text(struct driver_mysql_conn *conn, const char *sql);
/* The first column of the first row of a constant text, as a number. */
ERR_MUST_USE enum err driver_mysql_conn_text_number(struct driver_mysql_conn *conn, const char *sql,
                                                    uint64_t *out);
ERR_MUST_USE enum err driver_mysql_conn_commit(struct driver_mysql_conn *conn);
/* Ends the transaction, whatever it takes. */
void driver_mysql_conn_rollback(struct driver_mysql_conn *conn);

/* ---- for driver_mysql_rows.c */

/* Columns of many rows, for one execution: numbers or (bytes, lens). */
struct driver_mysql_array {
    uint64_t *numbers;
    const char **bytes;
    unsigned long *lens;
};

/* Executes the statement for all rows in one go, or row by row where the server cannot. */
ERR_MUST_USE enum err driver_mysql_conn_run_many(struct driver_mysql_conn *conn,
                                                 enum driver_mysql_sql id,
                                                 const struct driver_mysql_array *columns,
                                                 size_t count);

#endif
