/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of digests against published vectors, and of password texts. */
#include "common/crypt.h"
#include "tests/unit/cunit_main.h"

static const struct crypt_cost cheap = {16, 1, 1};

static bool
is_hex(const uint8_t *data, size_t len, const char *expected)
{
    char text[200];
    crypt_hex(data, len, text);
    return strcmp(text, expected) == 0;
}

/* FIPS 180-2, RFC 4231 case 2, RFC 1321. */
static void
digests_give_the_published_values(void)
{
    uint8_t out[CRYPT_SHA256_LEN];
    char md5[CRYPT_MD5_HEX_SIZE];
    const struct slice parts[] = {slice_cstr("what do ya want "), slice_cstr(""),
                                  slice_cstr("for nothing?")};
    crypt_sha256(slice_cstr("abc"), out);
    CU_ASSERT(is_hex(out, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    crypt_sha256(slice_of(NULL, 0), out);
    CU_ASSERT(is_hex(out, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
    crypt_hmac_sha256(slice_cstr("Jefe"), parts, 3, out);
    CU_ASSERT(is_hex(out, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"));
    crypt_hmac_sha256(slice_of(NULL, 0), NULL, 0, out);
    CU_ASSERT(is_hex(out, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
    CU_ASSERT_EQUAL(crypt_md5_hex(slice_cstr("abc"), md5), OK);
    CU_ASSERT_STRING_EQUAL(md5, "900150983cd24fb0d6963f7d28e17f72");
}

/* RFC 7914, 12. */
static void
scrypt_gives_the_published_values(void)
{
    uint8_t out[64];
    CU_ASSERT_EQUAL(crypt_scrypt(slice_cstr(""), slice_cstr(""), cheap, out, 64), OK);
    CU_ASSERT(is_hex(out, 64,
                     "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
                     "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"));
    CU_ASSERT_EQUAL(crypt_scrypt(slice_cstr("pleaseletmein"), slice_cstr("SodiumChloride"),
                                 CRYPT_COST_DEFAULT, out, 32),
                    OK);
    CU_ASSERT(is_hex(out, 32, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"));
}

static void
costs_are_bounded(void)
{
    static const struct crypt_cost bad[] = {
        {0, 8, 1},
        {1, 8, 1},
        {1000, 8, 1},
        {(uint64_t)1 << 21, 1, 1},
        {16384, 0, 1},
        {16384, 33, 1},
        {16384, 8, 0},
        {16384, 8, 17},
        {(uint64_t)1 << 20, 8, 1},
        {UINT64_MAX, 8, 1},
    };
    uint8_t out[32];
    size_t i;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(crypt_scrypt(slice_cstr("x"), slice_cstr("y"), bad[i], out, 32),
                        ERR_INVALID);
}

static void
a_password_fits_its_own_text_only(void)
{
    char a[CRYPT_PASSWORD_TEXT_MAX];
    char b[CRYPT_PASSWORD_TEXT_MAX];
    CU_ASSERT_EQUAL(crypt_password_hash(slice_cstr("secret"), CRYPT_COST_DEFAULT, a), OK);
    CU_ASSERT_EQUAL(crypt_password_hash(slice_cstr("secret"), cheap, b), OK);
    CU_ASSERT_EQUAL(strncmp(a, "scrypt$16384$8$1$", 17), 0);
    CU_ASSERT_STRING_NOT_EQUAL(a, b);
    CU_ASSERT_EQUAL(crypt_password_verify(slice_cstr("secret"), slice_cstr(a)), OK);
    CU_ASSERT_EQUAL(crypt_password_verify(slice_cstr("secret"), slice_cstr(b)), OK);
    CU_ASSERT_EQUAL(crypt_password_verify(slice_cstr("Secret"), slice_cstr(b)), ERR_DENIED);
    CU_ASSERT_EQUAL(crypt_password_verify(slice_cstr(""), slice_cstr(b)), ERR_DENIED);
    CU_ASSERT_EQUAL(crypt_password_hash(slice_cstr(""), cheap, b), OK);
    CU_ASSERT_EQUAL(crypt_password_verify(slice_of(NULL, 0), slice_cstr(b)), OK);
}

static void
a_stored_md5_keeps_its_password(void)
{
    char text[CRYPT_PASSWORD_TEXT_MAX];
    CU_ASSERT_EQUAL(
        crypt_password_hash_md5(slice_cstr("900150983CD24FB0D6963F7D28E17F72"), cheap, text), OK);
    CU_ASSERT_EQUAL(strncmp(text, "scrypt-md5$", 11), 0);
    CU_ASSERT_EQUAL(crypt_password_verify(slice_cstr("abc"), slice_cstr(text)), OK);
    CU_ASSERT_EQUAL(crypt_password_verify(slice_cstr("abd"), slice_cstr(text)), ERR_DENIED);
    CU_ASSERT_EQUAL(
        crypt_password_verify(slice_cstr("900150983cd24fb0d6963f7d28e17f72"), slice_cstr(text)),
        ERR_DENIED);
    CU_ASSERT_EQUAL(crypt_password_hash_md5(slice_cstr("900150983cd24f"), cheap, text),
                    ERR_INVALID);
    CU_ASSERT_EQUAL(
        crypt_password_hash_md5(slice_cstr("zz0150983cd24fb0d6963f7d28e17f72"), cheap, text),
        ERR_INVALID);
}

static void
hostile_password_texts_are_malformed(void)
{
    static const char *const bad[] = {
        "",
        "plain",
        "scrypt",
        "scrypt$$$$$",
        "scrypt$16$1$1$$",
        "scrypt$16$1$1$AAAA$AAAA",
        "md5$16$1$1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "scrypt$17$1$1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "scrypt$1048576$32$16$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "scrypt$99999999999999999999$1$1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "scrypt$16$1$1$AAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=$more",
        "scrypt$16$1$1$AA=A$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    };
    size_t i;
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(crypt_password_verify(slice_cstr("x"), slice_cstr(bad[i])), ERR_MALFORMED);
}

static void
hex_comes_back_and_is_strict(void)
{
    uint8_t out[3] = {9, 9, 9};
    CU_ASSERT_EQUAL(crypt_hex_decode(slice_cstr("00fFa1"), out, 3), OK);
    CU_ASSERT(is_hex(out, 3, "00ffa1"));
    CU_ASSERT_EQUAL(crypt_hex_decode(slice_cstr("00ffa"), out, 3), ERR_MALFORMED);
    CU_ASSERT_EQUAL(crypt_hex_decode(slice_cstr("00ffa1b"), out, 3), ERR_MALFORMED);
    CU_ASSERT_EQUAL(crypt_hex_decode(slice_cstr("00ffag"), out, 3), ERR_MALFORMED);
}

/* RFC 4648, 10. */
static void
base64_comes_back_and_is_strict(void)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {
        "Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "====", "Zg==Zg==", "Zm 9", "Zm9v\n", "Zm9-"};
    uint8_t out[16];
    char text[32];
    size_t len = 77;
    size_t i;
    for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        crypt_base64(pairs[i][0], strlen(pairs[i][0]), text, sizeof(text));
        CU_ASSERT_STRING_EQUAL(text, pairs[i][1]);
        CU_ASSERT_EQUAL(crypt_base64_decode(slice_cstr(text), out, sizeof(out), &len), OK);
        CU_ASSERT(slice_equal_cstr(slice_of(out, len), pairs[i][0]));
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CU_ASSERT_EQUAL(crypt_base64_decode(slice_cstr(bad[i]), out, sizeof(out), &len),
                        ERR_MALFORMED);
    CU_ASSERT_EQUAL(crypt_base64_decode(slice_cstr("Zm9v"), out, 2, &len), ERR_TOO_LARGE);
}

static void
random_differs_and_equal_compares(void)
{
    uint8_t a[16];
    uint8_t b[16];
    crypt_random(a, sizeof(a));
    crypt_random(b, sizeof(b));
    CU_ASSERT_FALSE(crypt_equal(a, b, sizeof(a)));
    CU_ASSERT(crypt_equal(a, a, sizeof(a)));
    CU_ASSERT(crypt_equal(NULL, NULL, 0));
    CU_ASSERT_NOT_EQUAL(crypt_random_u64(), crypt_random_u64());
    crypt_wipe(a, sizeof(a));
    CU_ASSERT(is_hex(a, 16, "00000000000000000000000000000000"));
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(digests_give_the_published_values),
    CUNIT_CASE(scrypt_gives_the_published_values),
    CUNIT_CASE(costs_are_bounded),
    CUNIT_CASE(a_password_fits_its_own_text_only),
    CUNIT_CASE(a_stored_md5_keeps_its_password),
    CUNIT_CASE(hostile_password_texts_are_malformed),
    CUNIT_CASE(hex_comes_back_and_is_strict),
    CUNIT_CASE(base64_comes_back_and_is_strict),
    CUNIT_CASE(random_differs_and_equal_compares),
};
CUNIT_MAIN("crypt", cases)
