/* SPDX-License-Identifier: Apache-2.0 */
/* Bans are put, from rest. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/store/access_rows.h"
#include "services/store/ban.h"
#include "services/store/desks.h"
#include "services/store/row_text.h"

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
        store_reply(store, request, err, NULL);
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
