/* SPDX-License-Identifier: Apache-2.0 */
/* See tokens.h. libjwt checks signatures; what the claims mean is decided here, from their JSON. */
#include "services/gateway/tokens.h"

#include <fcntl.h>
#include <jansson.h>
#include <jwt.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crypt.h"
#include "common/mem.h"
#include "proto/access_rules.h"
#include "proto/utf8.h"

#define FILE_MAX      65536
#define USER_MAX      1024u
#define ROLES_MAX     64u
#define ROLE_MAX      255u
#define NUMERIC_MAX   253402300799.0 /* the year 9999 */
#define PEM_BEGIN     "-----BEGIN "
#define TOKEN_BEGIN   "eyJ" /* {" */
#define MS_PER_SECOND 1000u

struct key {
    char *bytes; /* NUL behind them */
    size_t len;
    bool is_public; /* PEM: RS256, ES256; else a secret: HS256 */
    struct timespec changed;
    ino_t inode;
};

struct tokens {
    struct tokens_settings settings;
    struct key keys[TOKENS_KEYS_MAX];
};

/* ---- keys */

static void
key_fini(struct key *key)
{
    mem_free_secret(key->bytes, key->len);
    *key = (struct key){0};
}

/* OK, or ERR_INVALID with the reason. */
static enum err
read_file(const char *path, struct key *out, char reason[TOKENS_REASON_SIZE])
{
    struct stat st;
    struct key key = {0};
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX) {
        key.bytes = mem_zalloc(FILE_MAX + 1);
        key.changed = st.st_mtim;
        key.inode = st.st_ino;
        n = read(fd, key.bytes, FILE_MAX);
    }
    if (fd >= 0)
        close(fd);
    if (n <= 0) {
        mem_free(key.bytes);
        (void)str_format(reason, TOKENS_REASON_SIZE, "%s cannot be read", path);
        return ERR_INVALID;
    }
    key.len = (size_t)n;
    key.is_public = slice_has_prefix(slice_of(key.bytes, key.len), slice_cstr(PEM_BEGIN));
    while (!key.is_public && key.len > 0 &&
           (key.bytes[key.len - 1] == '\n' || key.bytes[key.len - 1] == '\r'))
        key.bytes[--key.len] = '\0';
    if (!key.is_public && key.len < TOKENS_SECRET_MIN) {
        (void)str_format(reason, TOKENS_REASON_SIZE, "%s: a secret of less than %u bytes", path,
                         TOKENS_SECRET_MIN);
        key_fini(&key);
        return ERR_INVALID;
    }
    *out = key;
    return OK;
}

enum err
tokens_new(const struct tokens_settings *settings, struct tokens **out,
           char reason[TOKENS_REASON_SIZE])
{
    struct tokens *tokens = mem_zalloc(sizeof(*tokens));
    tokens->settings = *settings;
    for (size_t i = 0; i < settings->count; i++) {
        if (read_file(settings->files[i], &tokens->keys[i], reason) != OK) {
            tokens_free(tokens);
            return ERR_INVALID;
        }
    }
    *out = tokens;
    return OK;
}

void
tokens_free(struct tokens *tokens)
{
    if (tokens == NULL)
        return;
    for (size_t i = 0; i < tokens->settings.count; i++)
        key_fini(&tokens->keys[i]);
    mem_free(tokens);
}

bool
tokens_refresh(struct tokens *tokens, char reason[TOKENS_REASON_SIZE])
{
    bool all = true;
    for (size_t i = 0; i < tokens->settings.count; i++) {
        struct key *key = &tokens->keys[i], now;
        struct stat st;
        if (stat(tokens->settings.files[i], &st) == 0 && st.st_ino == key->inode &&
            st.st_mtim.tv_sec == key->changed.tv_sec && st.st_mtim.tv_nsec == key->changed.tv_nsec)
            continue;
        if (read_file(tokens->settings.files[i], &now, reason) != OK) {
            all = false;
            continue;
        }
        key_fini(key);
        *key = now;
    }
    return all;
}

/* ---- the signature */

