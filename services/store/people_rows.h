/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of one kind (roles, bans or keys) in memory, in the order of their names: they are few, and
 * every gateway that comes is told all roles and bans. Pure; the same rows lie in the driver. */
#ifndef SERVICES_STORE_PEOPLE_ROWS_H
#define SERVICES_STORE_PEOPLE_ROWS_H

#include "common/crypt.h"
#include "common/err.h"
#include "common/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PEOPLE_ROWS_MAX     10000u
#define PEOPLE_ROWS_BYTES   (8u << 20) /* of values: what a gateway that comes must take */
#define PEOPLE_ROW_NAME_MAX 1100u      /* a ban's name: the kind and a user's name */

struct people_row {
    uint64_t revision;
    uint64_t until_ms;              /* bans and keys; 0: no end */
    uint8_t hash[CRYPT_SHA256_LEN]; /* keys: of the secret */
    char *name;
    char *value;
    size_t value_len;
};

struct people_rows {
    struct people_row **rows; /* by name */
    size_t count;
    size_t size;
    size_t bytes; /* of values */
};

void people_rows_fini(struct people_rows *rows);

/* Borrowed until it is put again or removed; NULL: there is none. */
struct people_row *people_rows_get(const struct people_rows *rows, const char *name);
/* Adds the row or replaces its value; copied. ERR_QUOTA: beyond PEOPLE_ROWS_MAX or
 * PEOPLE_ROWS_BYTES. */
ERR_MUST_USE enum err people_rows_put(struct people_rows *rows, const char *name,
                                      struct slice value, uint64_t revision,
                                      struct people_row **out);
void people_rows_remove(struct people_rows *rows, const char *name);
/* Index of the first row behind the name (need not exist; "": of the first). */
size_t people_rows_after(const struct people_rows *rows, const char *name);

#endif
