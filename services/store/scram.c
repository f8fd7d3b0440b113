/* SPDX-License-Identifier: Apache-2.0 */
/* See scram.h. */
#include "services/store/scram.h"

#include <string.h>

#include "common/mem.h"
#include "proto/utf8.h"

#define SALT_LEN  16u
#define NONCE_LEN 18u /* bytes; no padding in base64 */
#define KEY_TEXT  CRYPT_BASE64_SIZE(CRYPT_SHA256_LEN)

static void
hmac(const uint8_t key[CRYPT_SHA256_LEN], const char *text, uint8_t out[CRYPT_SHA256_LEN])
{
    struct slice part = slice_cstr(text);
    crypt_hmac_sha256(slice_of(key, CRYPT_SHA256_LEN), &part, 1, out);
}

void
scram_verifier_text(struct slice password, char out[SCRAM_VERIFIER_MAX])
{
    uint8_t salt[SALT_LEN], salted[CRYPT_SHA256_LEN], key[CRYPT_SHA256_LEN];
    char salt_text[CRYPT_BASE64_SIZE(SALT_LEN)], stored[KEY_TEXT], server[KEY_TEXT];
    crypt_random(salt, sizeof(salt));
    crypt_pbkdf2_sha256(password, slice_of(salt, sizeof(salt)), SCRAM_ITERATIONS, salted);
    crypt_base64(salt, sizeof(salt), salt_text, sizeof(salt_text));
    hmac(salted, "Client Key", key);
    crypt_sha256(slice_of(key, sizeof(key)), key);
    crypt_base64(key, sizeof(key), stored, sizeof(stored));
    hmac(salted, "Server Key", key);
    crypt_base64(key, sizeof(key), server, sizeof(server));
    (void)str_format(out, SCRAM_VERIFIER_MAX, SCRAM_METHOD "$%u:%s$%s:%s", SCRAM_ITERATIONS,
                     salt_text, stored, server);
    crypt_wipe(salted, sizeof(salted));
    crypt_wipe(key, sizeof(key));
}

static struct slice
next_field(struct slice *rest, uint8_t end)
{
    size_t n = slice_find(*rest, end);
    struct slice field = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n + 1, rest->len);
    return field;
}

static enum err
key_decode(struct slice text, uint8_t out[CRYPT_SHA256_LEN])
{
    size_t len = 0;
    enum err err = crypt_base64_decode(text, out, CRYPT_SHA256_LEN, &len);
    return err == OK && len == CRYPT_SHA256_LEN ? OK : ERR_MALFORMED;
}

enum err
scram_verifier_parse(struct slice text, struct scram_verifier *out)
{
    uint64_t iterations;
    if (!slice_equal_cstr(next_field(&text, '$'), SCRAM_METHOD) ||
        str_parse_u64(next_field(&text, ':'), 1, 10000000, &iterations) != OK ||
        crypt_base64_decode(next_field(&text, '$'), out->salt, sizeof(out->salt), &out->salt_len) !=
            OK ||
        key_decode(next_field(&text, ':'), out->stored_key) != OK ||
        key_decode(text, out->server_key) != OK)
        return ERR_MALFORMED;
    out->iterations = (uint32_t)iterations;
    return OK;
}

void
scram_verifier_fake(struct slice secret, struct slice user, struct scram_verifier *out)
{
    struct slice parts[2] = {slice_cstr("scram salt of nobody"), user};
    uint8_t bytes[CRYPT_SHA256_LEN];
    crypt_hmac_sha256(secret, parts, 2, bytes);
    memset(out, 0, sizeof(*out));
    out->iterations = SCRAM_ITERATIONS;
    out->salt_len = SALT_LEN;
    memcpy(out->salt, bytes, SALT_LEN);
    crypt_random(out->stored_key, sizeof(out->stored_key));
    crypt_random(out->server_key, sizeof(out->server_key));
}

/* "=2C" is a comma, "=3D" an equals sign; nothing else may follow "=". */
static enum err
read_name(struct slice text, struct scram_first *out)
{
    out->user_len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.data[i];
        if (c == '=') {
            struct slice code = slice_sub(text, i + 1, 2);
            if (slice_equal_cstr(code, "2C"))
                c = ',';
            else if (!slice_equal_cstr(code, "3D"))
                return ERR_MALFORMED;
            i += 2;
        }
        if (out->user_len == sizeof(out->user))
            return ERR_MALFORMED;
        out->user[out->user_len++] = c;
    }
    return out->user_len != 0 && utf8_is_valid(scram_first_user(out)) ? OK : ERR_MALFORMED;
}

