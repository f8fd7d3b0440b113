/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes and proofs of the handshake drawn in hello.h. Sends nothing, remembers nothing. */
#include "common/hello.h"

#include "common/crypt.h"
#include "common/cursor.h"

#include <string.h>

#define CHECK_LEN 16u

static void
put_text(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    buf_put_u8(out, (uint8_t)len);
    buf_append(out, text, len);
}

/* Printable ASCII without quotes: names go to logs, metrics and addresses. */
static void
take_text(struct cursor *c, char *out, size_t cap)
{
    size_t len = cursor_u8(c);
    struct slice text;
    if (len >= cap) {
        cursor_fail(c, ERR_MALFORMED);
        return;
    }
    text = cursor_bytes(c, len);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] <= 0x20 || text.data[i] > 0x7e || text.data[i] == '"') {
            cursor_fail(c, ERR_MALFORMED);
            return;
        }
    }
    if (text.len > 0)
        memcpy(out, text.data, text.len);
    out[text.len] = '\0';
}

void
hello_encode(const struct hello *hello, struct buf *out)
{
    buf_put_u16(out, hello->version_min);
    buf_put_u16(out, hello->version_max);
    buf_put_u16(out, hello->flags);
    buf_put_u16(out, hello->feed_port);
    buf_put_u64(out, hello->incarnation);
    buf_put_u32(out, hello->generation);
    buf_put_u32(out, hello->state);
    buf_put_u64(out, hello->last_done);
    buf_put_u64(out, hello->time_ms);
    buf_append(out, hello->nonce, HELLO_NONCE_LEN);
    put_text(out, hello->service);
    put_text(out, hello->name);
    put_text(out, hello->version);
    put_text(out, hello->feed_host);
    buf_put_u16(out, (uint16_t)hello->blob.len);
    buf_append_slice(out, hello->blob);
}

enum err
hello_decode(struct slice bytes, struct hello *out)
{
    struct hello h = {0};
    struct cursor c = cursor_of(bytes);
    struct slice nonce;
    enum err err;

    h.version_min = cursor_u16(&c);
    h.version_max = cursor_u16(&c);
    h.flags = cursor_u16(&c);
    h.feed_port = cursor_u16(&c);
    h.incarnation = cursor_u64(&c);
    h.generation = cursor_u32(&c);
    h.state = cursor_u32(&c);
    h.last_done = cursor_u64(&c);
    h.time_ms = cursor_u64(&c);
    nonce = cursor_bytes(&c, HELLO_NONCE_LEN);
    take_text(&c, h.service, sizeof(h.service));
    take_text(&c, h.name, sizeof(h.name));
    take_text(&c, h.version, sizeof(h.version));
    take_text(&c, h.feed_host, sizeof(h.feed_host));
    h.blob = cursor_bytes16(&c);
    err = cursor_end(&c);
    if (err != OK)
        return err;
    if (h.blob.len > HELLO_BLOB_MAX || h.incarnation == 0 || h.service[0] == '\0' ||
        h.name[0] == '\0')
        return ERR_MALFORMED;
    if (nonce.len == HELLO_NONCE_LEN)
        memcpy(h.nonce, nonce.data, HELLO_NONCE_LEN);
    *out = h;
    return OK;
}

/* Each part after its length, so that no two transcripts have the same bytes. */
static void
transcript(struct slice key, const char *label, struct slice a, struct slice b, uint8_t out[32])
{
    uint8_t lens[8];
    struct slice parts[4];
    buf_store_u32(lens, (uint32_t)a.len);
    buf_store_u32(lens + 4, (uint32_t)b.len);
    parts[0] = slice_of(label, strlen(label) + 1);
    parts[1] = slice_of(lens, sizeof(lens));
    parts[2] = a;
    parts[3] = b;
    crypt_hmac_sha256(key, parts, 4, out);
}

void
hello_offer_nonce(const uint8_t key[32], const struct hello *offer, struct slice hello1,
                  uint8_t nonce[HELLO_NONCE_LEN])
{
    struct hello plain = *offer;
    struct buf bytes;
    uint8_t mac[32];
    memset(plain.nonce, 0, sizeof(plain.nonce));
    buf_init(&bytes, HELLO_BYTES_MAX);
    hello_encode(&plain, &bytes);
    transcript(slice_of(key, 32), "sluice nonce 1", buf_slice(&bytes), hello1, mac);
    memcpy(nonce, mac, HELLO_NONCE_LEN);
    buf_fini(&bytes);
}

