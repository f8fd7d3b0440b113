/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of the HTTP API are put and looked up by their secret, from rest. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"
#include "services/store/key.h"
#include "services/store/row_text.h"

#include <string.h>

static void
reply_put(const struct access_done *done)
{
    Sluice__KeyPutDone answer = SLUICE__KEY_PUT_DONE__INIT;
    answer.created = done->created;
    answer.revision = done->revision;
    answer.secret = (char *)(uintptr_t)done->secret; /* only read by the packer */
    store_reply(done->store, done->request, OK, &answer);
}

static enum err
check_put(const Sluice__KeyPut *put)
{
    size_t i;
    if (put == NULL)
        return ERR_MALFORMED;
    if (!access_rows_name_is_valid(put->name) || !row_text_is_plain(put->note, KEY_NOTE_MAX) ||
        put->n_roles > USERS_ROLES_MAX)
        return ERR_INVALID;
    for (i = 0; i < put->n_roles; i++) {
        if (!access_rows_name_is_valid(put->roles[i]))
            return ERR_INVALID;
    }
    return OK;
}

void
on_key_put(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__KeyPut *put = sluice__key_put__unpack(NULL, body.len, body.data);
    enum err err = check_put(put);
    (void)peer;
    if (err != OK) {
        store_reply(store, request, err, NULL);
    } else {
        const struct people_row *former = people_rows_get(&store->access->keys, put->name);
        bool is_new = former == NULL || put->new_secret;
        char secret[ACCESS_SECRET_LEN + 1] = "";
        uint8_t hash[CRYPT_SHA256_LEN];
        struct buf value;
        buf_init(&value, BATCH_ROW_MAX);
        if (is_new) {
            key_secret_new(secret);
            key_hash(secret, hash);
        } else {
            memcpy(hash, former->hash, sizeof(hash));
        }
        key_encode(put, hash, &value);
        access_rows_change(store, request,
                           &(struct access_edit){.kind = DRIVER_ROW_KEY,
                                                 .name = put->name,
                                                 .value = buf_slice(&value),
                                                 .create_only = put->create_only,
                                                 .update_only = put->update_only,
                                                 .has_if_revision = put->has_if_revision,
                                                 .if_revision = put->if_revision,
                                                 .actor = put->actor,
                                                 .what = "key.put",
                                                 .detail = slice_cstr(is_new ? "new secret" : ""),
                                                 .secret = is_new ? secret : NULL,
                                                 .reply = reply_put});
        crypt_wipe(secret, sizeof(secret));
        buf_fini(&value);
    }
    if (put != NULL)
        sluice__key_put__free_unpacked(put, NULL);
}

void
on_key_verify(struct store *store, struct peer *peer, struct call_request request,
              struct slice body)
{
    Sluice__KeyVerify *message = sluice__key_verify__unpack(NULL, body.len, body.data);
    const struct people_rows *keys = &store->access->keys;
    const struct people_row *found = NULL;
    uint8_t hash[CRYPT_SHA256_LEN];
    size_t i;
    (void)peer;
    if (message == NULL) {
        store_reply(store, request, ERR_MALFORMED, NULL);
        return;
    }
    key_hash(message->secret, hash);
    for (i = 0; i < keys->count; i++) {
        if (crypt_equal(keys->rows[i]->hash, hash, sizeof(hash)))
            found = keys->rows[i];
    }
    if (found != NULL && (found->until_ms == 0 || found->until_ms > store_wall_ms(store))) {
        Sluice__Key answer;
        key_message(found, &answer);
        store_reply(store, request, OK, &answer);
        key_message_fini(&answer);
    } else {
        store_reply(store, request, ERR_DENIED, NULL);
    }
    sluice__key_verify__free_unpacked(message, NULL);
}
