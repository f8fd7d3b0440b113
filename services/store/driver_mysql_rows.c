/* SPDX-License-Identifier: Apache-2.0 */
/* Many rows at a time; see driver_mysql_rows.h. */
#include "services/store/driver_mysql_rows.h"

#include "common/mem.h"

#include <stdio.h>
#include <string.h>

#define CHUNK_ROWS  4096u
#define CHUNK_BYTES ((size_t)4 << 20) /* enough to make round trips cheap, little to buffer */
#define ROW_HEAD    11u               /* of a value: its length or number, and an indicator */
#define PACKET_HEAD 4096u
#define KEEP_ROWS   16384u

void
driver_mysql_rows_init(struct driver_mysql_rows *rows, enum driver_mysql_sql id)
{
    memset(rows, 0, sizeof(*rows));
    rows->id = id;
    rows->params = driver_mysql_sql_shape(id).params;
    rows->columns = strlen(rows->params);
}

void
driver_mysql_rows_fini(struct driver_mysql_rows *rows)
{
    size_t i;
    for (i = 0; rows->arrays != NULL && i < rows->columns; i++) {
        mem_free(rows->arrays[i].numbers);
        mem_free(rows->arrays[i].bytes);
        mem_free(rows->arrays[i].lens);
    }
    mem_free(rows->arrays);
    rows->arrays = NULL;
    rows->count = 0;
    rows->size = 0;
}

static void
grow(struct driver_mysql_rows *rows)
{
    size_t size = rows->size != 0 ? 2 * rows->size : 16;
    size_t i;
    if (rows->arrays == NULL)
        rows->arrays = mem_zalloc_array(rows->columns, sizeof(*rows->arrays));
    for (i = 0; i < rows->columns; i++) {
        struct driver_mysql_array *array = &rows->arrays[i];
        if (rows->params[i] == 'b') {
            array->bytes = mem_realloc_array(array->bytes, size, sizeof(*array->bytes));
            array->lens = mem_realloc_array(array->lens, size, sizeof(*array->lens));
        } else {
            array->numbers = mem_realloc_array(array->numbers, size, sizeof(*array->numbers));
        }
    }
    rows->size = size;
}

void
driver_mysql_rows_add(struct driver_mysql_rows *rows, const struct driver_mysql_value *values)
{
    size_t i;
    if (rows->count == rows->size)
        grow(rows);
    for (i = 0; i < rows->columns; i++) {
        struct driver_mysql_array *array = &rows->arrays[i];
        if (rows->params[i] == 'b') {
            struct slice bytes = values[i].bytes;
            array->bytes[rows->count] = bytes.len != 0 ? (const char *)bytes.data : "";
            array->lens[rows->count] = bytes.len;
        } else {
            array->numbers[rows->count] = values[i].number;
        }
    }
    rows->count++;
}

static size_t
row_bytes(const struct driver_mysql_rows *rows, size_t row)
{
    size_t bytes = rows->columns * ROW_HEAD;
    size_t i;
    for (i = 0; i < rows->columns; i++) {
        if (rows->params[i] == 'b')
            bytes += rows->arrays[i].lens[row];
    }
    return bytes;
}

/* How many rows from `from` on go into one packet; 0: the first one alone is too much. */
static size_t
chunk_from(const struct driver_mysql_rows *rows, size_t from, size_t max_packet)
{
    size_t bytes = PACKET_HEAD;
    size_t n = 0;
    while (from + n < rows->count && n < CHUNK_ROWS) {
        size_t more = row_bytes(rows, from + n);
        if (more > max_packet - bytes || (n > 0 && bytes + more > CHUNK_BYTES))
            break;
        bytes += more;
        n++;
    }
    return n;
}

static enum err
run_chunk(struct driver_mysql_rows *rows, struct driver_mysql_conn *conn, size_t from, size_t n)
{
    struct driver_mysql_array part[16];
    size_t i;
    for (i = 0; i < rows->columns; i++) {
        const struct driver_mysql_array *array = &rows->arrays[i];
        part[i] = (struct driver_mysql_array){
            .numbers = array->numbers != NULL ? array->numbers + from : NULL,
            .bytes = array->bytes != NULL ? array->bytes + from : NULL,
            .lens = array->lens != NULL ? array->lens + from : NULL,
        };
    }
    return driver_mysql_conn_run_many(conn, rows->id, part, n);
}

enum err
driver_mysql_rows_run(struct driver_mysql_rows *rows, struct driver_mysql_conn *conn)
{
    size_t max_packet = (size_t)conn->server.max_packet;
    size_t from = 0;
    enum err err = OK;
    while (err == OK && from < rows->count) {
        size_t n = chunk_from(rows, from, max_packet);
        if (n == 0) {
            snprintf(conn->reason, sizeof(conn->reason),
                     "a row of %zu bytes is more than the server's max_allowed_packet=%zu",
                     row_bytes(rows, from), max_packet);
            err = ERR_TOO_LARGE;
        } else {
            err = run_chunk(rows, conn, from, n);
        }
        from += n;
    }
    rows->count = 0;
    if (rows->size > KEEP_ROWS)
        driver_mysql_rows_fini(rows);
    return err;
}
