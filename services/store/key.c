/* SPDX-License-Identifier: Apache-2.0 */
/* See key.h. */
#include "services/store/key.h"

#include "common/mem.h"
#include "services/store/row_text.h"
#include "services/store/users.h"

#include <string.h>

void
key_secret_new(char out[ACCESS_SECRET_LEN + 1])
{
    uint8_t random[32];
    char text[CRYPT_BASE64_SIZE(sizeof(random))];
    size_t i;
    crypt_random(random, sizeof(random));
    crypt_base64(random, sizeof(random), text, sizeof(text));
    for (i = 0; i < ACCESS_SECRET_LEN; i++)
        out[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    out[ACCESS_SECRET_LEN] = '\0';
    crypt_wipe(random, sizeof(random));
    crypt_wipe(text, sizeof(text));
}

void
key_hash(const char *secret, uint8_t out[CRYPT_SHA256_LEN])
{
    crypt_sha256(slice_cstr(secret), out);
}

void
key_encode(const Sluice__KeyPut *put, const uint8_t hash[CRYPT_SHA256_LEN], struct buf *out)
{
    char hex[2 * CRYPT_SHA256_LEN + 1];
    size_t i;
    crypt_hex(hash, CRYPT_SHA256_LEN, hex);
    row_text_put(out, "hash", slice_cstr(hex));
    row_text_put_u64(out, "until", put->until_ms);
    for (i = 0; i < put->n_roles; i++)
        row_text_put(out, "role", slice_cstr(put->roles[i]));
    row_text_put(out, "note", slice_cstr(put->note));
}

void
key_note(struct slice text, struct people_row *row)
{
    struct slice word, value;
    while (row_text_next(&text, &word, &value)) {
        if (slice_equal_cstr(word, "hash")) {
            if (crypt_hex_decode(value, row->hash, sizeof(row->hash)) != OK)
                memset(row->hash, 0, sizeof(row->hash)); /* damaged: no secret fits */
        } else if (slice_equal_cstr(word, "until")) {
            if (str_parse_u64(value, 0, UINT64_MAX, &row->until_ms) != OK)
                row->until_ms = 1;
        }
    }
}

void
key_message(const struct people_row *row, Sluice__Key *out)
{
    struct slice text = slice_of(row->value, row->value_len), word, value;
    struct slice note = slice_of(NULL, 0);
    sluice__key__init(out);
    out->name = mem_strdup(row->name);
    out->roles = mem_zalloc_array(USERS_ROLES_MAX, sizeof(*out->roles));
    while (row_text_next(&text, &word, &value)) {
        if (slice_equal_cstr(word, "role") && out->n_roles < USERS_ROLES_MAX)
            out->roles[out->n_roles++] = slice_dup(value);
        else if (slice_equal_cstr(word, "note"))
            note = value;
    }
    out->note = slice_dup(note);
    out->until_ms = row->until_ms;
    out->revision = row->revision;
}

void
key_message_fini(Sluice__Key *key)
{
    size_t i;
    for (i = 0; i < key->n_roles; i++)
        mem_free(key->roles[i]);
    mem_free(key->roles);
    mem_free(key->name);
    mem_free(key->note);
}
