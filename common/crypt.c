/* SPDX-License-Identifier: Apache-2.0 */
/* Digests and scrypt through libcrypto's EVP functions, and the text form of passwords. */
#include "common/crypt.h"

#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>

#define CRYPT_SALT_LEN     16
#define CRYPT_PASSWORD_LEN 32
#define CRYPT_MD5_LEN      16

static pthread_once_t crypt_once = PTHREAD_ONCE_INIT;
static EVP_MAC *crypt_hmac; /* fetched once: a fetch per call costs more than a short HMAC */

static void
crypt_fetch(void)
{
    crypt_hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (crypt_hmac == NULL)
        log_fatal("crypt_broken", "libcrypto has no HMAC");
}

static void *
crypt_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return mem_alloc(size);
}

static void *
crypt_realloc(void *ptr, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return mem_realloc(ptr, size);
}

static void
crypt_free(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    mem_free(ptr);
}

bool
crypt_count_memory(void)
{
    return CRYPTO_set_mem_functions(crypt_alloc, crypt_realloc, crypt_free) == 1;
}

void
crypt_random(void *out, size_t len)
{
    if (len > INT32_MAX || RAND_bytes(out, (int)len) != 1)
        log_fatal("crypt_broken", "no random bytes");
}

uint64_t
crypt_random_u64(void)
{
    uint64_t value;
    crypt_random(&value, sizeof(value));
    return value;
}

void
crypt_sha256(struct slice data, uint8_t out[CRYPT_SHA256_LEN])
{
    if (EVP_Digest(data.data, data.len, out, NULL, EVP_sha256(), NULL) != 1)
        log_fatal("crypt_broken", "SHA-256 failed");
}

void
crypt_sha1(struct slice data, uint8_t out[CRYPT_SHA1_LEN])
{
    if (EVP_Digest(data.data, data.len, out, NULL, EVP_sha1(), NULL) != 1)
        log_fatal("crypt_broken", "SHA-1 failed");
}

void
crypt_hmac_sha256(struct slice key, const struct slice *parts, size_t count,
                  uint8_t out[CRYPT_SHA256_LEN])
{
    static const unsigned char no_key[1] = {0};
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC_CTX *context;
    size_t len = 0;
    size_t i;
    bool ok;
    pthread_once(&crypt_once, crypt_fetch);
    context = EVP_MAC_CTX_new(crypt_hmac);
    ok = context != NULL &&
         EVP_MAC_init(context, key.len != 0 ? key.data : no_key, key.len, params) == 1;
    for (i = 0; ok && i < count; i++)
        ok = parts[i].len == 0 || EVP_MAC_update(context, parts[i].data, parts[i].len) == 1;
    ok = ok && EVP_MAC_final(context, out, &len, CRYPT_SHA256_LEN) == 1 && len == CRYPT_SHA256_LEN;
    EVP_MAC_CTX_free(context);
    if (!ok)
        log_fatal("crypt_broken", "HMAC failed");
}

bool
crypt_equal(const void *a, const void *b, size_t len)
{
    return len == 0 || CRYPTO_memcmp(a, b, len) == 0;
}

void
crypt_wipe(void *data, size_t len)
{
    if (len != 0)
        OPENSSL_cleanse(data, len);
}

enum err
crypt_md5_hex(struct slice data, char out[CRYPT_MD5_HEX_SIZE])
{
    uint8_t digest[CRYPT_MD5_LEN];
    if (EVP_Digest(data.data, data.len, digest, NULL, EVP_md5(), NULL) != 1)
        return ERR_UNSUPPORTED;
    crypt_hex(digest, sizeof(digest), out);
    return OK;
}

static bool
crypt_cost_is_good(struct crypt_cost cost)
{
    return cost.n >= 2 && cost.n <= (uint64_t)1 << 20 && (cost.n & (cost.n - 1)) == 0 &&
           cost.r >= 1 && cost.r <= 32 && cost.p >= 1 && cost.p <= 16 &&
           128 * cost.n * cost.r <= CRYPT_COST_MEM_MAX;
}

enum err
crypt_scrypt(struct slice password, struct slice salt, struct crypt_cost cost, uint8_t *out,
             size_t len)
{
    if (!crypt_cost_is_good(cost))
        return ERR_INVALID;
    /* libcrypto counts a little more than the big array against its limit. */
    if (EVP_PBE_scrypt(password.len != 0 ? (const char *)password.data : "", password.len,
                       salt.len != 0 ? salt.data : (const unsigned char *)"", salt.len, cost.n,
                       cost.r, cost.p, (uint64_t)CRYPT_COST_MEM_MAX + 1024 * 1024, out, len) != 1)
        return ERR_INTERNAL;
    return OK;
}

