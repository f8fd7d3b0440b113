/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens as passwords: whose signature counts, when they are valid, what their claims become.
 * (RS256 and ES256 with real keys: tests/integration/access_token_test.py.) */
#include "services/gateway/tokens.h"

#include "common/crypt.h"
#include "proto/access_rules.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SECRET "a secret of 32 bytes for testing"
#define HS256  "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define NOW_MS UINT64_C(1700000000000)
#define PUBLIC_KEY                                                                                 \
    "-----BEGIN PUBLIC KEY-----\n"                                                                 \
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEEVs/o5+uQbTjL3chynL4wXgUg2R9\n"                           \
    "q9UU8I5mEovUf86QZ7kOBIjJwqnzD1omageEHWwHdBO6B+dFabmdT9POxg==\n"                               \
    "-----END PUBLIC KEY-----\n"

static const char *issuer = "", *audience = "";
static char path[] = "/tmp/sluice-tokens-test-XXXXXX";

static void
write_key(const char *text)
{
    FILE *file = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(file);
    fputs(text, file);
    fclose(file);
}

static enum err
try_open(const char *key, struct tokens **out)
{
    static char *files[] = {path};
    const struct tokens_settings settings = {files, 1, "sub", 30, issuer, audience};
    char reason[TOKENS_REASON_SIZE];
    write_key(key);
    return tokens_new(&settings, out, reason);
}

static struct tokens *
open_tokens(const char *key)
{
    struct tokens *tokens = NULL;
    CU_ASSERT_EQUAL_FATAL(try_open(key, &tokens), OK);
    return tokens;
}

static void
put_base64url(struct slice bytes, char *out)
{
    char text[CRYPT_BASE64_SIZE(2000)];
    size_t i, at = strlen(out);
    crypt_base64(bytes.data, bytes.len, text, sizeof(text));
    for (i = 0; text[i] != '\0' && text[i] != '='; i++)
        out[at++] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
    out[at] = '\0';
}

/* A token signed with HMAC-SHA-256 under the key, whatever its head says. */
static const char *
sign(const char *head, const char *claims, const char *key)
{
    static char token[4096];
    uint8_t mac[CRYPT_SHA256_LEN];
    struct slice signed_part;
    token[0] = '\0';
    put_base64url(slice_cstr(head), token);
    strcat(token, ".");
    put_base64url(slice_cstr(claims), token);
    signed_part = slice_cstr(token);
    crypt_hmac_sha256(slice_cstr(key), &signed_part, 1, mac);
    strcat(token, ".");
    put_base64url(slice_of(mac, sizeof(mac)), token);
    return token;
}

static enum err
read_token(const struct tokens *tokens, const char *token, struct tokens_claims *claims)
{
    const char *why = NULL;
    enum err err = tokens_read(tokens, slice_cstr(token), NOW_MS, claims, &why);
    CU_ASSERT(err == OK || (err == ERR_DENIED && why != NULL));
    return err;
}

static bool
is_taken(const struct tokens *tokens, const char *token)
{
    struct tokens_claims claims;
    bool ok = tokens_is_token(slice_cstr(token)) && read_token(tokens, token, &claims) == OK;
    if (ok)
        tokens_claims_fini(&claims);
    return ok;
}

static void
only_our_signature_counts(void)
{
    struct tokens *tokens = open_tokens(SECRET "\n");
    char token[4096];
    CU_ASSERT_TRUE(is_taken(tokens, sign(HS256, "{\"sub\":\"ann\"}", SECRET)));
    CU_ASSERT_FALSE(
        is_taken(tokens, sign(HS256, "{\"sub\":\"ann\"}", "another secret of 32 bytes .....")));
    (void)snprintf(token, sizeof(token), "%s", sign(HS256, "{\"sub\":\"ann\"}", SECRET));
    token[30] = token[30] == 'A' ? 'B' : 'A'; /* in the claims */
    CU_ASSERT_FALSE(is_taken(tokens, token));
    tokens_free(tokens);
}

