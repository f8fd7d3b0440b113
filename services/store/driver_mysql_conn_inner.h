/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files about one connection share; nobody else includes it. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_CONN_INNER_H
#define SERVICES_STORE_DRIVER_MYSQL_CONN_INNER_H

#include "services/store/driver_mysql_conn.h"

#include <mariadb/mysql.h>

#define MYSQL_COLUMNS_MAX 16 /* of one row, in and out */

struct driver_mysql_cell {
    uint64_t number;
    uint8_t *data;
    size_t size;
    unsigned long len;
    my_bool is_null;
};

/* A prepared statement and where its rows go. */
struct driver_mysql_stmt {
    MYSQL_STMT *stmt;
    const char *columns;
    size_t column_count;
    bool many;   /* it was last executed for many rows */
    bool rebind; /* cells have moved */
    struct driver_mysql_cell cells[MYSQL_COLUMNS_MAX];
    MYSQL_BIND results[MYSQL_COLUMNS_MAX];
    struct driver_mysql_value row[MYSQL_COLUMNS_MAX];
};

/* Remembers the error, closes the connection if it is of no use any more. */
enum err driver_mysql_conn_failed(struct driver_mysql_conn *conn, unsigned number,
                                  const char *text);

#endif
