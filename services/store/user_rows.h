/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of users in memory for as long as somebody is busy with them. A desk that needs a user's row
 * finds it here at once (signin_user_get), because its call has waited until the row was read
 * (call_user.h). A change that is durable replaces what is here. Others that write the same
 * database are seen after USER_ROWS_FRESH_MS. */
#ifndef SERVICES_STORE_USER_ROWS_H
#define SERVICES_STORE_USER_ROWS_H

#include "services/store/signin.h"

#define USER_ROWS_FRESH_MS 2000u
#define USER_ROWS_MAX      16384u /* those used longest ago go first */

struct user_rows;

struct user_rows *user_rows_new(void);
/* After the reads have ended. */
void user_rows_free(struct user_rows *rows);

/* The row is here, or it is known that there is none (OK); or it could not be read. Called once,
 * at once or later. */
typedef void (*user_rows_fn)(void *arg, enum err err);
void user_rows_want(struct store *store, struct slice name, uint64_t deadline_ms, user_rows_fn fn,
                    void *arg);
/* Copies it out. ERR_NOT_FOUND: no such user; ERR_BUSY: not here, want it first. */
ERR_MUST_USE enum err user_rows_get(struct store *store, struct slice name,
                                    struct signin_user *out);
/* A change is durable: what it made of the user; NULL: deleted. Copied. */
void user_rows_changed(struct store *store, struct slice name, const struct signin_user *user);

#endif
