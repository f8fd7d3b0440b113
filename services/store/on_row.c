/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that are alike for roles, bans and keys, from rest: lists, one row, deleting. What the text
 * of a row says, others know (ban.c, key.c); what is put, their own desks check. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "services/store/access_rows.h"
#include "services/store/ban.h"
#include "services/store/desks.h"
#include "services/store/key.h"

#define LIST_BYTES ((size_t)1 << 20) /* of rows in one page, and one row more */

/* ---- rows as messages: new bytes */

static ProtobufCBinaryData
pack(const void *message)
{
    ProtobufCBinaryData out = {.len = protobuf_c_message_get_packed_size(message)};
    out.data = mem_alloc(out.len);
    (void)protobuf_c_message_pack(message, out.data);
    return out;
}

/* The text of a role is the text of its rules. */
static ProtobufCBinaryData
pack_role(const struct people_row *row)
{
    Sluice__Role role = SLUICE__ROLE__INIT;
    role.name = row->name;
    role.rules = row->value;
    role.revision = row->revision;
    return pack(&role);
}

static ProtobufCBinaryData
pack_ban(const struct people_row *row)
{
    ProtobufCBinaryData out;
    Sluice__Ban ban;
    ban_message(row, &ban);
    out = pack(&ban);
    ban_message_fini(&ban);
    return out;
}

static ProtobufCBinaryData
pack_key(const struct people_row *row)
{
    ProtobufCBinaryData out;
    Sluice__Key key;
    key_message(row, &key);
    out = pack(&key);
    key_message_fini(&key);
    return out;
}

static const struct row_kind {
    uint8_t kind; /* enum driver_row_kind */
    uint16_t list, get, remove;
    const char *removed; /* for the audit */
    ProtobufCBinaryData (*pack)(const struct people_row *row);
} kinds[] = {
    {DRIVER_ROW_ROLE, CALL_ROLE_LIST, CALL_ROLE_GET, CALL_ROLE_DELETE, "role.delete", pack_role},
    {DRIVER_ROW_BAN, CALL_BAN_LIST, CALL_BAN_GET, CALL_BAN_DELETE, "ban.delete", pack_ban},
    {DRIVER_ROW_KEY, CALL_KEY_LIST, CALL_KEY_GET, CALL_KEY_DELETE, "key.delete", pack_key},
};

/* ---- desks */

static void
list(struct store *store, struct call_request request, struct slice body,
     const struct row_kind *kind)
{
    Sluice__RowList *get = sluice__row_list__unpack(NULL, body.len, body.data);
    Sluice__RowListed answer = SLUICE__ROW_LISTED__INIT;
    const struct people_rows *rows = access_rows_of(store->access, kind->kind);
    size_t i, limit, bytes = 0;
    if (get == NULL) {
        store_reply(store, request, ERR_MALFORMED, NULL);
        return;
    }
    limit = access_rows_limit(get->limit);
    answer.rows = mem_zalloc_array(limit, sizeof(*answer.rows));
    for (i = people_rows_after(rows, get->after);
         i < rows->count && answer.n_rows < limit && bytes < LIST_BYTES; i++) {
        answer.rows[answer.n_rows] = kind->pack(rows->rows[i]);
        bytes += answer.rows[answer.n_rows++].len;
    }
    if (i < rows->count && i > 0)
        answer.next = rows->rows[i - 1]->name;
    store_reply(store, request, OK, &answer);
    for (i = 0; i < answer.n_rows; i++)
        mem_free(answer.rows[i].data);
    mem_free(answer.rows);
    sluice__row_list__free_unpacked(get, NULL);
}

static void
get_one(struct store *store, struct call_request request, struct slice body,
        const struct row_kind *kind)
{
    Sluice__RowGet *get = sluice__row_get__unpack(NULL, body.len, body.data);
    const struct people_row *row =
        get != NULL ? people_rows_get(access_rows_of(store->access, kind->kind), get->name) : NULL;
    if (row == NULL) {
        store_reply(store, request, get == NULL ? ERR_MALFORMED : ERR_NOT_FOUND, NULL);
    } else {
        ProtobufCBinaryData packed = kind->pack(row);
        peers_reply(store->peers, request, OK, slice_of(packed.data, packed.len));
        mem_free(packed.data);
    }
    if (get != NULL)
        sluice__row_get__free_unpacked(get, NULL);
}

static void
remove_one(struct store *store, struct call_request request, struct slice body,
           const struct row_kind *kind)
{
    Sluice__RowDelete *message = sluice__row_delete__unpack(NULL, body.len, body.data);
    if (message == NULL) {
        store_reply(store, request, ERR_MALFORMED, NULL);
        return;
    }
    access_rows_change(store, request,
                       &(struct access_edit){.kind = kind->kind,
                                             .name = message->name,
                                             .is_delete = true,
                                             .update_only = true,
                                             .has_if_revision = message->has_if_revision,
                                             .if_revision = message->if_revision,
                                             .actor = message->actor,
                                             .what = kind->removed});
    sluice__row_delete__free_unpacked(message, NULL);
}

bool
on_row(struct store *store, struct call_request request, uint16_t method, struct slice body)
{
    size_t i;
    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        const struct row_kind *kind = &kinds[i];
        if (method == kind->list)
            list(store, request, body, kind);
        else if (method == kind->get)
            get_one(store, request, body, kind);
        else if (method == kind->remove)
            remove_one(store, request, body, kind);
        else
            continue;
        return true;
    }
    return false;
}
