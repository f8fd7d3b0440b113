/* SPDX-License-Identifier: Apache-2.0 */
/* A ban as a row: its name ("user:ann", "client:c1", "address:192.0.2.0/24") and its text. Pure;
 * that somebody is refused for it is the gateways' matter. */
#ifndef SERVICES_STORE_BAN_H
#define SERVICES_STORE_BAN_H

#include "common/buf.h"
#include "common/err.h"
#include "proto/access.pb-c.h"
#include "services/store/people_rows.h"

#define BAN_SUBJECT_MAX 1024u
#define BAN_REASON_MAX  255u

/* Writes the name (with its NUL). A network gets its canonical form: no bits behind the prefix, a
 * single address without one. ERR_INVALID: no such kind, or no such subject of it. */
ERR_MUST_USE enum err ban_name(Sluice__BanKind kind, const char *subject,
                               char out[PEOPLE_ROW_NAME_MAX]);
/* The text of a row. */
void ban_encode(uint64_t until_ms, const char *reason, const char *actor, struct buf *out);
/* When the ban of a text ends; 0: never. */
uint64_t ban_until(struct slice text);

/* The message for a row: strings are new, ban_message_fini frees them. */
void ban_message(const struct people_row *row, Sluice__Ban *out);
void ban_message_fini(Sluice__Ban *ban);

#endif