void
hello_proof(struct slice secret, bool server, struct slice offer, struct slice hello1,
            uint8_t proof[HELLO_PROOF_LEN])
{
    transcript(secret, server ? "sluice server 1" : "sluice dialer 1", offer, hello1, proof);
}

static void
derive(struct slice secret, const char *label, struct slice offer, struct slice hello1,
       uint8_t out[FEED_FRAME_TOKEN_LEN])
{
    uint8_t mac[32];
    transcript(secret, label, offer, hello1, mac);
    memcpy(out, mac, FEED_FRAME_TOKEN_LEN);
    crypt_wipe(mac, sizeof(mac));
}

void
hello_derive(struct slice secret, struct slice offer, struct slice hello1, struct hello_tokens *out)
{
    derive(secret, "sluice to server 1", offer, hello1, out->to_server);
    derive(secret, "sluice to dialer 1", offer, hello1, out->to_dialer);
    derive(secret, "sluice calls 1", offer, hello1, out->calls);
    derive(secret, "sluice welcome 1", offer, hello1, out->welcome);
}

enum err
hello_offer_split(struct slice bytes, struct slice *offer, struct slice *proof)
{
    if (bytes.len <= HELLO_PROOF_LEN || bytes.len > HELLO_BYTES_MAX)
        return ERR_MALFORMED;
    *offer = slice_of(bytes.data, bytes.len - HELLO_PROOF_LEN);
    *proof = slice_of(bytes.data + offer->len, HELLO_PROOF_LEN);
    return OK;
}

void
hello_second_encode(struct slice hello1, struct slice offer, const uint8_t proof[HELLO_PROOF_LEN],
                    struct buf *out)
{
    buf_put_u16(out, (uint16_t)hello1.len);
    buf_append_slice(out, hello1);
    buf_put_u16(out, (uint16_t)offer.len);
    buf_append_slice(out, offer);
    buf_append(out, proof, HELLO_PROOF_LEN);
}

enum err
hello_second_decode(struct slice bytes, struct slice *hello1, struct slice *offer,
                    struct slice *proof)
{
    struct cursor c = cursor_of(bytes);
    *hello1 = cursor_bytes16(&c);
    *offer = cursor_bytes16(&c);
    *proof = cursor_bytes(&c, HELLO_PROOF_LEN);
    return cursor_end(&c);
}

static void
welcome_check(const struct hello_tokens *tokens, struct slice bytes, uint8_t check[CHECK_LEN])
{
    uint8_t mac[32];
    crypt_hmac_sha256(slice_of(tokens->welcome, sizeof(tokens->welcome)), &bytes, 1, mac);
    memcpy(check, mac, CHECK_LEN);
}

void
hello_welcome_encode(const struct hello_welcome *welcome, const struct hello_tokens *tokens,
                     struct buf *out)
{
    uint8_t check[CHECK_LEN];
    buf_put_u32(out, welcome->lease_ms);
    buf_put_u32(out, welcome->state);
    buf_put_u64(out, welcome->last_done);
    buf_put_u16(out, (uint16_t)welcome->blob.len);
    buf_append_slice(out, welcome->blob);
    welcome_check(tokens, buf_slice(out), check);
    buf_append(out, check, sizeof(check));
}

enum err
hello_welcome_decode(struct slice bytes, const struct hello_tokens *tokens,
                     struct hello_welcome *out)
{
    struct hello_welcome w = {0};
    uint8_t check[CHECK_LEN];
    struct cursor c;
    enum err err;
    if (bytes.len <= CHECK_LEN)
        return ERR_MALFORMED;
    welcome_check(tokens, slice_of(bytes.data, bytes.len - CHECK_LEN), check);
    if (!crypt_equal(check, bytes.data + bytes.len - CHECK_LEN, CHECK_LEN))
        return ERR_MALFORMED;
    c = cursor_of(slice_of(bytes.data, bytes.len - CHECK_LEN));
    w.lease_ms = cursor_u32(&c);
    w.state = cursor_u32(&c);
    w.last_done = cursor_u64(&c);
    w.blob = cursor_bytes16(&c);
    err = cursor_end(&c);
    if (err == OK)
        *out = w;
    return err;
}
