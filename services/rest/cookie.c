/* SPDX-License-Identifier: Apache-2.0 */
/* See cookie.h. Text: base64 of (body, 32 bytes MAC); body: u64 expires_ms, u16 length and user,
 * then u16 length and bytes of each role. */
#include "services/rest/cookie.h"

#include "common/buf.h"
#include "common/cursor.h"

#define PLAIN_MAX (COOKIE_TEXT_MAX / 4 * 3 - 3)

void
cookie_key(struct slice secret, uint8_t key[COOKIE_KEY_LEN])
{
    const struct slice label = slice_cstr("sluice rest cookie");
    crypt_hmac_sha256(secret, &label, 1, key);
}

static void
put_text(struct buf *out, struct slice text)
{
    buf_put_u16(out, (uint16_t)text.len);
    buf_append(out, text.data, text.len);
}

enum err
cookie_encode(const struct cookie *cookie, const uint8_t key[COOKIE_KEY_LEN],
              char out[COOKIE_TEXT_MAX])
{
    struct buf plain;
    uint8_t mac[CRYPT_SHA256_LEN];
    if (cookie->role_count > COOKIE_ROLES || cookie->user.len > UINT16_MAX)
        return ERR_TOO_LARGE;
    buf_init(&plain, PLAIN_MAX);
    buf_put_u64(&plain, cookie->expires_ms);
    put_text(&plain, cookie->user);
    for (size_t i = 0; i < cookie->role_count; i++) {
        if (cookie->roles[i].len > PLAIN_MAX) {
            buf_fini(&plain);
            return ERR_TOO_LARGE;
        }
        put_text(&plain, cookie->roles[i]);
    }
    struct slice body = buf_slice(&plain);
    crypt_hmac_sha256(slice_of(key, COOKIE_KEY_LEN), &body, 1, mac);
    buf_append(&plain, mac, sizeof mac);
    enum err err = buf_error(&plain);
    if (err == OK)
        crypt_base64(buf_slice(&plain).data, buf_len(&plain), out, COOKIE_TEXT_MAX);
    buf_fini(&plain);
    return err;
}

enum err
cookie_decode(struct slice text, const uint8_t key[COOKIE_KEY_LEN], uint64_t now_ms, uint8_t *space,
              struct cookie *out)
{
    struct cookie cookie = {0};
    uint8_t mac[CRYPT_SHA256_LEN];
    size_t len;
    if (text.len >= COOKIE_TEXT_MAX ||
        crypt_base64_decode(text, space, COOKIE_TEXT_MAX, &len) != OK || len < sizeof mac)
        return ERR_MALFORMED;
    struct slice body = slice_of(space, len - sizeof mac);
    crypt_hmac_sha256(slice_of(key, COOKIE_KEY_LEN), &body, 1, mac);
    if (!crypt_equal(mac, space + body.len, sizeof mac))
        return ERR_DENIED;
    struct cursor cursor = cursor_of(body);
    cookie.expires_ms = cursor_u64(&cursor);
    cookie.user = cursor_bytes16(&cursor);
    while (cursor.err == OK && cursor_left(&cursor) > 0 && cookie.role_count < COOKIE_ROLES)
        cookie.roles[cookie.role_count++] = cursor_bytes16(&cursor);
    if (cursor_end(&cursor) != OK)
        return ERR_MALFORMED;
    if (cookie.expires_ms <= now_ms)
        return ERR_TIMEOUT;
    *out = cookie;
    return OK;
}
