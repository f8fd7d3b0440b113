/* SPDX-License-Identifier: Apache-2.0 */
/* The client library's side of the MySQL driver; see driver_mysql_conn.h. Connecting has a file of
 * its own (driver_mysql_connect.c). Results are read row by row as they arrive, never gathered. */
#include "services/store/driver_mysql_conn_inner.h"

#include "common/mem.h"

#include <mariadb/errmsg.h>
#include <mariadb/mysqld_error.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define CELL_MIN   256u
#define CELL_KEEP  ((size_t)1 << 20)
#define BINDS_MAX  200u /* parameters of the largest statement: 64 keys of three, and the shard */
#define OS_ENOSPC  28u
#define EE_NO_ROOM 20u /* mysys: disk full */

static MYSQL *
mysql_of(struct driver_mysql_conn *conn)
{
    return conn->mysql;
}

/* ---- errors ---- */

static enum err
err_of(unsigned number)
{
    switch (number) {
    case ER_DUP_ENTRY:
        return ERR_CONFLICT;
    case ER_LOCK_DEADLOCK:
    case ER_CHECKREAD: /* "record has changed since last read": as a deadlock */
        return ERR_AGAIN;
    case ER_DISK_FULL:
    case ER_RECORD_FILE_FULL:
    case EE_NO_ROOM:
    case OS_ENOSPC:
        return ERR_NO_SPACE;
    case ER_NET_PACKET_TOO_LARGE:
    case CR_NET_PACKET_TOO_LARGE:
        return ERR_TOO_LARGE;
    case ER_ACCESS_DENIED_ERROR:
    case ER_DBACCESS_DENIED_ERROR:
    case ER_TABLEACCESS_DENIED_ERROR:
    case ER_COLUMNACCESS_DENIED_ERROR:
    case ER_SPECIFIC_ACCESS_DENIED_ERROR:
        return ERR_DENIED;
    case ER_NO_SUCH_TABLE:
    case ER_BAD_FIELD_ERROR:
    case ER_NOT_KEYFILE:
    case ER_CRASHED_ON_USAGE:
    case ER_TABLE_CORRUPT:
        return ERR_MALFORMED;
    default:
        return ERR_IO;
    }
}

/* Errors after which the connection is of no use: those of the client, a server that ends or kills
 * us, and one that must not be written to any more. */
static bool
is_lost(unsigned number)
{
    return (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) || number == ER_SERVER_SHUTDOWN ||
           number == ER_CONNECTION_KILLED || number == ER_UNKNOWN_COM_ERROR ||
           number == ER_OPTION_PREVENTS_STATEMENT ||
           number == ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION ||
           number == ER_NET_PACKET_TOO_LARGE || number == ER_NORMAL_SHUTDOWN ||
           number == ER_UNKNOWN_STMT_HANDLER || number == ER_NEED_REPREPARE ||
           (number >= ER_NET_PACKETS_OUT_OF_ORDER && number <= ER_NET_WRITE_INTERRUPTED);
}

enum err
driver_mysql_conn_failed(struct driver_mysql_conn *conn, unsigned number, const char *text)
{
    enum err err = err_of(number);
    conn->error_no = number;
    /* Some errors of the storage engine are known by their text only. */
    if (err == ERR_IO && (strstr(text, "No space left") != NULL ||
                          strstr(text, "errno: 28") != NULL || strstr(text, "Errcode: 28") != NULL))
        err = ERR_NO_SPACE;
    snprintf(conn->reason, sizeof(conn->reason), "%.40s: %u %.100s",
             conn->config->hosts.items[conn->host], number, text);
    if (is_lost(number))
        driver_mysql_conn_close(conn);
    return err;
}

static enum err
stmt_failed(struct driver_mysql_conn *conn, MYSQL_STMT *stmt)
{
    /* Copied: closing the connection frees the statement. */
    char text[DRIVER_REASON_SIZE];
    (void)str_format(text, sizeof(text), "%.150s", mysql_stmt_error(stmt));
    return driver_mysql_conn_failed(conn, mysql_stmt_errno(stmt), text);
}

static enum err
mysql_failed(struct driver_mysql_conn *conn)
{
    char text[DRIVER_REASON_SIZE];
    (void)str_format(text, sizeof(text), "%.150s", mysql_error(mysql_of(conn)));
    return driver_mysql_conn_failed(conn, mysql_errno(mysql_of(conn)), text);
}

static enum err
not_open(struct driver_mysql_conn *conn)
{
    if (conn->reason[0] == '\0')
        (void)str_format(conn->reason, sizeof(conn->reason), "not connected");
    return ERR_IO;
}

