/* SPDX-License-Identifier: Apache-2.0 */
/* Roles, bans and keys: loading them, changing one (revision, quota, batch, audit, and the word to
 * the gateways when it is durable), and telling a gateway that comes all that counts. What the text
 * of a row means, the desks know (on_row.c, on_role.c, on_ban.c, on_key.c). */
#ifndef SERVICES_STORE_ACCESS_ROWS_H
#define SERVICES_STORE_ACCESS_ROWS_H

#include "common/call.h"
#include "services/store/audit.h"
#include "services/store/people_rows.h"
#include "services/store/store.h"

#define ACCESS_NAME_MAX   255u /* bytes of the name of a role or key */
#define ACCESS_SECRET_LEN 43u  /* of a key: 32 bytes in base64 for URLs */
#define ACCESS_LIST_MAX   1000u

struct access_rows {
    struct people_rows roles;
    struct people_rows bans;
    struct people_rows keys;
    struct audit audit;
    uint64_t sweep_ms; /* when bans that have ended are looked for again; monotonic */
};

struct access_edit;

/* A change that is durable. */
struct access_done {
    struct store *store;
    struct call_request request;
    const char *name;
    bool created;
    uint64_t revision;
    const char *secret; /* "": none was made */
};
typedef void (*access_reply_fn)(const struct access_done *done);

/* A wish to put or delete a row; everything is borrowed. */
struct access_edit {
    uint8_t kind; /* enum driver_row_kind */
    const char *name;
    struct slice value; /* put */
    bool is_delete;
    bool create_only;
    bool update_only;
    bool has_if_revision;
    uint64_t if_revision;
    const char *actor;
    const char *what; /* for the audit */
    struct slice detail;
    const char *secret;    /* to be told once it is durable, or NULL */
    access_reply_fn reply; /* NULL: an empty answer */
};

/* New: reads all rows and the audit's numbers. Blocks for the driver: at the start. */
ERR_MUST_USE enum err access_rows_load(struct store *store);
void access_rows_free(struct access_rows *access);

/* NULL: no such kind here. */
struct people_rows *access_rows_of(struct access_rows *access, uint8_t kind);
/* Whether a row of this revision (NULL: there is none) may be changed so. */
ERR_MUST_USE enum err access_rows_check(const struct people_row *row, bool create_only,
                                        bool update_only, bool has_if_revision,
                                        uint64_t if_revision);
/* Answers the call: at once with an error, else when the change is durable. */
void access_rows_change(struct store *store, struct call_request request,
                        const struct access_edit *edit);

/* An entry of the audit, in the open batch. */
void access_rows_audit(struct store *store, const char *actor, const char *what,
                       struct slice subject, struct slice detail);
/* A revision above the former one (0: none). */
uint64_t access_rows_revision(const struct store *store, uint64_t former);

/* Tells a gateway that has just come all roles and bans. */
void access_rows_tell_all(struct store *store, const struct owner *owner);
/* Deletes bans that have ended. */
void access_rows_tick(struct store *store, uint64_t now_ms);

/* A name of a role or key. */
bool access_rows_name_is_valid(const char *name);
/* "0" .. 1000 as asked; 0: 1000. */
size_t access_rows_limit(uint32_t asked);

#endif
