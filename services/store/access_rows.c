/* SPDX-License-Identifier: Apache-2.0 */
/* See access_rows.h. A row changes in memory at once; its driver row and its audit entry are in one
 * batch, and whoever asked, and every gateway, hears of it when that is durable. */
#include "services/store/access_rows.h"

#include "common/log.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "services/store/ban.h"
#include "services/store/key.h"
#include "services/store/row_text.h"
#include "services/store/store_link.h"

#include <string.h>

#define PAGE     1000u
#define SWEEP_MS 1000u

/* A change on its way to the disk. */
struct change {
    struct store *store;
    struct call_request request;
    access_reply_fn reply;
    uint64_t revision;
    uint8_t kind;
    bool created;
    char secret[ACCESS_SECRET_LEN + 1];
    char name[];
};

struct people_rows *
access_rows_of(struct access_rows *access, uint8_t kind)
{
    switch (kind) {
    case DRIVER_ROW_ROLE:
        return &access->roles;
    case DRIVER_ROW_BAN:
        return &access->bans;
    case DRIVER_ROW_KEY:
        return &access->keys;
    default:
        return NULL;
    }
}

/* What memory wants to know of the text of a row. */
static void
read_value(uint8_t kind, struct people_row *row)
{
    struct slice value = slice_of(row->value, row->value_len);
    if (kind == DRIVER_ROW_BAN)
        row->until_ms = ban_until(value);
    else if (kind == DRIVER_ROW_KEY)
        key_note(value, row);
}

/* ---- the start */

struct loading {
    struct people_rows *rows;
    char last[PEOPLE_ROW_NAME_MAX];
    enum err err;
};

static void
load_row(void *arg, const struct driver_row *row)
{
    struct loading *loading = arg;
    struct people_row *kept;
    if (str_format(loading->last, sizeof(loading->last), "%.*s", (int)row->name.len,
                   (const char *)row->name.data) != OK)
        loading->err = ERR_MALFORMED;
    if (loading->err == OK)
        loading->err =
            people_rows_put(loading->rows, loading->last, row->value, row->time_ms, &kept);
    if (loading->err == OK)
        read_value(row->kind, kept);
}

static enum err
load_kind(struct store *store, uint8_t kind)
{
    struct loading loading = {.rows = access_rows_of(store->access, kind)};
    bool more = true;
    enum err err = OK;
    while (err == OK && more && loading.err == OK) {
        char after[PEOPLE_ROW_NAME_MAX];
        memcpy(after, loading.last, sizeof(after));
        err = driver_row_page(store->driver, kind, slice_cstr(after), PAGE, load_row, &loading,
                              &more);
    }
    return err != OK ? err : loading.err;
}

enum err
access_rows_load(struct store *store)
{
    enum err err;
    uint8_t kind;
    store->access = mem_zalloc(sizeof(*store->access));
    err = audit_load(&store->access->audit, store->driver, store->config->audit_max);
    for (kind = DRIVER_ROW_ROLE; err == OK && kind <= DRIVER_ROW_KEY; kind++)
        err = load_kind(store, kind);
    if (err != OK)
        log_error("access_not_loaded", LOG_ERR(err), LOG_END);
    return err;
}

void
access_rows_free(struct access_rows *access)
{
    if (access == NULL)
        return;
    people_rows_fini(&access->roles);
    people_rows_fini(&access->bans);
    people_rows_fini(&access->keys);
    mem_free(access);
}

/* ---- words to gateways */

static void
role_record(const char *name, const struct people_row *row, struct buf *out)
{
    size_t len = strlen(name);
    buf_put_u8(out, row != NULL);
    buf_put_u16(out, (uint16_t)len);
    buf_append(out, name, len);
    if (row != NULL)
        buf_append(out, row->value, row->value_len);
}

static void
ban_record(const char *name, const struct people_row *row, struct buf *out)
{
    Sluice__Ban ban = SLUICE__BAN__INIT;
    size_t len;
    uint8_t *packed;
    if (row != NULL)
        ban_message(row, &ban);
    else
        ban.name = mem_strdup(name);
    len = sluice__ban__get_packed_size(&ban);
    packed = mem_alloc(len + 1);
    len = sluice__ban__pack(&ban, packed);
    buf_put_u8(out, row != NULL);
    buf_append(out, packed, len);
    mem_free(packed);
    if (row != NULL)
        ban_message_fini(&ban);
    else
        mem_free(ban.name);
}

/* owner NULL: to all gateways. */
static void
tell_row(struct store *store, const struct owner *owner, uint8_t kind, const char *name)
{
    const struct people_row *row = people_rows_get(access_rows_of(store->access, kind), name);
    uint8_t type = kind == DRIVER_ROW_ROLE ? FEED_ROLE : FEED_BAN;
    struct buf record;
    if (kind == DRIVER_ROW_KEY)
        return; /* no gateway asks for those */
    buf_init(&record, (size_t)1 << 20);
    if (kind == DRIVER_ROW_ROLE)
        role_record(name, row, &record);
    else
        ban_record(name, row, &record);
    if (owner != NULL)
        store_link_send(store, owner, type, buf_slice(&record));
    else
        store_link_broadcast(store, type, buf_slice(&record));
    buf_fini(&record);
}