static bool
nonce_is_valid(struct slice nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.data[i] < 0x21 || nonce.data[i] > 0x7e) /* a comma has ended it already */
            return false;
    }
    return nonce.len != 0 && nonce.len <= SCRAM_NONCE_MAX;
}

static bool
has_name(struct slice field, const char *name)
{
    return slice_has_prefix(field, slice_cstr(name));
}

enum err
scram_first_parse(struct slice message, struct scram_first *out)
{
    struct slice rest = message;
    if (message.len > SCRAM_MESSAGE_MAX)
        return ERR_MALFORMED;
    struct slice binding = next_field(&rest, ',');
    struct slice identity = next_field(&rest, ',');
    if (has_name(binding, "p=") || identity.len != 0)
        return ERR_UNSUPPORTED;
    if (!slice_equal_cstr(binding, "n") && !slice_equal_cstr(binding, "y"))
        return ERR_MALFORMED;
    out->bare = rest;
    out->header = slice_sub(message, 0, message.len - rest.len);
    struct slice name = next_field(&rest, ',');
    out->nonce = next_field(&rest, ',');
    if (has_name(name, "m="))
        return ERR_UNSUPPORTED;
    if (!has_name(name, "n=") || !has_name(out->nonce, "r="))
        return ERR_MALFORMED;
    out->nonce = slice_sub(out->nonce, 2, out->nonce.len);
    if (!nonce_is_valid(out->nonce))
        return ERR_MALFORMED;
    return read_name(slice_sub(name, 2, name.len), out);
}

void
scram_challenge(const struct scram_first *first, const struct scram_verifier *verifier,
                char out[SCRAM_FIRST_SIZE])
{
    uint8_t nonce[NONCE_LEN];
    char nonce_text[CRYPT_BASE64_SIZE(NONCE_LEN)];
    char salt_text[CRYPT_BASE64_SIZE(SCRAM_SALT_MAX)];
    crypt_random(nonce, sizeof(nonce));
    crypt_base64(nonce, sizeof(nonce), nonce_text, sizeof(nonce_text));
    crypt_base64(verifier->salt, verifier->salt_len, salt_text, sizeof(salt_text));
    (void)str_format(out, SCRAM_FIRST_SIZE, "r=%.*s%s,s=%s,i=%u", (int)first->nonce.len,
                     (const char *)first->nonce.data, nonce_text, salt_text, verifier->iterations);
}

/* "c=" must be the header of client-first, again. */
static bool
header_is_repeated(struct slice field, struct slice header)
{
    uint8_t bytes[16];
    size_t len = 0;
    return has_name(field, "c=") &&
           crypt_base64_decode(slice_sub(field, 2, field.len), bytes, sizeof(bytes), &len) == OK &&
           slice_equal(slice_of(bytes, len), header);
}

enum err
scram_check(const struct scram_first *first, struct slice server_first, struct slice client_final,
            const struct scram_verifier *verifier, char out[SCRAM_FINAL_SIZE])
{
    struct slice rest = client_final, asked = server_first, proof = slice_of(NULL, 0);
    struct slice header = next_field(&rest, ',');
    struct slice nonce = next_field(&rest, ',');
    while (rest.len != 0)
        proof = next_field(&rest, ',');
    uint8_t key[CRYPT_SHA256_LEN], signature[CRYPT_SHA256_LEN];
    if (client_final.len > SCRAM_MESSAGE_MAX || !header_is_repeated(header, first->header) ||
        !has_name(nonce, "r=") || !slice_equal(nonce, next_field(&asked, ',')) ||
        !has_name(proof, "p=") || key_decode(slice_sub(proof, 2, proof.len), key) != OK)
        return ERR_MALFORMED;
    struct slice without = slice_sub(client_final, 0, client_final.len - proof.len - 1);
    const struct slice message[] = {first->bare, slice_cstr(","), server_first, slice_cstr(","),
                                    without};
    crypt_hmac_sha256(slice_of(verifier->stored_key, CRYPT_SHA256_LEN), message, 5, signature);
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] ^= signature[i];
    crypt_sha256(slice_of(key, sizeof(key)), key);
    if (!crypt_equal(key, verifier->stored_key, sizeof(key)))
        return ERR_DENIED;
    char text[KEY_TEXT];
    crypt_hmac_sha256(slice_of(verifier->server_key, CRYPT_SHA256_LEN), message, 5, signature);
    crypt_base64(signature, sizeof(signature), text, sizeof(text));
    return str_format(out, SCRAM_FINAL_SIZE, "v=%s", text);
}