bool
tokens_is_token(struct slice password)
{
    size_t dots = 0;
    if (!slice_has_prefix(password, slice_cstr(TOKEN_BEGIN)) || password.len > TOKENS_LEN_MAX)
        return false;
    for (size_t i = 0; i < password.len; i++) {
        uint8_t byte = password.data[i];
        bool is_base64 = (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                         (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '=';
        dots += byte == '.';
        if (!is_base64 && byte != '.')
            return false;
    }
    return dots == 2;
}

/* One of the parts of a token, the head (0) or the claims (1), as JSON: new. NULL: it is none. */
static json_t *
part_of(struct slice token, unsigned which)
{
    char text[TOKENS_LEN_MAX + 4];
    uint8_t bytes[TOKENS_LEN_MAX];
    size_t len, count = 0;
    while (which-- > 0)
        token = slice_sub(token, slice_find(token, '.') + 1, token.len);
    token.len = slice_find(token, '.');
    for (size_t i = 0; i < token.len && token.data[i] != '='; i++)
        text[count++] = token.data[i] == '-'   ? '+'
                        : token.data[i] == '_' ? '/'
                                               : (char)token.data[i];
    while (count % 4 != 0)
        text[count++] = '=';
    if (crypt_base64_decode(slice_of(text, count), bytes, sizeof(bytes), &len) != OK)
        return NULL;
    return json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, NULL);
}

/* The algorithm that the token says it is signed with, if it is one of ours. What a head calls
 * critical must be known (RFC 7515, 4.1.11), and we know nothing of the kind. */
static jwt_alg_t
algorithm_of(struct slice token)
{
    json_t *head = part_of(token, 0);
    const char *name = json_string_value(json_object_get(head, "alg"));
    struct slice text = slice_cstr(name);
    bool is_plain = json_object_get(head, "crit") == NULL;
    jwt_alg_t algorithm = !is_plain                         ? JWT_ALG_NONE
                          : slice_equal_cstr(text, "HS256") ? JWT_ALG_HS256
                          : slice_equal_cstr(text, "RS256") ? JWT_ALG_RS256
                          : slice_equal_cstr(text, "ES256") ? JWT_ALG_ES256
                                                            : JWT_ALG_NONE;
    json_decref(head);
    return algorithm;
}

/* One of our keys that may serve the algorithm has made the signature. */
static bool
is_signed(const struct tokens *tokens, const char *token)
{
    jwt_alg_t algorithm = algorithm_of(slice_cstr(token));
    bool is_public = algorithm == JWT_ALG_RS256 || algorithm == JWT_ALG_ES256;
    bool ours = false;
    if (algorithm == JWT_ALG_NONE)
        return false;
    for (size_t i = 0; i < tokens->settings.count && !ours; i++) {
        const struct key *key = &tokens->keys[i];
        jwt_t *jwt = NULL;
        if (key->is_public != is_public ||
            jwt_decode(&jwt, token, (const unsigned char *)key->bytes, (int)key->len) != 0)
            continue;
        ours = jwt_get_alg(jwt) == algorithm;
        jwt_free(jwt);
    }
    return ours;
}

/* ---- claims */

/* Seconds since 1970 in *out, or untouched if there is no such claim. False: it is no time. */
static bool
read_time(const json_t *claims, const char *name, double *out)
{
    const json_t *value = json_object_get(claims, name);
    if (value == NULL)
        return true;
    if (!json_is_number(value) || json_number_value(value) < 0 ||
        json_number_value(value) > NUMERIC_MAX)
        return false;
    *out = json_number_value(value);
    return true;
}

static const char *
check_time(const struct tokens *tokens, const json_t *claims, uint64_t now_ms, uint64_t *end_ms)
{
    double leeway = (double)tokens->settings.leeway_s, now = (double)now_ms / MS_PER_SECOND;
    double end = 0, begin = 0;
    if (!read_time(claims, "exp", &end) || !read_time(claims, "nbf", &begin))
        return "exp or nbf is no time";
    if (json_object_get(claims, "exp") != NULL) {
        if (now >= end + leeway)
            return "it has expired";
        *end_ms = (uint64_t)((end + leeway) * MS_PER_SECOND);
    }
    return now + leeway < begin ? "it is not valid yet" : NULL;
}

static bool
is_line(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && text[0] != '\0' && slice_find(slice_cstr(text), '\n') == strlen(text);
}

/* Each string of the claim's array (or the one that it is) as a line behind the words. */
static bool
read_lines(const json_t *claim, const char *words, struct buf *out)
{
    size_t count = json_is_array(claim) ? json_array_size(claim) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_is_array(claim) ? json_array_get(claim, i) : claim;
        if (!is_line(value))
            return false;
        buf_append_cstr(out, words);
        buf_append_cstr(out, json_string_value(value));
        buf_put_u8(out, '\n');
    }
    return buf_error(out) == OK;
}