static void
a_token_does_not_choose_how_it_is_checked(void)
{
    struct tokens *tokens = open_tokens(SECRET);
    char none[256] = "";
    CU_ASSERT_FALSE(is_taken(tokens, sign("{\"alg\":\"none\"}", "{\"sub\":\"ann\"}", SECRET)));
    put_base64url(slice_cstr("{\"alg\":\"none\",\"typ\":\"JWT\"}"), none);
    strcat(none, ".");
    put_base64url(slice_cstr("{\"sub\":\"ann\"}"), none);
    strcat(none, ".");
    CU_ASSERT_FALSE(is_taken(tokens, none));
    CU_ASSERT_FALSE(is_taken(tokens, sign("{\"alg\":\"HS384\"}", "{\"sub\":\"ann\"}", SECRET)));
    CU_ASSERT_FALSE(is_taken(tokens, sign("{\"alg\":\"RS256\"}", "{\"sub\":\"ann\"}", SECRET)));
    CU_ASSERT_FALSE(is_taken(tokens, sign("{}", "{\"sub\":\"ann\"}", SECRET)));
    tokens_free(tokens);
    /* A public key everybody knows is no secret. */
    tokens = open_tokens(PUBLIC_KEY);
    CU_ASSERT_FALSE(is_taken(tokens, sign(HS256, "{\"sub\":\"ann\"}", PUBLIC_KEY)));
    CU_ASSERT_FALSE(is_taken(tokens, sign("{\"alg\":\"ES256\"}", "{\"sub\":\"ann\"}", PUBLIC_KEY)));
    tokens_free(tokens);
}

/* RFC 7515, 4.1.11: who does not know what is critical must not take the token. */
static void
what_a_token_says_is_critical_we_would_have_to_know(void)
{
    struct tokens *tokens = open_tokens(SECRET);
    CU_ASSERT_FALSE(is_taken(
        tokens, sign("{\"alg\":\"HS256\",\"crit\":[\"exp\"]}", "{\"sub\":\"ann\"}", SECRET)));
    CU_ASSERT_FALSE(is_taken(tokens, sign("{\"alg\":\"HS256\",\"crit\":[\"b64\"],\"b64\":false}",
                                          "{\"sub\":\"a\"}", SECRET)));
    tokens_free(tokens);
}

static void
tokens_are_valid_for_a_time(void)
{
    static const struct {
        const char *claims;
        bool taken;
        uint64_t end_ms;
    } table[] = {
        {"{\"sub\":\"a\"}", true, 0},
        {"{\"sub\":\"a\",\"exp\":1700000060}", true, UINT64_C(1700000090000)},
        {"{\"sub\":\"a\",\"exp\":1700000060.5}", true, UINT64_C(1700000090500)},
        {"{\"sub\":\"a\",\"exp\":1699999971}", true, UINT64_C(1700000001000)}, /* leeway */
        {"{\"sub\":\"a\",\"exp\":1699999970}", false, 0},
        {"{\"sub\":\"a\",\"exp\":0}", false, 0},
        {"{\"sub\":\"a\",\"exp\":-5}", false, 0},
        {"{\"sub\":\"a\",\"exp\":1e300}", false, 0},
        {"{\"sub\":\"a\",\"exp\":\"1800000000\"}", false, 0},
        {"{\"sub\":\"a\",\"exp\":null}", false, 0},
        {"{\"sub\":\"a\",\"nbf\":1700000030}", true, 0},
        {"{\"sub\":\"a\",\"nbf\":1700000031}", false, 0},
        {"{\"sub\":\"a\",\"nbf\":true}", false, 0},
    };
    struct tokens *tokens = open_tokens(SECRET);
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct tokens_claims claims;
        enum err err = read_token(tokens, sign(HS256, table[i].claims, SECRET), &claims);
        CU_ASSERT_EQUAL(err == OK, table[i].taken);
        if (err != OK)
            continue;
        CU_ASSERT_EQUAL(claims.end_ms, table[i].end_ms);
        tokens_claims_fini(&claims);
    }
    tokens_free(tokens);
}