void
crypt_pbkdf2_sha256(struct slice password, struct slice salt, uint32_t iterations,
                    uint8_t out[CRYPT_SHA256_LEN])
{
    if (password.len > INT32_MAX || salt.len > INT32_MAX || iterations > INT32_MAX ||
        PKCS5_PBKDF2_HMAC(password.len != 0 ? (const char *)password.data : "", (int)password.len,
                          salt.data, (int)salt.len, (int)iterations, EVP_sha256(), CRYPT_SHA256_LEN,
                          out) != 1)
        log_fatal("crypt_broken", "PBKDF2 failed");
}

static enum err
crypt_password_text(const char *scheme, struct slice password, struct crypt_cost cost,
                    char out[CRYPT_PASSWORD_TEXT_MAX])
{
    uint8_t salt[CRYPT_SALT_LEN];
    uint8_t hash[CRYPT_PASSWORD_LEN];
    char salt_text[CRYPT_BASE64_SIZE(CRYPT_SALT_LEN)];
    char hash_text[CRYPT_BASE64_SIZE(CRYPT_PASSWORD_LEN)];
    enum err err;
    crypt_random(salt, sizeof(salt));
    err = crypt_scrypt(password, slice_of(salt, sizeof(salt)), cost, hash, sizeof(hash));
    if (err != OK)
        return err;
    crypt_base64(salt, sizeof(salt), salt_text, sizeof(salt_text));
    crypt_base64(hash, sizeof(hash), hash_text, sizeof(hash_text));
    return str_format(out, CRYPT_PASSWORD_TEXT_MAX, "%s$%llu$%u$%u$%s$%s", scheme,
                      (unsigned long long)cost.n, cost.r, cost.p, salt_text, hash_text);
}

enum err
crypt_password_hash(struct slice password, struct crypt_cost cost,
                    char out[CRYPT_PASSWORD_TEXT_MAX])
{
    return crypt_password_text("scrypt", password, cost, out);
}

enum err
crypt_password_hash_md5(struct slice md5_hex, struct crypt_cost cost,
                        char out[CRYPT_PASSWORD_TEXT_MAX])
{
    uint8_t raw[CRYPT_MD5_LEN];
    char lower[CRYPT_MD5_HEX_SIZE];
    if (crypt_hex_decode(md5_hex, raw, sizeof(raw)) != OK)
        return ERR_INVALID;
    crypt_hex(raw, sizeof(raw), lower);
    return crypt_password_text("scrypt-md5", slice_cstr(lower), cost, out);
}

struct crypt_stored {
    bool md5;
    struct crypt_cost cost;
    uint8_t salt[64];
    size_t salt_len;
    uint8_t hash[CRYPT_PASSWORD_LEN];
};

static struct slice
crypt_next_field(struct slice *rest)
{
    size_t n = slice_find(*rest, '$');
    struct slice field = slice_sub(*rest, 0, n);
    *rest = slice_sub(*rest, n + 1, rest->len);
    return field;
}

static enum err
crypt_stored_decode(struct slice text, struct crypt_stored *out)
{
    struct slice scheme = crypt_next_field(&text);
    uint64_t r;
    uint64_t p;
    size_t len;
    out->md5 = slice_equal_cstr(scheme, "scrypt-md5");
    if (!out->md5 && !slice_equal_cstr(scheme, "scrypt"))
        return ERR_MALFORMED;
    if (str_parse_u64(crypt_next_field(&text), 2, (uint64_t)1 << 20, &out->cost.n) != OK ||
        str_parse_u64(crypt_next_field(&text), 1, 32, &r) != OK ||
        str_parse_u64(crypt_next_field(&text), 1, 16, &p) != OK)
        return ERR_MALFORMED;
    out->cost.r = (uint32_t)r;
    out->cost.p = (uint32_t)p;
    if (!crypt_cost_is_good(out->cost))
        return ERR_MALFORMED;
    if (crypt_base64_decode(crypt_next_field(&text), out->salt, sizeof(out->salt),
                            &out->salt_len) != OK ||
        crypt_base64_decode(text, out->hash, sizeof(out->hash), &len) != OK ||
        len != sizeof(out->hash))
        return ERR_MALFORMED;
    return OK;
}

enum err
crypt_password_verify(struct slice password, struct slice text)
{
    struct crypt_stored stored;
    uint8_t hash[CRYPT_PASSWORD_LEN];
    char md5[CRYPT_MD5_HEX_SIZE];
    enum err err = crypt_stored_decode(text, &stored);
    if (err != OK)
        return err;
    if (stored.md5) {
        err = crypt_md5_hex(password, md5);
        if (err != OK)
            return err;
        password = slice_cstr(md5);
    }
    err = crypt_scrypt(password, slice_of(stored.salt, stored.salt_len), stored.cost, hash,
                       sizeof(hash));
    if (err != OK)
        return err;
    return crypt_equal(hash, stored.hash, sizeof(hash)) ? OK : ERR_DENIED;
}