static bool
read_list(const json_t *claims, const char *name, uint8_t action, struct tokens_claims *out)
{
    const json_t *claim = json_object_get(claims, name);
    if (claim == NULL)
        return true;
    out->listed |= action;
    return json_is_array(claim) &&
           read_lines(claim, action == ACCESS_PUBLISH ? "allow publish " : "allow subscribe ",
                      &out->rules);
}

/* `rules`: a text, or an array of lines. */
static bool
read_rules(const json_t *claims, struct tokens_claims *out)
{
    const json_t *claim = json_object_get(claims, "rules");
    struct access_rules rules;
    struct access_problem problem;
    if (json_is_string(claim))
        buf_append_cstr(&out->rules, json_string_value(claim));
    else if (claim != NULL && (!json_is_array(claim) || !read_lines(claim, "", &out->rules)))
        return false;
    if (buf_error(&out->rules) != OK ||
        access_rules_parse(buf_slice(&out->rules), &rules, &problem) != OK)
        return false;
    access_rules_fini(&rules);
    return true;
}

static bool
read_roles(const json_t *claims, struct tokens_claims *out)
{
    const json_t *claim = json_object_get(claims, "roles");
    if (claim == NULL)
        return true;
    if (!json_is_array(claim) || json_array_size(claim) > ROLES_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(claim); i++) {
        const char *role = json_string_value(json_array_get(claim, i));
        size_t len = role != NULL ? strlen(role) : 0;
        if (len == 0 || len > ROLE_MAX)
            return false;
        buf_put_u8(&out->roles, (uint8_t)len);
        buf_append(&out->roles, role, len);
    }
    return true;
}

/* A key may serve others, too: a token that it signed need not be meant for us. */
static bool
is_named(const json_t *claim, const char *wanted)
{
    struct slice name = slice_cstr(wanted);
    size_t count = json_is_array(claim) ? json_array_size(claim) : 1;
    for (size_t i = 0; i < count && name.len > 0; i++) {
        const json_t *one = json_is_array(claim) ? json_array_get(claim, i) : claim;
        if (json_is_string(one) && slice_equal_cstr(name, json_string_value(one)))
            return true;
    }
    return name.len == 0;
}

static bool
read_user(const struct tokens *tokens, const json_t *claims, struct tokens_claims *out)
{
    const char *user = json_string_value(json_object_get(claims, tokens->settings.user_claim));
    struct slice name = slice_cstr(user);
    if (name.len == 0 || name.len > USER_MAX || !utf8_is_valid(name))
        return false;
    buf_append_slice(&out->user, name);
    return true;
}

static const char *
read_claims(const struct tokens *tokens, const json_t *claims, uint64_t now_ms,
            struct tokens_claims *out)
{
    const char *why = check_time(tokens, claims, now_ms, &out->end_ms);
    if (why != NULL)
        return why;
    if (!is_named(json_object_get(claims, "iss"), tokens->settings.issuer))
        return "it comes from somebody else";
    if (!is_named(json_object_get(claims, "aud"), tokens->settings.audience))
        return "it is meant for somebody else";
    if (!read_user(tokens, claims, out))
        return "it names no user";
    if (!read_roles(claims, out))
        return "its roles are none";
    if (!read_list(claims, "publish", ACCESS_PUBLISH, out) ||
        !read_list(claims, "subscribe", ACCESS_SUBSCRIBE, out) || !read_rules(claims, out))
        return "its rules are none";
    return NULL;
}

enum err
tokens_read(const struct tokens *tokens, struct slice token, uint64_t now_ms,
            struct tokens_claims *out, const char **why)
{
    char *text = slice_dup(token);
    bool ours = is_signed(tokens, text);
    struct tokens_claims read = {0};
    json_t *claims;
    mem_free_secret(text, token.len);
    if (!ours) {
        *why = "no key of ours has signed it";
        return ERR_DENIED;
    }
    claims = part_of(token, 1);
    buf_init(&read.user, USER_MAX);
    buf_init(&read.roles, ROLES_MAX * (ROLE_MAX + 1));
    buf_init(&read.rules, ACCESS_RULES_TEXT_MAX);
    *why = json_is_object(claims) ? read_claims(tokens, claims, now_ms, &read) : "it has no claims";
    json_decref(claims);
    if (*why != NULL) {
        tokens_claims_fini(&read);
        return ERR_DENIED;
    }
    *out = read;
    return OK;
}

void
tokens_claims_fini(struct tokens_claims *claims)
{
    buf_fini(&claims->user);
    buf_fini(&claims->roles);
    buf_fini(&claims->rules);
}