static void
tokens_of_others_and_for_others_are_refused_if_we_are_named(void)
{
    static const struct {
        const char *claims;
        bool named, anybody;
    } table[] = {
        {"{\"sub\":\"a\",\"iss\":\"i\",\"aud\":\"us\"}", true, true},
        {"{\"sub\":\"a\",\"iss\":\"i\",\"aud\":[\"them\",\"us\"]}", true, true},
        {"{\"sub\":\"a\",\"iss\":\"i\",\"aud\":[\"them\"]}", false, true},
        {"{\"sub\":\"a\",\"iss\":\"i\",\"aud\":[]}", false, true},
        {"{\"sub\":\"a\",\"iss\":\"i\",\"aud\":[[\"us\"]]}", false, true},
        {"{\"sub\":\"a\",\"iss\":\"i\",\"aud\":\"US\"}", false, true},
        {"{\"sub\":\"a\",\"iss\":\"i\"}", false, true},
        {"{\"sub\":\"a\",\"iss\":\"j\",\"aud\":\"us\"}", false, true},
        {"{\"sub\":\"a\",\"aud\":\"us\"}", false, true},
        {"{\"sub\":\"a\",\"iss\":7,\"aud\":{}}", false, true},
    };
    struct tokens *anybody = open_tokens(SECRET), *named;
    issuer = "i";
    audience = "us";
    named = open_tokens(SECRET);
    issuer = audience = "";
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        CU_ASSERT_EQUAL(is_taken(named, sign(HS256, table[i].claims, SECRET)), table[i].named);
        CU_ASSERT_EQUAL(is_taken(anybody, sign(HS256, table[i].claims, SECRET)), table[i].anybody);
    }
    tokens_free(named);
    tokens_free(anybody);
}

static void
claims_become_roles_and_rules(void)
{
    static const struct {
        const char *claims;
        const char *roles, *rules;
        uint8_t listed;
    } table[] = {
        {"{\"sub\":\"a\"}", "", "", 0},
        {"{\"sub\":\"a\",\"roles\":[\"R\",\"two\"]}", "\1R\3two", "", 0},
        {"{\"sub\":\"a\",\"publish\":[\"s/%u/#\",\"x\"],\"subscribe\":[]}", "",
         "allow publish s/%u/#\nallow publish x\n", ACCESS_ALL},
        {"{\"sub\":\"a\",\"subscribe\":[\"y\"]}", "", "allow subscribe y\n", ACCESS_SUBSCRIBE},
        {"{\"sub\":\"a\",\"rules\":\"allow all a\\ndeny all b\"}", "", "allow all a\ndeny all b",
         0},
        {"{\"sub\":\"a\",\"rules\":[\"allow all a\",\"deny all b\"]}", "",
         "allow all a\ndeny all b\n", 0},
    };
    struct tokens *tokens = open_tokens(SECRET);
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct tokens_claims claims;
        CU_ASSERT_EQUAL_FATAL(read_token(tokens, sign(HS256, table[i].claims, SECRET), &claims),
                              OK);
        CU_ASSERT(slice_equal_cstr(buf_slice(&claims.user), "a"));
        CU_ASSERT(slice_equal_cstr(buf_slice(&claims.roles), table[i].roles));
        CU_ASSERT(slice_equal_cstr(buf_slice(&claims.rules), table[i].rules));
        CU_ASSERT_EQUAL(claims.listed, table[i].listed);
        tokens_claims_fini(&claims);
    }
    tokens_free(tokens);
}