static enum err
fault_step(struct driver_mysql_conn *conn)
{
    return conn->fault != NULL ? driver_fault_step(conn->fault) : OK;
}

/* ---- life ---- */

void
driver_mysql_conn_init(struct driver_mysql_conn *conn, const struct driver_mysql_config *config,
                       struct driver *fault)
{
    memset(conn, 0, sizeof(*conn));
    conn->config = config;
    conn->fault = fault;
}

static void
stmt_free(struct driver_mysql_stmt *s)
{
    size_t i;
    if (s == NULL)
        return;
    if (s->stmt != NULL)
        mysql_stmt_close(s->stmt);
    for (i = 0; i < s->column_count; i++)
        mem_free(s->cells[i].data);
    mem_free(s);
}

void
driver_mysql_conn_close(struct driver_mysql_conn *conn)
{
    size_t i;
    if (conn->mysql == NULL)
        return;
    for (i = 0; i < MYSQL_STATEMENTS; i++) {
        stmt_free(conn->stmts[i]);
        conn->stmts[i] = NULL;
    }
    mysql_close(mysql_of(conn));
    conn->mysql = NULL;
}

void
driver_mysql_conn_look(struct driver_mysql_conn *conn)
{
    struct pollfd fd = {.events = POLLIN};
    if (conn->mysql == NULL)
        return;
    fd.fd = mysql_get_socket(mysql_of(conn));
    /* A server says nothing unasked, except that it goes. */
    if (poll(&fd, 1, 0) != 0)
        driver_mysql_conn_close(conn);
}

/* ---- statements ---- */

static void
cell_bind(struct driver_mysql_stmt *s, size_t i)
{
    struct driver_mysql_cell *cell = &s->cells[i];
    MYSQL_BIND *bind = &s->results[i];
    bind->length = &cell->len;
    bind->is_null = &cell->is_null;
    if (s->columns[i] == 'b') {
        bind->buffer_type = MYSQL_TYPE_BLOB;
        bind->buffer = cell->data;
        bind->buffer_length = cell->size;
    } else {
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->is_unsigned = s->columns[i] == 'u';
        bind->buffer = &cell->number;
        bind->buffer_length = sizeof(cell->number);
    }
}

static enum err
bind_results(struct driver_mysql_conn *conn, struct driver_mysql_stmt *s)
{
    size_t i;
    if (s->column_count == 0)
        return OK;
    for (i = 0; i < s->column_count; i++)
        cell_bind(s, i);
    s->rebind = false;
    return mysql_stmt_bind_result(s->stmt, s->results) == 0 ? OK : stmt_failed(conn, s->stmt);
}

static void
cell_resize(struct driver_mysql_stmt *s, size_t i, size_t size)
{
    mem_free(s->cells[i].data);
    s->cells[i].data = mem_alloc(size);
    s->cells[i].size = size;
    s->rebind = true;
}

static enum err
prepare(struct driver_mysql_conn *conn, enum driver_mysql_sql id, struct driver_mysql_stmt **out)
{
    struct driver_mysql_sql_shape shape = driver_mysql_sql_shape(id);
    struct driver_mysql_stmt *s = conn->stmts[id];
    struct buf text;
    enum err err = OK;
    size_t i;
    if (s != NULL) {
        *out = s;
        return OK;
    }
    s = mem_zalloc(sizeof(*s));
    s->columns = shape.columns;
    s->column_count = strlen(shape.columns);
    for (i = 0; i < s->column_count; i++) {
        if (shape.columns[i] == 'b')
            cell_resize(s, i, CELL_MIN);
    }
    s->stmt = mysql_stmt_init(mysql_of(conn));
    buf_init(&text, 1 << 20);
    driver_mysql_sql_text(id, &text);
    if (s->stmt == NULL)
        err = mysql_failed(conn);
    else if (mysql_stmt_prepare(s->stmt, (const char *)buf_slice(&text).data, buf_len(&text) - 1) !=
             0)
        err = stmt_failed(conn, s->stmt);
    if (err == OK)
        err = bind_results(conn, s);
    buf_fini(&text);
    if (err != OK) {
        /* A connection that was closed over the error has detached its statements. */
        stmt_free(s);
        return err;
    }
    conn->stmts[id] = s;
    *out = s;
    return OK;
}

static void
param_bind(MYSQL_BIND *bind, char kind, const struct driver_mysql_value *value)
{
    static const char nothing[1] = "";
    memset(bind, 0, sizeof(*bind));
    /* The library only reads parameters. */
    if (kind == 'b') {
        bind->buffer_type = MYSQL_TYPE_BLOB;
        bind->buffer = (void *)(uintptr_t)(value->bytes.len != 0 ? (const void *)value->bytes.data
                                                                 : (const void *)nothing);
        bind->buffer_length = value->bytes.len;
    } else {
        bind->buffer_type = MYSQL_TYPE_LONGLONG;
        bind->is_unsigned = kind == 'u';
        bind->buffer = (void *)(uintptr_t)&value->number;
    }
}

