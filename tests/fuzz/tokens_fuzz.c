/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON Web Tokens. Input: a head up to a zero byte, then claims; both are signed here with our key,
 * since a signature cannot be guessed. The same bytes as a password without that are looked at too.
 * What is taken must be what the gateway counts on: a user's name, roles and rules that can be
 * read.
 */
#include "common/crypt.h"
#include "common/mem.h"
#include "proto/access_rules.h"
#include "proto/utf8.h"
#include "services/gateway/tokens.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SECRET     "a secret of 32 bytes for fuzzing"
#define INPUT_MAX  8000u
#define NOW_MS     UINT64_C(1700000000000)
#define TOKEN_SIZE (2 * CRYPT_BASE64_SIZE(INPUT_MAX) + 64)

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static struct tokens *
open_tokens(void)
{
    static char path[] = "/tmp/sluice-tokens-fuzz-XXXXXX";
    static char *files[] = {path};
    const struct tokens_settings settings = {files, 1, "sub", 30, "", ""};
    struct tokens *tokens = NULL;
    char reason[TOKENS_REASON_SIZE];
    int fd = mkstemp(path);
    require(fd >= 0 && write(fd, SECRET, sizeof(SECRET) - 1) == (ssize_t)sizeof(SECRET) - 1);
    close(fd);
    require(tokens_new(&settings, &tokens, reason) == OK);
    unlink(path);
    return tokens;
}

static size_t
put_base64url(struct slice bytes, char *out)
{
    char text[CRYPT_BASE64_SIZE(INPUT_MAX)];
    size_t n;
    crypt_base64(bytes.data, bytes.len, text, sizeof(text));
    for (n = 0; text[n] != '\0' && text[n] != '='; n++)
        out[n] = text[n] == '+' ? '-' : text[n] == '/' ? '_' : text[n];
    return n;
}

static size_t
sign(struct slice head, struct slice claims, char *out)
{
    uint8_t mac[CRYPT_SHA256_LEN];
    struct slice part;
    size_t len = put_base64url(head, out);
    out[len++] = '.';
    len += put_base64url(claims, out + len);
    part = slice_of(out, len);
    crypt_hmac_sha256(slice_cstr(SECRET), &part, 1, mac);
    out[len++] = '.';
    return len + put_base64url(slice_of(mac, sizeof(mac)), out + len);
}

static void
judge(const struct tokens *tokens, struct slice token)
{
    struct tokens_claims claims;
    struct access_rules rules;
    struct access_problem problem;
    const char *why = NULL;
    if (tokens_read(tokens, token, NOW_MS, &claims, &why) != OK) {
        require(why != NULL);
        return;
    }
    struct slice user = buf_slice(&claims.user), roles = buf_slice(&claims.roles);
    require(user.len > 0 && utf8_is_valid(user) && (claims.listed & ~ACCESS_ALL) == 0);
    require(claims.end_ms == 0 || claims.end_ms > NOW_MS);
    for (size_t at = 0; at < roles.len; at += 1u + roles.data[at])
        require(roles.data[at] > 0 && roles.data[at] < roles.len - at);
    require(access_rules_parse(buf_slice(&claims.rules), &rules, &problem) == OK);
    access_rules_fini(&rules);
    tokens_claims_fini(&claims);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tokens *tokens;
    static char token[TOKEN_SIZE];
    struct slice all = slice_of(data, size < INPUT_MAX ? size : INPUT_MAX);
    size_t head = slice_find(all, 0);
    if (tokens == NULL)
        tokens = open_tokens();
    if (tokens_is_token(all))
        judge(tokens, all);
    struct slice signed_token =
        slice_of(token, sign(slice_sub(all, 0, head), slice_sub(all, head + 1, all.len), token));
    if (tokens_is_token(signed_token))
        judge(tokens, signed_token);
    return 0;
}