void
access_rows_tell_all(struct store *store, const struct owner *owner)
{
    struct access_rows *access = store->access;
    size_t i;
    store_link_send(store, owner, FEED_ACCESS_RESET, slice_of(NULL, 0));
    for (i = 0; i < access->roles.count; i++)
        tell_row(store, owner, DRIVER_ROW_ROLE, access->roles.rows[i]->name);
    for (i = 0; i < access->bans.count; i++)
        tell_row(store, owner, DRIVER_ROW_BAN, access->bans.rows[i]->name);
    store_link_send(store, owner, FEED_ACCESS_END, slice_of(NULL, 0));
}

/* ---- changes */

enum err
access_rows_check(const struct people_row *row, bool create_only, bool update_only,
                  bool has_if_revision, uint64_t if_revision)
{
    if (has_if_revision && (row == NULL || row->revision != if_revision))
        return ERR_CONFLICT;
    if (row != NULL && create_only)
        return ERR_EXISTS;
    return row == NULL && update_only ? ERR_NOT_FOUND : OK;
}

uint64_t
access_rows_revision(const struct store *store, uint64_t former)
{
    uint64_t now_ms = store_wall_ms(store);
    return now_ms > former ? now_ms : former + 1;
}

void
access_rows_audit(struct store *store, const char *actor, const char *what, struct slice subject,
                  struct slice detail)
{
    const struct audit_entry entry = {slice_cstr(actor), slice_cstr(what), subject, detail};
    audit_append(&store->access->audit, commit_batch(store->commit), store_wall_ms(store), &entry);
}

static void
durable(void *arg, uint64_t a, uint64_t b, uint64_t c)
{
    struct change *change = (struct change *)(uintptr_t)a;
    struct store *store = arg;
    const struct access_done done = {store,           change->request,  change->name,
                                     change->created, change->revision, change->secret};
    (void)b;
    (void)c;
    tell_row(store, NULL, change->kind, change->name);
    if (change->reply != NULL)
        change->reply(&done);
    else
        peers_reply(store->peers, change->request, OK, slice_of(NULL, 0));
    mem_free_secret(change, sizeof(*change) + strlen(change->name) + 1);
}

/* The row as it will be, in memory and in the batch. */
static enum err
write_row(struct store *store, const struct access_edit *edit, uint64_t revision)
{
    struct people_rows *rows = access_rows_of(store->access, edit->kind);
    struct batch *batch = commit_batch(store->commit);
    struct people_row *row;
    enum err err;
    if (edit->is_delete) {
        batch_row_delete(batch, edit->kind, slice_cstr(edit->name));
        people_rows_remove(rows, edit->name);
        return OK;
    }
    err = people_rows_put(rows, edit->name, edit->value, revision, &row);
    if (err != OK)
        return err;
    read_value(edit->kind, row);
    batch_row_put(batch, &(struct driver_row){.kind = edit->kind,
                                              .name = slice_cstr(edit->name),
                                              .value = edit->value,
                                              .time_ms = revision});
    return OK;
}

void
access_rows_change(struct store *store, struct call_request request, const struct access_edit *edit)
{
    const struct people_row *former =
        people_rows_get(access_rows_of(store->access, edit->kind), edit->name);
    bool created = former == NULL;
    size_t len = strlen(edit->name) + 1;
    uint64_t revision = access_rows_revision(store, created ? 0 : former->revision);
    struct change *change;
    enum err err = access_rows_check(former, edit->create_only, edit->update_only,
                                     edit->has_if_revision, edit->if_revision);
    if (err == OK)
        err = commit_state(store->commit) != OK ? commit_state(store->commit)
                                                : commit_room(store->commit);
    if (err == OK)
        err = write_row(store, edit, revision);
    if (err != OK) {
        peers_reply(store->peers, request, err, slice_of(NULL, 0));
        return;
    }
    access_rows_audit(store, edit->actor, edit->what, slice_cstr(edit->name), edit->detail);
    change = mem_zalloc(sizeof(*change) + len);
    change->store = store;
    change->request = request;
    change->reply = edit->reply;
    change->revision = revision;
    change->kind = edit->kind;
    change->created = created;
    if (edit->secret != NULL)
        (void)str_format(change->secret, sizeof(change->secret), "%s", edit->secret);
    memcpy(change->name, edit->name, len);
    log_info(edit->what, LOG_STR("name", edit->name), LOG_STR("actor", edit->actor), LOG_END);
    commit_mark(store->commit, durable, store, (uint64_t)(uintptr_t)change, 0, 0);
}

void
access_rows_tick(struct store *store, uint64_t now_ms)
{
    struct access_rows *access = store->access;
    uint64_t wall_ms = store_wall_ms(store);
    size_t i;
    if (now_ms < access->sweep_ms || commit_state(store->commit) != OK)
        return;
    access->sweep_ms = now_ms + SWEEP_MS;
    for (i = access->bans.count; i-- > 0;) {
        struct people_row *row = access->bans.rows[i];
        if (row->until_ms == 0 || row->until_ms > wall_ms)
            continue;
        batch_row_delete(commit_batch(store->commit), DRIVER_ROW_BAN, slice_cstr(row->name));
        people_rows_remove(&access->bans, row->name);
    }
}

/* ---- */

bool
access_rows_name_is_valid(const char *name)
{
    return name[0] != '\0' && row_text_is_plain(name, ACCESS_NAME_MAX);
}

size_t
access_rows_limit(uint32_t asked)
{
    return asked == 0 || asked > ACCESS_LIST_MAX ? ACCESS_LIST_MAX : asked;
}