static enum err
execute(struct driver_mysql_conn *conn, enum driver_mysql_sql id,
        const struct driver_mysql_value *params, struct driver_mysql_stmt **out)
{
    struct driver_mysql_sql_shape shape = driver_mysql_sql_shape(id);
    MYSQL_BIND binds[BINDS_MAX];
    unsigned int single = 0;
    size_t count = 0, i, k;
    struct driver_mysql_stmt *s;
    enum err err;
    if (conn->mysql == NULL)
        return not_open(conn);
    err = fault_step(conn);
    if (err == OK)
        err = prepare(conn, id, &s);
    if (err != OK)
        return err;
    for (i = 0; shape.params[i] != '\0'; i++, count++)
        param_bind(&binds[count], shape.params[i], &params[count]);
    for (k = 0; k < shape.repeats; k++) {
        for (i = 0; shape.repeated[i] != '\0'; i++, count++)
            param_bind(&binds[count], shape.repeated[i], &params[count]);
    }
    if (s->many) {
        mysql_stmt_attr_set(s->stmt, STMT_ATTR_ARRAY_SIZE, &single);
        s->many = false;
    }
    if (s->rebind)
        err = bind_results(conn, s);
    if (err != OK)
        return err;
    if ((count != 0 && mysql_stmt_bind_param(s->stmt, binds) != 0) ||
        mysql_stmt_execute(s->stmt) != 0)
        return stmt_failed(conn, s->stmt);
    conn->affected = mysql_stmt_affected_rows(s->stmt);
    *out = s;
    return OK;
}

enum err
driver_mysql_conn_run(struct driver_mysql_conn *conn, enum driver_mysql_sql id,
                      const struct driver_mysql_value *params)
{
    struct driver_mysql_stmt *s;
    return execute(conn, id, params, &s);
}

enum err
driver_mysql_conn_ask(struct driver_mysql_conn *conn, enum driver_mysql_sql id,
                      const struct driver_mysql_value *params)
{
    struct driver_mysql_stmt *s;
    return execute(conn, id, params, &s);
}

void
driver_mysql_conn_end(struct driver_mysql_conn *conn, enum driver_mysql_sql id)
{
    struct driver_mysql_stmt *s = conn->stmts[id];
    size_t i;
    if (s == NULL)
        return;
    mysql_stmt_free_result(s->stmt);
    for (i = 0; i < s->column_count; i++) {
        if (s->cells[i].size > CELL_KEEP)
            cell_resize(s, i, CELL_MIN);
    }
}

/* Fetches what did not fit, and makes room for the next ones of that size. */
static enum err
fetch_long(struct driver_mysql_conn *conn, struct driver_mysql_stmt *s, size_t i)
{
    cell_resize(s, i, s->cells[i].len + s->cells[i].len / 4);
    cell_bind(s, i);
    return mysql_stmt_fetch_column(s->stmt, &s->results[i], (unsigned)i, 0) == 0
               ? OK
               : stmt_failed(conn, s->stmt);
}

enum err
driver_mysql_conn_next(struct driver_mysql_conn *conn, enum driver_mysql_sql id,
                       const struct driver_mysql_value **row)
{
    struct driver_mysql_stmt *s = conn->stmts[id];
    enum err err = OK;
    int rc;
    size_t i;
    if (s == NULL)
        return not_open(conn);
    if (s->rebind)
        err = bind_results(conn, s);
    if (err != OK)
        return err;
    rc = mysql_stmt_fetch(s->stmt);
    if (rc == MYSQL_NO_DATA) {
        driver_mysql_conn_end(conn, id);
        return ERR_NOT_FOUND;
    }
    if (rc != 0 && rc != MYSQL_DATA_TRUNCATED)
        return stmt_failed(conn, s->stmt);
    for (i = 0; err == OK && i < s->column_count; i++) {
        struct driver_mysql_cell *cell = &s->cells[i];
        if (cell->is_null) {
            cell->number = 0;
            cell->len = 0;
        }
        if (s->columns[i] == 'b' && cell->len > cell->size)
            err = fetch_long(conn, s, i);
        if (err == OK) {
            s->row[i].number = cell->number;
            s->row[i].bytes = slice_of(cell->data, s->columns[i] == 'b' ? cell->len : 0);
        }
    }
    if (err == OK) /* else the connection, and the statement with it, may be gone */
        *row = s->row;
    return err;
}

