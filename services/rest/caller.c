/* SPDX-License-Identifier: Apache-2.0 */
/* See caller.h. */
#include "services/rest/caller.h"

#include "common/clock.h"
#include "common/crypt.h"
#include "common/mem.h"
#include "proto/access.pb-c.h"
#include "proto/feed_records.h"
#include "services/rest/ask.h"

#define NAMED_KEY_LEN 43 /* of the secrets that the store makes */

static bool
key_is(const char *given, const char *key)
{
    uint8_t a[CRYPT_SHA256_LEN], b[CRYPT_SHA256_LEN];
    /* Compared as digests, so that the time tells nothing about the length either. */
    crypt_sha256(slice_cstr(given), a);
    crypt_sha256(slice_cstr(key), b);
    return crypt_equal(a, b, sizeof a);
}

/* The key that the request carries; NULL: none. */
static const char *
key_of(const struct exchange *exchange)
{
    const char *authorization = exchange_header(exchange, "Authorization");
    const char *key = exchange_header(exchange, "X-API-Key");
    if (key != NULL)
        return key;
    if (authorization != NULL && strncasecmp(authorization, "Bearer ", 7) == 0)
        authorization += 7;
    return authorization;
}

unsigned
caller_roles(char *const *roles, size_t count)
{
    unsigned out = 0;
    for (size_t i = 0; i < count; i++) {
        out |= strcmp(roles[i], "ADMIN") == 0 ? CALLER_ADMIN : 0u;
        out |= strcmp(roles[i], "READER") == 0 ? CALLER_READER : 0u;
    }
    return out;
}

const char *
caller_actor(const struct caller *caller, char out[CALLER_ACTOR_SIZE])
{
    str_format(out, CALLER_ACTOR_SIZE, "%s%s",
               caller->kind == CALLER_COOKIE ? "user "
               : caller->kind == CALLER_KEY  ? "key "
                                             : "",
               caller->name);
    return out;
}

static enum err
named_key(const struct caller_keys *keys, const char *secret, struct caller *out)
{
    Sluice__KeyVerify message = SLUICE__KEY_VERIFY__INIT;
    ProtobufCMessage *reply = NULL;
    char *copy = mem_strdup(secret);
    message.secret = copy;
    enum err err = ask_people(keys->upstream, CALL_KEY_VERIFY, &message.base,
                              &sluice__key__descriptor, &reply);
    if (err == OK) {
        const Sluice__Key *key = (const Sluice__Key *)(void *)reply;
        out->kind = CALLER_KEY;
        out->roles = caller_roles(key->roles, key->n_roles);
        out->until_ms = key->until_ms;
        str_format(out->name, sizeof out->name, "%s", key->name);
    }
    ask_free(reply);
    mem_free_secret(copy, strlen(copy));
    return err == ERR_NOT_FOUND ? ERR_DENIED : err;
}

enum err
caller_of_key(const struct caller_keys *keys, const struct exchange *exchange, struct caller *out)
{
    const char *key = key_of(exchange);
    *out = (struct caller){.kind = CALLER_CONFIGURED};
    if (key == NULL || key[0] == 0)
        return ERR_DENIED;
    if (!key_is(key, keys->configured))
        return strlen(key) == NAMED_KEY_LEN ? named_key(keys, key, out) : ERR_DENIED;
    out->roles = CALLER_ADMIN;
    str_format(out->name, sizeof out->name, "configured key");
    return OK;
}

/* ---- cookies */

void
caller_cookie_key(struct slice secret, uint8_t key[COOKIE_KEY_LEN])
{
    const struct slice label = slice_cstr("sluice api cookie");
    crypt_hmac_sha256(secret, &label, 1, key);
}

static void
make_csrf(const struct caller_keys *keys, const char *cookie, char out[CALLER_CSRF_LEN + 1])
{
    uint8_t mac[CRYPT_SHA256_LEN];
    const struct slice parts[] = {slice_cstr("csrf:"), slice_cstr(cookie)};
    crypt_hmac_sha256(slice_of(keys->cookie_key, COOKIE_KEY_LEN), parts, 2, mac);
    crypt_hex(mac, sizeof mac, out);
}

enum err
caller_sign_in(const struct caller_keys *keys, const char *user, uint64_t revision, unsigned roles,
               uint64_t until_ms, char cookie[COOKIE_TEXT_MAX], struct caller *caller)
{
    char version[32];
    struct cookie content = {.expires_ms = until_ms, .user = slice_cstr(user), .role_count = 1};
    str_format(version, sizeof version, "%llu", (unsigned long long)revision);
    content.roles[0] = slice_cstr(version);
    enum err err = cookie_encode(&content, keys->cookie_key, cookie);
    if (err != OK)
        return err;
    *caller = (struct caller){
        .kind = CALLER_COOKIE, .roles = roles, .revision = revision, .until_ms = until_ms};
    str_format(caller->name, sizeof caller->name, "%s", user);
    make_csrf(keys, cookie, caller->csrf);
    return OK;
}

/* The user of a good cookie as the store knows it now. */
static enum err
present_user(const struct caller_keys *keys, const struct cookie *cookie, struct caller *out)
{
    Sluice__UserGet message = SLUICE__USER_GET__INIT;
    ProtobufCMessage *reply = NULL;
    uint64_t revision = 0;
    char *name = slice_dup(cookie->user);
    message.name = name;
    enum err err = cookie->role_count == 1 && cookie->user.len <= CALLER_NAME_MAX
                       ? str_parse_u64(cookie->roles[0], 0, UINT64_MAX, &revision)
                       : ERR_DENIED;
    if (err == OK)
        err = ask_people(keys->upstream, CALL_USER_GET, &message.base, &sluice__user__descriptor,
                         &reply);
    if (err == OK) {
        const Sluice__User *user = (const Sluice__User *)(void *)reply;
        *out = (struct caller){.kind = CALLER_COOKIE,
                               .roles = caller_roles(user->roles, user->n_roles) | CALLER_USER,
                               .revision = revision,
                               .until_ms = cookie->expires_ms};
        str_format(out->name, sizeof out->name, "%s", name);
        if (user->revision != revision)
            err = ERR_DENIED;
    }
    ask_free(reply);
    mem_free(name);
    return err == ERR_NOT_FOUND || err == ERR_MALFORMED ? ERR_DENIED : err;
}

enum err
caller_of(const struct caller_keys *keys, const struct exchange *exchange, struct caller *out)
{
    const char *text = exchange_cookie(exchange, CALLER_COOKIE_NAME);
    struct cookie cookie;
    if (key_of(exchange) != NULL)
        return caller_of_key(keys, exchange, out);
    if (text == NULL)
        return ERR_DENIED;
    uint8_t *space = mem_alloc(COOKIE_TEXT_MAX);
    enum err err =
        cookie_decode(slice_cstr(text), keys->cookie_key, clock_wall_ms(), space, &cookie);
    err = err == OK ? present_user(keys, &cookie, out) : ERR_DENIED;
    if (err == OK)
        make_csrf(keys, text, out->csrf);
    mem_free(space);
    return err;
}