static void
claims_that_say_nothing_right_are_refused(void)
{
    static const char *const table[] = {
        "{}",
        "[]",
        "7",
        "{\"sub\":7}",
        "{\"sub\":\"\"}",
        "{\"sub\":\"a\",\"sub\":\"b\"}",
        "{\"sub\":\"a\",\"roles\":\"R\"}",
        "{\"sub\":\"a\",\"roles\":[7]}",
        "{\"sub\":\"a\",\"roles\":[\"\"]}",
        "{\"sub\":\"a\",\"publish\":\"x\"}",
        "{\"sub\":\"a\",\"publish\":[\"a/#/b\"]}",
        "{\"sub\":\"a\",\"publish\":[\"x\\nallow all #\"]}",
        "{\"sub\":\"a\",\"subscribe\":{}}",
        "{\"sub\":\"a\",\"rules\":\"permit\"}",
        "{\"sub\":\"a\",\"rules\":7}",
    };
    struct tokens *tokens = open_tokens(SECRET);
    size_t i;
    for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        CU_ASSERT_FALSE(is_taken(tokens, sign(HS256, table[i], SECRET)));
    tokens_free(tokens);
}

static void
what_is_no_token_is_a_password(void)
{
    CU_ASSERT_TRUE(tokens_is_token(slice_cstr("eyJh.eyJz.c2ln")));
    CU_ASSERT_FALSE(tokens_is_token(slice_cstr("eyJh.eyJz")));
    CU_ASSERT_FALSE(tokens_is_token(slice_cstr("eyJh.eyJz.c2ln.x")));
    CU_ASSERT_FALSE(tokens_is_token(slice_cstr("secret.of.ann")));
    CU_ASSERT_FALSE(tokens_is_token(slice_cstr("eyJh.ey z.c2ln")));
    CU_ASSERT_FALSE(tokens_is_token(slice_cstr("")));
}

static void
keys_are_renewed_and_bad_ones_are_not_taken(void)
{
    struct tokens *tokens = NULL;
    char reason[TOKENS_REASON_SIZE];
    CU_ASSERT_EQUAL(try_open("too short\n", &tokens), ERR_INVALID);
    CU_ASSERT_EQUAL(try_open("", &tokens), ERR_INVALID);
    tokens = open_tokens(SECRET);
    CU_ASSERT_TRUE(tokens_refresh(tokens, reason));
    unlink(path);
    write_key("another secret of 32 bytes .....");
    CU_ASSERT_TRUE(tokens_refresh(tokens, reason));
    CU_ASSERT_FALSE(is_taken(tokens, sign(HS256, "{\"sub\":\"ann\"}", SECRET)));
    CU_ASSERT_TRUE(
        is_taken(tokens, sign(HS256, "{\"sub\":\"ann\"}", "another secret of 32 bytes .....")));
    unlink(path);
    CU_ASSERT_FALSE(tokens_refresh(tokens, reason));
    CU_ASSERT_TRUE(
        is_taken(tokens, sign(HS256, "{\"sub\":\"ann\"}", "another secret of 32 bytes .....")));
    tokens_free(tokens);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(only_our_signature_counts),
    CUNIT_CASE(a_token_does_not_choose_how_it_is_checked),
    CUNIT_CASE(what_a_token_says_is_critical_we_would_have_to_know),
    CUNIT_CASE(tokens_are_valid_for_a_time),
    CUNIT_CASE(tokens_of_others_and_for_others_are_refused_if_we_are_named),
    CUNIT_CASE(claims_become_roles_and_rules),
    CUNIT_CASE(claims_that_say_nothing_right_are_refused),
    CUNIT_CASE(what_is_no_token_is_a_password),
    CUNIT_CASE(keys_are_renewed_and_bad_ones_are_not_taken),
};

int
main(void)
{
    int fd = mkstemp(path);
    int failed;
    if (fd < 0)
        return 2;
    close(fd);
    failed = cunit_run("tokens", cases, sizeof(cases) / sizeof(cases[0]));
    unlink(path);
    return failed;
}