enum err
driver_mysql_conn_one(struct driver_mysql_conn *conn, enum driver_mysql_sql id,
                      const struct driver_mysql_value *params, struct driver_mysql_value *out)
{
    const struct driver_mysql_value *row = NULL;
    size_t count = strlen(driver_mysql_sql_shape(id).columns);
    enum err err = driver_mysql_conn_ask(conn, id, params);
    if (err == OK)
        err = driver_mysql_conn_next(conn, id, &row);
    if (err != OK)
        return err;
    memcpy(out, row, count * sizeof(*out));
    driver_mysql_conn_end(conn, id);
    return OK;
}

/* ---- many rows at once ---- */

static enum err
run_each(struct driver_mysql_conn *conn, enum driver_mysql_sql id,
         const struct driver_mysql_array *columns, size_t count)
{
    const char *params = driver_mysql_sql_shape(id).params;
    struct driver_mysql_value values[MYSQL_COLUMNS_MAX] = {{0}};
    size_t row, i;
    for (row = 0; row < count; row++) {
        enum err err;
        for (i = 0; params[i] != '\0'; i++) {
            values[i] = params[i] == 'b'
                            ? MYSQL_BYTES(slice_of(columns[i].bytes[row], columns[i].lens[row]))
                            : MYSQL_NUMBER(columns[i].numbers[row]);
        }
        err = driver_mysql_conn_run(conn, id, values);
        if (err != OK)
            return err;
    }
    return OK;
}

enum err
driver_mysql_conn_run_many(struct driver_mysql_conn *conn, enum driver_mysql_sql id,
                           const struct driver_mysql_array *columns, size_t count)
{
    const char *params = driver_mysql_sql_shape(id).params;
    MYSQL_BIND binds[MYSQL_COLUMNS_MAX];
    unsigned int rows = (unsigned int)count;
    struct driver_mysql_stmt *s;
    enum err err;
    size_t i;
    if (conn->mysql == NULL)
        return not_open(conn);
    err = prepare(conn, id, &s);
    if (err != OK)
        return err;
    if (count == 1 || !conn->server.many_rows)
        return run_each(conn, id, columns, count);
    err = fault_step(conn);
    if (err != OK)
        return err;
    memset(binds, 0, sizeof(binds));
    for (i = 0; params[i] != '\0'; i++) {
        if (params[i] == 'b') {
            binds[i].buffer_type = MYSQL_TYPE_BLOB;
            binds[i].buffer = (void *)columns[i].bytes;
            binds[i].length = columns[i].lens;
        } else {
            binds[i].buffer_type = MYSQL_TYPE_LONGLONG;
            binds[i].is_unsigned = params[i] == 'u';
            binds[i].buffer = columns[i].numbers;
        }
    }
    s->many = true;
    if (mysql_stmt_attr_set(s->stmt, STMT_ATTR_ARRAY_SIZE, &rows) != 0 ||
        mysql_stmt_bind_param(s->stmt, binds) != 0 || mysql_stmt_execute(s->stmt) != 0)
        return stmt_failed(conn, s->stmt);
    return OK;
}

/* ---- text and transactions ---- */

enum err
driver_mysql_conn_text(struct driver_mysql_conn *conn, const char *sql)
{
    if (conn->mysql == NULL)
        return not_open(conn);
    return mysql_query(mysql_of(conn), sql) == 0 ? OK : mysql_failed(conn);
}

enum err
driver_mysql_conn_text_number(struct driver_mysql_conn *conn, const char *sql, uint64_t *out)
{
    MYSQL_RES *result;
    MYSQL_ROW row;
    enum err err = driver_mysql_conn_text(conn, sql);
    if (err != OK)
        return err;
    result = mysql_store_result(mysql_of(conn));
    if (result == NULL)
        return mysql_failed(conn);
    row = mysql_fetch_row(result);
    if (row == NULL || row[0] == NULL)
        err = ERR_NOT_FOUND;
    else if (str_parse_u64(slice_cstr(row[0]), 0, UINT64_MAX, out) != OK)
        err = ERR_MALFORMED;
    mysql_free_result(result);
    return err;
}

enum err
driver_mysql_conn_commit(struct driver_mysql_conn *conn)
{
    if (conn->mysql == NULL)
        return not_open(conn);
    return mysql_commit(mysql_of(conn)) == 0 ? OK : mysql_failed(conn);
}

void
driver_mysql_conn_rollback(struct driver_mysql_conn *conn)
{
    if (conn->mysql != NULL && mysql_rollback(mysql_of(conn)) != 0)
        driver_mysql_conn_close(conn);
}
