/* SPDX-License-Identifier: Apache-2.0 */
/* SCRAM-SHA-256 against the example of RFC 7677, and against everything that is not it. */
#include "services/store/scram.h"
#include "tests/unit/cunit_main.h"

#include <string.h>

/* RFC 7677, section 3 */
#define C_FIRST "n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
#define S_FIRST                                                                                    \
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define C_FINAL                                                                                    \
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"                                 \
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define S_FINAL "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="

static void
of_password(const char *password, const char *salt, uint32_t iterations, struct scram_verifier *v)
{
    uint8_t salted[CRYPT_SHA256_LEN];
    struct slice part = slice_cstr("Client Key");
    memset(v, 0, sizeof(*v));
    v->iterations = iterations;
    CU_ASSERT_EQUAL_FATAL(
        crypt_base64_decode(slice_cstr(salt), v->salt, sizeof(v->salt), &v->salt_len), OK);
    crypt_pbkdf2_sha256(slice_cstr(password), slice_of(v->salt, v->salt_len), iterations, salted);
    crypt_hmac_sha256(slice_of(salted, sizeof(salted)), &part, 1, v->stored_key);
    crypt_sha256(slice_of(v->stored_key, CRYPT_SHA256_LEN), v->stored_key);
    part = slice_cstr("Server Key");
    crypt_hmac_sha256(slice_of(salted, sizeof(salted)), &part, 1, v->server_key);
}

