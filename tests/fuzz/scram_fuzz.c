/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what a stranger can send in an authentication. The input is lines: the client's first
 * message, the server's (empty: as it would answer, with a fixed nonce), the client's last, and a
 * verifier as the store keeps it (empty: that of the example of RFC 7677, whose exchange is in the
 * corpus). A proof is right only in that exchange.
 */
#include "services/store/scram.h"

#include <stdlib.h>
#include <string.h>

#define PENCIL                                                                                     \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"    \
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static struct slice
next_line(struct slice *rest)
{
    size_t len = slice_find(*rest, '\n');
    struct slice line = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len + 1, rest->len);
    return line;
}

static void
challenge(const struct scram_first *first, const struct scram_verifier *verifier)
{
    char text[SCRAM_FIRST_SIZE];
    memset(text, 'x', sizeof(text));
    scram_challenge(first, verifier, text);
    require(memchr(text, 0, sizeof(text)) != NULL && memcmp(text, "r=", 2) == 0 &&
            memcmp(text + 2, first->nonce.data, first->nonce.len) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct slice message = next_line(&rest), server = next_line(&rest), final = next_line(&rest);
    struct scram_verifier verifier;
    struct scram_first first;
    char text[SCRAM_FIRST_SIZE], out[SCRAM_FINAL_SIZE];
    bool is_pencil = rest.len == 0 || scram_verifier_parse(rest, &verifier) != OK;
    if (is_pencil)
        require(scram_verifier_parse(slice_cstr(PENCIL), &verifier) == OK);
    require(verifier.salt_len <= SCRAM_SALT_MAX && verifier.iterations > 0);
    if (scram_first_parse(message, &first) != OK)
        return 0;
    require(first.user_len > 0 && first.user_len <= sizeof(first.user));
    require(first.nonce.len > 0 && first.nonce.len <= SCRAM_NONCE_MAX);
    require(first.header.len + first.bare.len == message.len);
    challenge(&first, &verifier);
    if (server.len == 0) {
        (void)str_format(text, sizeof(text), "r=%.*sserver,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                         (int)first.nonce.len, (const char *)first.nonce.data);
        server = slice_cstr(text);
    }
    memset(out, 'x', sizeof(out));
    enum err err = scram_check(&first, server, final, &verifier, out);
    require(err == OK || err == ERR_DENIED || err == ERR_MALFORMED);
    require(err != OK || memcmp(out, "v=", 2) == 0);
    require(err != OK || !is_pencil || slice_equal_cstr(first.nonce, "rOprNGfwEbeRWgbNEkqO"));
    return 0;
}
