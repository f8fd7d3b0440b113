/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about keys of the HTTP API, from rest. */
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "services/store/access_rows.h"
#include "services/store/desks.h"
#include "services/store/key.h"
#include "services/store/row_text.h"

#include <string.h>

static void
reply_error(struct store *store, struct call_request request, enum err err)
{
    peers_reply(store->peers, request, err, slice_of(NULL, 0));
}

static void
reply_row(struct store *store, struct call_request request, const struct people_row *row)
{
    Sluice__Key answer;
    key_message(row, &answer);
    store_reply(store, request, OK, &answer);
    key_message_fini(&answer);
}

static void
reply_put(const struct access_done *done)
{
    Sluice__KeyPutDone answer = SLUICE__KEY_PUT_DONE__INIT;
    answer.created = done->created;
    answer.revision = done->revision;
    answer.secret = (char *)(uintptr_t)done->secret; /* only read by the packer */
    store_reply(done->store, done->request, OK, &answer);
}

void
on_key_list(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__KeyList *get = sluice__key_list__unpack(NULL, body.len, body.data);
    Sluice__KeyListed answer = SLUICE__KEY_LISTED__INIT;
    const struct people_rows *rows = &store->access->keys;
    Sluice__Key *keys;
    size_t i;
    (void)peer;
    if (get == NULL) {
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    keys = mem_zalloc_array(ACCESS_LIST_MAX, sizeof(*keys));
    answer.keys = mem_zalloc_array(ACCESS_LIST_MAX, sizeof(Sluice__Key *));
    for (i = people_rows_after(rows, get->after);
         i < rows->count && answer.n_keys < access_rows_limit(get->limit); i++) {
        key_message(rows->rows[i], &keys[answer.n_keys]);
        answer.keys[answer.n_keys] = &keys[answer.n_keys];
        answer.n_keys++;
    }
    if (i < rows->count && answer.n_keys != 0)
        answer.next = keys[answer.n_keys - 1].name;
    store_reply(store, request, OK, &answer);
    for (i = 0; i < answer.n_keys; i++)
        key_message_fini(&keys[i]);
    mem_free(answer.keys);
    mem_free(keys);
    sluice__key_list__free_unpacked(get, NULL);
}

void
on_key_get(struct store *store, struct peer *peer, struct call_request request, struct slice body)
{
    Sluice__RowGet *get = sluice__row_get__unpack(NULL, body.len, body.data);
    const struct people_row *row =
        get != NULL ? people_rows_get(&store->access->keys, get->name) : NULL;
    (void)peer;
    if (row == NULL)
        reply_error(store, request, get == NULL ? ERR_MALFORMED : ERR_NOT_FOUND);
    else
        reply_row(store, request, row);
    if (get != NULL)
        sluice__row_get__free_unpacked(get, NULL);
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
        reply_error(store, request, err);
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
on_key_delete(struct store *store, struct peer *peer, struct call_request request,
              struct slice body)
{
    (void)peer;
    on_row_delete(store, request, body, DRIVER_ROW_KEY, "key.delete");
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
        reply_error(store, request, ERR_MALFORMED);
        return;
    }
    key_hash(message->secret, hash);
    for (i = 0; i < keys->count; i++) {
        if (crypt_equal(keys->rows[i]->hash, hash, sizeof(hash)))
            found = keys->rows[i];
    }
    if (found != NULL && (found->until_ms == 0 || found->until_ms > store_wall_ms(store)))
        reply_row(store, request, found);
    else
        reply_error(store, request, ERR_DENIED);
    sluice__key_verify__free_unpacked(message, NULL);
}