static void
example_of_the_standard_passes(void)
{
    struct scram_verifier v;
    struct scram_first first;
    char out[SCRAM_FINAL_SIZE];
    of_password("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, &v);
    CU_ASSERT_EQUAL_FATAL(scram_first_parse(slice_cstr(C_FIRST), &first), OK);
    CU_ASSERT_TRUE(slice_equal_cstr(scram_first_user(&first), "user"));
    CU_ASSERT_EQUAL_FATAL(scram_check(&first, slice_cstr(S_FIRST), slice_cstr(C_FINAL), &v, out),
                          OK);
    CU_ASSERT_STRING_EQUAL(out, S_FINAL);
}

static void
proof_of_another_password_or_exchange_is_denied(void)
{
    struct scram_verifier v;
    struct scram_first first;
    char out[SCRAM_FINAL_SIZE];
    CU_ASSERT_EQUAL_FATAL(scram_first_parse(slice_cstr(C_FIRST), &first), OK);
    of_password("Pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, &v);
    CU_ASSERT_EQUAL(scram_check(&first, slice_cstr(S_FIRST), slice_cstr(C_FINAL), &v, out),
                    ERR_DENIED);
    of_password("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, &v);
    CU_ASSERT_EQUAL_FATAL(
        scram_first_parse(slice_cstr("n,,n=user2,r=rOprNGfwEbeRWgbNEkqO"), &first), OK);
    CU_ASSERT_EQUAL(scram_check(&first, slice_cstr(S_FIRST), slice_cstr(C_FINAL), &v, out),
                    ERR_DENIED);
    scram_verifier_fake(slice_cstr("secret"), slice_cstr("user"), &v);
    CU_ASSERT_EQUAL_FATAL(scram_first_parse(slice_cstr(C_FIRST), &first), OK);
    CU_ASSERT_EQUAL(scram_check(&first, slice_cstr(S_FIRST), slice_cstr(C_FINAL), &v, out),
                    ERR_DENIED);
}

static void
final_message_that_does_not_answer_the_challenge_is_malformed(void)
{
    static const char *const rows[] = {
        "",
        "c=biws",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
        "c=eSws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p="
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzb",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=!",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,c=biws,p="
        "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        ",,,,",
    };
    struct scram_verifier v;
    struct scram_first first;
    char out[SCRAM_FINAL_SIZE];
    of_password("pencil", "W22ZaJ0SNY7soEsUEjb6gQ==", 4096, &v);
    CU_ASSERT_EQUAL_FATAL(scram_first_parse(slice_cstr(C_FIRST), &first), OK);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        CU_ASSERT_EQUAL(scram_check(&first, slice_cstr(S_FIRST), slice_cstr(rows[i]), &v, out),
                        ERR_MALFORMED);
}

static void
first_messages_are_read_strictly(void)
{
    static const struct {
        const char *text;
        enum err err;
        const char *user;
    } rows[] = {
        {"n,,n=user,r=x", OK, "user"},
        {"y,,n=user,r=x", OK, "user"},
        {"n,,n=a=2Cb=3Dc,r=x", OK, "a,b=c"},
        {"n,,n=user,r=x,ext=1", OK, "user"},
        {"p=tls-unique,,n=user,r=x", ERR_UNSUPPORTED, NULL},
        {"n,a=other,n=user,r=x", ERR_UNSUPPORTED, NULL},
        {"n,,m=ext,n=user,r=x", ERR_UNSUPPORTED, NULL},
        {"", ERR_MALFORMED, NULL},
        {"n", ERR_MALFORMED, NULL},
        {"n,,", ERR_MALFORMED, NULL},
        {"x,,n=user,r=x", ERR_MALFORMED, NULL},
        {"n,,n=,r=x", ERR_MALFORMED, NULL},
        {"n,,n=user", ERR_MALFORMED, NULL},
        {"n,,n=user,r=", ERR_MALFORMED, NULL},
        {"n,,r=x,n=user", ERR_MALFORMED, NULL},
        {"n,,n=a=2,r=x", ERR_MALFORMED, NULL},
        {"n,,n=a=,r=x", ERR_MALFORMED, NULL},
        {"n,,n=a=41,r=x", ERR_MALFORMED, NULL},
        {"n,,n=\xff,r=x", ERR_MALFORMED, NULL},
        {"n,,n=user,r=a b", ERR_MALFORMED, NULL},
    };
    struct scram_first first;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CU_ASSERT_EQUAL(scram_first_parse(slice_cstr(rows[i].text), &first), rows[i].err);
        if (rows[i].user != NULL)
            CU_ASSERT_TRUE(slice_equal_cstr(scram_first_user(&first), rows[i].user));
    }
}

static void
verifier_comes_back_from_its_text(void)
{
    char text[SCRAM_VERIFIER_MAX];
    struct scram_verifier v, again;
    char salt[CRYPT_BASE64_SIZE(SCRAM_SALT_MAX)];
    scram_verifier_text(slice_cstr("pencil"), text);
    CU_ASSERT_EQUAL_FATAL(scram_verifier_parse(slice_cstr(text), &v), OK);
    CU_ASSERT_EQUAL(v.iterations, SCRAM_ITERATIONS);
    crypt_base64(v.salt, v.salt_len, salt, sizeof(salt));
    of_password("pencil", salt, v.iterations, &again);
    CU_ASSERT_EQUAL(memcmp(v.stored_key, again.stored_key, CRYPT_SHA256_LEN), 0);
    CU_ASSERT_EQUAL(memcmp(v.server_key, again.server_key, CRYPT_SHA256_LEN), 0);
    for (size_t n = 0; n < strlen(text); n++)
        CU_ASSERT_EQUAL(scram_verifier_parse(slice_of(text, n), &again), ERR_MALFORMED);
}

static void
challenge_of_nobody_looks_like_that_of_somebody(void)
{
    struct scram_verifier one, two, other, real;
    struct scram_first first;
    char text[SCRAM_VERIFIER_MAX], a[SCRAM_FIRST_SIZE], b[SCRAM_FIRST_SIZE];
    scram_verifier_fake(slice_cstr("secret"), slice_cstr("user"), &one);
    scram_verifier_fake(slice_cstr("secret"), slice_cstr("user"), &two);
    scram_verifier_fake(slice_cstr("secret"), slice_cstr("other"), &other);
    CU_ASSERT_EQUAL(memcmp(one.salt, two.salt, one.salt_len), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(one.salt, other.salt, one.salt_len), 0);
    scram_verifier_text(slice_cstr("x"), text);
    CU_ASSERT_EQUAL_FATAL(scram_verifier_parse(slice_cstr(text), &real), OK);
    CU_ASSERT_EQUAL_FATAL(scram_first_parse(slice_cstr(C_FIRST), &first), OK);
    scram_challenge(&first, &one, a);
    scram_challenge(&first, &real, b);
    CU_ASSERT_EQUAL(strlen(a), strlen(b));
    CU_ASSERT_EQUAL(strncmp(a, "r=rOprNGfwEbeRWgbNEkqO", 22), 0);
    CU_ASSERT_NOT_EQUAL(strcmp(a, b), 0);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(example_of_the_standard_passes),
    CUNIT_CASE(proof_of_another_password_or_exchange_is_denied),
    CUNIT_CASE(final_message_that_does_not_answer_the_challenge_is_malformed),
    CUNIT_CASE(first_messages_are_read_strictly),
    CUNIT_CASE(verifier_comes_back_from_its_text),
    CUNIT_CASE(challenge_of_nobody_looks_like_that_of_somebody),
};
CUNIT_MAIN("scram", cases)
