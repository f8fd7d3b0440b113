/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about bans, from rest. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/store/access_rows.h"
#include "services/store/ban.h"
#include "services/store/desks.h"
#include "services/store/row_text.h"

static void
reply_error(struct store *store, struct call_request request, enum err err)
{
    peers_reply(store->peers, request, err, slice_of(NULL, 0));
}

static void
reply_put(const struct access_done *done)
{
    Sluice__BanPutDone answer = SLUICE__BAN_PUT_DONE__INIT;
    answer.created = done->created;
    answer.revision = done->revision;
    answer.name = (char *)(uintptr_t)done->name; /* only read by the packer */
    store_reply(done->store, done->request, OK, &answer);
}

void
on_ban_list(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__BanList *get = sluice__ban_list__unpack(NULL, body.len, body.data);
    Sluice__BanListed answer = SLUICE__BAN_LISTED__INIT;
    const struct people_rows *rows = &store->access->bans;
    Sluice__Ban *bans;
    size_t i;
    (void)peer;
    if (get == NULL) {
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    bans = mem_zalloc_array(ACCESS_LIST_MAX, sizeof(*bans));
    answer.bans = mem_zalloc_array(ACCESS_LIST_MAX, sizeof(Sluice__Ban *));
    for (i = people_rows_after(rows, get->after);
         i < rows->count && answer.n_bans < access_rows_limit(get->limit); i++) {
        ban_message(rows->rows[i], &bans[answer.n_bans]);
        answer.bans[answer.n_bans] = &bans[answer.n_bans];
        answer.n_bans++;
    }
    if (i < rows->count && answer.n_bans != 0)
        answer.next = bans[answer.n_bans - 1].name;
    store_reply(store, request, OK, &answer);
    for (i = 0; i < answer.n_bans; i++)
        ban_message_fini(&bans[i]);
    mem_free(answer.bans);
    mem_free(bans);
    sluice__ban_list__free_unpacked(get, NULL);
}

void
on_ban_get(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__RowGet *get = sluice__row_get__unpack(NULL, body.len, body.data);
    const struct people_row *row =
        get != NULL ? people_rows_get(&store->access->bans, get->name) : NULL;
    Sluice__Ban answer;
    (void)peer;
    if (row == NULL) {
        reply_error(store, request, get == NULL ? ERR_MALFORMED : ERR_NOT_FOUND);
    } else {
        ban_message(row, &answer);
        store_reply(store, request, OK, &answer);
        ban_message_fini(&answer);
    }
    if (get != NULL)
        sluice__row_get__free_unpacked(get, NULL);
}

void
on_ban_put(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__BanPut *put = sluice__ban_put__unpack(NULL, body.len, body.data);
    char name[PEOPLE_ROW_NAME_MAX];
    enum err err = ERR_MALFORMED;
    struct buf value;
    (void)peer;
    buf_init(&value, BATCH_ROW_MAX);
    if (put != NULL)
        err = row_text_is_plain(put->reason, BAN_REASON_MAX)
                  ? ban_name(put->kind, put->subject, name)
                  : ERR_INVALID;
    if (err != OK) {
        reply_error(store, request, err);
    } else {
        ban_encode(put->until_ms, put->reason, put->actor, &value);
        access_rows_change(store, request,
                           &(struct access_edit){.kind = DRIVER_ROW_BAN,
                                                 .name = name,
                                                 .value = buf_slice(&value),
                                                 .create_only = put->create_only,
                                                 .update_only = put->update_only,
                                                 .has_if_revision = put->has_if_revision,
                                                 .if_revision = put->if_revision,
                                                 .actor = put->actor,
                                                 .what = "ban.put",
                                                 .detail = slice_cstr(put->reason),
                                                 .reply = reply_put});
    }
    buf_fini(&value);
    if (put != NULL)
        sluice__ban_put__free_unpacked(put, NULL);
}

void
on_ban_delete(struct store *store, struct peer *peer, struct call_request request,
              struct slice body)
{
    (void)peer;
    on_row_delete(store, request, body, DRIVER_ROW_BAN, "ban.delete");
}
