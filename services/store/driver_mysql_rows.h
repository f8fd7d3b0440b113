/* SPDX-License-Identifier: Apache-2.0 */
/* Rows gathered for one statement and executed many at a time, in packets that the server takes.
 * Bytes are borrowed until driver_mysql_rows_run. It knows no tables and keeps no order between
 * statements. */
#ifndef SERVICES_STORE_DRIVER_MYSQL_ROWS_H
#define SERVICES_STORE_DRIVER_MYSQL_ROWS_H

#include "services/store/driver_mysql_conn.h"

struct driver_mysql_rows {
    enum driver_mysql_sql id;
    const char *params; /* of the statement */
    size_t columns;
    size_t count; /* rows that are complete */
    size_t size;  /* allocated */
    struct driver_mysql_array *arrays;
};

void driver_mysql_rows_init(struct driver_mysql_rows *rows, enum driver_mysql_sql id);
void driver_mysql_rows_fini(struct driver_mysql_rows *rows);
/* One row: as many values as the statement has parameters. */
void driver_mysql_rows_add(struct driver_mysql_rows *rows, const struct driver_mysql_value *values);
/* Executes it for all rows, in their order, and empties it (also on error). ERR_TOO_LARGE: a single
 * row is larger than the server takes. */
ERR_MUST_USE enum err driver_mysql_rows_run(struct driver_mysql_rows *rows,
                                            struct driver_mysql_conn *conn);

#endif
